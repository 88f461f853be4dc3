import re
from math import ceil, inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import lfilter
from scipy.stats import beta, binom, norm, t

from harness.analysis import dependence
from harness.analysis.dependence import (
    decide,
    degrees_of_freedom,
    few,
    many,
    shrink,
    top_positions,
    top_size,
)
from harness.analysis.pairs import expected_pairs, pair_counts, width_distances
from harness.model import Verdict

P0, ALPHA, LIMIT = 0.01, 0.05, 10.0


def verdict(values, **more):
    return decide(np.asarray(values, dtype=float), LIMIT, LIMIT, P0, ALPHA, **more).verdict


def with_exceedances(n, k, seed=0):
    """``k`` exceedances at random places of ``n``; everything varies."""
    rng = np.random.default_rng((seed, n, k))
    values = rng.uniform(1, 9, n)
    values[rng.choice(n, k, replace=False)] += 10
    return values


def autoregressive(rng, n, phi):
    noise = rng.standard_normal(n) * sqrt(1 - phi**2)
    noise[0] /= sqrt(1 - phi**2)
    return LIMIT + lfilter([1.0], [1.0, -phi], noise) - norm.ppf(1 - P0)


# -- the reference figures


@pytest.mark.parametrize(
    ("n", "passes", "fails"), [(299, 0, None), (473, 1, None), (1000, 4, 16), (10_000, 83, 118)]
)
def test_independent_samples_are_decided_by_the_published_counts(n, passes, fails):
    assert verdict(with_exceedances(n, passes)) is Verdict.PASS
    assert verdict(with_exceedances(n, passes + 1)) is Verdict.INCONCLUSIVE
    if fails is not None:
        assert verdict(with_exceedances(n, fails)) is Verdict.FAIL
        assert verdict(with_exceedances(n, fails - 1)) is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("n", [0, 1, 58, 298])
def test_too_few_samples_never_pass(n):
    decision = decide(with_exceedances(n, 0), LIMIT, LIMIT, P0, ALPHA)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.needed_n == 299
    assert any("never pass" in each for each in decision.obstacles)


@given(st.integers(1, 3000), st.data(), st.floats(0.001, 0.999))
@settings(max_examples=60, deadline=None)
def test_beta_tails_are_binomial_tails_for_whole_counts(n, data, p):
    k = data.draw(st.integers(0, n))
    assert few(n, k, p) == pytest.approx(binom.cdf(k, n, p), abs=1e-9)
    assert many(n, k, p) == pytest.approx(binom.sf(k - 1, n, p), abs=1e-9)


def test_effective_counts_are_those_of_korn_and_graubard():
    n, k, v, df = 60_000, 480, 12.0, 49.0
    effective, reduced = shrink(n, k, v, df, 0.05)
    assert effective == pytest.approx(5000 * (t.ppf(0.95, n - 1) / t.ppf(0.95, df)) ** 2)
    assert reduced == pytest.approx(480 * effective / n)
    assert shrink(100, 5, 1.0, 1e9, 0.05)[0] <= 100
    assert degrees_of_freedom(600, 12.0) == 49.0
    assert degrees_of_freedom(10, 20.0) == 2.0
    assert few(effective, reduced, 0.01) == pytest.approx(beta.sf(0.01, reduced + 1, effective - reduced))


def test_a_dependent_series_can_be_redone_by_hand():
    n = 20_000
    values = autoregressive(np.random.default_rng(11), n, 0.9)
    limit = np.sort(values)[-120]
    decision = decide(values, limit, limit, P0, ALPHA)
    side = decision.passing
    assert side.dependent and side.exceedances == 119 and side.top == 200
    top, over = np.sort(np.argsort(values)[-200:]), np.flatnonzero(values > limit)
    widths = [
        1 + 2 * (count - expected_pairs(len(chosen), h, n)) / (len(chosen) * (1 - len(chosen) / n))
        for chosen in (top, over)
        for h, count in zip(
            width_distances(n), pair_counts(chosen, width_distances(n), n).tolist(), strict=True
        )
    ]
    assert side.inflation == pytest.approx(max(widths))
    assert side.df == pytest.approx(200 / max(widths) - 1)
    n_star = n / max(widths) * (t.ppf(0.95, n - 1) / t.ppf(0.95, side.df)) ** 2
    assert side.n_effective == pytest.approx(n_star)
    assert side.probability == pytest.approx(beta.sf(P0, 119 * n_star / n + 1, n_star - 119 * n_star / n))
    assert decision.bursts == pytest.approx(200 / max(widths))
    text = "\n".join(decision.lines)
    assert "Korn-Graubard" in text and "p = " in text and f"= {side.inflation:.4g}, the highest" in text
    # v can be made again from what is printed.
    k, pairs, expected = (
        float(re.search(each, text)[1])
        for each in (r"of the k = (\d+)", r"N_H = (\d+) pairs", r"E_H = ([\d.e+]+) are")
    )
    assert 1 + 2 * (pairs - expected) / (k * (1 - k / n)) == pytest.approx(side.inflation, rel=1e-3)


# -- what a run cannot know


