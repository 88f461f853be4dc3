from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.signal import lfilter

from harness.analysis.stationarity import BLOCKS, stationarity


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_the_level_is_kept_on_dependent_series(phi):
    rng, repetitions = np.random.default_rng((1, int(phi * 10))), 1000
    alarms = sum(
        not stationarity(lfilter([1.0], [1.0, -phi], rng.standard_normal(4000))).ok
        for _ in range(repetitions)
    )
    assert alarms / repetitions <= 0.013 + 3 * sqrt(0.013 * 0.987 / repetitions)


@pytest.mark.parametrize("sign", [1, -1])
def test_a_drift_is_seen_and_named(sign):
    rng = np.random.default_rng(2)
    found = stationarity(5 + sign * np.linspace(0, 1, 4000) + rng.standard_normal(4000))
    assert not found.ok and found.tau * sign > 0
    assert ("rose" if sign > 0 else "fell") in found.words


def test_outliers_and_lost_answers_are_no_trend():
    rng = np.random.default_rng(3)
    values = rng.exponential(1, 4000)
    values[3990:] = inf
    values[10] = nan
    assert stationarity(values).ok


def test_an_item_that_falls_silent_is_a_trend():
    rng = np.random.default_rng(4)
    values = rng.exponential(1, 4000)
    values[2000:] = inf
    found = stationarity(values)
    assert not found.ok and found.tau > 0


@pytest.mark.parametrize("values", [[], [1.0], [nan] * 500, list(range(199))])
def test_too_little_is_not_tested(values):
    found = stationarity(np.array(values, dtype=float))
    assert found.ok and not found.tested and "not tested" in found.words


@pytest.mark.parametrize("value", [3.0, inf])
def test_a_constant_has_no_trend(value):
    found = stationarity(np.full(1000, value))
    assert found.ok and found.tested and len(found.medians) == BLOCKS
