"""The wall clock is set during a run; the harness stalls, at instants chosen by a fake clock."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from fault_bench import RIG, Ran, run_here
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.config.schema import Paced
from harness.folder import RunFolder
from harness.model import NO_STAMP, SampleFlag, StimulusFlag
from harness.schedule import PacedLine, largest_lateness_ns, paced, paced_offsets
from harness.testing.fake_clock import FakeClock

SLACK_NS = 300_000
"""Bound of a reading of the wall clock on a busy host; the steps are 1 ms or more."""


class FollowedClock(FakeClock):
    """The real clock, with what happens while measuring planned as soon as the run folder is there."""

    def __init__(self) -> None:
        super().__init__(follow=True, realtime_ns=time.time_ns())


def stepped(folder: Any, delta_ns: int, key: str = "sequence", **more: Any) -> Ran:
    """A run in the middle of whose measured part CLOCK_REALTIME is set by ``delta_ns``."""
    clock = FollowedClock()
    wired = RIG["devices"]["robot"]["ports"]
    changes = {
        "devices.robot.ports.command.stimulus": {**wired["command"]["stimulus"], "key": key},
        "devices.robot.ports.applied.response.match.kind": key,
        "scenarios.command.schedule.samples": 1000,
        "setup": [{"sleep_s": 0.01}],
    }

    def planned(folder: RunFolder) -> None:
        original: Callable[..., None] = folder.event

        def event(name: str, /, **details: Any) -> None:
            if (name, details.get("name")) == ("phase", "measuring"):
                clock.step_realtime_at(clock.monotonic_ns() + 800_000_000, delta_ns)
            original(name, **details)

        folder.event = event  # type: ignore[method-assign]

    return run_here(folder, changes, clock=clock, on_folder=planned, **more)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("delta_ns", "key"),
    [(5_000_000_000, "sequence"), (-5_000_000_000, "stamp"), (1_000_000, "sequence"), (-1_000_000, "stamp")],
)
def test_latencies_stay_right_when_the_wall_clock_is_set(tmp_path, delta_ns, key):
    ran = stepped(tmp_path, delta_ns, key)
    assert ran.outcome.error is None
    rows = ran.samples[(ran.samples["stimulus_flags"] == 0)]
    answered = rows[rows["arrived_ns"] != NO_STAMP]
    assert len(answered) == ran.scenario.answered == ran.scenario.sent > 100
    # Between the send and the instant at which the harness saw it, whatever the wall clock said.
    assert (answered["arrived_ns"] - answered["sent_ns"]).min() >= -SLACK_NS
    assert (answered["seen_ns"] - answered["arrived_ns"]).min() >= -SLACK_NS
    flagged = (answered["flags"] & SampleFlag.CLOCK_STEP) != 0
    assert flagged.sum() == ran.scenario.clock_steps > 0
    # Those keep the later instant: it can cost a PASS, never cause a FAIL.
    assert (answered["arrived_ns"] == answered["seen_ns"])[flagged].all()
    assert len(np.unique(rows["key"][rows["sent_ns"] != NO_STAMP])) == ran.scenario.sent
    (check,) = [check for check in ran.scenario.checks if check.name == "wall clock"]
    assert "set during the run" in check.value
    assert f"{delta_ns * 1e-6:+.0f}"[:2] in check.value


@pytest.mark.slow
def test_a_wall_clock_that_was_set_is_said_in_the_report(tmp_path):
    pypdf = pytest.importorskip("pypdf")
    ran = stepped(tmp_path, 5_000_000_000, report=True)
    text = " ".join(page.extract_text() for page in pypdf.PdfReader(ran.folder / "report.pdf").pages)
    assert "set during the run (+5000" in " ".join(text.split())


@pytest.mark.slow
def test_a_wall_clock_that_was_left_alone_is_said_too(tmp_path):
    ran = run_here(tmp_path, clock=FollowedClock())
    (check,) = [check for check in ran.scenario.checks if check.name == "wall clock"]
    assert "not set during the run" in check.value
    assert ran.scenario.clock_steps == 0


@pytest.mark.slow
def test_a_stalled_sender_skips_and_does_not_burst(tmp_path):
    clock = FollowedClock()
    stall_ns = 250_000_000

    def planned(folder: RunFolder) -> None:
        for number in range(20):
            clock.stall_at(time.monotonic_ns() + (2 + number) * 500_000_000, stall_ns)

    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 1000}, clock=clock, on_folder=planned)
    assert ran.outcome.error is None
    rows = ran.stimuli[(ran.stimuli["flags"] & StimulusFlag.PROBE) == 0]
    assert len(rows) == 1010
    assert ((rows["flags"] & StimulusFlag.SKIPPED) != 0).sum() > 100
    sent = rows["sent_ns"][rows["sent_ns"] != NO_STAMP]
    assert np.diff(sent).min() >= 0.25e9 / 500
    assert ran.scenario.lost == 0
    assert ran.results.requirements[0].n == ran.scenario.sent


@given(
    seed=st.integers(0, 2**32 - 1),
    periodic=st.booleans(),
    stalls=st.lists(st.tuples(st.integers(0, 400), st.floats(0.01, 30.0)), max_size=30),
)
@settings(max_examples=60, deadline=None)
def test_no_stall_whatever_its_length_brings_two_commands_close(seed, periodic, stalls):
    spec = Paced(kind="paced", rate_hz=200, samples=200, periodic=periodic)
    clock = FakeClock()
    period, start = 5_000_000, clock.monotonic_ns()
    for at, periods in stalls:
        clock.stall_at(start + at * period // 2, round(periods * period))
    offsets = paced_offsets(spec, 200, seed)
    sent: list[int] = []
    skipped: list[int] = []
    line = PacedLine(
        offsets,
        largest_lateness_ns(spec),
        lambda number, intended: sent.append(clock.monotonic_ns()),
        lambda number, intended: skipped.append(number),
    )
    paced([line], clock, lambda: False)
    assert len(sent) + len(skipped) == 200
    if len(sent) > 1:
        assert np.diff(sent).min() >= np.diff(offsets).min() // 2
    if not stalls:
        assert not skipped
