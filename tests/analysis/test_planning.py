from math import sqrt

import numpy as np
import pytest
from scipy.stats import binom

from harness.analysis.dependence import decide
from harness.analysis.planning import cannot_pass, chances_of, plan, samples_needed
from harness.model import Verdict


@pytest.mark.parametrize(("rate", "about", "within"), [(0.005, 2560, 20), (0.008, 20_000, 700)])
def test_samples_for_a_chance_of_ninety_per_cent_are_the_published_ones(rate, about, within):
    assert abs(samples_needed(rate, 0.01, 0.05) - about) <= within


def test_at_rate_zero_the_smallest_n_is_enough():
    assert samples_needed(0.0, 0.01, 0.05) == 299
    assert samples_needed(0.0, 0.05, 0.05) == 59
    assert samples_needed(0.0, 0.01, 0.05, longest=20) == 5980


def test_a_rate_that_is_not_below_the_allowed_one_never_passes_well():
    assert samples_needed(0.01, 0.01, 0.05) is None
    assert samples_needed(0.00999, 0.01, 0.05, burst=1000.0) is None


def test_chances_of_independent_samples_are_binomial():
    found = chances_of(1000, 0.005, 0.01, 0.05)
    assert found.passes == pytest.approx(binom.cdf(4, 1000, 0.005))
    assert found.fails == pytest.approx(binom.sf(15, 1000, 0.005))
    assert found.passes + found.fails + found.inconclusive == pytest.approx(1)


def test_at_the_limit_both_errors_are_within_alpha():
    for n in (0, 1, 59, 300, 10_000):
        found = chances_of(n, 0.01, 0.01, 0.05)
        assert found.passes <= 0.05 and found.fails <= 0.05


def test_the_least_n_really_has_the_chance_and_the_one_before_a_candidate_has_not():
    n = samples_needed(0.005, 0.01, 0.05)
    assert chances_of(n, 0.005, 0.01, 0.05).passes >= 0.9
    assert chances_of(n - 1, 0.005, 0.01, 0.05).passes < 0.9


def test_bursts_need_more():
    alone, bursty = samples_needed(0.005, 0.01, 0.05), samples_needed(0.005, 0.01, 0.05, burst=20.0)
    assert bursty > 15 * alone


@pytest.mark.parametrize("n", [0, 1, 298])
def test_a_run_that_cannot_pass_is_named(n):
    assert "at least 299" in cannot_pass(n, 0.01, 0.05)
    assert cannot_pass(299, 0.01, 0.05) is None


def test_the_longest_disturbance_makes_a_run_impossible():
    assert "20 samples" in cannot_pass(3000, 0.01, 0.05, 20.0)
    made = plan(3000, 0.01, 0.05, longest_disturbance=20.0, rate_hz=200)
    assert made.refusal == made.lines[0]
    assert all(each.planned.passes == 0 for each in made.needs)


def test_a_plan_tells_samples_minutes_and_chances():
    made = plan(3000, 0.01, 0.05, rate_hz=200)
    assert made.refusal is None and made.minutes == pytest.approx(0.25)
    assert [each.rate for each in made.needs] == [0.0, 0.001, 0.005] * 2
    half = made.needs[2]
    assert half.minutes == pytest.approx(half.samples / 12_000)
    assert half.planned.inconclusive == pytest.approx(1 - binom.cdf(20, 3000, 0.005), abs=0.01)
    assert "INCONCLUSIVE" in made.lines[2]


@pytest.mark.parametrize("wrong", [{"rate": 1.5}, {"burst": 0.5}, {"n": -1}])
def test_what_makes_no_sense_is_refused(wrong):
    asked = {"n": 100, "rate": 0.01, "p0": 0.01, "alpha": 0.05, **wrong}
    with pytest.raises(ValueError):
        chances_of(**asked)
    with pytest.raises(ValueError, match="Hz"):
        plan(100, 0.01, 0.05, rate_hz=0.0)


@pytest.mark.slow
def test_the_approximation_for_bursts_is_near_what_the_decision_does():
    rng, n, repetitions = np.random.default_rng(1), 60_000, 150
    passed = 0
    for _ in range(repetitions):
        starts = rng.random(n + 19) < 1 - (1 - 0.005) ** (1 / 20)
        sums = np.cumsum(np.concatenate(([0], starts)))
        values = np.where(sums[20:] > sums[:-20], 11.0, 5.0) + rng.random(n)
        passed += decide(values, 10.5, 10.5, 0.01, 0.05).verdict is Verdict.PASS
    expected = chances_of(n, 0.005, 0.01, 0.05, burst=20.0).passes
    assert abs(passed / repetitions - expected) <= 0.12 + 3 * sqrt(0.25 / repetitions)
