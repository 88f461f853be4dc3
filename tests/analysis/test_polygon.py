import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from harness.analysis.polygon import feasible, hull


def by_linear_program(above_at, above, below_at, below, steepest, at):
    rows = np.concatenate(
        (
            np.column_stack((np.ones_like(above_at), above_at)),
            -np.column_stack((np.ones_like(below_at), below_at)),
        )
    )
    limits = np.concatenate((above, -below))
    bounds = [(None, None), (-steepest, steepest)]
    found = [
        linprog([sign, sign * at], A_ub=rows, b_ub=limits, bounds=bounds, method="highs") for sign in (1, -1)
    ]
    return None if found[0].status == 2 else (found[0].fun, -found[1].fun)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 12), st.integers(1, 12), st.floats(-2, 4))
def test_extremes_are_those_of_a_linear_program(seed, m, n, shift):
    rng = np.random.default_rng(seed)
    above_at, below_at = rng.uniform(0, 10, m), rng.uniform(0, 10, n)
    above, below = rng.uniform(0, 4, m) + shift, rng.uniform(-4, 0, n)
    lines = feasible(above_at, above, below_at, below, 0.5)
    for at in (-3.0, 0.0, 4.0, 12.0):
        expected = by_linear_program(above_at, above, below_at, below, 0.5, at)
        if expected is None:
            assert lines is None or np.ptp(lines.a) < 1e-6
        elif lines is None:
            assert expected[1] - expected[0] < 1e-6
        else:
            low, high = lines.extremes(np.array([at]))
            assert (low[0], high[0]) == pytest.approx(expected, abs=1e-7)


def test_one_point_of_each_kind_bounds_offset_and_slope():
    lines = feasible(np.array([0.0]), np.array([2.0]), np.array([1.0]), np.array([-2.0]), 0.1)
    assert lines.slopes == (-0.1, 0.1)
    low, high = lines.extremes(np.array([0.0, 1.0]))
    assert (low[1], high[0]) == pytest.approx((-2.0, 2.0))


def test_contradictions_have_no_line():
    assert feasible(np.zeros(1), np.array([-5.0]), np.zeros(1), np.array([5.0]), 0.1) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(-9, 9)), min_size=1, max_size=30), st.booleans())
@settings(max_examples=60, deadline=None)
def test_no_point_lies_outside_the_hull(points, lower):
    at, value = (np.array(each, dtype=float) for each in zip(*points, strict=True))
    chosen = hull(at, value, lower=lower)
    on = np.interp(at, at[chosen], value[chosen])
    assert (value >= on - 1e-9).all() if lower else (value <= on + 1e-9).all()
