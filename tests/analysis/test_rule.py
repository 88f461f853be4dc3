import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from harness.analysis.rule import (
    at_least,
    at_most,
    complement,
    fail_from,
    largest,
    pass_up_to,
    smallest_n,
)

# docs: smallest n for PASS with K exceedances.
SMALLEST = {
    (0.95, 0.95): (59, 93, 124, 208, 336),
    (0.99, 0.95): (299, 473, 628, 1049, 1693),
    (0.99, 0.99): (459, 662, 838, 1307, 2010),
    (0.999, 0.95): (2995, 4742, 6294, 10511, 16959),
    (0.999, 0.99): (4603, 6636, 8403, 13105, 20140),
}
CELLS = [
    (*row, k, n) for row, cells in SMALLEST.items() for k, n in zip((0, 1, 2, 5, 10), cells, strict=True)
]


@pytest.mark.parametrize(("quantile", "confidence", "k", "n"), CELLS)
def test_smallest_n_is_the_published_one(quantile, confidence, k, n):
    p0, alpha = complement(quantile), complement(confidence)
    assert smallest_n(k, p0, alpha) == n
    assert at_most(k, n, p0) <= alpha < at_most(k, n - 1, p0)
    assert pass_up_to(n, p0, alpha) == k


@pytest.mark.parametrize(("n", "passes", "fails"), [(1000, 4, 16), (10_000, 83, 118)])
def test_counts_that_decide_are_the_published_ones(n, passes, fails):
    assert (pass_up_to(n, 0.01, 0.05), fail_from(n, 0.01, 0.05)) == (passes, fails)
    assert at_most(passes, n, 0.01) <= 0.05 < at_most(passes + 1, n, 0.01)
    assert at_least(fails, n, 0.01) <= 0.05 < at_least(fails - 1, n, 0.01)


@pytest.mark.parametrize(("rate", "n"), [(0.005, 2560), (0.008, 20_000)])
def test_power_is_about_nine_in_ten_at_the_published_sizes(rate, n):
    assert at_most(pass_up_to(n, 0.01, 0.05), n, rate) == pytest.approx(0.9, abs=0.02)


def test_nothing_is_decided_without_samples():
    assert (pass_up_to(0, 0.01, 0.05), fail_from(0, 0.01, 0.05)) == (None, None)


def test_one_sample_can_fail_and_never_pass():
    assert (pass_up_to(1, 0.01, 0.05), fail_from(1, 0.01, 0.05)) == (None, 1)


def test_the_largest_for_which_something_holds():
    for n in (0, 1, 2, 7, 64):
        assert largest(n, lambda k: False) is None
        assert [largest(n, lambda k, m=m: k <= m) for m in range(n + 1)] == list(range(n + 1))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3000), st.floats(0.001, 0.5), st.data())
def test_tails_are_those_of_the_binomial_distribution(n, p, data):
    k = data.draw(st.integers(-1, n + 1))
    assert at_most(k, n, p) == pytest.approx(binom.cdf(k, n, p), rel=1e-7, abs=1e-280)
    assert at_least(k, n, p) == pytest.approx(binom.sf(k - 1, n, p), rel=1e-7, abs=1e-280)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 3000), st.sampled_from([0.05, 0.01, 0.001]), st.sampled_from([0.05, 0.01]))
def test_deciding_counts_are_the_outermost_ones(n, p0, alpha):
    k = np.arange(n + 1)
    passing = np.flatnonzero(binom.cdf(k, n, p0) <= alpha)
    failing = np.flatnonzero(binom.sf(k - 1, n, p0) <= alpha)
    assert pass_up_to(n, p0, alpha) == (int(passing[-1]) if len(passing) else None)
    assert fail_from(n, p0, alpha) == (int(failing[0]) if len(failing) else None)


def test_complement_is_decimal():
    assert complement(0.99) == 0.01
    assert complement(0.999) == 0.001
