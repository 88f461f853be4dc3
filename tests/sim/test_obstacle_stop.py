"""The robot that stops for obstacles: what the harness reports, against what the robot knows it did."""

from __future__ import annotations

import bisect
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from harness.adapters.ros2.options import Options
from harness.config import load_rig
from harness.config.measuring import SensorToAction
from harness.folder import RunFolder
from harness.model import StimulusFlag, Verdict
from harness.results import Results, ScenarioResult
from harness.runner import RunOptions, run_rig

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_obstacle_stop.yaml"
COMMAND = ["python", "-m", "harness.sim.obstacle_stop"]
RUNS = [pytest.mark.ros, pytest.mark.slow]
TRIALS, WARM_UP = 25, 3


def test_the_rig_file_asks_what_was_agreed() -> None:
    rig = load_rig(RIG).rig
    assert (rig.rig.name, rig.rig.simulated) == ("sim-obstacle-stop", True)
    assert rig.processes["robot"].command == COMMAND
    scenario = rig.scenarios["obstacle"]
    assert isinstance(scenario, SensorToAction)
    assert (scenario.stimulus, scenario.response) == ("robot.scan", "robot.cmd_vel")
    robot = rig.devices["robot"]
    assert isinstance(robot, Options)
    assert robot.stop is not None
    assert robot.stop.port == "halt"
    (requirement,) = rig.requirements
    assert (requirement.quantile, requirement.limit, requirement.confidence) == (0.95, 50, 0.95)


def scan(ranges: list[float]) -> SimpleNamespace:
    return SimpleNamespace(ranges=ranges, range_min=0.1, range_max=12.0)


@pytest.mark.ros
@pytest.mark.parametrize(
    ("ranges", "distance"),
    [
        ([10.0] * 9, 10.0),
        ([10.0] * 4 + [0.4] + [10.0] * 4, 0.4),
        ([0.4] + [10.0] * 8, 10.0),  # beside the window
        ([10.0] * 3 + [0.4] + [10.0] * 5, 0.4),
        ([10.0] * 4 + [0.01] + [10.0] * 4, 10.0),  # below what the sensor can tell
        ([float("inf")] * 9, float("inf")),
        ([], float("inf")),
    ],
)
def test_what_is_near_lies_in_the_middle_of_the_scan(ranges: list[float], distance: float) -> None:
    from harness.sim.obstacle_stop import nearest

    assert nearest(scan(ranges), 3) == distance


class Measured:
    """A short run of the rig, and the robot's own log of it."""

    def __init__(
        self, folder: Path, trials: int, timeout_ms: float, *arguments: str, probes: int = 3
    ) -> None:
        rig = yaml.safe_load(RIG.read_text())
        rig["processes"]["robot"]["command"] = [*COMMAND, *arguments]
        obstacle = rig["scenarios"]["obstacle"]
        obstacle["timeout_ms"] = timeout_ms
        obstacle["probing"]["consecutive"] = probes
        obstacle["schedule"] |= {"samples": trials, "stopping": "fixed", "rest_timeout_s": 60}
        rig["requirements"][0] |= {"quantile": 0.5, "limit": timeout_ms / 2}
        rig["host"] = {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0}
        file = folder / "rig.yaml"
        file.write_text(yaml.safe_dump(rig, sort_keys=False))
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            outcome = run_rig(load_rig(file), RunOptions(out=folder / "out", report=False, anyway=True))
        assert outcome.results is not None, outcome.error
        self.results: Results = outcome.results
        self.folder = RunFolder.open(outcome.folder)
        log = (outcome.folder / "processes" / "robot.log").read_text().splitlines()
        self.log = [json.loads(line) for line in log if line.startswith("{")]
        events = (outcome.folder / "events.jsonl").read_text().splitlines()
        self.events = [json.loads(line) for line in events]

    @property
    def scenario(self) -> ScenarioResult:
        return self.results.scenarios["obstacle"]

    def event(self, name: str) -> dict[str, Any]:
        (found,) = [event for event in self.events if event["event"] == name]
        return found

    def reacted(self) -> dict[int, tuple[int, dict[str, Any]]]:
        """By the stamp of the first near scan: when the robot received it, and its first stop after it."""
        stops = [line for line in self.log if line["event"] == "stop"]
        begun = [line["before_ns"] for line in stops]
        found = {}
        for line in self.log:
            if line["event"] == "near":
                after = bisect.bisect_left(begun, line["received_ns"])
                if after < len(stops):
                    found[line["stamp_ns"]] = (line["received_ns"], stops[after])
        return found


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    return Measured(tmp_path_factory.mktemp("obstacle"), TRIALS, 2000)


