"""Series that no robot in order produces, through the whole verdict, with U and J known and not."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.guard import decide, floor_of, guard
from harness.analysis.uncertainty import clock_offset, combine
from harness.analysis.verdicts import judge
from harness.config.schema import Requirement, Trials
from harness.model import NO_STAMP, SAMPLE_DTYPE, SampleFlag, Verdict

LIMIT, U = 10.0, 0.05
LOOPBACK = 0.05 + np.random.default_rng(7).gamma(2.0, 0.02, 3000)
KNOWN, UNKNOWN = "U and J known", "neither measured"

both = pytest.mark.parametrize("measured", [KNOWN, UNKNOWN])


def table(latency_ms, *, lost=None):
    """Samples sent a millisecond apart, on time; ``lost`` (n,) of them never answered."""
    n = len(latency_ms)
    lost = np.zeros(n, dtype=bool) if lost is None else lost
    out = np.zeros(n, dtype=SAMPLE_DTYPE)
    due = np.arange(1, n + 1, dtype=np.int64) * 1_000_000
    out["key"] = np.arange(n)
    out["intended_ns"] = out["sent_ns"] = out["handed_ns"] = due
    arrived = due + np.rint(np.asarray(latency_ms) * 1e6).astype(np.int64)
    out["arrived_ns"] = out["seen_ns"] = np.where(lost, NO_STAMP, arrived)
    out["answers"] = ~lost
    out["flags"] = np.where(lost, int(SampleFlag.LOST), 0)
    return out


def verdict(samples, measured, *, quantile=0.99, limit=LIMIT, limit_is="upper"):
    asked = Requirement(
        id="P", scenario="s", quantile=quantile, limit=limit, confidence=0.95, limit_is=limit_is
    )
    n = max(1, len(samples))
    measuring = Measuring(
        0.05,
        Trials(kind="trials", samples=n, stopping="fixed"),
        budget=combine([clock_offset(U)]) if measured == KNOWN else None,
        loopback=LOOPBACK if measured == KNOWN else None,
    )
    return judge(asked, samples, Circumstances(n), measuring)


def quick(n, seed=1):
    """Latencies far within the limit."""
    return 2.0 + np.random.default_rng(seed).gamma(2.0, 0.5, n)


@both
def test_good_samples_pass_so_that_the_cases_below_are_not_empty(measured):
    assert verdict(table(quick(1000)), measured).verdict is Verdict.PASS
    assert verdict(table(quick(1000) + 10), measured).verdict is Verdict.FAIL


@both
@pytest.mark.parametrize("limit_is", ["upper", "lower"])
def test_zero_samples_are_inconclusive(measured, limit_is):
    found = verdict(table(np.zeros(0)), measured, limit_is=limit_is)
    assert found.verdict is Verdict.INCONCLUSIVE and found.n == 0
    assert (found.estimate, found.lower_bound, found.upper_bound, found.headroom) == (None,) * 4
    assert "nothing was measured" in found.reasons[0]


@both
@pytest.mark.parametrize("n", [1, 2, 298, 1000])
def test_all_lost_fails(measured, n):
    found = verdict(table(np.zeros(n), lost=np.ones(n, dtype=bool)), measured)
    assert found.verdict is Verdict.FAIL
    assert found.exceedances == found.exceedances_sent == n and found.upper_bound is None


@both
def test_one_sample_within_the_limit_proves_nothing(measured):
    found = verdict(table([1.0]), measured)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.n == 1 and found.pass_up_to is None and found.upper_bound is None


@both
def test_one_sample_over_the_limit_fails_as_the_rule_says(measured):
    # P(Bin(1, 0.01) >= 1) = 0.01; with a floor at most 0.0113: both at most 0.05.
    assert verdict(table([20.0]), measured).verdict is Verdict.FAIL
    # At p90 it is 0.1, which proves nothing.
    assert verdict(table([20.0]), measured, quantile=0.9).verdict is Verdict.INCONCLUSIVE


@both
def test_one_sample_within_the_guard_is_neither(measured):
    found = verdict(table([LIMIT + U / 2]), measured)
    assert found.verdict is (Verdict.INCONCLUSIVE if measured == KNOWN else Verdict.FAIL)


@both
@pytest.mark.parametrize("n", [299, 1000, 20_000])
def test_constant_values_never_pass(measured, n):
    found = verdict(table(np.full(n, 2.0)), measured)
    assert found.verdict is Verdict.INCONCLUSIVE and found.exceedances == 0
    assert any("all the same" in line or "the same" in line for line in (*found.reasons, *found.decision))


@both
def test_constant_values_over_the_limit_still_fail(measured):
    assert verdict(table(np.full(1000, 11.0)), measured).verdict is Verdict.FAIL


def test_constant_values_at_the_limit_are_within_it_and_do_not_fail():
    assert verdict(table(np.full(1000, LIMIT)), UNKNOWN).verdict is Verdict.INCONCLUSIVE
    assert verdict(table(np.full(1000, LIMIT)), KNOWN).verdict is Verdict.INCONCLUSIVE


def tied(n, share_over, seed):
    """A tenth exactly at the limit, ``share_over`` over it, the rest below."""
    rng = np.random.default_rng(seed)
    values = rng.uniform(1, 9, n)
    kind = rng.random(n)
    values[kind < 0.1] = LIMIT
    values[kind > 1 - share_over] = LIMIT + 1 + rng.uniform(0, 1, int((kind > 1 - share_over).sum()))
    return values


def test_ties_at_the_limit_are_within_it():
    values = tied(10_000, 0.004, 3)
    found = verdict(table(values), UNKNOWN)
    assert found.verdict is Verdict.PASS
    assert found.exceedances == int((values > LIMIT).sum()) and found.estimate == LIMIT


def test_ties_at_the_limit_cannot_pass_once_the_uncertainty_is_known():
    # Each of them may be over the limit by up to U: a tenth, where a hundredth is allowed.
    found = verdict(table(tied(10_000, 0.004, 3)), KNOWN)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert found.exceedances > 900 and found.exceedances_sent < 100
    assert found.pass_threshold == pytest.approx(LIMIT - U)
    assert found.fail_threshold == pytest.approx(LIMIT + U + found.floor)


@both
def test_ties_just_over_the_limit_fail(measured):
    values = tied(10_000, 0.004, 3)
    values[values == LIMIT] = LIMIT + 0.5
    assert verdict(table(values), measured).verdict is Verdict.FAIL


@both
def test_few_distinct_values_are_judged_like_others(measured):
    """Stamps in whole milliseconds: every value is tied some hundred times."""
    values = np.rint(quick(5000) + np.random.default_rng(4).uniform(0, 2, 5000))
    assert len(np.unique(values)) < 15
    assert verdict(table(values), measured).verdict is Verdict.PASS
    assert verdict(table(values + 10), measured).verdict is Verdict.FAIL


@both
def test_a_verdict_on_ties_is_the_same_when_asked_again(measured):
    samples = table(tied(5000, 0.009, 5))
    assert verdict(samples, measured) == verdict(samples, measured)


@both
@pytest.mark.parametrize(("lost", "word"), [(0, "PASS"), (60, "FAIL")])
def test_what_was_lost_counts_as_over_every_limit(measured, lost, word):
    gone = np.zeros(2000, dtype=bool)
    gone[np.random.default_rng(6).choice(2000, lost, replace=False)] = True
    found = verdict(table(quick(2000), lost=gone), measured)
    assert found.verdict.value == word and found.exceedances == found.exceedances_sent == lost


@both
def test_what_was_lost_cannot_pass_a_lower_limit(measured):
    gone = np.zeros(2000, dtype=bool)
    gone[np.random.default_rng(8).choice(2000, 1990, replace=False)] = True
    found = verdict(table(quick(2000) + 20, lost=gone), measured, limit_is="lower")
    assert found.verdict is not Verdict.PASS


@both
def test_a_floor_of_which_much_was_lost_never_gains_a_verdict(measured):
    """J is infinite: FAIL is out of reach, and PASS is as hard as before."""
    broken = np.full(500, np.inf)
    measuring = Measuring(
        0.05,
        Trials(kind="trials", samples=1000, stopping="fixed"),
        budget=combine([clock_offset(U)]) if measured == KNOWN else None,
        loopback=broken,
    )
    asked = Requirement(id="P", scenario="s", quantile=0.99, limit=LIMIT, confidence=0.95)
    for values in (quick(1000), quick(1000) + 10):
        found = judge(asked, table(values), Circumstances(1000), measuring)
        assert found.verdict is Verdict.INCONCLUSIVE and found.reasons[0].startswith("floor")
        assert found.floor is None


def test_an_unbounded_uncertainty_is_refused_and_not_taken_for_none():
    with pytest.raises(ValueError, match="uncertainty inf"):
        guard(LIMIT, 0.01, uncertainty=math.inf)
    with pytest.raises(ValueError, match="uncertainty nan"):
        guard(LIMIT, 0.01, uncertainty=math.nan)


# A table of integers holds neither NaN nor infinities but "lost"; quantities that are computed may.

guards = pytest.mark.parametrize(
    "at",
    [guard(LIMIT, 0.01), guard(LIMIT, 0.01, uncertainty=U, floor=floor_of(LOOPBACK, 0.01))],
    ids=[UNKNOWN, KNOWN],
)


@guards
@pytest.mark.parametrize("wrong", [math.nan, -math.inf])
@pytest.mark.parametrize("count", [1, 500])
def test_values_that_are_no_latency_rule_a_pass_out_and_cause_no_fail(at, wrong, count):
    values = quick(1000)
    assert decide(values, at, 0.05).verdict is Verdict.PASS
    values[np.random.default_rng(9).choice(1000, count, replace=False)] = wrong
    found = decide(values, at, 0.05)
    assert found.verdict is Verdict.INCONCLUSIVE and found.decision.invalid == count


@guards
def test_nothing_but_nan_is_inconclusive(at):
    assert decide(np.full(1000, np.nan), at, 0.05).verdict is Verdict.INCONCLUSIVE


@guards
@pytest.mark.parametrize(("count", "word"), [(0, "PASS"), (4, "PASS"), (10, "INCONCLUSIVE"), (40, "FAIL")])
def test_infinities_are_exceedances(at, count, word):
    values = quick(1000)
    values[np.random.default_rng(10).choice(1000, count, replace=False)] = np.inf
    assert decide(values, at, 0.05).verdict.value == word


@guards
def test_nan_in_one_series_alone_is_enough(at):
    values, other = quick(1000), quick(1000, seed=2)
    other[3] = np.nan
    assert decide(values, at, 0.05, fail_values=other).verdict is Verdict.INCONCLUSIVE
    assert decide(other, at, 0.05, fail_values=values).verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("wrong", [math.nan, math.inf])
def test_a_floor_with_values_that_are_none_is_unbounded(wrong):
    loopback = LOOPBACK.copy()
    loopback[:10] = wrong
    found = floor_of(loopback, 0.01)
    assert found is not None and found.value == math.inf
    at = guard(LIMIT, 0.01, floor=found)
    assert decide(quick(1000) + 10, at, 0.05).verdict is Verdict.INCONCLUSIVE
