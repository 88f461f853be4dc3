from math import inf, log, nan

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import genpareto

from harness.analysis.tail import LEAST_CLUSTERS, Fit, clusters, tail


def test_clusters_are_told_apart_by_runs():
    place = np.array([3, 4, 9, 30, 31, 55])
    peaks = np.array([1.0, 5.0, 2.0, 7.0, 6.0, 4.0])
    assert clusters(place, peaks, 10).tolist() == [5.0, 7.0, 4.0]
    assert clusters(place, peaks, 1).tolist() == [5.0, 2.0, 7.0, 4.0]
    assert clusters(place[:0], peaks[:0], 10).tolist() == []


@pytest.mark.slow
@pytest.mark.parametrize("shape", [-0.2, 0.0, 0.25])
def test_a_known_shape_and_level_are_within_their_intervals(shape):
    rng = np.random.default_rng((1, int(shape * 100) + 50))
    values = genpareto.rvs(shape, size=60_000, random_state=rng)
    found = tail(values, run=1)
    low, high = found.shape_interval
    # 95 % intervals of one fixed seed each: widened by half of themselves.
    slack = (high - low) / 2
    assert low - slack <= shape <= high + slack
    assert found.stable
    share, centre, below, above = found.levels[0]
    assert below <= centre <= above
    truth = genpareto.isf(share, shape)
    assert below - (above - below) / 2 <= truth <= above + (above - below) / 2


def test_a_level_is_that_of_the_formula():
    fit = Fit(10.0, 0.99, 100, 80, 0.0, 2.0)
    assert fit.level(1e-4, 10_000) == pytest.approx(10 + 2 * log(100))
    assert Fit(10.0, 0.99, 100, 80, 0.5, 2.0).level(1e-4, 10_000) == pytest.approx(10 + 4 * (10 - 1))
    assert fit.level(0.5, 10_000) == 10.0


@pytest.mark.slow
def test_bursts_count_as_one():
    rng = np.random.default_rng(2)
    values = np.exp(lfilter([1.0], [1.0, -0.95], rng.standard_normal(60_000)) / 5)
    found = tail(values, run=20)
    assert all(each.clusters < 0.6 * each.exceedances for each in found.fits)


@pytest.mark.slow
def test_the_unit_does_not_matter():
    values = np.random.default_rng(3).exponential(1, 20_000)
    one, thousand = tail(values), tail(values * 1000)
    assert one.chosen.shape == pytest.approx(thousand.chosen.shape, abs=1e-3)


def test_it_is_the_same_whenever_it_is_derived():
    values = np.random.default_rng(4).exponential(1, 3000)
    assert tail(values, run=1) == tail(values, run=1)


@pytest.mark.parametrize(
    "values", [[], [1.0], [nan] * 100, [inf] * 1000, [2.0] * 5000, [1.0, 2.0] * 5000, list(range(200))]
)
def test_too_little_or_too_many_ties_are_not_fitted(values):
    found = tail(np.array(values, dtype=float))
    assert found.chosen is None and found.levels == () and not found.stable
    assert str(LEAST_CLUSTERS) in found.lines[-1]


def test_lost_samples_are_named_and_caveats_come_first():
    values = np.random.default_rng(5).exponential(1, 5000)
    values[::100] = inf
    found = tail(values, run=1)
    assert found.lost == 50 and "50 lost" in found.lines[2]
    assert "no verdict" in found.lines[0]


def test_a_run_of_none_is_refused():
    with pytest.raises(ValueError, match="run of 0"):
        tail(np.ones(3), run=0)
