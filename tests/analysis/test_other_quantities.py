"""Every quantity and both kinds of limit through judge(), from tables to verdict."""

import math
from dataclasses import replace

import numpy as np
import pytest
from analysis_data import MS, around
from quantities_data import KINDS, RATE_HZ, measured, measuring, requirement, verdict
from scipy.signal import lfilter
from scipy.stats import beta, binom, t

from harness.analysis.by_other import by_other
from harness.analysis.by_quantile import by_quantile
from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Case, evidence
from harness.analysis.guard import floor_of
from harness.model import NO_STAMP, SampleFlag, StimulusFlag, Verdict

PASS, FAIL, OPEN, ERROR = Verdict.PASS, Verdict.FAIL, Verdict.INCONCLUSIVE, Verdict.ERROR
NEVER = ("max", "lower max", "max pdv", "lower loss_rate")
"""Kinds that healthy data do not pass."""


# -- never PASS on nothing


@pytest.mark.parametrize("kind", KINDS)
def test_healthy_data_pass_where_they_can(kind):
    result = verdict(measured(around(3.0, 1000)), **KINDS[kind])
    assert (result.verdict is PASS) == (kind not in NEVER)
    assert result.n == (999 if "ipdv" in kind else 1000)
    assert result.reasons and result.decision


EMPTY = {
    "no samples": [],
    "one sample": [3.0],
    "one lost": [math.nan],
    "all lost": [math.nan] * 700,
    "all late": [150.0] * 700,
    "constant": [3.0] * 1000,
    "constant, some lost": [math.nan, *[3.0] * 999],
    "zero": [0.0] * 1000,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("what", EMPTY)
def test_degenerate_data_never_pass(kind, what):
    result = verdict(measured(EMPTY[what]), **KINDS[kind])
    assert result.verdict is not PASS
    for value in (result.estimate, result.lower_bound, result.upper_bound, result.headroom):
        assert value is None or math.isfinite(value)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("wrong", [math.nan, -math.inf])
@pytest.mark.parametrize("share", [0.002, 1.0])
def test_values_that_are_no_latency_never_pass(kind, wrong, share):
    asked = requirement(**KINDS[kind])
    rows = measured(around(3.0, 1000))
    values = around(3.0, 1000)
    values[np.random.default_rng(1).permutation(1000)[: int(1000 * share)]] = wrong
    seen = replace(evidence(rows), from_intent=values, from_sent=values)
    limit = asked.limit / (100 if asked.unit == "%" else 1)
    decide = by_quantile if asked.statistic == "quantile" else by_other
    assert decide(Case(asked, seen, measuring(), limit, 1.0, 1000)).verdict is not PASS


# -- lower limits of a quantile, against a rule written down anew


@pytest.mark.parametrize("k", [0, 37, 38, 39, 61, 62, 63, 64, 200, 500])
@pytest.mark.parametrize("lost", [0, 5])
def test_a_lower_limit_counts_what_is_below_it_and_what_was_lost(k, lost):
    n, q, limit = 500, 0.1, 2.0
    rng = np.random.default_rng(3)
    latency = rng.uniform(2.5, 9.0, n)
    low = rng.permutation(n)[:k]
    latency[low] = rng.uniform(0.5, 1.5, k)
    gone = low[: min(lost, k)]
    latency[gone] = math.nan
    result = verdict(measured(latency), quantile=q, limit=limit, limit_is="lower")

    values = np.sort(np.where(np.isnan(latency), -math.inf, latency))
    most = max(c for c in range(n) if binom.cdf(c, n, q) <= 0.05)
    least = min(c for c in range(1, n + 1) if binom.sf(c - 1, n, q) <= 0.05)
    by_hand = PASS if k <= most else FAIL if k >= least else OPEN
    assert result.verdict is by_hand
    assert (result.exceedances, result.exceedances_sent) == (k, k)
    assert (result.pass_up_to, result.fail_from) == (most, least)
    assert result.lower_bound == pytest.approx(values[most], abs=1e-6)
    assert result.upper_bound == pytest.approx(values[least - 1], abs=1e-6)
    assert result.estimate == pytest.approx(values[math.ceil(n * q) - 1], abs=1e-6)
    headroom = pytest.approx(result.lower_bound / limit) if by_hand is PASS else None
    assert result.headroom == headroom
    assert (result.lower_bound >= limit) == (by_hand is PASS)
    assert (result.upper_bound < limit) == (by_hand is FAIL)
    text = " ".join([*result.reasons, *result.decision])
    assert "below the limit" in text and "over the limit" not in text and "over the PASS" not in text


def test_lost_ones_are_the_bound_of_a_lower_limit():
    latency = around(3.0, 500)
    latency[np.random.default_rng(4).permutation(500)[:70]] = math.nan
    result = verdict(measured(latency), quantile=0.1, limit=2, limit_is="lower")
    assert (result.verdict, result.lower_bound, result.estimate) == (FAIL, None, None)
    assert any("is a lost one" in line for line in result.decision)


def test_a_lower_limit_passes_on_latency_from_sent_and_fails_on_latency_from_intent():
    latency = around(3.0, 500)
    latency[np.random.default_rng(4).permutation(500)[:100]] = 1.9
    late = verdict(measured(latency, late_ms=0.15), quantile=0.1, limit=2.0, limit_is="lower")
    assert (late.verdict, late.exceedances, late.exceedances_sent) == (OPEN, 100, 0)


@pytest.mark.parametrize("quantile", [0.1, 0.99])
def test_a_lower_limit_bears_the_floor_where_it_passes(quantile):
    loopback = around(0.2, 2000, spread=0.05)
    result = verdict(
        measured(around(3.0, 1000)),
        measuring=measuring(u=0.1, loopback=loopback),
        quantile=quantile,
        limit=2,
        limit_is="lower",
    )
    found = floor_of(loopback, quantile)
    assert found is not None and 0 < found.share <= 0.13 * quantile
    moved = quantile - found.share
    assert result.floor == pytest.approx(found.value, abs=1e-5)
    assert result.pass_threshold == pytest.approx(2 + result.uncertainty + result.floor)
    assert result.fail_threshold == pytest.approx(2 - result.uncertainty)
    assert any(f"PASS is tested against the rate {moved:.4g}" in line for line in result.decision)


@pytest.mark.parametrize("phi", [0.0, 0.9])
@pytest.mark.parametrize("limit_is", ["upper", "lower"])
def test_bounds_agree_with_the_verdict_of_dependent_samples_too(phi, limit_is):
    noise = np.random.default_rng(17).standard_normal(6000)
    latency = 50 + 3 * lfilter([1.0], [1.0, -phi], noise)
    samples = measured(latency)
    found = set()
    for limit in np.linspace(48, 52, 41):
        result = verdict(samples, quantile=0.5, limit=float(limit), limit_is=limit_is)
        assert result.dependence.dependent == (phi > 0)
        low, high = result.lower_bound, result.upper_bound
        passes, fails = (high <= limit, low > limit) if limit_is == "upper" else (low >= limit, high < limit)
        assert (result.verdict is PASS, result.verdict is FAIL) == (passes, fails)
        found.add(result.verdict)
    assert found == {PASS, OPEN, FAIL}


# -- jitter


def test_jitter_bears_the_floor_either_way():
    loopback = around(0.2, 5000, spread=0.05)
    how = measuring(u=0.1, loopback=loopback)
    result = verdict(measured(around(3.0, 1000)), measuring=how, quantity="jitter", limit=2)
    assert result.pass_threshold == pytest.approx(2 - 0.1 - result.floor)
    assert result.fail_threshold == pytest.approx(2 + 0.1 + result.floor)
    assert any("RFC 5481" in line for line in result.decision)
    changes = verdict(measured(around(3.0, 1000)), measuring=how, quantity="jitter", jitter="ipdv", limit=2)
    assert changes.floor < 0.1 < result.floor  # a steady delay cancels in a change
    assert any("RFC 3393" in line for line in changes.decision)


def test_lateness_that_smooths_jitter_cannot_gain_a_pass_nor_cause_a_fail():
    rng = np.random.default_rng(5)
    item = np.where(rng.random(1000) < 0.05, 4.0, 1.0) + rng.uniform(0, 0.1, 1000)
    # Late by just what the item was quick: from intent there is no jitter left.
    smoothed = verdict(measured(item, late_ms=4.1 - item), quantity="jitter", limit=2)
    assert smoothed.exceedances == int((item - item.min() > 2).sum()) and smoothed.verdict is not PASS
    steady = around(1.0, 1000, spread=0.01)
    shaken = verdict(
        measured(steady, late_ms=rng.uniform(0, 5, 1000)), quantity="jitter", quantile=0.5, limit=2
    )
    assert shaken.exceedances_sent == 0 and shaken.verdict is not FAIL


def test_jitter_across_a_clock_step_can_cost_a_pass_and_never_cause_a_fail():
    for kind in ("pdv", "ipdv"):
        samples = measured(around(3.0, 1000))
        stepped = np.random.default_rng(6).permutation(1000)[:100]
        samples["arrived_ns"][stepped] += 30 * MS
        samples["flags"][stepped] = SampleFlag.CLOCK_STEP
        result = verdict(samples, quantity="jitter", jitter=kind, limit=2)
        assert result.exceedances >= 100 and result.exceedances_sent == 0
        assert result.verdict is OPEN


# -- mean


def test_a_mean_in_its_unit_with_its_interval():
    latency = np.random.default_rng(7).gamma(4.0, 1.0, 1000)
    result = verdict(measured(latency), statistic="mean", limit=5000, unit="us")
    half = t.ppf(0.95, 999) * latency.std(ddof=1) / math.sqrt(1000)
    assert result.verdict is PASS
    assert result.estimate == pytest.approx(latency.mean() * 1000, rel=1e-6)
    assert result.upper_bound == pytest.approx((latency.mean() + half) * 1000, rel=1e-6)
    assert result.headroom == pytest.approx(5000 / result.upper_bound)
    assert (result.exceedances, result.exceedances_sent, result.pass_up_to) == (0, 0, None)
    assert "at most 5000 us is required" in result.reasons[0]


@pytest.mark.parametrize(("limit", "how", "expected"), [(4.0, "late", OPEN), (4.0, "early", PASS)])
def test_a_mean_passes_from_intent_and_fails_from_sent(limit, how, expected):
    late = 0.39 if how == "late" else 0.0
    result = verdict(measured(around(3.8, 1000, spread=0.5), late_ms=late), statistic="mean", limit=limit)
    assert result.verdict is expected


def test_a_mean_bears_uncertainty_and_floor():
    samples = measured(around(9.0, 1000))
    how = measuring(u=0.5, loopback=around(0.3, 400))
    result = verdict(samples, measuring=how, statistic="mean", limit=10)
    assert result.verdict is PASS
    assert result.floor == pytest.approx(0.3, abs=0.02) and result.floor > around(0.3, 400).mean()
    assert result.pass_threshold == pytest.approx(9.5)
    assert result.fail_threshold == pytest.approx(10.5 + result.floor)
    assert verdict(samples, measuring=how, statistic="mean", limit=8.4).verdict is OPEN
    assert verdict(samples, measuring=how, statistic="mean", limit=8.0).verdict is FAIL
    lost = measuring(loopback=[*around(0.3, 400), math.inf])
    broken = verdict(samples, measuring=lost, statistic="mean", limit=1)
    assert broken.verdict is OPEN and not next(c for c in broken.checks if c.name == "floor").ok


def test_a_mean_with_lost_ones_fails_but_never_passes():
    latency = around(9.0, 1000)
    latency[7] = math.nan
    assert verdict(measured(latency), statistic="mean", limit=8).verdict is FAIL
    open_ = verdict(measured(latency), statistic="mean", limit=20)
    assert (open_.verdict, open_.upper_bound) == (OPEN, None)
    assert "lost" in " ".join(open_.reasons)
    assert verdict(measured(latency), statistic="mean", limit=20, limit_is="lower").verdict is OPEN


def test_the_mean_of_lateness_and_skipped_stimuli_limit_a_mean():
    for late, ok in ((0.9, True), (1.1, False)):
        result = verdict(measured(around(3.0, 1000), late_ms=late), statistic="mean", limit=10)
        assert [c.ok for c in result.checks if c.name == "lateness"] == [ok]
    for skipped, ok in ((100, True), (101, False)):
        samples = measured(around(3.0, 1000))
        for name in ("sent_ns", "handed_ns", "arrived_ns", "seen_ns"):
            samples[name][:skipped] = NO_STAMP
        samples["stimulus_flags"][:skipped] = StimulusFlag.SKIPPED
        samples["flags"][:skipped] = SampleFlag.NOT_SENT
        assert (verdict(samples, statistic="mean", limit=10).verdict is PASS) == ok


# -- max


def test_a_maximum_says_why_it_never_passes():
    result = verdict(measured(around(3.0, 1000)), statistic="max", limit=10)
    assert result.verdict is OPEN and "never passes" in result.reasons[0]
    assert result.headroom is None and result.estimate == pytest.approx(around(3.0, 1000).max(), abs=1e-6)


def test_a_maximum_fails_beyond_what_the_harness_explains():
    latency = around(3.0, 1000)
    order = np.random.default_rng(8).permutation(1000)
    latency[order[:4]] = 11.0
    assert verdict(measured(latency), statistic="max", limit=10).verdict is FAIL
    how = measuring(loopback=around(0.2, 1000))
    # Of n = m values the four largest are all in the run by chance in 1 of 16 cases, five in 1 of 32.
    four = verdict(measured(latency), measuring=how, statistic="max", limit=10)
    assert (four.verdict, four.exceedances_sent, four.fail_from) == (OPEN, 4, 5)
    latency[order[4]] = 11.0
    assert verdict(measured(latency), measuring=how, statistic="max", limit=10).verdict is FAIL
    assert verdict(measured(latency), measuring=how, statistic="max", limit=10.9).verdict is OPEN


# -- shares


@pytest.mark.parametrize(("k", "expected"), [(12, PASS), (13, OPEN), (27, OPEN), (29, FAIL)])
@pytest.mark.parametrize(("unit", "limit"), [("%", 1), ("1", 0.01)])
def test_losses_in_either_unit(k, expected, unit, limit):
    latency = around(3.0, 2000)
    latency[np.random.default_rng(9).permutation(2000)[:k]] = math.nan
    result = verdict(measured(latency), quantity="loss_rate", unit=unit, limit=limit)
    scale = 100 if unit == "%" else 1
    assert result.verdict is expected
    assert (result.exceedances, result.exceedances_sent, result.n) == (k, k, 2000)
    assert (result.pass_up_to, result.fail_from) == (12, 29)
    assert result.estimate == pytest.approx(scale * k / 2000)
    assert result.upper_bound == pytest.approx(scale * beta.ppf(0.95, k + 1, 2000 - k))
    assert result.lower_bound == pytest.approx(scale * beta.ppf(0.05, k, 2001 - k))
    assert (result.pass_threshold, result.fail_threshold) == pytest.approx((limit, limit))
    assert (result.uncertainty, result.floor) == (None, None)


def test_lateness_says_nothing_of_losses():
    samples = measured(around(3.0, 1000), late_ms=50.0)
    result = verdict(samples, quantity="loss_rate", limit=0.01)
    assert result.verdict is PASS and result.checks == []


def test_an_aborted_run_fails_its_losses_only_when_that_is_certain():
    latency = around(3.0, 1000)
    latency[np.random.default_rng(10).permutation(999)[:40]] = math.nan
    for planned, expected in ((1500, FAIL), (30_000, ERROR)):
        cut = Circumstances(planned=planned, aborted=True, abort_reason="the robot died")
        assert verdict(measured(latency), cut, quantity="loss_rate", limit=0.01).verdict is expected
    assert verdict(measured(latency), cut, statistic="mean", limit=1).verdict is ERROR


@pytest.mark.parametrize("k", [0, 35, 36, 65, 66, 300])
def test_a_ratio_is_the_quantile_that_it_is_the_inverse_of(k):
    latency = around(3.0, 1000)
    latency[np.random.default_rng(11).permutation(1000)[:k]] = 20.0
    share = verdict(measured(latency), quantity="ratio", within_ms=10, limit=95, unit="%")
    same = verdict(measured(latency), quantile=0.95, limit=10)
    assert share.verdict is same.verdict
    assert (share.exceedances, share.pass_up_to, share.fail_from) == (k, same.pass_up_to, same.fail_from)
    assert share.estimate == pytest.approx(100 - k / 10)
    assert share.lower_bound == pytest.approx(100 * (1 - beta.ppf(0.95, k + 1, 1000 - k)))
    assert (share.lower_bound >= 95) == (share.verdict is PASS)
    assert (share.upper_bound < 95) == (share.verdict is FAIL)
    assert share.headroom == (pytest.approx(share.lower_bound / 95) if share.verdict is PASS else None)
    assert all("over the limit" not in reason for reason in share.reasons)


def test_a_ratio_counts_from_intent_for_pass_and_from_sent_for_fail():
    late = np.where(np.random.default_rng(12).random(1000) < 0.04, 9.0, 0.0)
    how = measuring(u=0.5, loopback=around(0.3, 4000))
    result = verdict(
        measured(around(3.0, 1000), late_ms=late),
        measuring=how,
        quantity="ratio",
        within_ms=10,
        limit=95,
        unit="%",
    )
    assert result.exceedances == int((late > 0).sum()) and result.exceedances_sent == 0
    assert result.uncertainty == pytest.approx(0.5)  # in ms, whatever the limit is in
    assert result.pass_threshold == pytest.approx(9.5)
    assert result.fail_threshold == pytest.approx(10.5 + result.floor)


def test_an_upper_limit_of_a_ratio():
    latency = np.random.default_rng(13).permutation(np.linspace(1, 11, 1000))
    for limit, expected in ((0.6, PASS), (0.5, OPEN), (0.4, FAIL)):
        result = verdict(measured(latency), quantity="ratio", within_ms=6, limit=limit, limit_is="upper")
        assert (result.verdict, result.exceedances) == (expected, 500)


# -- rate of answers


def test_a_rate_of_answers():
    rng = np.random.default_rng(14)
    latency = np.where(rng.random(2000) < 0.2, math.nan, around(3.0, 2000))
    for limit, expected in ((3.7, PASS), (4.0, OPEN), (4.3, FAIL)):
        result = verdict(measured(latency), quantity="rate_hz", limit=limit)
        assert result.verdict is expected
        assert result.lower_bound < result.estimate < result.upper_bound
        assert result.estimate == pytest.approx(RATE_HZ * 0.8, rel=0.03)
        assert result.n == 2000
    assert verdict(measured(latency), quantity="rate_hz", limit=4.3, limit_is="upper").verdict is PASS


@pytest.mark.parametrize("end", ["first", "last"])
def test_silence_at_either_end_counts_against_a_rate(end):
    latency = around(3.0, 2000)
    latency[slice(0, 1000) if end == "first" else slice(1000, 2000)] = math.nan
    result = verdict(measured(latency, jitter_seed=1), quantity="rate_hz", limit=4)
    assert result.verdict is not PASS
    assert result.estimate == pytest.approx(RATE_HZ / 2, rel=0.01)


def test_a_rate_above_that_of_the_stimuli_is_not_the_items_fault():
    result = verdict(measured(around(3.0, 1000)), quantity="rate_hz", limit=6)
    assert result.verdict is OPEN and result.reasons[0].startswith("send rate")


# -- alpha


@pytest.mark.parametrize("kind", KINDS)
def test_a_shared_error_widens_every_bound(kind):
    latency = np.random.default_rng(15).gamma(4.0, 1.0, 1000)
    latency[np.random.default_rng(16).permutation(1000)[:8]] = 99.0
    wide, narrow = (
        verdict(measured(latency), measuring=measuring(alpha=a), **KINDS[kind]) for a in (0.01, 0.05)
    )
    assert (wide.alpha, narrow.alpha) == (0.01, 0.05)
    assert any("error is shared among" in line for line in wide.decision)
    for bound, sign in (("upper_bound", 1), ("lower_bound", -1)):
        a, b = getattr(wide, bound), getattr(narrow, bound)
        assert a is None or b is None or sign * (a - b) >= 0
