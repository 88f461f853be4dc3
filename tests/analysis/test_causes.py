"""Slow answers, conditions and the model, on tables made up for the purpose."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from harness.analysis.causes import find_causes
from harness.analysis.causes.model import auc, fit
from harness.analysis.causes.rhythm import BLOCK, MOST_ANSWERS, find_grid, find_period, strengths
from harness.analysis.causes.slow import find_slow
from harness.hosttable import HostTable, Subject
from harness.model import HOST_DTYPE, NO_STAMP, SAMPLE_DTYPE, HostMeasure, SampleFlag, StimulusFlag

MS = 1_000_000
ROBOT, HARNESS, OTHER = 100, 101, 102
NAMES = {
    ROBOT: Subject(ROBOT, "rig", "robot"),
    HARNESS: Subject(HARNESS, "harness", "harness"),
    OTHER: Subject(OTHER, "other", "indexer"),
}


def made(latency_ms: NDArray[Any], period_ms: float = 5.0, seed: int = 1) -> NDArray[Any]:
    chance = np.random.default_rng(seed)
    n = len(latency_ms)
    rows = np.zeros(n, SAMPLE_DTYPE)
    gaps = chance.uniform(0.5, 1.5, n) * period_ms * MS
    rows["key"] = np.arange(n)
    rows["intended_ns"] = 10**12 + np.cumsum(gaps).astype(np.int64)
    rows["sent_ns"] = rows["handed_ns"] = rows["intended_ns"] + 50_000
    rows["arrived_ns"] = rows["seen_ns"] = rows["intended_ns"] + (latency_ms * MS).astype(np.int64)
    return rows


def looked(samples: NDArray[Any], more: list[tuple[int, int, float, int, int, int]]) -> HostTable:
    """Looks every 40 ms over the samples, and ``more`` rows."""
    ends = np.arange(samples["intended_ns"][0], samples["arrived_ns"].max() + 80 * MS, 40 * MS)
    rows = [(int(end), 40 * MS, 1.0, -1, int(HostMeasure.SAMPLING_MS), 0) for end in ends]
    return HostTable(np.array(sorted(rows + more), HOST_DTYPE), NAMES)


def bursts(n: int, seed: int = 3) -> tuple[NDArray[Any], list[int]]:
    """Latencies with 25 bursts of four slow answers, and where these begin."""
    chance = np.random.default_rng(seed)
    latency = chance.normal(1.0, 0.02, n)
    places = sorted(chance.choice(np.arange(20, n - 20, 10), 25, replace=False).tolist())
    for place in places:
        latency[place : place + 4] += [20.0, 15.0, 10.0, 5.0]
    return latency, places


def during(samples: NDArray[Any], places: list[int], measure: HostMeasure, subject: int) -> list[Any]:
    """20 ms of ``measure`` in the look that each of these falls into."""
    first = int(samples["intended_ns"][0])
    ends = [
        first + (int(samples["arrived_ns"][at]) - first + 40 * MS - 1) // (40 * MS) * 40 * MS for at in places
    ]
    return [(end, 40 * MS, 20.0, subject, int(measure), 0) for end in sorted(set(ends))]


def causes(samples: NDArray[Any], host: HostTable, **more: Any) -> Any:
    return find_causes("command", samples, host, {}, timeout_ms=100.0, limit_ms=10.0, quantile=0.99, **more)


@pytest.mark.parametrize(
    ("measure", "subject", "kind"),
    [
        (HostMeasure.WAIT_MS, ROBOT, "run-queue delay"),
        (HostMeasure.WAIT_MS, HARNESS, "run-queue delay"),
        (HostMeasure.STOPPED_MS, ROBOT, "stopped process"),
        (HostMeasure.MEMORY_PRESSURE_MS, -1, "memory pressure"),
        (HostMeasure.TCP_RETRANSMITS, -1, "retransmits"),
        (HostMeasure.UDP_DROPS, -1, "dropped datagrams"),
        (HostMeasure.CORE_STEAL_MS, 1, "stolen CPU time"),
    ],
)
def test_what_went_with_the_slow_answers_is_named(measure: HostMeasure, subject: int, kind: str) -> None:
    latency, places = bursts(2000)
    samples = made(latency)
    found = causes(samples, looked(samples, during(samples, places, measure, subject)))
    assert found.causes[0].kind == kind
    if subject in NAMES:
        assert found.causes[0].subject == NAMES[subject].name
    assert found.causes[0].share > 0.9 > 0.5 > found.causes[0].chance
    assert found.causes[0].p99_without_ms < 5.0 < found.causes[0].p99_ms
    assert found.skill.enough


def test_conditions_at_other_moments_are_not_named() -> None:
    latency, _ = bursts(2000)
    samples = made(latency)
    named = 0
    for seed in range(8):
        places = np.random.default_rng(seed).choice(1900, 25, replace=False).tolist()
        rows = during(samples, places, HostMeasure.WAIT_MS, ROBOT)
        rows += during(samples, places[::-1][:12], HostMeasure.STOPPED_MS, ROBOT)
        named += bool(causes(samples, looked(samples, rows)).causes)
    assert named == 0


def test_who_ran_meanwhile_is_told_and_moved_away() -> None:
    latency, places = bursts(2000)
    samples = made(latency)
    rows = during(samples, places, HostMeasure.WAIT_MS, ROBOT) + during(
        samples, places, HostMeasure.RUN_MS, OTHER
    )
    first = int(samples["intended_ns"][0])
    rows += [(first + 1, 0, 0.0, ROBOT, int(HostMeasure.CORE), 0)]
    rows += [(first + 40 * MS, 40 * MS, 20.0, core, int(HostMeasure.CORE_BUSY_MS), 0) for core in (0, 1)]
    cause = causes(samples, looked(samples, rows)).causes[0]
    assert cause.culprit == "indexer (pid 102)"
    assert cause.actions[0].command == "sudo taskset -acp 1 102"


def test_answers_that_hardly_differ_have_no_cause() -> None:
    samples = made(np.random.default_rng(1).normal(1.0, 0.05, 2000))
    found = causes(samples, looked(samples, during(samples, [5, 500], HostMeasure.WAIT_MS, ROBOT)))
    assert found.causes == [] and found.words[0].startswith("no clear cause")


def test_a_run_whose_host_was_not_recorded_says_so() -> None:
    samples = made(bursts(2000)[0])
    found = causes(samples, HostTable())
    assert found.causes == []
    assert "was not recorded" in found.words[-1]


def test_nothing_answered_is_said() -> None:
    samples = made(np.ones(20))
    samples["arrived_ns"] = samples["seen_ns"] = NO_STAMP
    samples["flags"] |= int(SampleFlag.LOST)
    assert causes(samples, HostTable()).words == ["nothing was answered, so nothing was slow"]


def test_lost_and_skipped_ones_are_slow() -> None:
    samples = made(np.full(400, 1.0))
    samples["flags"][10:15] |= int(SampleFlag.LOST)
    samples["arrived_ns"][10:15] = NO_STAMP
    samples["stimulus_flags"][20:25] |= int(StimulusFlag.SKIPPED)
    samples["flags"][20:25] |= int(SampleFlag.NOT_SENT)
    samples["arrived_ns"][20:25] = samples["sent_ns"][20:25] = NO_STAMP
    slow = find_slow(samples, 100.0, 10.0, 0.99)
    assert slow is not None
    assert np.flatnonzero(slow.slow).tolist() == [*range(10, 15), *range(20, 25)]
    assert slow.excess_ms[10] == pytest.approx(99.0)
    assert 2.0 < slow.excess_ms[20] < 3.0


def test_lateness_and_the_rest_add_up() -> None:
    latency = np.full(1000, 1.0)
    samples = made(latency)
    samples["sent_ns"][::50] += 6 * MS
    samples["handed_ns"][::50] += 6 * MS
    samples["arrived_ns"][::50] += 8 * MS
    slow = find_slow(samples, 100.0, 10.0, 0.99)
    assert slow is not None
    assert slow.stages["lateness"] == pytest.approx(0.75)
    assert sum(slow.stages.values()) == pytest.approx(1.0)


@pytest.mark.parametrize("period_ms", [50.0, 100.0, 333.0])
def test_a_period_of_slow_answers_is_found(period_ms: float) -> None:
    samples = made(np.full(4000, 1.0))
    since = (samples["intended_ns"] - samples["intended_ns"][0]) * 1e-6
    left = 9.0 - since % period_ms
    samples["arrived_ns"] += np.where(left > 0, left * MS, 0).astype(np.int64)
    slow = find_slow(samples, 100.0, 10.0, 0.9)
    assert slow is not None
    period = find_period(slow)
    assert period is not None
    assert period.ms == pytest.approx(period_ms, rel=0.01)


def test_random_bursts_have_no_period() -> None:
    found = 0
    for seed in range(30):
        slow = find_slow(made(bursts(2000, seed)[0], seed=seed), 100.0, 10.0, 0.99)
        assert slow is not None
        found += find_period(slow) is not None
    assert found == 0


@pytest.mark.parametrize("count", [1, 81, BLOCK, 3 * BLOCK + 5])
def test_rates_tried_at_once_are_those_tried_one_by_one(count: int) -> None:
    events = np.sort(np.random.default_rng(count).uniform(0, 900, 40))
    rates = 0.5 + np.arange(count) * 0.2 / 900
    alone = [abs(np.exp(2j * np.pi * rate * events).mean()) for rate in rates]
    assert strengths(events, rates) == pytest.approx(alone, abs=1e-9)


def test_a_grid_is_found_among_very_many_answers() -> None:
    samples = made(np.full(3 * MOST_ANSWERS, 2.0), 4.0)
    samples["arrived_ns"] = -(-samples["arrived_ns"] // (16 * MS)) * 16 * MS
    slow = find_slow(samples, 100.0, 10.0, 0.95)
    assert slow is not None
    grid = find_grid(slow)
    assert grid is not None and grid.ms == 16


@pytest.mark.parametrize("step", [4, 10, 16])
def test_a_grid_of_arrivals_is_found_at_its_full_step(step: int) -> None:
    samples = made(np.full(1000, 2.0), 20.0)
    samples["arrived_ns"] = -(-samples["arrived_ns"] // (step * MS)) * step * MS
    slow = find_slow(samples, 100.0, 10.0, 0.95)
    assert slow is not None
    grid = find_grid(slow)
    assert grid is not None and grid.ms == step


def test_answers_to_a_strict_clock_are_no_grid() -> None:
    samples = made(np.full(1000, 2.0), 20.0)
    first = int(samples["intended_ns"][0])
    at = first + np.arange(1000) * 20 * MS
    for name, delay in (("intended_ns", 0), ("sent_ns", 0), ("handed_ns", 0), ("arrived_ns", 2 * MS)):
        samples[name] = at + delay
    slow = find_slow(samples, 100.0, 10.0, 0.95)
    assert slow is not None
    assert find_grid(slow) is None


def test_the_area_under_the_curve() -> None:
    y = np.array([False, False, True, True])
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), y) == 1.0
    assert auc(np.array([4.0, 3.0, 2.0, 1.0]), y) == 0.0
    assert auc(np.ones(4), y) == 0.5


def test_the_model_has_no_skill_where_there_is_none() -> None:
    skilled = 0
    for seed in range(8):
        chance = np.random.default_rng(seed)
        columns = [chance.exponential(5.0, 1000) * (chance.random(1000) < 0.1) for _ in range(5)]
        model = fit(columns, chance.random(1000) < 0.05)
        assert model is not None
        skilled += model.enough
    assert skilled == 0


def test_the_model_tells_which_condition_it_was() -> None:
    chance = np.random.default_rng(1)
    slow = chance.random(2000) < 0.05
    columns = [np.where(slow, 20.0, 0.0) * (chance.random(2000) < 0.9), chance.exponential(5.0, 2000)]
    model = fit(columns, slow)
    assert model is not None and model.enough
    assert model.importance[0] > 0.3 > 0.05 > abs(model.importance[1])
