from itertools import product
from math import sqrt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.analysis.sequential import Design, fixed, follow, probability_ratio, staged
from harness.model import Verdict

# docs/statistics.md: exact error, PASS at true rates of 0.5 % and 1 %, mean trials there.
TABLE = [
    (fixed(60, 0.05, 0.05), 0.046, (0.74, 0.55), (60, 60)),
    (staged([66, 105], 0.05, 0.05), 0.0498, (0.914, 0.747), (77, 85)),
    (probability_ratio(0.05, 0.05), 0.045, (0.905, 0.725), (80, 91)),
]


@pytest.mark.parametrize(("design", "error", "passes", "trials"), TABLE)
def test_exact_figures_are_the_published_ones(design, error, passes, trials):
    assert round(design.error[0], 4 if error == 0.0498 else 3) == error
    assert max(design.error) <= 0.05
    for rate, share, mean in zip((0.005, 0.01), passes, trials, strict=True):
        at = design.operating(rate)
        assert round(at.passes, 2 if share in (0.74, 0.55) else 3) == share
        assert round(at.mean_trials) == mean


def test_sequential_limits_are_the_published_ones():
    design = probability_ratio(0.05, 0.05)
    assert design.cap == 120
    for n, low in enumerate(design.pass_up_to, start=1):
        assert (low == -1 and n < 65) or n >= 65 + 50.75 * low - 1
    assert [design.fail_from[n - 1] for n in (5, 10, 20, 30, 60)] == [3, 4, 5, 6, 8]
    assert "64.73 + 50.75 K (K = 0 from n = 65, K = 1 from n = 116)" in design.words


def test_sequential_fails_a_bad_system_early():
    at = probability_ratio(0.05, 0.05).operating(0.15)
    assert round(at.fails, 2) == 0.93 and at.mean_trials <= 46


def test_two_stages_are_none_and_one():
    design = staged([66, 105], 0.05, 0.05)
    assert (design.pass_up_to[65], design.pass_up_to[104]) == (0, 1)


def test_peeking_inflates_the_error():
    """59, 93, 124, 153 trials with 0, 1, 2, 3 allowed: each 5 % alone, 10.6 % together."""
    low, high = [-1] * 153, (154,) * 153
    for n, k in ((59, 0), (93, 1), (124, 2), (153, 3)):
        low[n - 1] = k
    design = Design(0.05, 0.05, tuple(low), high, "peeking")
    assert round(design.error[0], 3) == 0.106
    with pytest.raises(ValueError, match="passes falsely"):
        design.checked()


def test_recursion_is_the_sum_over_all_outcomes():
    design = Design(0.3, 0.5, (-1, 0, -1, 0, 1), (6, 6, 3, 6, 3), "small")
    for rate in (0.0, 0.2, 0.7, 1.0):
        sums = {Verdict.PASS: 0.0, Verdict.FAIL: 0.0, Verdict.INCONCLUSIVE: 0.0}
        mean = 0.0
        for outcome in product((False, True), repeat=5):
            weight = rate ** sum(outcome) * (1 - rate) ** (5 - sum(outcome))
            found = follow(design, outcome)
            sums[found.verdict] += weight
            mean += weight * found.trials
        at = design.operating(rate)
        assert at.passes == pytest.approx(sums[Verdict.PASS])
        assert at.fails == pytest.approx(sums[Verdict.FAIL])
        assert at.inconclusive == pytest.approx(sums[Verdict.INCONCLUSIVE])
        assert at.mean_trials == pytest.approx(mean)


@pytest.mark.parametrize("n", [1, 20, 58])
def test_nothing_valid_passes_with_fewer_than_59_trials(n):
    design = fixed(n, 0.05, 0.05)
    assert design.pass_up_to == (-1,) * n
    assert follow(design, [False] * n).verdict is Verdict.INCONCLUSIVE


def test_a_sequence_ends_where_the_design_says_and_not_later():
    design = probability_ratio(0.05, 0.05)
    good = follow(design, [False] * 64)
    assert (good.verdict, good.ended, good.left) == (Verdict.INCONCLUSIVE, None, 56)
    assert "goes on" in good.lines[-1]
    good = follow(design, [False] * 65 + [True] * 55)
    assert (good.verdict, good.ended, good.exceedances) == (Verdict.PASS, 65, 0)
    bad = follow(design, [True, True, True] + [False] * 117)
    assert (bad.verdict, bad.ended) == (Verdict.FAIL, 3)
    late = follow(design, ([False] * 40 + [True]) * 3)
    assert (late.verdict, late.ended, late.left) == (Verdict.INCONCLUSIVE, 120, 0)
    assert "cap" in late.lines[-1]


def test_no_trials_decide_nothing():
    found = follow(probability_ratio(0.05, 0.05), [])
    assert (found.verdict, found.trials, found.left) == (Verdict.INCONCLUSIVE, 0, 120)


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([0.01, 0.05, 0.1, 0.3]), st.sampled_from([0.01, 0.05, 0.1]))
def test_errors_are_within_alpha_and_fall_off_the_limit(p0, alpha):
    design = probability_ratio(p0, alpha)
    assert max(design.error) <= alpha
    rates = np.linspace(p0, min(0.99, 4 * p0), 4)
    passes = [design.operating(rate).passes for rate in rates]
    assert passes == sorted(passes, reverse=True)
    assert design.operating(p0 / 2).fails <= design.error[1]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1, 250), min_size=1, max_size=4, unique=True))
def test_declared_stages_keep_both_errors(looks):
    assert max(staged(sorted(looks), 0.05, 0.05).error) <= 0.05


@pytest.mark.parametrize("looks", [[], [0], [5, 5], [9, 3]])
def test_looks_that_do_not_ascend_are_refused(looks):
    with pytest.raises(ValueError, match="ascending"):
        staged(looks, 0.05, 0.05)


def test_designs_that_make_no_sense_are_refused():
    with pytest.raises(ValueError, match="both pass and fail"):
        Design(0.05, 0.05, (1,), (1,), "")
    with pytest.raises(ValueError, match="at least one trial"):
        Design(0.05, 0.05, (), (), "")
    with pytest.raises(ValueError, match="ascend"):
        probability_ratio(0.05, 0.05, good=0.1)
    with pytest.raises(ValueError, match="cap"):
        probability_ratio(0.05, 0.05, cap=0)


@pytest.mark.slow
def test_simulated_trials_find_the_exact_error():
    design, rng, repetitions = probability_ratio(0.05, 0.05), np.random.default_rng(1), 4000
    found = [follow(design, rng.random(120) < 0.05).verdict for _ in range(repetitions)]
    for verdict, exact in zip((Verdict.PASS, Verdict.FAIL), design.error, strict=True):
        slack = 3 * sqrt(exact * (1 - exact) / repetitions)
        assert abs(found.count(verdict) / repetitions - exact) <= slack
