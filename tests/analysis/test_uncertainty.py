import json
from math import inf, nan, sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.analysis.uncertainty import (
    clock_drift,
    clock_offset,
    clock_reading,
    combine,
    other,
    resolution,
    sampling_period,
)


def test_a_hard_limit_enters_with_a_over_root_three_and_at_most_a():
    item = clock_offset(0.3)
    assert item.standard_ms == pytest.approx(0.3 / sqrt(3))
    assert combine([item]).expanded_ms == pytest.approx(0.3)
    assert "the sum of the hard limits 0.3, less than 2 sqrt(0.1732^2) = 0.3464 ms" in combine([item]).words


def test_a_declared_standard_uncertainty_is_doubled():
    assert other("probe", 0.1, source="certificate").share_ms == pytest.approx(0.2)
    assert other("probe", 0.1, divisor=2, source="certificate, k = 2").share_ms == pytest.approx(0.1)


def test_items_combine_as_root_of_squares():
    budget = combine([clock_offset(0.3), sampling_period(0.4)])
    assert budget.expanded_ms == pytest.approx(2 * 0.5 / sqrt(3))
    assert budget.words == "U = 2 sqrt(0.1732^2 + 0.2309^2) = 0.5774 ms (k = 2)"


def test_u_covers_what_it_says_and_is_never_more_than_possible():
    rng = np.random.default_rng(8)
    for limits in ([0.3, 0.3], [0.1, 0.2, 0.3], [1.0, 0.01], [0.5] * 6):
        budget = combine([clock_offset(a) for a in limits])
        error = sum(rng.uniform(-a, a, 200_000) for a in limits)
        assert (np.abs(error) <= budget.expanded_ms).mean() >= 0.95
        assert budget.expanded_ms <= sum(limits) + 1e-12
    mixed = combine([clock_offset(0.3), other("probe", 0.1, source="certificate")])
    assert mixed.possible_ms == pytest.approx(0.5) and mixed.expanded_ms == pytest.approx(0.4)


def test_nothing_is_no_uncertainty():
    assert combine([]).expanded_ms == 0.0


def test_an_unbounded_offset_makes_an_unbounded_budget():
    assert combine([clock_offset(inf), resolution(1e-6)]).expanded_ms == inf


@pytest.mark.parametrize("wrong", [-1.0, nan])
def test_what_is_no_half_width_is_refused(wrong):
    with pytest.raises(ValueError, match="half-width"):
        clock_offset(wrong)


def test_drift_grows_with_what_is_measured():
    assert clock_drift(-50.0, 100.0).half_width_ms == pytest.approx(0.005)
    with pytest.raises(ValueError, match="duration"):
        clock_drift(50.0, inf)


def test_the_budget_goes_into_results_item_by_item():
    lines = combine([clock_reading(0.001), resolution(0.002)]).as_dicts()
    assert [each["name"] for each in lines] == ["clock reading", "resolution", "expanded uncertainty U"]
    assert lines[-1]["half_width_ms"] == pytest.approx(2 * sqrt((0.001**2 + 0.002**2) / 3))
    assert lines[-1]["standard_ms"] == pytest.approx(sqrt((0.001**2 + 0.002**2) / 3))
    assert json.loads(json.dumps(lines)) == lines


@given(st.lists(st.floats(0, 1e3), min_size=1, max_size=6))
def test_the_whole_is_at_least_each_part_and_at_most_their_sum(bounds):
    total = combine([clock_offset(each) for each in bounds]).expanded_ms
    assert max(bounds) * (1 - 1e-12) <= total <= sum(bounds) * (1 + 1e-12) + 1e-300
