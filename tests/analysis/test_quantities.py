from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.signal import lfilter
from scipy.stats import beta, t

from harness.analysis.quantities import (
    batch_inflation,
    delay_variation,
    mean,
    rate_hz,
    share,
)
from harness.model import Verdict

ALPHA = 0.05
PASS, FAIL, OPEN = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE


def exponential(seed, n, scale=1.0):
    return np.random.default_rng(seed).exponential(scale, n)


# -- mean


def test_a_mean_has_its_t_interval():
    values = exponential(4, 2000)
    found = mean(values, 1.2, ALPHA)
    half = t.ppf(0.95, 1999) * values.std(ddof=1) / sqrt(2000)
    assert found.verdict is PASS
    assert (found.lower, found.upper) == pytest.approx((values.mean() - half, values.mean() + half))
    assert mean(values, 0.8, ALPHA).verdict is FAIL
    assert mean(values, 0.8, ALPHA, upper=False).verdict is PASS
    assert mean(values, 1.2, ALPHA, upper=False).verdict is FAIL
    assert mean(values, float(values.mean()), ALPHA).verdict is OPEN


def test_a_mean_bears_uncertainty_and_floor():
    values = exponential(5, 2000)
    assert mean(values, 1.2, ALPHA, uncertainty=0.2).verdict is OPEN
    assert mean(values, 0.8, ALPHA, uncertainty=0.1, floor=0.2).verdict is OPEN
    assert mean(values, 0.8, ALPHA, upper=False, floor=0.3).verdict is OPEN


def test_a_mean_with_lost_ones_never_passes():
    values = exponential(6, 2000)
    values[7] = inf
    assert mean(values, 100.0, ALPHA).verdict is OPEN
    assert mean(values, 0.5, ALPHA).verdict is FAIL
    assert mean(values, 100.0, ALPHA, upper=False).verdict is OPEN


@pytest.mark.parametrize("values", [[], [1.0], [nan] * 100, [inf] * 100, [1.0] * 100])
def test_a_mean_of_too_little_never_passes(values):
    assert mean(np.array(values, dtype=float), 10.0, ALPHA).verdict is OPEN


def test_dependence_widens_the_interval_of_a_mean():
    rng = np.random.default_rng(7)
    assert batch_inflation(rng.standard_normal(50_000))[0] == pytest.approx(1.0, abs=0.3)
    v, _, _ = batch_inflation(lfilter([1.0], [1.0, -0.9], rng.standard_normal(50_000)))
    assert 12 < v < 35  # (1 + phi) / (1 - phi) = 19


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.9])
def test_a_mean_at_its_limit_is_decided_wrongly_as_seldom_as_promised(phi):
    rng, repetitions = np.random.default_rng((8, int(phi * 10))), 600
    found = [
        mean(lfilter([1.0], [1.0, -phi], rng.standard_normal(20_000))[1000:], 0.0, ALPHA).verdict
        for _ in range(repetitions)
    ]
    bound = 0.075 + 3 * sqrt(0.075 * 0.925 / repetitions)
    assert found.count(PASS) / repetitions <= bound
    assert found.count(FAIL) / repetitions <= bound


# -- shares


@pytest.mark.parametrize(("n", "k"), [(1000, 4), (59, 0), (500, 30)])
def test_a_share_has_exact_bounds(n, k):
    over = np.zeros(n, dtype=bool)
    over[np.random.default_rng(9).choice(n, k, replace=False)] = True
    found = share(over, 0.5, ALPHA)
    assert found.upper == pytest.approx(beta.ppf(0.95, k + 1, n - k))
    assert found.lower == pytest.approx(beta.ppf(0.05, k, n - k + 1) if k else 0.0)


