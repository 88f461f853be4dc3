"""Run folders to index: those of the report's tests, with figures, commits and hosts of one's choice."""

from __future__ import annotations

import functools
import json
from copy import deepcopy
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import report_data

FIRST = datetime(2026, 1, 31, 12, 0, tzinfo=timezone.utc)
HOST = {
    "hostname": "bench-3",
    "kernel": "6.8.0-51-generic",
    "cpu_model": "Intel(R) Core(TM) i7-1370P",
    "cpus": 2,
    "architecture": "x86_64",
    "virtualisation": "none seen (bench)",
    "load_1_min": 0.3,
}
RIG = {
    "rig": {"name": "sim", "simulated": True},
    "devices": {
        "robot": {
            "adapter": "ros2",
            "ports": {
                "cmd_vel": {"stimulus": {"type": "geometry_msgs/msg/TwistStamped"}, "response": None},
                "applied": {"stimulus": None, "response": {"type": "geometry_msgs/msg/TwistStamped"}},
            },
        }
    },
}


@functools.cache
def _template() -> str:
    found, _, _ = report_data.whole(400)
    return found.model_dump_json(by_alias=True)


def results(number: int, rig: str = "sim", p99_ms: float = 5.0, **changes: Any) -> dict[str, Any]:
    """results.json of run ``number`` of a rig, an hour after the one before; a dotted key of ``changes``
    (``environment.host.cpus``) replaces that value."""
    found = deepcopy(json.loads(_template()))
    started = FIRST + timedelta(hours=number)
    found["run_id"] = f"{started:%Y-%m-%dT%H-%M-%SZ}-{number:04x}"
    found["started"] = started.isoformat(timespec="milliseconds")
    found["ended"] = (started + timedelta(seconds=23)).isoformat(timespec="milliseconds")
    found["rig"] = {"name": rig, "description": "", "item": {}, "file": f"{rig}.yaml", "sha256": "ab" * 32}
    found["environment"] = {
        "host": dict(HOST),
        "devices": {"robot": {"adapter": "ros2", "identity": {"software": "robot 1.0"}}},
    }
    found["provenance"] = {
        "harness_version": "0.1.0",
        "git": {"commit": f"{number:040x}", "branch": "main", "dirty": False},
        "overrides": [],
        "versions": {"numpy": "2.4.6"},
    }
    found["floors"] = [{"scenario": "command", "message_bytes": 64}]
    (requirement,) = found["requirements"]
    requirement.update(
        verdict="PASS" if p99_ms < 9 else "FAIL" if p99_ms > 11 else "INCONCLUSIVE",
        estimate=p99_ms,
        lower_bound=p99_ms * 0.95,
        upper_bound=p99_ms * 1.05,
        headroom=10 / (p99_ms * 1.05) if p99_ms < 9 else None,
    )
    found["scenarios"]["command"]["latency_ms"].update(p50=p99_ms / 4, p99=p99_ms)
    found["verdict"] = requirement["verdict"]
    for key, value in changes.items():
        *path, name = key.split(".")
        inner = found
        for step in path:
            inner = inner[int(step)] if isinstance(inner, list) else inner[step]
        inner[name] = value
    return found


def written(reports: Path, number: int, rig: str = "sim", p99_ms: float = 5.0, **changes: Any) -> Path:
    """The folder of that run."""
    found = results(number, rig, p99_ms, **changes)
    folder = reports / rig / found["run_id"]
    folder.mkdir(parents=True)
    (folder / "run.json").write_text(
        json.dumps({"run_id": found["run_id"], "status": "finished", "rig": {"resolved": RIG}})
    )
    (folder / "results.json").write_text(json.dumps(found))
    return folder
