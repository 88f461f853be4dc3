"""Rigs with two devices: a ROS 2 command answered by an edge of the board, and the other way round."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from harness.config import find_rig, load_rig
from harness.folder import RunFolder
from harness.results import Results
from harness.runner import RunOptions, run_rig
from harness.sim.diff_drive.robot import STANDS_MPS, TURNS_MPS, MotionPin

pytestmark = [pytest.mark.ros, pytest.mark.slow]

TRIALS = 12
SHORT = (
    "host.floor_s=0",
    "host.realtime=false",
    "host.max_load_per_cpu=1000",
    "devices.board.start_s=30",
    "devices.board.dead_man_ms=20000",
)


class Measured:
    """One short run."""

    def __init__(self, name: str, scenario: str, folder: Path, *overrides: str) -> None:
        rules = (f"scenarios.{scenario}.schedule.{rule}" for rule in ("stopping=fixed", "rest_timeout_s=60"))
        loaded = load_rig(
            find_rig(name), (*SHORT, *rules, f"scenarios.{scenario}.timeout_ms=5000", *overrides)
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            outcome = run_rig(loaded, RunOptions(out=folder, samples=TRIALS, report=False, anyway=True))
        assert outcome.results is not None, outcome.error
        self.results: Results = outcome.results
        self.folder = RunFolder.open(outcome.folder)
        self.scenario = self.results.scenarios[scenario]
        samples = pd.read_parquet(outcome.folder / "samples.parquet")
        self.samples = samples[samples["stimulus_flags"] == 0]
        self.log = (outcome.folder / "processes" / "robot.log").read_text().splitlines()

    def half_width_ns(self, name: str) -> float:
        [found] = [each for each in self.results.uncertainty if each.name == name]
        return found.half_width_ms * 1e6


@pytest.fixture(scope="module")
def motor(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    folder = tmp_path_factory.mktemp("motor")
    truth = folder / "truth.jsonl"
    command = json.dumps(
        ["python", "-m", "harness.sim.diff_drive", "--motion-pin", "D8", "--log-truth", str(truth)]
    )
    return Measured("sim_motor_edge", "start", folder, f"processes.robot.command={command}")


@pytest.fixture(scope="module")
def button(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured("sim_button_to_stop", "press", tmp_path_factory.mktemp("button"))


def test_every_command_is_answered_by_an_edge(motor: Measured) -> None:
    counts = motor.scenario
    assert (counts.sent, counts.answered, counts.lost, counts.duplicates) == (TRIALS, TRIALS, 0, 0)
    assert "clock board.ticks, converted within" in str(counts.arrival_is)
    assert not motor.results.aborted


def test_no_edge_is_before_the_robot_had_the_command(motor: Measured) -> None:
    """The edge is stamped by the board's counter, the command by the robot's own log: two witnesses."""
    [path] = motor.folder.path.parents[1].glob("truth.jsonl")
    truth = [json.loads(line) for line in path.read_text().splitlines()]
    received = {each["stamp_ns"]: each["received_ns"] for each in truth if "stamp_ns" in each}
    bound_ns = motor.half_width_ns("clock offset")
    assert bound_ns > 0.2e6
    compared = 0
    for row in motor.samples.itertuples():
        if row.key in received:
            compared += 1
            assert row.arrived_ns + bound_ns >= received[row.key]
    assert compared == TRIALS


def test_both_clocks_are_named(motor: Measured, button: Measured) -> None:
    for measured in (motor, button):
        named = {each["name"]: each for each in measured.folder.run["clocks"]}
        assert {"host.monotonic", "host.realtime", "board.ticks"} <= set(named)
        assert named["board.ticks"]["kind"] == "offset-estimated"


def test_every_press_is_answered_by_a_stop(button: Measured) -> None:
    counts = button.scenario
    assert (counts.sent, counts.answered, counts.lost, counts.duplicates) == (TRIALS, TRIALS, 0, 0)
    # The board answered each press with the instant at which its output had risen.
    pressed, stopped = counts.hops
    assert (pressed.name, pressed.missing) == ("board.pressed", 0)
    assert (stopped.name, stopped.missing) == ("robot.cmd_vel", 0)


def test_a_stop_came_between_the_press_and_its_arrival(button: Measured) -> None:
    """By the robot's own log; the arrival's clock is set now and then, by a little."""
    stops = [json.loads(line)["at_ns"] for line in button.log if '"stop"' in line]
    for row in button.samples.itertuples():
        assert [at for at in stops if row.sent_ns <= at <= row.arrived_ns + 2_000_000], row


def test_a_pin_shows_motion_with_a_hysteresis() -> None:
    told: list[bool] = []
    pin = MotionPin("D8", SimpleNamespace(set=lambda _pin, level: told.append(level)))
    between = (TURNS_MPS + STANDS_MPS) / 2
    for speed in (0.0, between, TURNS_MPS, between, STANDS_MPS, between, 0.0, between, 1.0):
        pin.show(speed)
    assert told == [False, True, False, True]
