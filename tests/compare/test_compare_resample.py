"""Resampling: block lengths, quantiles and their intervals, against what is known by construction."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from harness.compare.resample import CELLS, block_length, grid, resample
from harness.compare.sides import Pair

Floats = NDArray[np.float64]
RNG = np.random.default_rng


def autoregressive(rng: np.random.Generator, n: int, phi: float) -> Floats:
    return np.asarray(10 + lfilter([1.0], [1.0, -phi], rng.standard_normal(n) * np.sqrt(1 - phi**2)))


def test_blocks_grow_with_dependence() -> None:
    rng = RNG(1)
    lengths = [
        np.median([block_length(autoregressive(rng, 2000, phi)) for _ in range(9)]) for phi in (0, 0.5, 0.9)
    ]
    assert lengths[0] <= 2 < lengths[1] < lengths[2] <= 3 * np.sqrt(2000)


def test_a_series_that_cannot_depend_has_blocks_of_one() -> None:
    assert block_length(np.ones(500)) == 1
    assert block_length(np.arange(5.0)) == 1


def test_the_variance_of_a_mean_is_that_of_the_series() -> None:
    # The share over the median of an AR(1): v = 1 + 2 sum of (2/pi) asin(phi^k), for a Gaussian series.
    phi = 0.8
    truth = 1 + 2 * sum(2 / np.pi * np.arcsin(phi**k) for k in range(1, 200))
    found = [
        resample(autoregressive(RNG(seed), 4000, phi), [0.5], fine=False).inflation(0.5) for seed in range(5)
    ]
    assert 0.7 * truth < np.mean(found) < 1.3 * truth
    assert resample(RNG(1).random(8000), [0.5]).inflation(0.5) < 1.4


def test_resampled_quantiles_are_values_of_the_series_around_the_estimate() -> None:
    values = RNG(2).lognormal(0, 0.5, 5000)
    found = resample(values, [0.5, 0.99])
    for q in (0.5, 0.99):
        draws = found.quantile_draws(q)
        assert np.isin(draws, values).all()
        assert np.quantile(draws, 0.2) <= found.estimate(q) <= np.quantile(draws, 0.8)
        # Of independent values: the normal approximation of the order statistics.
        ranks = np.searchsorted(found.ascending, draws)
        assert np.std(ranks) == pytest.approx(np.sqrt(5000 * q * (1 - q)), rel=0.2)


def test_the_same_input_gives_the_same_draws() -> None:
    values = RNG(3).random(700)
    one, other = (resample(values, [0.9]).quantile_draws(0.9) for _ in range(2))
    assert np.array_equal(one, other)
    assert not np.array_equal(one, resample(values, [0.9], seed=4).quantile_draws(0.9))


def test_a_long_series_is_counted_in_cells_that_are_its_shortest_blocks() -> None:
    values = RNG(4).random(CELLS * 3 + 5)
    found = resample(values, [0.5])
    assert found.block >= 4
    assert found.block % 4 == 0
    assert found.levels[np.searchsorted(found.thresholds, found.estimate(0.5))] >= 0.5


def test_lost_samples_are_the_largest_and_never_dropped() -> None:
    values = np.where(RNG(5).random(2000) < 0.05, np.inf, 1.0 + RNG(6).random(2000))
    found = resample(values, [0.5, 0.99])
    assert found.lost == pytest.approx(0.05, abs=0.02)
    assert np.isinf(found.estimate(0.99))
    assert np.isinf(found.quantile_draws(0.99)).all()
    assert np.isfinite(found.quantile_draws(0.5)).all()
    assert found.levels[-1] == pytest.approx(1 - found.lost)
    # At the edge of the lost ones some copies have lost it and some have not.
    edge = 1 - found.lost
    assert 0.2 < np.isinf(found.quantile_draws(edge)).mean() < 0.8


@pytest.mark.parametrize("values", [np.full(50, np.inf), np.array([3.0]), np.ones(60)])
def test_series_without_spread_make_no_trouble(values: Floats) -> None:
    found = resample(values, [0.5, 0.99])
    assert (found.quantile_draws(0.5) == values[0]).all()
    assert found.inflation(0.5) == 1


@pytest.mark.parametrize("bad", [np.nan, -np.inf])
def test_values_that_are_no_latency_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="no latency"):
        resample(np.array([1.0, bad]), [0.5])


def test_the_grid_is_close_in_the_tails_and_has_the_wanted_quantiles() -> None:
    ascending = np.sort(RNG(7).random(100_000))
    found = grid(ascending, [0.5, 0.999])
    assert len(found) < 500
    for q in (0.5, 0.999):
        assert ascending[int(np.ceil(100_000 * q)) - 1] in found
    ranks = np.searchsorted(ascending, found)
    assert set(range(99_990, 100_000)) <= set(ranks.tolist())
    assert set(range(10)) <= set(ranks.tolist())


SERIES = {
    "independent": lambda rng, n: rng.standard_exponential(n),
    "AR(1) 0.9": lambda rng, n: autoregressive(rng, n, 0.9),
}


@pytest.mark.parametrize("name", SERIES)
def test_intervals_of_no_difference_hold_it(name: str) -> None:
    """A small one of benchmarks/interval_coverage.py: at least 90 % of 95 % intervals, to three errors."""
    repetitions, rng, missed = 60, RNG(8), 0
    for _ in range(repetitions):
        drawn = [SERIES[name](rng, 1500) for _ in range(2)]
        pair = Pair.of(*([partial(np.asarray, each)] for each in drawn), [0.9], fine=False)
        missed += pair.shift(0.9, 0.05).word != "neither"
    assert missed <= repetitions * 0.1 + 3 * np.sqrt(repetitions * 0.1 * 0.9)
