"""Whole runs whose arrival is the robot's own stamp. The robot runs on this host and logs how its clock is
made, so that the truth is known."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import Ran, run_here

from harness.analysis.offset import estimate
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag, Verdict

pytestmark = pytest.mark.slow

STAMPED: dict[str, Any] = {
    "scenarios.command.arrival": "stamp",
    "devices.robot.clock_offset_ms": 86_400_123.0,
    "devices.robot.clock_drift_ppm": 60.0,
    "devices.robot.delay_ms": 1.0,
    "host.floor_s": 0,
}


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory, locks: Path) -> Ran:
    return run_here(tmp_path_factory.mktemp("plain"), STAMPED)


def truth(ran: Ran) -> dict[int, int]:
    """CLOCK_MONOTONIC at which the robot stamped the answer with each key, by its own account."""
    (clock,) = [entry["clock"] for entry in ran.robot if entry["event"] == "started"]
    seen = RunFolder.open(ran.folder).observations()["robot.applied"]
    out = {}
    for key, stamp in zip(seen["key"].tolist(), seen["stamp_ns"].tolist(), strict=True):
        elapsed = (stamp - clock["epoch_ns"]) * 10**9 // (10**9 + clock["drift_ppb"])
        out[key] = clock["start_ns"] + elapsed
    return out


def errors_ns(ran: Ran) -> np.ndarray[Any, Any]:
    true, samples = truth(ran), ran.samples
    rows = samples[(samples["arrived_ns"] != NO_STAMP) & (samples["stimulus_flags"] == 0)]
    return rows["arrived_ns"] - np.array([true[key] for key in rows["key"].tolist()])


def check_of(ran: Ran) -> Any:
    return next(check for check in ran.scenario.checks if check.name == "clock")


def test_the_one_way_latency_is_true_within_its_bound(plain):
    (clock,) = plain.results.clocks
    assert clock.usable and clock.name == "robot.robot" and check_of(plain).ok
    low, high = clock.drift_ppm
    assert low <= 60.0 <= high
    errors = errors_ns(plain)
    assert len(errors) > 0 and np.abs(errors).max() <= clock.bound_ms * 1e6 + 2
    # The robot acts a millisecond after it took the command, and before it was seen to.
    assert plain.scenario.latency_ms.p50 >= 1.0 - clock.bound_ms
    assert plain.scenario.stages_ms["harness_receive"].min >= 0
    assert plain.scenario.arrival_is.startswith("the device's own stamp, clock robot.robot, converted within")
    assert plain.results.requirements[0].uncertainty >= check_bound(plain)


def check_bound(ran: Ran) -> float:
    offset = next(item for item in ran.results.uncertainty if item.name == "clock offset")
    assert offset.half_width_ms is not None and offset.share_ms is not None
    return float(offset.share_ms)


def test_exchanges_are_made_before_while_and_after_measuring(plain):
    rows = RunFolder.open(plain.folder).clocks()
    clocks = [clock["name"] for clock in plain.run["clocks"]]
    rows = rows[rows["clock"] == clocks.index("robot.robot")]
    assert plain.run["clocks"][clocks.index("robot.robot")]["device"] == "robot"
    rest = StimulusFlag.PROBE | StimulusFlag.SKIPPED
    measured = plain.stimuli[plain.stimuli["flags"] & rest == 0]["sent_ns"]
    assert rows["t4_ns"][rows["phase"] == 0].max() < measured.min()
    assert rows["t1_ns"][rows["phase"] == 2].min() > measured.max()
    assert {0, 1, 2} == set(rows["phase"].tolist())


def test_a_declared_asymmetry_tightens_the_bound_of_that_clock(tmp_path):
    declared = {"asymmetry": 0.5, "evidence": "one Unix socket, both ways alike"}
    ran = run_here(tmp_path, {**STAMPED, "devices.robot.clock": declared})
    (clock,) = ran.results.clocks
    if clock.usable:  # the directions of a busy host may differ by more than was declared: then no line fits
        # The very exchanges, with nothing declared.
        rows = RunFolder.open(ran.folder).clocks()
        names = [each["name"] for each in ran.run["clocks"]]
        alone = estimate(rows[rows["clock"] == names.index(clock.name)])
        assert clock.bound_ms < alone.largest_bound_ns() / 1e6
    else:
        assert ran.results.verdict is Verdict.INCONCLUSIVE
    assert "assumed, not observable" in " ".join(clock.words) and declared["evidence"] in " ".join(
        clock.words
    )


def test_a_step_of_the_robots_clock_leaves_the_run_inconclusive_and_is_named(tmp_path):
    ran = run_here(
        tmp_path, {**STAMPED, "devices.robot.clock_step_ms": 40.0, "devices.robot.clock_step_after": 100}
    )
    assert ran.results.verdict is Verdict.INCONCLUSIVE
    assert "robot.robot" in check_of(ran).value and "stepped" in check_of(ran).value
    assert any("stepped" in reason for reason in ran.results.requirements[0].reasons)
    assert [entry for entry in ran.robot if entry["event"] == "clock stepped"]


def test_the_same_step_is_information_where_the_arrival_is_what_was_received(tmp_path):
    step = {"devices.robot.clock_step_ms": 40.0, "devices.robot.clock_step_after": 100}
    ran = run_here(tmp_path, {**STAMPED, **step, "scenarios.command.arrival": "received"})
    (fact,) = [check for check in ran.scenario.checks if check.name == "clock robot.robot"]
    assert fact.ok and "stepped" in fact.value
    assert "clock" not in {check.name for check in ran.scenario.checks}
