"""What ``results.json`` says about where the figures come from: out of ``run.json``, nothing is looked up
here."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from harness.config.schema import RigFile


def environment(run: Mapping[str, Any], rig: RigFile) -> dict[str, Any]:
    """The host, the devices, the clocks, and what the rig file says about the place."""
    return {
        "host": run.get("host", {}),
        "realtime": run.get("realtime", {}),
        "clocks": run.get("clocks", []),
        "ports": run.get("ports", {}),
        "devices": run.get("devices", {}),
        "described": dict(rig.environment),
        "doctor": run.get("doctor", []),
    }


def provenance(run: Mapping[str, Any], changed: list[str]) -> dict[str, Any]:
    """Versions, hashes, seed, command line, and the command that repeats the run."""
    used = run.get("rig", {})
    return {
        "harness_version": run.get("harness_version", ""),
        "versions": run.get("versions", {}),
        "git": run.get("git", {}),
        "rig_file": used.get("file", ""),
        "rig_sha256": used.get("sha256", ""),
        "overrides": used.get("overrides", []),
        "raw_sha256": run.get("raw_sha256", {}),
        "raw_unchanged": not changed and bool(run.get("raw_sha256")),
        "seed": run.get("seed"),
        "scenario_seeds": {str(s["name"]): s.get("seed") for s in run.get("scenarios", [])},
        "command_line": run.get("command_line", []),
        "operator": run.get("operator"),
        "repeat": repeat(run),
    }


def repeat(run: Mapping[str, Any]) -> str:
    """The command that repeats the run with the same rig file, overrides and seeds."""
    used = run.get("rig", {})
    words = ["harness", "run", str(used.get("file", ""))]
    overrides = [str(each) for each in used.get("overrides", [])]
    given = {each.partition("=")[0] for each in overrides}
    for scenario in run.get("scenarios", []):
        key = f"scenarios.{scenario['name']}.schedule.seed"
        if scenario.get("seed") is not None and key not in given:
            overrides.append(f"{key}={scenario['seed']}")
    for each in overrides:
        words += ["--set", each]
    for each in used.get("only_scenarios", []):
        words += ["--scenario", str(each)]
    return shlex.join(words)
