"""Simulated time beside wall time: the factor, latencies in both, what may decide, and their uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.samples import build, latency_ms
from harness.analysis.simulated import (
    in_simulated_time,
    physics_item,
    real_time,
    simulated_budget,
    stamped,
)
from harness.analysis.simulated_time import SimulatedTime, simulated_times
from harness.analysis.timebase import Timebase
from harness.analysis.verdicts import judge
from harness.config.schema import Match, Requirement, Trials
from harness.model import (
    CLOCK_DTYPE,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
    SampleFlag,
    Verdict,
)

MS = 1_000_000
RUN = {
    "clocks": [
        {"name": "host.monotonic", "kind": "host"},
        {"name": "robot.sim_time", "kind": "simulated", "resolution_ns": MS},
    ]
}


def ticks(count: int, *, factor: float = 1.0, start: int = 0, late: int = -1) -> Any:
    """Observations of a clock that ticks every simulated millisecond; the one numbered ``late`` is held up
    for 30 ms."""
    table = np.zeros(count, OBSERVATION_DTYPE)
    table["key"], table["value"] = -1, np.nan
    table["stamp_ns"] = (np.arange(count) + 1) * MS
    table["seen_ns"] = table["received_ns"] = start + table["stamp_ns"] / factor
    table["stamp_clock"] = 1
    if late >= 0:
        table["seen_ns"][late : late + 30] = table["seen_ns"][late + 30]
    return table


def clock(*tables: Any) -> SimulatedTime:
    return simulated_times(RUN, tables)["robot.sim_time"]


def test_the_last_stamp_that_was_seen() -> None:
    time = clock(ticks(10, start=100))
    assert time.step_ns == MS
    assert time.before(np.array([100, 100 + MS, 100 + 2 * MS - 1])).tolist() == [NO_STAMP, MS, MS]
    assert time.after(np.array([100 + MS, 100 + 10 * MS])).tolist() == [2 * MS, NO_STAMP]
    nothing = clock()
    assert nothing.before(np.array([5])).tolist() == [NO_STAMP]
    assert nothing.factor(0, 10**10) is None


def test_messages_of_several_topics_overtake_each_other() -> None:
    """Simulated time has come as far as the furthest stamp."""
    slow = ticks(100)
    slow["seen_ns"] += 5 * MS
    time = clock(ticks(100), slow)
    assert (np.diff(time.stamp_ns) >= 0).all()
    assert time.before(np.array([50 * MS])).tolist() == [50 * MS]


@pytest.mark.parametrize("factor", [1.0, 0.997, 0.5, 0.3])
def test_the_factor_is_that_of_the_stamps(factor: float) -> None:
    found = clock(ticks(5000, factor=factor)).factor(0, 10**12)
    assert found is not None
    assert found.least == pytest.approx(factor, rel=2e-3) and found.mean == pytest.approx(factor, rel=2e-3)
    assert real_time(found).ok is (factor >= 0.99)


def test_a_second_of_standing_still_is_seen_and_a_held_up_reader_is_not() -> None:
    held = clock(ticks(5000, late=2500)).factor(0, 10**12)
    assert held is not None and held.least > 0.99
    stood = ticks(5000)
    stood["seen_ns"][2500:] += 1_000_000_000
    found = clock(stood).factor(0, 10**12)
    assert found is not None and found.least < 0.6 and not real_time(found).ok
    assert not real_time(None).ok


def test_a_reset_world_begins_anew() -> None:
    """Stamps that went back are neither overtaken ones nor part of a latency."""
    first, again = ticks(3000), ticks(3000)
    again["seen_ns"] += 3040 * MS  # it took 40 ms
    time = clock(np.concatenate([first, again]))
    assert time.before(np.array([3000 * MS, 3050 * MS])).tolist() == [3000 * MS, 10 * MS]
    assert time.after(np.array([3000 * MS, 3050 * MS])).tolist() == [NO_STAMP, 11 * MS]
    found = time.factor(0, 10**12)
    assert found is not None and found.least > 0.999 and found.mean > 0.999
    stimuli = np.zeros(3, STIMULUS_DTYPE)
    stimuli["key"] = np.arange(3)
    stimuli["sent_ns"] = stimuli["handed_ns"] = stimuli["intended_ns"] = np.array([100, 2999, 3100]) * MS
    answers = np.zeros(3, OBSERVATION_DTYPE)
    answers["key"], answers["stamp_clock"] = np.arange(3), 1
    answers["seen_ns"] = answers["received_ns"] = np.array([104, 3045, 3104]) * MS
    answers["stamp_ns"] = np.array([104, 5, 64]) * MS
    samples = samples_of(stimuli, answers, time)
    assert samples["sim_arrived_ns"].tolist() == [104 * MS, NO_STAMP, 64 * MS]
    assert latency_ms(in_simulated_time(samples))[[0, 2]].tolist() == [4.0, 4.0]
    told = stamped(samples)
    assert not told.ok and told.value.startswith("1 of 3")


def test_a_held_up_reader_is_no_reset() -> None:
    """Another topic's stamps come 200 ms late for a while."""
    other = ticks(1000)[::10]
    other["seen_ns"][30:40] += 200 * MS
    time = clock(ticks(1000), other)
    assert set(time.epoch.tolist()) == {0}


