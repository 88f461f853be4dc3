from math import inf, nan, sqrt

import numpy as np
import pytest
from scipy.stats import beta, binom

from harness.analysis.guard import Floor, decide, floor_of, guard
from harness.analysis.rule import fail_from
from harness.model import Verdict

P0, ALPHA = 0.01, 0.05


def sample(rng, n, at, rate=P0):
    """Exponential with ``rate`` of it above ``at``."""
    return at * rng.standard_exponential(n) / -np.log(rate)


def test_thresholds_and_rates_of_an_upper_limit():
    at = guard(10.0, P0, uncertainty=0.2, floor=Floor(0.3, 1000, 1000, 0.0013))
    assert (at.pass_threshold, at.fail_threshold) == pytest.approx((9.8, 10.5))
    assert (at.pass_rate, at.fail_rate) == pytest.approx((0.01, 0.0113))


def test_thresholds_and_rates_of_a_lower_limit_are_mirrored():
    at = guard(10.0, P0, uncertainty=0.2, floor=Floor(0.3, 1000, 1000, 0.0013), upper=False)
    assert (at.pass_threshold, at.fail_threshold) == pytest.approx((10.5, 9.8))
    assert (at.pass_rate, at.fail_rate) == pytest.approx((0.0087, 0.01))


def test_without_a_floor_the_rates_stay():
    at = guard(10.0, P0)
    assert (at.pass_threshold, at.fail_threshold, at.pass_rate, at.fail_rate) == (10, 10, P0, P0)


def test_the_floor_is_the_smallest_that_the_harness_alone_hardly_exceeds():
    found = floor_of(np.arange(1, 10_001) / 1000, P0)
    # The share above the r-th smallest exceeds s as often as Bin(n, s) is at most n - r.
    assert found.rank == 9996 and found.value == 9.996
    assert binom.cdf(4, 10_000, 0.0013) <= 0.01 < binom.cdf(5, 10_000, 0.0013)
    assert binom.cdf(4, 10_000, found.share) == pytest.approx(0.01)
    few = floor_of(np.array([0.1, 0.3, 0.2]), P0)
    assert few.value == 0.3 and few.rank == few.n == 3 and few.share == pytest.approx(1 - 0.01 ** (1 / 3))
    assert "the largest of 3" in few.words
    assert floor_of(np.zeros(0), P0) is None


def test_a_lossy_loopback_has_no_floor_and_nothing_fails():
    loopback = np.concatenate((np.full(990, 0.1), np.full(5, inf), np.full(5, nan)))
    found = floor_of(loopback, P0)
    assert found.value == inf
    at = guard(10.0, P0, floor=found)
    assert decide(np.full(1000, 1e6), at, ALPHA).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    "wrong",
    [
        {"uncertainty": -1},
        {"uncertainty": inf},
        {"uncertainty": nan},
        {"floor": Floor(-0.1, 1000, 1000, 0.0013)},
        {"floor": Floor(nan, 1000, 1000, 0.0013)},
    ],
)
def test_what_is_no_uncertainty_is_refused(wrong):
    with pytest.raises(ValueError):
        guard(10.0, P0, **wrong)


def test_an_uncertainty_beyond_the_limit_never_passes():
    rng = np.random.default_rng(1)
    at = guard(10.0, P0, uncertainty=12.0)
    assert decide(sample(rng, 5000, 3.0), at, ALPHA).verdict is Verdict.INCONCLUSIVE


def test_the_arithmetic_can_be_redone_by_hand():
    rng = np.random.default_rng(2)
    values, at = (
        sample(rng, 10_000, 10.0),
        guard(10.0, P0, uncertainty=0.2, floor=Floor(0.3, 1000, 1000, 0.0013)),
    )
    found = decide(values, at, ALPHA)
    over = int((values > 10.5).sum())
    assert found.decision.failing.exceedances == over
    assert found.decision.failing.probability == pytest.approx(binom.sf(over - 1, 10_000, 0.0113))
    assert found.decision.passing.exceedances == int((values > 9.8).sum())
    text = "\n".join(found.lines)
    assert "limit - U = 10 - 0.2 = 9.8 ms" in text
    assert "limit + U + J = 10 + 0.2 + 0.3 = 10.5 ms" in text
    assert "0.0113 = 0.01 + 0.0013" in text


