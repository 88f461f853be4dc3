"""Whole runs against a robot that echoes nothing and gives a signal: loopback, with the truth logged."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import Ran, run_here

from harness.conclude import rerender
from harness.folder import RunFolder
from harness.model import NO_STAMP, SampleFlag, StimulusFlag, Verdict

pytestmark = pytest.mark.slow

MATCH = {"kind": "onset", "direction": "with_command", "sigma": 6.0, "at_least": 0.05, "rest_ms": 50}
SIGNAL = {
    "devices.robot.signal_hz": 400,
    "devices.robot.signal_tau_ms": 8.0,
    "devices.robot.signal_noise": 0.005,
    "devices.robot.dead_ms": 10.0,
    "devices.robot.dead_jitter_ms": 10.0,
    "devices.robot.ports.applied.response.match": MATCH,
    "scenarios.command.return_values": {"value": 0.0},
    "scenarios.command.timeout_ms": 1500.0,
    "scenarios.command.schedule": {
        "kind": "trials",
        "samples": 12,
        "stopping": "fixed",
        "warmup": 1,
        "quiet_ms": 60,
        "rest_timeout_s": 30,
        "dwell_ms": [5, 25],
        "follow_ms": 40,
    },
}


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def ran(folder: Path, **changes: Any) -> Ran:
    return run_here(folder, {**SIGNAL, **changes}, report=True)


@pytest.fixture(scope="module")
def stepped(tmp_path_factory, locks):
    return ran(tmp_path_factory.mktemp("stepped"))


def truth(run: Ran) -> dict[int, dict[str, Any]]:
    return {line["key"]: line for line in run.robot_did("moves")}


def measured(run: Ran) -> np.ndarray[Any, Any]:
    rows = run.samples
    return rows[(rows["stimulus_flags"] == 0) & (rows["scenario"] == 0)]


def test_onsets_are_where_the_robot_moved(stepped):
    stepped.assert_whole()
    scenario, rows = stepped.scenario, measured(stepped)
    assert (scenario.sent, scenario.unmatched, scenario.duplicates) == (12, 0, 0)
    assert (
        scenario.answered + scenario.lost + scenario.false_onsets + scenario.no_signal + scenario.open == 12
    )
    found = rows[rows["flags"] == 0]
    assert len(found) >= 9  # a stall of the host may cost a trial, and must not cost many
    (sampling,) = [item for item in stepped.results.uncertainty if item.name == "sampling period"]
    for row in found:
        moved = truth(stepped)[row["key"]]
        assert row["sent_ns"] < moved["departs_ns"]
        # Not before it moved, but for the gap between two values, which the budget knows.
        assert row["arrived_ns"] > moved["departs_ns"] - sampling.half_width_ms * 1e6
        assert row["seen_ns"] > moved["departs_ns"]
    assert "onset with command, band +- 6 x noise, at least 0.05" in scenario.match


def test_the_robot_is_brought_back_after_every_trial_and_that_counts_nowhere(stepped):
    rows = stepped.stimuli
    back = rows["flags"] & StimulusFlag.RETURN != 0
    assert back.sum() == (~back).sum()
    assert (rows["flags"][~back] | np.uint32(StimulusFlag.RETURN) == rows["flags"][back]).all()
    assert (rows["sent_ns"][back] > rows["sent_ns"][~back]).all()
    variants = stepped.run["scenarios"][0]["variants"]
    assert variants == [{"value": 0.5}, {"value": -0.5}, {"value": 0.0}]
    assert set(rows["variant"][back].tolist()) == {2}
    values = {line["key"]: line["value"] for line in stepped.robot_did("moves")}
    assert [values[key] for key in rows["key"][back].tolist()] == [0.0] * int(back.sum())
    assert stepped.scenario.scheduled == 12
    # The return begins after the trial went on for a while, so that there is signal to judge by another band.
    assert (rows["sent_ns"][back] - rows["sent_ns"][~back] > 40_000_000).all()


def with_match(run: Ran, folder: Path, **changes: Any) -> Any:
    """The run judged again with another match, in a copy of its folder."""
    copy = folder / run.folder.name
    shutil.copytree(run.folder, copy)
    record = json.loads((copy / "run.json").read_text())
    record["rig"]["resolved"]["devices"]["robot"]["ports"]["applied"]["response"]["match"].update(changes)
    (copy / "run.json").write_text(json.dumps(record))
    outcome = rerender(copy)
    assert outcome.results is not None
    rows = RunFolder.open(copy).samples()
    return outcome, rows[(rows["stimulus_flags"] == 0) & (rows["scenario"] == 0)]


def test_another_threshold_moves_the_latencies_of_a_report_made_again(stepped, tmp_path):
    narrow = measured(stepped)
    outcome, wide = with_match(stepped, tmp_path / "wide", threshold=0.3, sigma=None, at_least=0.0)
    both = (narrow["flags"] == 0) & (wide["flags"] == 0)
    assert both.sum() >= 8
    assert (wide["arrived_ns"][both] > narrow["arrived_ns"][both]).all()
    assert outcome.results.scenarios["command"].match.count("0.3") == 1
    assert (outcome.folder / "report.pdf").read_bytes().startswith(b"%PDF")
    _, later = with_match(stepped, tmp_path / "later", interpolate=False)
    both = (narrow["flags"] == 0) & (later["flags"] == 0)
    assert (later["arrived_ns"][both] >= narrow["arrived_ns"][both]).all()


def test_a_band_that_the_trials_never_reach_leaves_no_verdict(stepped, tmp_path):
    outcome, rows = with_match(stepped, tmp_path, threshold=5.0, sigma=None, at_least=0.0)
    assert (rows["flags"][measured(stepped)["flags"] == 0] == SampleFlag.OPEN).all()
    assert outcome.verdict is Verdict.INCONCLUSIVE
    checks = {check.name: check.ok for check in outcome.results.scenarios["command"].checks}
    assert checks["trials long enough"] is False


def test_commands_that_the_robot_does_not_follow_are_misses(tmp_path):
    # Stimuli are the odd ones of all commands, returns the even ones: of both some are not followed.
    missed = ran(
        tmp_path,
        **{
            "devices.robot.drop_every": 5,
            "scenarios.command.timeout_ms": 400.0,
            "requirements": [{"id": "R", "scenario": "command", "quantile": 0.5, "limit": 300}],
        },
    )
    dropped = {line["key"] for line in missed.robot_did("command")} - set(truth(missed))
    rows = measured(missed)
    ignored = rows[np.isin(rows["key"], sorted(dropped))]
    assert len(ignored)
    unknown = SampleFlag.NO_SIGNAL | SampleFlag.FALSE_ONSET
    assert (ignored["flags"] & int(SampleFlag.LOST | unknown) != 0).all()
    assert (ignored["arrived_ns"] == NO_STAMP).all()
    lost = rows["flags"] & SampleFlag.LOST != 0
    late = rows["flags"] & SampleFlag.LATE != 0
    assert missed.scenario.misses == (lost & ~late).sum() >= (ignored["flags"] & SampleFlag.LOST != 0).sum()


def test_a_robot_that_sways_is_measured_without_rest(tmp_path):
    swaying = {
        "devices.robot.signal_sway": 0.05,
        "devices.robot.ports.applied.response.match": {**MATCH, "sigma": 4.0, "rest_ms": 400},
        "scenarios.command.schedule": {
            "kind": "trials",
            "samples": 6,
            "stopping": "fixed",
            "warmup": 0,
            "rest": "none",
            "dwell_ms": [410, 450],
            "follow_ms": 20,
        },
    }
    found = ran(tmp_path, **swaying)
    rows = measured(found)
    assert len(rows) == 6
    assert (rows["flags"] == 0).sum() >= 4
    for row in rows[rows["flags"] == 0]:
        assert row["seen_ns"] > truth(found)[row["key"]]["departs_ns"]


def test_a_robot_that_sways_never_comes_to_rest_and_the_run_says_so(tmp_path):
    found = ran(
        tmp_path,
        **{
            "devices.robot.signal_sway": 0.3,
            "scenarios.command.schedule.quiet_ms": 150,
            "scenarios.command.schedule.rest_timeout_s": 0.5,
        },
    )
    reason = found.assert_aborted("device")
    assert "never kept quiet for 150 ms within 0.5 s" in reason and "rest: none" in reason
    assert found.robot_did("stop")