def test_pass_needs_the_longest_disturbance_many_times():
    values = with_exceedances(3000, 0)
    assert verdict(values) is Verdict.PASS
    assert verdict(values, longest_disturbance=10.0) is Verdict.PASS
    decision = decide(values, LIMIT, LIMIT, P0, ALPHA, 10.1)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.needed_n == ceil(299 * 10.1)
    assert "longest declared disturbance" in decision.obstacles[0]


def test_the_longest_disturbance_does_not_excuse_a_fail():
    assert verdict(with_exceedances(3000, 90), longest_disturbance=1000.0) is Verdict.FAIL


def test_pass_needs_ten_independent_bursts():
    rng = np.random.default_rng(12)
    # Few long waves, all of them below the limit.
    values = 5 + np.repeat(rng.uniform(-1, 1, 30), 200) + 0.1 * rng.random(6000)
    decision = decide(values, LIMIT, LIMIT, P0, ALPHA)
    assert decision.passing.dependent and decision.passing.exceedances == 0
    assert decision.bursts < 10
    assert decision.verdict is Verdict.INCONCLUSIVE
    (words,) = (each for each in decision.obstacles if "independent bursts" in each)
    wanted = int(re.findall(r"a new run of (\d+) samples", words)[0])
    assert 10 * 6000 / decision.bursts <= wanted <= 1.1 * 10 * 6000 / decision.bursts + 1


# -- degenerate input


def test_zero_samples():
    decision = decide(np.zeros(0), LIMIT, LIMIT, P0, ALPHA)
    assert decision.verdict is Verdict.INCONCLUSIVE
    assert decision.passing.probability == decision.failing.probability == 1.0


@pytest.mark.parametrize("value", [1.0, 100.0, inf, nan, -inf])
def test_one_sample(value):
    # One that is over the limit has a probability of p0, which is less than alpha, if the item complies.
    assert verdict([value]) is (Verdict.FAIL if value > LIMIT else Verdict.INCONCLUSIVE)


def test_all_lost_fails():
    assert verdict(np.full(1000, inf)) is Verdict.FAIL


def test_a_constant_never_passes():
    decision = decide(np.full(1000, 5.0), LIMIT, LIMIT, P0, ALPHA)
    assert decision.constant and decision.verdict is Verdict.INCONCLUSIVE
    assert "all values are the same" in decision.obstacles[-1]
    assert verdict(np.full(1000, 50.0)) is Verdict.FAIL
    assert verdict(np.full(1000, LIMIT)) is Verdict.INCONCLUSIVE


def test_ties_at_the_quantile_are_not_taken_for_bursts():
    rng = np.random.default_rng(13)
    values = np.where(rng.random(10_000) < 0.03, 12.0, 4.0)
    decision = decide(values, LIMIT, LIMIT, P0, ALPHA)
    assert not decision.passing.dependent
    assert decision.verdict is Verdict.FAIL


def test_ties_at_the_limit_are_within_it():
    rng = np.random.default_rng(14)
    values = np.where(rng.random(10_000) < 0.3, LIMIT, 4.0)
    assert verdict(values) is Verdict.PASS
    assert verdict(np.where(values == LIMIT, np.nextafter(LIMIT, 11), values)) is Verdict.FAIL


@pytest.mark.parametrize("bad", [nan, -inf])
def test_what_is_no_latency_never_passes_and_never_fails(bad):
    values = with_exceedances(10_000, 0)
    values[5] = bad
    decision = decide(values, LIMIT, LIMIT, P0, ALPHA)
    assert decision.invalid == 1 and decision.verdict is Verdict.INCONCLUSIVE
    assert verdict(np.full(1000, bad)) is Verdict.INCONCLUSIVE


def test_lost_ones_are_exceedances():
    values = with_exceedances(10_000, 0)
    values[np.random.default_rng(15).choice(10_000, 200, replace=False)] = inf
    decision = decide(values, LIMIT, LIMIT, P0, ALPHA)
    assert decision.passing.exceedances == 200 and decision.verdict is Verdict.FAIL


def test_an_infinite_fail_threshold_never_fails():
    decision = decide(np.full(100, 1e9), LIMIT, inf, P0, ALPHA)
    assert decision.failing.exceedances == 0 and decision.verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize(
    ("values", "low", "high", "p0", "alpha", "longest"),
    [
        (np.ones((2, 2)), 1, 1, 0.01, 0.05, 1),
        (np.ones(3), nan, 1, 0.01, 0.05, 1),
        (np.ones(3), inf, inf, 0.01, 0.05, 1),
        (np.ones(3), 1, nan, 0.01, 0.05, 1),
        (np.ones(3), 1, 1, 0.0, 0.05, 1),
        (np.ones(3), 1, 1, 0.01, 1.0, 1),
        (np.ones(3), 1, 1, 0.01, 0.05, -1),
        (np.ones(3), 1, 1, 0.01, 0.05, inf),
    ],
)
def test_questions_that_make_no_sense_are_refused(values, low, high, p0, alpha, longest):
    with pytest.raises(ValueError):
        decide(values, low, high, p0, alpha, longest)