def trials(count: int, delay_ms: float, factor: float = 1.0, *, lose: int = 0) -> tuple[Any, Any, Any]:
    """Commands 20 simulated ms apart, each answered ``delay_ms`` of simulated time later, but for some."""
    stimuli = np.zeros(count, STIMULUS_DTYPE)
    stimuli["key"] = np.arange(count)
    sim = (np.arange(count) + 1) * 20 * MS
    stimuli["intended_ns"] = stimuli["sent_ns"] = stimuli["handed_ns"] = sim / factor + 1000
    answers = np.zeros(count, OBSERVATION_DTYPE)
    answers["key"] = np.arange(count)
    answers["stamp_ns"] = sim + delay_ms * MS
    answers["seen_ns"] = answers["received_ns"] = answers["stamp_ns"] / factor
    answers["stamp_clock"] = 1
    rng = np.random.default_rng(1)
    lost = rng.choice(count, lose, replace=False)
    return stimuli, np.delete(answers, lost), ticks(count * 20 + 40, factor=factor)


def samples_of(stimuli: Any, answers: Any, time: SimulatedTime | None) -> Any:
    base = Timebase(["host.monotonic", "robot.sim_time"], np.zeros(0, CLOCK_DTYPE))
    rule = Match(kind="sequence", path="n")
    return build(stimuli, answers, base, rule, 1000 * MS, simulated=time).samples


def test_latency_in_both_times() -> None:
    """At half speed 4 ms of simulated time take 8 of wall time."""
    stimuli, answers, clock_rows = trials(50, 4.0, 0.5)
    samples = samples_of(stimuli, answers, clock(clock_rows, answers))
    assert latency_ms(samples) == pytest.approx(8.0, abs=0.01)
    assert latency_ms(in_simulated_time(samples)).tolist() == [4.0] * 50
    assert stamped(samples).ok


def requirement(limit: float = 10.0, **more: Any) -> Requirement:
    return Requirement(id="R", scenario="s", quantile=0.9, limit=limit, **more)


def judged(samples: Any, asked: Requirement, wall: Any = ()) -> Any:
    plan = Trials(kind="trials", samples=len(samples), stopping="fixed")
    return judge(asked, samples, Circumstances(len(samples), wall_checks=wall), Measuring(0.05, plan))


def test_a_slow_simulation_decides_in_simulated_time_alone() -> None:
    stimuli, answers, clock_rows = trials(100, 4.0, 0.3)
    time = clock(clock_rows, answers)
    samples = samples_of(stimuli, answers, time)
    wall = [real_time(time.factor(0, 10**12))]
    assert judged(samples, requirement(time="simulated"), wall).verdict is Verdict.PASS
    assert judged(samples, requirement(3.0, time="simulated"), wall).verdict is Verdict.FAIL
    found = judged(samples, requirement(), wall)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("real-time factor" in reason and "0.3" in reason for reason in found.reasons)
    assert judged(samples, requirement(), wall).time == "wall"


def test_lost_ones_are_lost_in_both_times() -> None:
    stimuli, answers, clock_rows = trials(100, 4.0, lose=30)
    samples = samples_of(stimuli, answers, clock(clock_rows, answers))
    simulated = in_simulated_time(samples)
    assert np.isposinf(latency_ms(simulated)).sum() == 30
    assert judged(samples, requirement(time="simulated")).verdict is Verdict.FAIL


def test_without_stamps_nothing_is_decided_in_simulated_time() -> None:
    stimuli, answers, _ = trials(100, 4.0)
    bare = answers.copy()
    bare["stamp_ns"] = NO_STAMP
    samples = samples_of(stimuli, bare, clock(bare))
    assert (in_simulated_time(samples)["flags"] & SampleFlag.OPEN != 0).all()
    found = judged(samples, requirement(time="simulated"))
    assert found.verdict is Verdict.INCONCLUSIVE
    assert any("100 of 100 samples without stamps" in reason for reason in found.reasons)
    none = samples_of(stimuli, answers, None)
    assert (none["sim_sent_ns"] == NO_STAMP).all() and (none["sim_arrived_ns"] == NO_STAMP).all()


def test_physics_step_and_publish_period_are_in_the_budget() -> None:
    stimuli, answers, clock_rows = trials(50, 4.0)
    signal = ticks(1040)[9::10]  # published every 10 ms
    time = clock(clock_rows, answers, signal)
    samples = samples_of(stimuli, answers, time)
    samples["sim_arrived_ns"] = (samples["sim_arrived_ns"] // (10 * MS) + 1) * 10 * MS
    found = simulated_budget(samples, signal, time, of_signal=True, jitter=False)
    widths = {each.name: each.half_width_ms for each in found.items}
    assert widths == {"simulated time of the send": 1.0, "physics step": 1.0, "publish period": 10.0}
    assert found.expanded_ms > 10.0
    keyed = simulated_budget(samples, signal, time, of_signal=False, jitter=False)
    assert [each.name for each in keyed.items] == ["simulated time of the send", "physics step"]
    twice = simulated_budget(samples, signal, time, of_signal=False, jitter=True)
    assert [each.half_width_ms for each in twice.items] == [2.0, 2.0]
    assert physics_item(time).half_width_ms == 1.0
