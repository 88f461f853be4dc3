"""The simulated robot taken for one that echoes nothing: onsets of its speed, against what it really did."""

from __future__ import annotations

import json
import shutil
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "faults"))

from fault_bench import ROOT, Ran, lines, rig_file

from harness.conclude import rerender
from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import StimulusFlag
from harness.runner import RunOptions, run_rig

pytestmark = [pytest.mark.slow, pytest.mark.ros]

RIG = yaml.safe_load((ROOT / "rig_configs" / "sim_diff_drive_onset.yaml").read_text())
TRIALS = 12
MOST_VALUES = 4
"""At 6 m/s^2 a speed of at_most is there after six steps of a millisecond, and every fourth is published."""


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("driven")
    truth = folder / "truth.jsonl"
    changes = {
        "processes.robot.command": [*RIG["processes"]["robot"]["command"], "--log-truth", str(truth)],
        "scenarios.step.schedule.samples": TRIALS,
        "scenarios.step.schedule.stopping": "fixed",
        "scenarios.step.schedule.rest_timeout_s": 30,
        "scenarios.step.timeout_ms": 1000,
        "requirements": [{"id": "R", "scenario": "step", "quantile": 0.5, "limit": 900}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
    }
    file = rig_file(folder, changes, base=RIG)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder / "locks"))
        outcome = run_rig(load_rig(file), RunOptions(out=folder / "out"))
    assert outcome.results is not None and not outcome.results.aborted, outcome.error
    return Ran(outcome.folder, outcome, lines(truth))


def applied_ns(run: Ran) -> dict[int, int]:
    return {entry["stamp_ns"]: entry["applied_ns"] for entry in run.robot if "number" in entry}


def answered(folder: Path) -> np.ndarray[Any, Any]:
    rows = RunFolder.open(folder).samples()
    return rows[(rows["stimulus_flags"] == 0) & (rows["scenario"] == 0) & (rows["flags"] == 0)]


def test_an_onset_follows_the_command_that_was_applied(driven: Ran) -> None:
    driven.assert_whole()
    scenario = driven.results.scenarios["step"]
    assert scenario.sent == TRIALS
    assert scenario.arrival_is == "middleware receive stamp"
    found = answered(driven.folder)
    assert len(found) == scenario.answered
    applied = applied_ns(driven)
    (sampling,) = [item for item in driven.results.uncertainty if item.name == "sampling period"]
    odom = RunFolder.open(driven.folder).observations()["robot.odom"]
    # The stamps of odom are the host's wall clock, which nobody sets meanwhile.
    published = odom["stamp_ns"] - (time.time_ns() - time.monotonic_ns())
    for row in found:
        at = applied[int(row["key"])]
        assert at > row["sent_ns"]
        assert row["arrived_ns"] > at - sampling.half_width_ms * 1e6
        (first_outside,) = published[odom["seen_ns"] == row["seen_ns"]]
        # Counted in values of the signal, for the robot's time may fall behind the wall clock's.
        assert 1 <= ((published > at) & (published <= first_outside)).sum() <= MOST_VALUES


def test_forward_and_back_and_still_in_between(driven: Ran) -> None:
    rows = driven.stimuli
    commanded = [RunFolder.open(driven.folder).run["scenarios"][0]["variants"][number] for number in range(3)]
    assert [each["twist.linear.x"] for each in commanded] == [0.2, -0.2, 0.0]
    back = rows["flags"] & StimulusFlag.RETURN != 0
    assert set(rows["variant"][back].tolist()) == {2}
    odom = RunFolder.open(driven.folder).observations()["robot.odom"]
    for row in answered(driven.folder):
        side = 1 if row["variant"] == 0 else -1
        assert (side * odom["value"][odom["seen_ns"] >= row["seen_ns"]][:3] > 0).all()


def test_without_interpolation_no_onset_is_before_the_command_was_applied(
    driven: Ran, tmp_path: Path
) -> None:
    copy = tmp_path / driven.folder.name
    shutil.copytree(driven.folder, copy)
    record = json.loads((copy / "run.json").read_text())
    match = record["rig"]["resolved"]["devices"]["robot"]["ports"]["odom"]["response"]["match"]
    match.update(interpolate=False, at_least=0.05, at_most=None)
    (copy / "run.json").write_text(json.dumps(record))
    assert rerender(copy).results is not None
    applied, first = applied_ns(driven), {int(row["key"]): row for row in answered(driven.folder)}
    later = {int(row["key"]): row for row in answered(copy)}
    assert len(first.keys() & later.keys()) >= TRIALS // 3
    for key in first.keys() & later.keys():
        assert later[key]["arrived_ns"] > max(applied[key], first[key]["arrived_ns"])