def test_series_of_two_lengths_are_refused():
    with pytest.raises(ValueError, match="shape"):
        decide(np.ones(3), 1, 1, P0, ALPHA, fail_values=np.ones(4))


# -- the two sides


def test_each_side_is_judged_on_its_own_series_and_rate():
    intent, sent = with_exceedances(10_000, 150, seed=1), with_exceedances(10_000, 110, seed=2)
    decision = decide(intent, 9.5, 10.5, P0, ALPHA, fail_values=sent, fail_rate=0.0113)
    assert (decision.passing.exceedances, decision.failing.exceedances) == (150, 110)
    assert decision.failing.probability == pytest.approx(binom.sf(109, 10_000, 0.0113))
    assert decision.verdict is Verdict.INCONCLUSIVE


def test_series_that_contradict_each_other_decide_nothing():
    decision = decide(
        with_exceedances(10_000, 0), LIMIT, LIMIT, P0, ALPHA, fail_values=with_exceedances(10_000, 500)
    )
    assert decision.verdict is Verdict.INCONCLUSIVE


# -- the largest samples


@given(st.lists(st.sampled_from([1.0, 2.0, 3.0, inf]), max_size=60), st.integers(0, 60))
@settings(max_examples=80, deadline=None)
def test_the_largest_are_the_largest_whatever_the_ties(values, size):
    array = np.array(values, dtype=float)
    chosen = top_positions(array, size)
    assert len(chosen) == min(size, len(values)) == len(set(chosen.tolist()))
    assert (np.diff(chosen) > 0).all()
    assert sorted(array[chosen]) == sorted(values)[len(values) - len(chosen) :]


def test_sizes_are_decimal():
    assert top_size(100, 0.07) == 7
    assert top_size(1000, 0.01) == 10
    assert top_size(0, 0.01) == 0


# -- properties


@given(st.integers(0, 40), st.integers(0, 40), st.integers(300, 2000))
@settings(max_examples=40, deadline=None)
def test_more_exceedances_never_help(a, b, n):
    order = {Verdict.PASS: 0, Verdict.INCONCLUSIVE: 1, Verdict.FAIL: 2}
    few_, more = sorted((a, b))
    values = np.random.default_rng(n).uniform(1, 9, n)
    places = np.random.default_rng(n + 1).permutation(n)
    first, second = values.copy(), values.copy()
    first[places[:few_]] += 10
    second[places[:more]] += 10
    found = [decide(each, LIMIT, LIMIT, P0, ALPHA) for each in (first, second)]
    if not any(each.passing.dependent for each in found):
        assert order[found[0].verdict] <= order[found[1].verdict]


@given(st.floats(0.1, 1e6), st.integers(0, 25))
@settings(max_examples=25, deadline=None)
def test_the_unit_does_not_matter(scale, k):
    values = with_exceedances(1000, k)
    assert (
        decide(values, LIMIT, LIMIT, P0, ALPHA).verdict
        is decide(values * scale, LIMIT * scale, LIMIT * scale, P0, ALPHA).verdict
    )


# -- error rates, small; benchmarks/error_rates.py has the whole table


@pytest.mark.slow
@pytest.mark.parametrize(
    ("phi", "n", "repetitions"), [(0.0, 10_000, 600), (0.9, 60_000, 300), (0.97, 60_000, 300)]
)
def test_wrong_verdicts_at_the_limit_stay_within_what_is_promised(phi, n, repetitions):
    rng = np.random.default_rng((16, n, int(phi * 100)))
    found = [verdict(autoregressive(rng, n, phi)) for _ in range(repetitions)]
    promised = 0.055 if phi == 0 else 0.075
    bound = promised + 3 * sqrt(promised * (1 - promised) / repetitions)
    assert found.count(Verdict.PASS) / repetitions <= bound
    assert found.count(Verdict.FAIL) / repetitions <= bound


@pytest.mark.slow
def test_a_strictly_periodic_stall_at_the_limit_never_passes():
    rng = np.random.default_rng(17)
    for phase in range(0, 2000, 67):
        over = (np.arange(60_000) + phase) % 2000 < 20
        assert verdict(np.where(over, 11.0, 5.0) + rng.random(60_000)) is Verdict.INCONCLUSIVE


@pytest.mark.slow
def test_a_million_samples_take_the_work_of_a_few_passes(monkeypatch):
    """Counted, not timed: the largest sets are never drawn 2000 times over."""
    drawn = []
    monkeypatch.setattr(dependence, "gate", lambda top, n: drawn.append(len(top)) or gate_of(top, n))
    from harness.analysis import pairs

    gate_of = pairs.gate
    calibrated = []
    original = pairs._calibration
    monkeypatch.setattr(pairs, "_calibration", lambda n, k: calibrated.append(k) or original(n, k))
    values = np.random.default_rng(18).exponential(1, 1_000_000)
    for p0 in (0.05, 0.01):
        decide(values, 100.0, 100.0, p0, ALPHA)
    assert drawn == [50_000, 50_000, 10_000, 10_000]
    assert calibrated == []
