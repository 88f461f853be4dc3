"""Where U or J keeps a verdict away, that is said by name, and no headroom is claimed that is not shown."""

from __future__ import annotations

import numpy as np
import pytest
from quantities_data import measured, measuring
from quantities_data import verdict as judged

from harness.model import Verdict

N = 3000


def verdict(latency, *, floor=0.0, u=0.0, **asked):
    loopback = np.random.default_rng(5).uniform(0.5, 1.0, 20_000) * floor if floor else None
    return judged(measured(latency, jitter_seed=4), None, measuring(u=u, loopback=loopback), **asked)


def around(middle: float, spread: float = 0.2) -> np.ndarray:
    return np.random.default_rng(2).normal(middle, spread, N)


def test_a_floor_that_keeps_the_pass_of_a_lower_limit_away_is_named():
    found = verdict(around(11.0), floor=1.9, quantile=0.01, limit=10, limit_is="lower")
    said = " ".join(found.reasons)
    assert found.verdict is Verdict.INCONCLUSIVE and found.headroom is None
    assert f"{found.exceedances} of {N} below the PASS threshold ({found.pass_threshold:.4g} ms)" in said
    assert f"floor J = {found.floor:.4g} ms moves the PASS threshold to {found.pass_threshold:.4g} ms" in said
    assert f"0 of {N} are below the limit" in said and "harness doctor" in said
    assert "more samples would not" in said and "harness plan" not in said


def test_a_floor_that_keeps_a_fail_away_is_named_in_the_requirements_unit():
    found = verdict(around(11.0), floor=1.9, limit=10_000, unit="us")
    said = " ".join(found.reasons)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert f"moves the FAIL threshold to {found.fail_threshold:.4g} us" in said and "J = " in said
    assert "are over the limit" in said


def test_an_uncertainty_that_keeps_the_pass_away_is_named():
    found = verdict(around(9.0), u=1.5, limit=10)
    said = " ".join(found.reasons)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "the uncertainty U = 1.5 ms moves the PASS threshold to 8.5 ms" in said
    assert "uncertainty budget" in said and "J = " not in said.split("U = 1.5")[0]


def test_a_mean_says_so_too():
    found = verdict(around(9.0), u=1.5, statistic="mean", limit=10)
    assert any("keeps a PASS away (the upper bound is 9.001 ms)" in line for line in found.reasons)


def test_where_more_samples_help_nobody_is_blamed():
    found = verdict(around(5.0)[:100], limit=10)
    said = " ".join(found.reasons)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "harness plan" in said and "away" not in said


@pytest.mark.parametrize("floor", [0.0, 1.0])
@pytest.mark.parametrize("u", [0.0, 0.5])
def test_headroom_is_one_at_the_pass_threshold(u, floor):
    found = verdict(around(5.0), u=u, floor=floor, quantity="jitter", statistic="quantile", limit=6.0)
    assert found.verdict is Verdict.PASS
    bears = found.limit - found.pass_threshold
    assert found.headroom == pytest.approx(found.limit / (found.upper_bound + bears))
    assert (bears > 0) == (u + floor > 0)
    assert found.headroom > 1