def test_a_lower_limit_passes_and_fails():
    rng = np.random.default_rng(3)
    at = guard(5.0, P0, uncertainty=0.1, upper=False)
    assert decide(6 + rng.random(2000), at, ALPHA).verdict is Verdict.PASS
    assert decide(4 + rng.random(2000), at, ALPHA).verdict is Verdict.FAIL
    lost = 6 + rng.random(2000)
    lost[rng.choice(2000, 200, replace=False)] = inf
    assert decide(lost, at, ALPHA).verdict is Verdict.FAIL


def test_from_intent_passes_and_from_sent_fails():
    rng = np.random.default_rng(4)
    sent = sample(rng, 3000, 5.0)
    intent = sent + 8.0
    at = guard(10.0, P0)
    assert decide(intent, at, ALPHA, fail_values=sent).verdict is Verdict.INCONCLUSIVE
    assert decide(sent, at, ALPHA, fail_values=sent).verdict is Verdict.PASS
    assert decide(intent + 8, at, ALPHA, fail_values=sent + 16).verdict is Verdict.FAIL


@pytest.mark.slow
@pytest.mark.parametrize("bias", [-0.5, 0.5])
def test_a_bias_as_large_as_the_uncertainty_costs_nothing_but_evidence(bias):
    rng, repetitions = np.random.default_rng((5, int(bias > 0))), 500
    at = guard(10.0, P0, uncertainty=0.5)
    found = [decide(sample(rng, 10_000, 10.0) + bias, at, ALPHA).verdict for _ in range(repetitions)]
    slack = 3 * sqrt(0.055 * 0.945 / repetitions)
    assert found.count(Verdict.PASS) / repetitions <= 0.055 + slack
    assert found.count(Verdict.FAIL) / repetitions <= 0.055 + slack


@pytest.mark.slow
@pytest.mark.parametrize("comonotone", [False, True])
def test_what_the_harness_adds_never_fails_an_item_at_its_limit(comonotone):
    """The floor may even be largest exactly when the item is slowest."""
    rng, repetitions = np.random.default_rng((6, comonotone)), 400
    wrong = {Verdict.PASS: 0, Verdict.FAIL: 0}
    for _ in range(repetitions):
        loopback = 0.2 + rng.standard_gamma(2, 10_000) * 0.1
        item, added = sample(rng, 10_000, 10.0), 0.2 + rng.standard_gamma(2, 10_000) * 0.1
        if comonotone:
            item, added = np.sort(item), np.sort(added)
            order = rng.permutation(10_000)
            item, added = item[order], added[order]
        at = guard(10.0, P0, floor=floor_of(loopback, P0))
        verdict = decide(item + added, at, ALPHA).verdict
        if verdict in wrong:
            wrong[verdict] += 1
    bound = 0.055 + 3 * sqrt(0.055 * 0.945 / repetitions)
    assert wrong[Verdict.PASS] / repetitions <= bound
    assert wrong[Verdict.FAIL] / repetitions <= bound


@pytest.mark.parametrize(("n", "rate"), [(5000, 0.0109), (1000, 0.0146), (250, 0.0283), (20, 0.2157)])
def test_few_loopback_samples_cost_a_fail_some_of_its_power(n, rate):
    loopback = np.random.default_rng(9).random(n)
    at = guard(10.0, P0, floor=floor_of(loopback, P0))
    assert at.fail_rate == pytest.approx(rate, abs=1e-4)
    assert at.pass_rate == P0


def test_a_lost_loopback_sample_among_few_makes_a_fail_impossible():
    loopback = np.append(np.random.default_rng(9).random(200), inf)
    at = guard(10.0, P0, floor=floor_of(loopback, P0))
    slow = 20 + np.random.default_rng(1).random(1000)
    assert at.fail_threshold == inf and decide(slow, at, ALPHA).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("n_floor", [220, 1100, 4000])
def test_an_item_at_its_limit_hardly_fails_even_if_the_floor_hits_its_best_samples(n_floor):
    """The worst that the union bound covers: whatever exceeds J falls on samples that were within the limit.
    Exact: over the distribution of the share above J, and the binomial one of the counts."""
    found = floor_of(np.random.default_rng(1).random(n_floor), P0)
    at = guard(10.0, P0, floor=found)
    share = np.linspace(0, 0.05, 4001)[1:]
    weight = beta.pdf(share, n_floor - found.rank + 1, found.rank)
    weight /= weight.sum()
    for n in (1000, 3000, 10_000, 60_000):
        least = fail_from(n, at.fail_rate, ALPHA)
        assert (weight * binom.sf(least - 1, n, np.minimum(P0 + share, 1))).sum() <= ALPHA