class TestARobotThatStops:
    pytestmark = RUNS

    def test_every_obstacle_is_answered_once(self, measured: Measured) -> None:
        assert not measured.results.aborted
        scenario = measured.scenario
        assert (scenario.kind, scenario.sent, scenario.skipped) == ("sensor_to_action", TRIALS, 0)
        # What a stall of the host may cost: an onset whose rest had too few values.
        assert scenario.answered >= TRIALS - 4
        assert scenario.answered + scenario.lost + scenario.false_onsets + scenario.no_signal == TRIALS

    def test_what_is_reported_holds_what_the_robot_took(self, measured: Measured) -> None:
        reacted = measured.reacted()
        rows = measured.folder.samples()
        rows = rows[(rows["stimulus_flags"] == 0) & (rows["flags"] == 0)]
        assert len(rows) == measured.scenario.answered
        stimuli = measured.folder.stimuli()
        returned = np.sort(stimuli["sent_ns"][stimuli["flags"] & StimulusFlag.RETURN != 0])
        drives = np.array([line["before_ns"] for line in measured.log if line["event"] == "drive"])
        bound_ns = sum(item.half_width_ms for item in measured.results.uncertainty) * 1e6
        for row in rows:
            received, stop = reacted[int(row["key"])]
            # Sent before it was received, published before it arrived: so the report is never shorter.
            assert row["sent_ns"] <= received <= stop["before_ns"]
            assert row["arrived_ns"] >= stop["before_ns"] - bound_ns
            latency = row["arrived_ns"] - row["sent_ns"]
            assert latency >= stop["before_ns"] - received - bound_ns
            # And it had arrived before the obstacle was taken away, and so before the robot drove on.
            assert row["arrived_ns"] <= row["seen_ns"] + bound_ns
            taken_away = returned[np.searchsorted(returned, row["sent_ns"])]
            assert row["seen_ns"] <= taken_away
            driven_on = drives[drives > stop["before_ns"]]
            # The run may end before the robot has driven on after the last obstacle, and after no other.
            assert driven_on.size or row["sent_ns"] == rows["sent_ns"].max()
            assert (driven_on[:1] >= taken_away).all()

    def test_it_is_the_first_stop_command_that_counts(self, measured: Measured) -> None:
        reacted = measured.reacted()
        commands = measured.folder.observations()["robot.cmd_vel"]
        rows = measured.folder.samples()
        for row in rows[(rows["stimulus_flags"] == 0) & (rows["flags"] == 0)]:
            since = commands[commands["seen_ns"] > row["sent_ns"]]
            first = since[since["value"] == 0.0][0]
            assert first["seen_ns"] == row["seen_ns"]
            assert first["seen_ns"] >= reacted[int(row["key"])][1]["before_ns"]

    def test_commands_are_acts_so_that_their_period_is_no_uncertainty(self, measured: Measured) -> None:
        names = [item.name for item in measured.results.uncertainty]
        assert "resolution of the arrival" in names
        assert "sampling period" not in names

    def test_only_the_stimulus_and_its_end_are_rows_and_the_stream_is_counted(
        self, measured: Measured
    ) -> None:
        rows = measured.folder.stimuli()
        back = rows["flags"] & StimulusFlag.RETURN != 0
        assert back.sum() * 2 == len(rows)
        assert (rows["variant"] == back).all()
        order = np.argsort(rows["sent_ns"], kind="stable")
        assert (back[order] == np.arange(len(rows)) % 2).all()
        assert (np.diff(rows["key"][order]) > 0).all()
        counted = measured.event("background")
        assert (counted["scenario"], counted["port"]) == ("obstacle", "robot.scan")
        # Each trial takes its quiet time at least, in which the sensor has gone on at 50 Hz or was held up.
        assert counted["sent"] + counted["left_out"] > (TRIALS + WARM_UP) * 0.15 * 50 * 0.5

    def test_the_robot_saw_as_many_obstacles_as_were_shown(self, measured: Measured) -> None:
        rows = measured.folder.stimuli()
        shown = rows["key"][rows["flags"] & StimulusFlag.RETURN == 0]
        seen = [line["stamp_ns"] for line in measured.log if line["event"] == "near"]
        assert seen == sorted(shown.tolist())

    def test_the_run_file_says_what_was_shown(self, measured: Measured) -> None:
        (scenario,) = measured.folder.run["scenarios"]
        near, rest = scenario["variants"]
        assert near["ranges"].count(0.4) == 21
        assert rest["ranges"] == [10.0] * 360

    def test_it_stands_still_in_the_end(self, measured: Measured) -> None:
        assert [line["event"] for line in measured.log if line["event"] != "near"][-1] == "stop"


@pytest.mark.ros
@pytest.mark.slow
def test_a_robot_that_stops_no_more_loses_every_trial(tmp_path: Path) -> None:
    trials = 10
    # One answered probe lets a run begin; a stall may cost two more, and what is left goes into the warm-up.
    run = Measured(tmp_path, trials, 400, "--stops", str(WARM_UP), probes=1)
    probes = run.event("probed")["probes"]
    scenario = run.scenario
    assert not run.results.aborted
    assert (scenario.sent, scenario.answered, scenario.late) == (trials, 0, 0)
    assert scenario.misses == scenario.lost == trials - scenario.no_signal - scenario.false_onsets
    assert scenario.lost >= trials - 3
    (requirement,) = run.results.requirements
    assert requirement.verdict is not Verdict.PASS
    assert requirement.verdict is Verdict.FAIL or scenario.no_signal + scenario.false_onsets > 0
    seen = [line["stamp_ns"] for line in run.log if line["event"] == "near"]
    assert len(seen) == probes + WARM_UP + trials
    stops = [line for line in run.log if line["event"] == "stop"]
    assert len(stops) == 1 + WARM_UP + 1  # before the first scan, for obstacles, and when told to in the end
