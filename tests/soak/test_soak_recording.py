"""1 kHz for a minute without a lost row, judged by what the robot itself wrote down."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from soak_bench import ROOT, check_nothing_left, check_whole, run

from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.soak

RATE_HZ, SECONDS = 1000, 60
DROP_EVERY, TWICE_EVERY = 1009, 503
ROBOT = ["python", "-m", "harness.sim.diff_drive"]


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def _schedule(seconds: int) -> list[str]:
    schedule = "scenarios.command.schedule"
    return [f"{schedule}.rate_hz={RATE_HZ}", f"{schedule}.samples={RATE_HZ * seconds}"]


def _check_rows(folder: RunFolder, commands: list[int], answers: list[int], port: str) -> None:
    """Every command that reached the robot has its row, and every answer it gave has its own."""
    stimuli, observed = folder.stimuli(), folder.observations()[port]
    sent = stimuli["key"][stimuli["sent_ns"] != NO_STAMP].tolist()
    assert Counter(sent) == Counter(commands)
    known = set(commands)  # the robot also answers the safe stop, which is no stimulus
    assert Counter(key for key in observed["key"].tolist() if key in known) == Counter(answers)
    # What was due and not sent has a row as well: warm-up, measured ones and probes make up the table.
    schedule = folder.run["rig"]["resolved"]["scenarios"]["command"]["schedule"]
    due = schedule["samples"] + round(schedule["warmup_s"] * schedule["rate_hz"])
    probes = sum(event["probes"] for event in folder.events() if event["event"] == "probed")
    assert len(stimuli) == due + probes


def test_a_minute_at_1_khz_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    log = tmp_path / "robot.jsonl"
    robot = [f"log={log}", f"drop_every={DROP_EVERY}", f"twice_every={TWICE_EVERY}"]
    changes = _schedule(SECONDS) + [f"devices.robot.{each}" for each in robot]
    outcome = run("loopback", tmp_path / "reports", changes)
    counts = check_whole(outcome)
    commands = [line["key"] for line in _lines(log) if line["event"] == "command"]
    answers = [
        key
        for number, key in enumerate(commands, 1)
        if number % DROP_EVERY
        for _ in range(1 if number % TWICE_EVERY else 2)
    ]
    assert counts["scheduled"] == RATE_HZ * SECONDS and len(answers) > len(commands)
    _check_rows(RunFolder.open(outcome.folder), commands, answers, "robot.applied")
    check_nothing_left("loopback", outcome.folder.name)


def test_a_minute_at_1_khz_over_ros_2_loses_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("rclpy")
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    truth = tmp_path / "truth.jsonl"
    rig = load_rig(
        ROOT / "rig_configs" / "sim_diff_drive.yaml",
        [*_schedule(SECONDS), f"processes.robot.command={[*ROBOT, '--log-truth', str(truth)]}"],
    )
    outcome = run_rig(rig, RunOptions(out=tmp_path / "reports"))
    folder = RunFolder.open(outcome.folder)
    assert folder.run["status"] == "finished", folder.run["abort_reason"]
    fates = [line for line in _lines(truth) if "stamp_ns" in line]
    # The stop of this rig is the only command of no speed, and the last thing that the robot hears.
    commands = [fate for fate in fates if fate["linear_mps"] != 0.0]
    assert 0 < len(fates) - len(commands) <= 20
    answers = [fate["stamp_ns"] for fate in commands for _ in fate["answered_ns"]]
    assert len(answers) > RATE_HZ * SECONDS / 2
    _check_rows(folder, [fate["stamp_ns"] for fate in commands], answers, "robot.applied")
    check_nothing_left("sim-diff-drive", outcome.folder.name)
