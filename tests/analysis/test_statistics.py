import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from harness.analysis import statistics as s
from harness.analysis.rule import at_least, at_most, complement

INF, NAN = math.inf, math.nan


def test_quantiles_are_measured_values_never_interpolated():
    values = s.ordered(np.array([40.0, 10.0, 30.0, 20.0]))
    assert [s.order_quantile(values, q) for q in (0.01, 0.25, 0.26, 0.5, 0.75, 0.99)] == [
        10,
        10,
        20,
        20,
        30,
        40,
    ]


@pytest.mark.parametrize(
    ("n", "q", "expected"),
    [(100, 0.07, 7), (1000, 0.99, 990), (1000, 0.999, 999), (60, 0.95, 57), (1, 0.5, 1), (299, 0.99, 297)],
)
def test_ranks_are_exact_where_floats_are_not(n, q, expected):
    assert s.rank(n, q) == expected


def test_lost_ones_sit_at_infinity_and_what_was_not_measured_nowhere():
    values = s.ordered(np.array([1.0, INF, NAN, 2.0]))
    assert values.tolist() == [1.0, 2.0, INF]
    assert s.order_quantile(values, 0.5) == 2.0
    assert s.order_quantile(values, 0.99) == INF
    assert math.isnan(s.order_quantile(values[:0], 0.5))


def test_distribution_counts_the_lost_apart():
    d = s.distribution(np.array([1.0, 2.0, 3.0, INF, NAN]))
    assert (d.n, d.mean, d.sd, d.min, d.max) == (3, 2.0, 1.0, 1.0, 3.0)
    assert (d.p50, d.p90) == (2.0, None)
    assert [i.quantile for i in d.intervals] == [0.5, 0.9, 0.99, 0.999]


@pytest.mark.parametrize(
    ("values", "n", "mean", "sd", "p50"),
    [
        ([], 0, None, None, None),
        ([INF, INF], 0, None, None, None),
        ([5.0], 1, 5.0, None, 5.0),
        ([NAN], 0, None, None, None),
    ],
)
def test_distributions_of_almost_nothing(values, n, mean, sd, p50):
    d = s.distribution(np.array(values))
    assert (d.n, d.mean, d.sd, d.p50) == (n, mean, sd, p50)


def test_bounds_are_none_only_where_n_is_too_small():
    values = np.arange(1.0, 300.0)
    assert s.upper_bound(values, 0.99, 0.05) == 299.0
    assert s.upper_bound(values[:298], 0.99, 0.05) is None
    assert s.lower_bound(values[:0], 0.99, 0.05) is None
    thousand = np.arange(1.0, 1001.0)
    assert s.upper_bound(thousand, 0.99, 0.05) == 996.0
    assert s.lower_bound(thousand, 0.99, 0.05) == 985.0


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(0, 20) | st.just(INF), min_size=1, max_size=700),
    st.sampled_from([0.9, 0.95, 0.99]),
    st.floats(0.1, 20),
)
def test_bounds_and_rule_say_the_same(values, q, limit):
    ascending = s.ordered(np.array(values))
    k = int((ascending > limit).sum())
    n, p0 = len(ascending), complement(q)
    upper, lower = s.upper_bound(ascending, q, 0.05), s.lower_bound(ascending, q, 0.05)
    assert (at_most(k, n, p0) <= 0.05) == (upper is not None and upper <= limit)
    assert (at_least(k, n, p0) <= 0.05) == (lower is not None and lower > limit)


@pytest.mark.slow
def test_two_sided_intervals_cover_as_often_as_they_say():
    rng = np.random.default_rng(1)
    repetitions, n, q = 4000, 800, 0.9
    values = np.sort(rng.exponential(size=(repetitions, n)), axis=1)
    low, high = s.lower_rank(n, q, 0.025), s.upper_rank(n, q, 0.025)
    truth = -math.log(1 - q)
    covered = ((values[:, low - 1] <= truth) & (truth <= values[:, high - 1])).mean()
    assert 0.95 - 3 * math.sqrt(0.95 * 0.05 / repetitions) <= covered <= 0.975


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 500), st.data())
def test_share_intervals_are_clopper_and_pearsons(n, data):
    k = data.draw(st.integers(0, n))
    expected = binomtest(k, n).proportion_ci(0.95, method="exact")
    assert s.clopper_pearson(k, n) == pytest.approx((expected.low, expected.high), abs=1e-9)


def test_no_share_without_trials():
    assert s.clopper_pearson(0, 0) is None


def test_reordering_follows_rfc_4737():
    assert s.reordered(np.array([1, 2, 5, 3, 4, 6])).tolist() == [False, False, False, True, True, False]
    assert s.reordered(np.array([], dtype=np.int64)).tolist() == []


def test_rate_needs_two_sends_and_a_span():
    assert s.achieved_rate_hz(np.array([0, 5_000_000, 10_000_000])) == pytest.approx(200.0)
    assert s.achieved_rate_hz(np.array([7])) is None
    assert s.achieved_rate_hz(np.array([7, 7])) is None


def test_phases_of_a_locked_and_of_a_jittered_schedule():
    locked = np.arange(1000, dtype=np.int64) * 5_000_000 + 10**15
    assert s.phase_coverage(locked, 5.0) == 0.05
    assert s.phase_coverage(locked, 10.0) == 0.1
    jitter = np.random.default_rng(0).integers(0, 5_000_000, 1000)
    assert s.phase_coverage(locked + jitter, 5.0) == 1.0
    assert s.phase_coverage(locked[:0], 5.0) == 0.0


def test_runs_of_exceedances():
    assert s.longest_run(np.array([0, 1, 1, 0, 1, 1, 1], dtype=bool)) == 3
    assert s.longest_run(np.zeros(0, dtype=bool)) == 0
    assert s.longest_run(np.ones(4, dtype=bool)) == 4
