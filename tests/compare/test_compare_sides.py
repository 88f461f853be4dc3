"""Both sides: shifts, several runs, lost ones, effect sizes and distances, on truth that is known."""

from __future__ import annotations

from math import inf, isfinite, log

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import ttest_ind

from harness.compare.effect import chance_larger, effect
from harness.compare.sides import Pair, between, percentiles, runs_apart

Floats = NDArray[np.float64]
RNG = np.random.default_rng
TIMEOUT = 100.0


def pair(a: list[Floats], b: list[Floats], *quantiles: float) -> Pair:
    return Pair.of(
        [lambda v=each: v for each in a], [lambda v=each: v for each in b], quantiles or (0.5, 0.99), TIMEOUT
    )


def test_a_known_shift_is_found_in_ms_and_as_a_share() -> None:
    a, b = RNG(1).lognormal(1, 0.2, 4000), RNG(2).lognormal(1, 0.2, 4000) * 1.2
    shift = pair([a], [b]).shift(0.5, 0.05)
    assert shift.word == "larger"
    assert shift.relative.low < 0.2 < shift.relative.high
    assert shift.difference.low < 0.2 * np.e < shift.difference.high
    assert shift.relative.high - shift.relative.low < 0.05
    back = pair([b], [a]).shift(0.5, 0.05)
    assert back.word == "smaller"
    assert back.relative.low < 1 / 1.2 - 1 < back.relative.high


def test_a_quantile_that_n_cannot_bound_has_no_upper_end() -> None:
    shift = pair([RNG(3).random(200)], [RNG(4).random(200)], 0.99, 0.5).shift(0.99, 0.05)
    assert (shift.difference.low, shift.difference.high) == (-inf, inf)
    assert (shift.relative.low, shift.relative.high) == (-1.0, inf)
    assert shift.word == "neither"


def test_lost_against_answered_is_worse_without_end() -> None:
    a = 1 + RNG(5).random(3000)
    b = np.where(RNG(6).random(3000) < 0.05, np.inf, a)
    shift = pair([a], [b]).shift(0.99, 0.05)
    assert shift.b == inf
    assert (shift.difference.low, shift.difference.high) == (inf, inf)
    assert shift.word == "larger"
    assert pair([b], [a]).shift(0.99, 0.05).word == "smaller"
    assert pair([a], [b]).shift(0.5, 0.05).word == "neither"


def test_lost_against_lost_tells_nothing() -> None:
    both = np.where(RNG(7).random(3000) < 0.05, np.inf, 1.0 + RNG(8).random(3000))
    shift = pair([both], [both[::-1].copy()]).shift(0.99, 0.05)
    assert np.isnan(shift.difference.estimate)
    assert shift.word == "neither"
    assert (shift.difference.low, shift.difference.high) == (-inf, inf)


def test_what_runs_differ_by_is_in_the_interval_of_several() -> None:
    rng = RNG(9)
    noisy = [rng.lognormal(1, 0.1, 2000) * factor for factor in rng.lognormal(0, 0.1, 8)]
    against_one = pair(noisy[:1], noisy[1:2]).shift(0.5, 0.05).relative
    against_all = pair(noisy[:6], noisy[6:7]).shift(0.5, 0.05).relative
    assert against_all.high - against_all.low > 3 * (against_one.high - against_one.low)


def test_between_runs_is_students_t_with_one_variance() -> None:
    a, b = RNG(10).normal(5, 1, 6), RNG(11).normal(6, 1, 4)
    half = between(a, b, 0.05)
    assert half is not None
    whole = ttest_ind(b, a).confidence_interval(0.95)
    assert (b.mean() - a.mean() - half, b.mean() - a.mean() + half) == pytest.approx((whole.low, whole.high))
    assert between(a[:1], b[:1], 0.05) is None


def test_a_lost_run_bounds_on_one_side_alone() -> None:
    a = np.array([4.0, 5.0, 6.0])
    low, high = runs_apart(a, np.array([inf]), 0.05, TIMEOUT) or (0, 0)
    assert 0 < low < TIMEOUT - 5
    assert high == inf
    low, high = runs_apart(np.array([4.0, inf, 6.0]), np.array([5.0]), 0.05, TIMEOUT) or (0, 0)
    assert low == -inf
    assert isfinite(high)
    assert runs_apart(np.log(a), np.array([log(50.0)]), 0.05, log(TIMEOUT)) is not None


def test_a_lost_run_in_the_baseline_makes_nothing_look_better() -> None:
    rng = RNG(13)
    baseline = [1 + rng.random(2000) for _ in range(9)] + [np.full(2000, np.inf)]
    shift = pair(baseline, [1.5 * (1 + rng.random(2000))]).shift(0.99, 0.05)
    assert shift.relative.high > 0.05, "no bound on getting worse by 5 % is shown"


def test_one_lost_candidate_against_a_baseline_is_worse() -> None:
    rng = RNG(12)
    baseline = [1 + rng.random(2000) for _ in range(5)]
    lossy = np.where(rng.random(2000) < 0.05, np.inf, 1 + rng.random(2000))
    shift = pair(baseline, [lossy]).shift(0.99, 0.05)
    assert shift.word == "larger"
    assert shift.difference.low > 10


def test_percentiles_take_what_is_no_number_as_either() -> None:
    draws = np.concatenate([np.full(10, np.nan), np.zeros(190)])
    assert percentiles(draws, 0.05) == (-inf, inf)
    assert percentiles(np.arange(1000.0), 0.05) == (25.0, 974.0)


def test_superiority_is_that_of_the_normal_shift() -> None:
    a, b = RNG(13).normal(10, 1, 5000), RNG(14).normal(10.5, 1, 5000)
    found = effect(pair([a], [b]), TIMEOUT, 0.05)
    truth = 0.6382  # Phi(0.5 / sqrt 2)
    assert found.superiority.estimate == pytest.approx(truth, abs=0.02)
    assert found.superiority.low < truth < found.superiority.high
    assert found.cliffs_delta.estimate == pytest.approx(2 * found.superiority.estimate - 1)
    assert found.size == "small"
    assert found.wasserstein_ms.low < 0.5 < found.wasserstein_ms.high
    assert found.kolmogorov.low < 0.1974 < found.kolmogorov.high  # 2 Phi(0.25) - 1


def test_superiority_is_exact_where_values_are_few() -> None:
    a, b = np.array([1.0, 2, 2, 4]), np.array([2.0, 3, 4, np.inf])
    wins = sum((y > x) + (y == x) / 2 for x in a for y in b) / 16
    found = effect(pair([a], [b], 0.5), TIMEOUT, 0.05)
    assert found.superiority.estimate == pytest.approx(wins)
    assert float(chance_larger(np.array([0.5]), np.array([0.5]))) == 0.5


def test_no_difference_is_no_distance() -> None:
    a, b = RNG(15).random(3000), RNG(16).random(3000)
    found = effect(pair([a], [b]), TIMEOUT, 0.05)
    assert found.kolmogorov.low == 0
    assert found.wasserstein_ms.low == 0
    assert found.size == "negligible"


def test_a_lost_sample_is_moved_to_the_timeout() -> None:
    a = np.full(1000, 1.0) + np.linspace(0, 1e-3, 1000)
    b = np.where(np.arange(1000) % 10 == 0, np.inf, a)
    found = effect(pair([a], [b]), TIMEOUT, 0.05)
    assert found.wasserstein_ms.estimate == pytest.approx(0.1 * (TIMEOUT - 1), rel=0.02)
    assert found.kolmogorov.estimate == pytest.approx(0.1, abs=0.01)