@pytest.mark.parametrize(("k", "verdict"), [(4, PASS), (5, OPEN), (15, OPEN), (16, FAIL)])
def test_losses_are_decided_by_the_published_counts(k, verdict):
    lost = np.zeros(1000, dtype=bool)
    lost[np.random.default_rng(10).choice(1000, k, replace=False)] = True
    assert share(lost, 0.01, ALPHA).verdict is verdict


def test_losses_in_one_burst_show_less():
    lost = np.zeros(20_000, dtype=bool)
    lost[7000:7300] = True
    assert share(np.random.default_rng(11).permutation(lost), 0.01, ALPHA).verdict is FAIL
    assert share(lost, 0.01, ALPHA).verdict is OPEN


@pytest.mark.parametrize("n", [0, 1, 298])
def test_too_few_for_a_share_never_pass(n):
    assert share(np.zeros(n, dtype=bool), 0.01, ALPHA).verdict is OPEN


def test_all_lost_fails():
    assert share(np.ones(300, dtype=bool), 0.01, ALPHA).verdict is FAIL


def test_a_share_with_a_lower_limit():
    answered = np.ones(1000, dtype=bool)
    assert share(answered, 0.99, ALPHA, upper=False).verdict is PASS
    assert share(~answered, 0.99, ALPHA, upper=False).verdict is FAIL
    assert share(answered[:200], 0.99, ALPHA, upper=False).verdict is OPEN
    with pytest.raises(ValueError, match="between 0 and 1"):
        share(answered, 1.5, ALPHA)


def test_no_loss_at_all_cannot_be_shown():
    assert share(np.zeros(10**5, dtype=bool), 0.0, ALPHA).verdict is OPEN
    some = np.zeros(1000, dtype=bool)
    some[3] = True
    assert share(some, 0.0, ALPHA).verdict is FAIL


# -- jitter


def test_delay_variation_is_that_of_the_rfcs():
    delays = np.array([5.0, 7.0, inf, 6.0, 5.5])
    assert delay_variation(delays).tolist() == [0.0, 2.0, inf, 1.0, 0.5]
    assert delay_variation(delays, "ipdv").tolist() == [2.0, inf, 1.0, 0.5]
    assert delay_variation(np.array([inf, inf, 3.0]), "ipdv").tolist() == [inf, 0.0]
    assert delay_variation(np.array([inf])).tolist() == [inf]
    assert len(delay_variation(np.zeros(1), "ipdv")) == 0
    with pytest.raises(ValueError, match="pdv and ipdv"):
        delay_variation(delays, "rms")


@pytest.mark.parametrize("kind", ["pdv", "ipdv"])
def test_delay_variation_does_not_know_the_offset(kind):
    values = exponential(12, 3000)
    assert delay_variation(values + 1e3, kind) == pytest.approx(delay_variation(values, kind), abs=1e-9)


# -- rate


def arrivals(seed, n, interval_s=0.01):
    rng = np.random.default_rng(seed)
    return np.cumsum(rng.normal(interval_s, interval_s / 20, n) * 1e9).astype(np.int64)


def test_a_rate_against_lower_and_upper_limits():
    times = arrivals(14, 2000)
    found = rate_hz(times, 95.0, ALPHA)
    assert found.verdict is PASS
    assert found.lower < found.estimate < found.upper
    assert found.estimate == pytest.approx(100, rel=0.01)
    assert rate_hz(times, 105.0, ALPHA).verdict is FAIL
    assert rate_hz(times, 105.0, ALPHA, upper=True).verdict is PASS
    assert rate_hz(times, 95.0, ALPHA, upper=True).verdict is FAIL


def test_a_stall_counts_with_its_whole_length():
    times = arrivals(15, 2000)
    times[1000:] += 10**10
    assert rate_hz(times, 95.0, ALPHA).verdict is not PASS


@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_rate_of_too_little_is_open(n):
    assert rate_hz(arrivals(16, n), 50.0, ALPHA).verdict is OPEN
    with pytest.raises(ValueError, match="Hz"):
        rate_hz(arrivals(16, n), 0.0, ALPHA)
