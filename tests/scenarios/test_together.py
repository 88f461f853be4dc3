"""Scenarios that are measured at the same time: each by its own schedule, none at the cost of another."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lanes_bench import echo, loopback, measure, rig, ros2

from harness.config import rig_from_text
from harness.config.problems import RigFileError
from harness.config.together import chosen, groups
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag
from harness.results import Results

RATES = [200.0, 100.0, 40.0]


@pytest.mark.parametrize(
    ("together", "found"),
    [
        ([], [["a"], ["b"], ["c"], ["d"]]),
        ([["b", "c"]], [["a"], ["b", "c"], ["d"]]),
        ([["d", "c"], ["b", "a"]], [["a", "b"], ["c", "d"]]),
    ],
)
def test_groups_come_in_the_order_of_the_rig_file(together: list[list[str]], found: list[list[str]]) -> None:
    assert groups(["a", "b", "c", "d"], together) == found


def test_of_a_group_of_which_one_is_run_nothing_is_left() -> None:
    assert chosen([["a", "b"], ["c", "d"]], ["a", "c", "d"]) == [["c", "d"]]


def _broken(change: Any) -> str:
    content = rig(loopback(3), RATES, 1.0)
    change(content)
    with pytest.raises(RigFileError) as refused:
        rig_from_text(json.dumps(content), "rig.yaml")
    return str(refused.value)


def _trials(content: dict[str, Any]) -> None:
    content["scenarios"]["lane_1"]["schedule"] = {"kind": "trials", "samples": 9}


def _stages(content: dict[str, Any]) -> None:
    content["scenarios"]["lane_1"]["schedule"]["stages"] = [50, 100]


def _search(content: dict[str, Any]) -> None:
    search = {"rate_hz": [100, 200], "within_ms": 10}
    content["scenarios"]["lane_1"] |= {"kind": "throughput", "search": search}


def _same_port(content: dict[str, Any]) -> None:
    content["scenarios"]["lane_1"]["response"] = "robot.out_0"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda c: c["together"].append(["lane_1", "lane_2"]), "'lane_1' is listed twice"),
        (lambda c: c["together"][0].append("lane_9"), "there is no scenario 'lane_9'"),
        (lambda c: c.update(together=[["lane_0"]]), "at least two"),
        (lambda c: c.update(together=[["lane_0", "lane_2"]]), "one after the other"),
        (_trials, "lane_1 has a schedule of trials"),
        (_stages, "lane_1 may end at `stages`"),
        (_search, "which is done alone"),
        (_same_port, "both use robot.out_0"),
    ],
)
def test_what_cannot_go_together_is_refused(change: Any, words: str) -> None:
    assert words in _broken(change)


class Lanes:
    """A short run of three lanes over the loopback robot, and the robot's own log."""

    def __init__(self, folder: Path) -> None:
        log = folder / "robot.jsonl"
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
            content = rig(loopback(3, log=str(log)), RATES, 1.0)
            self.results, self.folder = measure(content, folder)
        lines = (json.loads(line) for line in log.read_text().splitlines())
        self.commands = [line["key"] for line in lines if line["event"] == "command"]


@pytest.fixture(scope="module")
def lanes(tmp_path_factory: pytest.TempPathFactory) -> Lanes:
    return Lanes(tmp_path_factory.mktemp("lanes"))


@pytest.mark.slow
def test_every_lane_has_its_own_counts(lanes: Lanes) -> None:
    assert not lanes.results.aborted, lanes.results.abort_reason
    for lane, rate in enumerate(RATES):
        each = lanes.results.scenarios[f"lane_{lane}"]
        assert each.scheduled == rate
        assert each.sent + each.skipped == each.scheduled
        assert each.answered == each.sent and each.lost == 0


@pytest.mark.slow
def test_the_robot_got_every_command_that_was_recorded(lanes: Lanes) -> None:
    stimuli = lanes.folder.stimuli()
    sent = stimuli["key"][stimuli["sent_ns"] != NO_STAMP].tolist()
    assert Counter(sent) == Counter(lanes.commands)


@pytest.mark.slow
def test_the_lanes_were_measured_at_the_same_time_and_due_by_their_own_schedules(lanes: Lanes) -> None:
    stimuli = lanes.folder.stimuli()
    measured = stimuli[stimuli["flags"] & (StimulusFlag.PROBE | StimulusFlag.WARM_UP) == 0]
    spans = [
        measured["intended_ns"][measured["scenario"] == lane][[0, -1]].tolist() for lane in range(len(RATES))
    ]
    assert max(begin for begin, _ in spans) < min(end for _, end in spans)
    for lane, rate in enumerate(RATES):
        due = measured["intended_ns"][measured["scenario"] == lane]
        gaps = np.diff(due) * 1e-9 * rate
        assert gaps.min() >= 0.499 and gaps.max() <= 1.501


@pytest.mark.slow
@pytest.mark.ros
def test_eight_ros_2_ports_at_100_hz_lose_no_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    content = rig(ros2(8), [100.0] * 8, 2.0)
    content["processes"] = {"robot": echo(8, 120.0)}
    check_eight(*measure(content, tmp_path), samples=200)


def check_eight(results: Results, folder: RunFolder, samples: int) -> None:
    """Every command has its row and its answer."""
    assert not results.aborted, results.abort_reason
    stimuli = folder.stimuli()
    for lane in range(8):
        each = results.scenarios[f"lane_{lane}"]
        assert (each.scheduled, each.lost, each.unsent, each.duplicates) == (samples, 0, 0, 0)
        assert each.sent + each.skipped == samples
        sent = stimuli["key"][(stimuli["scenario"] == lane) & (stimuli["sent_ns"] != NO_STAMP)]
        answers = folder.observations()[f"robot.out_{lane}"]["key"]
        assert Counter(sent.tolist()) == Counter(answers.tolist())
    assert [each for each in results.findings if each["name"] == "messages lost"] == []
