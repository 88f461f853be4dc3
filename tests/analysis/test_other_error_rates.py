"""How often the whole verdict is wrong, by quantity, with the true value exactly at the limit."""

import math

import numpy as np
import pytest
from quantities_data import RATE_HZ, measured, measuring, verdict

from harness.model import Verdict

PASS, FAIL = Verdict.PASS, Verdict.FAIL


def exactly(kind, rng):
    """A series of 800 whose true value is exactly at the limit of that requirement, and the requirement."""
    n = 800
    latency = rng.gamma(4.0, 1.0, n)
    if kind == "lower quantile":
        return rng.uniform(1, 11, n), {"quantile": 0.1, "limit": 2, "limit_is": "lower"}
    if kind == "mean":
        return latency, {"statistic": "mean", "limit": 4}
    if kind == "lower mean":
        return latency, {"statistic": "mean", "limit": 4, "limit_is": "lower"}
    if kind == "loss_rate":
        return np.where(rng.random(n) < 0.02, math.nan, latency), {
            "quantity": "loss_rate",
            "limit": 2,
            "unit": "%",
        }
    if kind == "ratio":
        return rng.uniform(1, 11, n), {"quantity": "ratio", "within_ms": 10.5, "limit": 95, "unit": "%"}
    if kind == "upper ratio":
        return rng.uniform(1, 11, n), {
            "quantity": "ratio",
            "within_ms": 6,
            "limit": 50,
            "unit": "%",
            "limit_is": "upper",
        }
    assert kind == "rate_hz"
    lost = np.where(rng.random(n) < 0.2, math.nan, latency)
    return lost, {"quantity": "rate_hz", "limit": 0.8 * RATE_HZ}


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind", ["lower quantile", "mean", "lower mean", "loss_rate", "ratio", "upper ratio", "rate_hz"]
)
def test_at_the_limit_verdicts_are_wrong_no_more_often_than_promised(kind):
    repetitions, rng = 1000, np.random.default_rng((20261, len(kind)))
    found = []
    for _ in range(repetitions):
        latency, asked = exactly(kind, rng)
        found.append(verdict(measured(latency), **asked).verdict)
    bound = 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)
    assert found.count(PASS) / repetitions <= bound
    assert found.count(FAIL) / repetitions <= bound
    # A rule that decides nothing would keep its promise, too.
    assert found.count(PASS) > 0 and found.count(FAIL) > 0


@pytest.mark.slow
def test_a_floor_that_hits_the_slowest_does_not_fail_a_compliant_mean():
    repetitions, rng, fails = 1000, np.random.default_rng(20262), 0
    for _ in range(repetitions):
        item, loopback = rng.gamma(4.0, 1.0, 400), rng.exponential(0.3, 400)
        added = np.sort(rng.exponential(0.3, 400))[np.argsort(np.argsort(item))]
        result = verdict(
            measured(item + added), measuring=measuring(loopback=loopback), statistic="mean", limit=4
        )
        fails += result.verdict is FAIL
    assert fails / repetitions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)


@pytest.mark.slow
def test_the_harness_alone_seldom_fails_a_maximum():
    repetitions, rng, fails = 1000, np.random.default_rng(20263), 0
    for _ in range(repetitions):
        item, loopback = np.full(400, 9.9999) - rng.uniform(0, 1e-4, 400), rng.exponential(0.3, 400)
        result = verdict(
            measured(item + rng.exponential(0.3, 400)),
            measuring=measuring(loopback=loopback),
            statistic="max",
            limit=10,
        )
        fails += result.verdict is FAIL
    assert 0 < fails / repetitions <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / repetitions)
