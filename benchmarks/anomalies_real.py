"""Real runs of the loopback rig, its robot broken from outside: what is found, and whether the host is
named."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.figures import Figure, load
from benchmarks.injecting import KINDS
from harness.folder import RunFolder
from harness.model import StimulusFlag

ROOT = Path(__file__).resolve().parent.parent
SAMPLES, RATE_HZ = 6000, 300
SETTINGS = {
    "scenarios.command.schedule.rate_hz": RATE_HZ,
    "devices.robot.delay_ms": 3,
    "devices.robot.jitter_ms": 2,
    "host.floor_s": 0,
}
AFTER_S, LASTS_S = 8.0, 7.0
WAIT_S = 60.0


def robot_of(harness: psutil.Process) -> int | None:
    """The loopback robot that the harness started."""
    for child in harness.children(recursive=True):
        try:
            if any("loopback_robot" in each for each in child.cmdline()):
                return int(child.pid)
        except psutil.Error:
            continue
    return None


def measuring(out: Path) -> bool:
    """Whether stimuli that count are being sent."""
    for path in out.glob("*/*/run.json"):
        try:
            stimuli = RunFolder.open(path.parent).stimuli()
        except Exception:
            return False  # a table that is just being made
        return bool(len(stimuli)) and not int(stimuli["flags"][-1]) & int(
            StimulusFlag.WARM_UP | StimulusFlag.PROBE
        )
    return False


def one(kind: str) -> dict[str, Any]:
    """A run with that fault, or with none: its anomalies, and what the fault's stretch was."""
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        command = [sys.executable, "-m", "harness", "run", str(ROOT / "rig_configs" / "loopback.yaml")]
        command += ["--anyway", "--quiet", "--samples", str(SAMPLES), "--out", place]
        for key, value in SETTINGS.items():
            command += ["--set", f"{key}={value}"]
        harness = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until = time.monotonic() + WAIT_S
        while not measuring(Path(place)) and time.monotonic() < until and harness.poll() is None:
            time.sleep(0.1)
        begin = time.monotonic_ns() + round(AFTER_S * 1e9)
        end = begin + round(LASTS_S * 1e9)
        pid = robot_of(psutil.Process(harness.pid)) if kind != "none" and harness.poll() is None else None
        if pid is not None:
            subprocess.run(
                [sys.executable, "-m", "benchmarks.injecting", kind, str(pid), str(begin), str(end)],
                cwd=ROOT,
                check=False,
                timeout=WAIT_S,
            )
        harness.wait(timeout=2 * WAIT_S)
        [results] = Path(place).glob("*/*/results.json")
        text = results.read_text(encoding="utf-8")
    findings = json.loads(text)["scenarios"]["command"]["anomalies"]["findings"]
    end = begin + 200_000_000 if kind == "burst" else end
    return {"kind": kind, "broken": pid is not None, "begin_ns": begin, "end_ns": end, "findings": findings}


def real_runs(turns: int) -> tuple[list[Figure], list[dict[str, Any]]]:
    """Each fault, and none, so many times."""
    figures, lines = [], []
    for kind in ("none", *KINDS):
        before, runs = load(), [one(kind) for _ in range(turns)]
        lines += runs
        if kind == "none":
            noisy = sum(bool(each["findings"]) for each in runs)
            note = f"{noisy} of {turns}; what else runs on this host is an anomaly, too"
            what = "real runs without a fault with a finding"
            figures.append(Figure(what, noisy / turns, "", None, before, note))
            continue
        hits = [_hits(each) for each in runs]
        named = sum(any(each["kind"] == kind for each in found) for found in hits)
        told = sum(any("robot" in " ".join(each["host"]) for each in found) for found in hits)
        note = f"named so in {named}, the robot's stop or wait beside it in {told} of {turns}"
        share = sum(map(bool, hits)) / turns
        figures.append(Figure(f"real runs, {kind}: found", share, "", None, before, note))
    return figures, lines


def _hits(each: dict[str, Any]) -> list[dict[str, Any]]:
    """Findings that overlap the fault."""
    return [
        finding
        for finding in each["findings"]
        if finding["begin_ns"] <= each["end_ns"] and finding["end_ns"] >= each["begin_ns"]
    ]
