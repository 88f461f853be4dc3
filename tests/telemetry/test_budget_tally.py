"""What is kept is bounded, exact where a verdict needs it, and decides as the rule for rigs does."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis import dependence
from harness.model import Verdict
from harness.telemetry.budget.buckets import MOST, Buckets
from harness.telemetry.budget.extremes import KEPT, Extremes
from harness.telemetry.budget.guarding import edges_of
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.tally import Tally, together
from harness.telemetry.budget.verdict import judge

RATIO = Limits("r", unit="1", upper=1.0)


def tallied(values: np.ndarray, limits: Limits, batch: int = 1000) -> Tally:
    tally = Tally(edges_of(limits))
    for first in range(0, len(values), batch):
        tally.add(values[first : first + batch], float(first))
    return tally


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=200),
    st.integers(1, 50),
)
@settings(max_examples=60, deadline=None)
def test_every_value_is_in_its_bucket_whatever_its_size(values: list[float], batch: int) -> None:
    buckets = Buckets()
    for first in range(0, len(values), batch):
        buckets.add(np.array(values[first : first + batch]))
    assert sum(count for _, _, count in buckets) == buckets.total == len(values)
    edges = list(buckets)
    for value in values:
        near = 1e-9 * abs(value)
        assert any(low - near <= value <= high + near for low, high, _ in edges)
    found = buckets.quantile(0.5)
    exact = sorted(values)[(len(values) + 1) // 2 - 1]
    assert found is not None and exact <= found + 1e-9 * abs(exact)


def test_a_bucket_is_at_most_about_a_hundredth_of_its_value_wide() -> None:
    buckets = Buckets()
    buckets.add(np.exp(np.random.default_rng(1).normal(size=5000)))
    assert all(high - low <= 0.011 * low for low, high, _ in buckets)


def test_buckets_of_any_number_of_sizes_stay_bounded() -> None:
    buckets, rng = Buckets(), np.random.default_rng(2)
    for _ in range(30):
        buckets.add(10.0 ** rng.uniform(-300, 300, 5000))
        assert len(buckets.above) <= MOST
    assert buckets.total == 150_000
    other = Buckets()
    other.add(np.full(7, 3.25))
    buckets.merge(other)
    assert buckets.total == 150_007
    assert any(low <= 3.25 <= high for low, high, _ in buckets)


@pytest.mark.parametrize("levels", [10, 10**9])
def test_the_largest_are_kept_with_their_places(levels: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.integers(0, levels, 12_000).astype(np.float64)
    kept = Extremes(500)
    for first in range(0, len(values), 700):
        kept.add(values[first : first + 700], first)
    found, positions = kept.largest(500)
    assert np.array_equal(np.sort(values)[::-1][:500], found)
    assert np.array_equal(values[positions], found) and len(set(positions.tolist())) == 500
    assert not kept.complete and len(kept.arrays()[0]) <= 1000 + 700


def test_of_equal_values_a_random_choice_is_kept_and_not_the_first() -> None:
    kept = Extremes(400)
    for first in range(0, 40_000, 1000):
        kept.add(np.ones(1000), first)
    _, positions = kept.largest(400)
    counts = np.histogram(positions, 10, (0, 40_000))[0]
    assert counts.sum() == 400 and counts.min() > 15 and counts.max() < 80


@pytest.mark.parametrize(
    ("series", "n"), [("independent", 3000), ("bursts", 60_000), ("independent", 100_000)]
)
def test_the_decision_is_that_of_the_rule_on_all_values(series: str, n: int) -> None:
    rng = np.random.default_rng(n)
    values = rng.lognormal(-1, 0.35, n)
    if series == "bursts":
        for start in rng.integers(0, n - 20, n // 4000):
            values[start : start + 20] += 2
    tally = tallied(values, RATIO)
    (found,) = judge(RATIO, tally)
    direct = dependence.decide(values, 1.0, 1.0, 0.01, 0.05)
    assert found.verdict is direct.verdict
    assert (found.over_pass, found.n) == (direct.passing.exceedances, n)
    assert found.lines == list(direct.lines)
    assert found.estimate == np.sort(values)[int(np.ceil(n * 0.99)) - 1]


@pytest.mark.parametrize(
    ("over", "verdict"), [(0, "PASS"), (4, "PASS"), (5, "INCONCLUSIVE"), (15, "INCONCLUSIVE"), (16, "FAIL")]
)
def test_counts_at_p99_are_those_of_the_page_on_statistics(over: int, verdict: str) -> None:
    values = np.random.default_rng(5).uniform(0.1, 0.9, 1000)
    values[np.arange(over) * 61] = 1.5
    assert judge(RATIO, tallied(values, RATIO))[0].verdict.value == verdict


@pytest.mark.parametrize(("n", "passes"), [(298, False), (299, True)])
def test_fewer_than_299_never_pass_at_p99(n: int, passes: bool) -> None:
    found = judge(RATIO, tallied(np.random.default_rng(1).uniform(0, 1, n), RATIO))[0]
    assert (found.verdict is Verdict.PASS) is passes and found.needed_n == 299


def test_a_value_at_the_limit_is_within_it() -> None:
    values = np.random.default_rng(6).uniform(0.5, 0.6, 400)
    values[::10] = 1.0
    assert judge(RATIO, tallied(values, RATIO))[0].over == 0


def test_lower_limits_are_mirrored_and_both_are_judged() -> None:
    both = Limits("compression", unit="%", lower=40, upper=60)
    rng = np.random.default_rng(7)
    good, low = rng.uniform(41, 59, 1000), rng.uniform(41, 59, 1000)
    low[rng.choice(1000, 50, replace=False)] = 30
    assert [each.verdict for each in judge(both, tallied(good, both))] == [Verdict.PASS, Verdict.PASS]
    upper, lower = judge(both, tallied(low, both))
    assert (upper.verdict, lower.verdict, lower.over) == (Verdict.PASS, Verdict.FAIL, 50)
    assert lower.estimate == 30 and lower.limit == 40


def test_no_samples_and_all_the_same_never_pass() -> None:
    nothing = judge(RATIO, Tally(edges_of(RATIO)))[0]
    assert nothing.verdict is Verdict.INCONCLUSIVE and nothing.reason == "nothing was observed"
    same = judge(RATIO, tallied(np.full(1000, 0.5), RATIO))[0]
    assert same.verdict is Verdict.INCONCLUSIVE and "all values are the same" in same.reason


def test_a_time_bears_the_clock_and_what_measuring_adds() -> None:
    limits = Limits("t", upper=10.0)
    upper = edges_of(limits)[0]
    assert upper.passing == pytest.approx(0.01 * (1 - 500e-6), rel=1e-6) and upper.failing > 0.01 * (
        1 + 499e-6
    )
    lower = edges_of(Limits("t", lower=10.0))[0]
    assert -lower.passing > 0.01 > -lower.failing


@pytest.mark.slow
def test_beyond_what_is_kept_counts_stay_exact_and_dependence_is_seen() -> None:
    rng, n = np.random.default_rng(8), 4_000_000
    tally = Tally(edges_of(RATIO))
    over = 0
    for first in range(0, n, 100_000):
        values = rng.uniform(0, 1.003, 100_000)
        over += int((values > 1).sum())
        tally.add(values, float(first))
    found = judge(RATIO, tally)[0]
    assert found.over == over and found.n == n and found.verdict is Verdict.PASS
    assert found.estimate is None  # the 40 000th largest is not among the 16 384 that are kept
    assert len(tally.overs[0].extremes.arrays()[0]) <= 2 * KEPT + 100_000


def test_parts_of_one_stream_are_the_whole_of_it() -> None:
    rng = np.random.default_rng(9)
    values = rng.lognormal(-1, 0.35, 20_000)
    # Two processes take turns; each knows only when it had observed how much.
    first, second = Tally(edges_of(RATIO)), Tally(edges_of(RATIO))
    for number, start in enumerate(range(0, 20_000, 100)):
        (first, second)[number % 2].add(values[start : start + 100], float(start + 100))
    whole = together([first, second])
    direct = tallied(values, RATIO)
    assert whole.n == 20_000 and whole.mean == pytest.approx(direct.mean)
    assert whole.deviation == pytest.approx(direct.deviation) and whole.largest == direct.largest
    assert whole.overs[0].above_limit == direct.overs[0].above_limit
    positions = whole.overs[0].extremes.largest(20_000)[1]
    assert np.array_equal(np.sort(positions), np.arange(20_000))
    assert judge(RATIO, whole)[0].verdict is judge(RATIO, direct)[0].verdict


def test_a_disturbance_that_hits_two_processes_at_once_is_one() -> None:
    rng = np.random.default_rng(10)
    parts = []
    for _ in range(2):
        values = rng.uniform(0.1, 0.9, 20_000)
        for start in range(500, 20_000, 2000):
            values[start : start + 10] = 2.0
        parts.append(tallied(values, RATIO, 10))
    found = together(parts).overs[0].extremes
    _, positions = found.largest(200)
    positions = np.sort(positions)
    # Ten disturbances of twenty, each at one place, not twenty of ten.
    assert (np.diff(positions) > 500).sum() == 9


def test_arrays_make_it_again() -> None:
    tally = tallied(np.random.default_rng(11).lognormal(0, 0.5, 50_000), RATIO)
    tally.failed, tally.invalid = 3, 2
    again = Tally.of_arrays(tally.arrays())
    assert (again.n, again.failed, again.invalid) == (50_000, 3, 2)
    assert judge(RATIO, again) == judge(RATIO, tally)
    assert list(again.buckets) == list(tally.buckets)


def test_a_limit_that_comes_later_counts_what_is_still_known() -> None:
    values = np.random.default_rng(12).uniform(0, 2, 2 * KEPT)
    few, many = Tally(), Tally()
    few.add(values[:1000], 0.0)
    many.add(values, 0.0)
    for tally in (few, many):
        tally.limited(edges_of(RATIO))
        tally.add(values[:100], 1.0)
    assert (
        few.judged == 1100
        and few.overs[0].above_limit == (values[:1000] > 1).sum() + (values[:100] > 1).sum()
    )
    assert many.judged == 100 and many.overs[0].above_limit == (values[:100] > 1).sum()


def test_powers_of_two_are_edges_at_every_scale() -> None:
    values = np.concatenate([2.0 ** np.arange(-20, 20), -(2.0 ** np.arange(-3, 3)), np.zeros(5)])
    buckets = Buckets()
    buckets.add(values)
    for power in range(-20, 20):
        assert buckets.at_most(2.0**power) == (values <= 2.0**power).sum()
    assert buckets.at_most(0.0) == 11 and buckets.zeros == 5
