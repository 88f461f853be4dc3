"""Verdicts under sequential tests and declared stages: what they say, and their error through judge()."""

from __future__ import annotations

from math import sqrt
from typing import Any

import numpy as np
import pytest
from analysis_data import MS, around, monotonic_only, observations, stimuli

from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.samples import build
from harness.analysis.verdicts import judge
from harness.config.schema import Match, Paced, Requirement, Trials
from harness.model import Verdict
from harness.results import RequirementResult

GAP_NS = 1000 * MS
RULE = Match.model_validate({"kind": "sequence"})
P95 = {"id": "R", "scenario": "s", "quantile": 0.95, "limit": 10, "unit": "ms"}
REPETITIONS = 2000


def samples(latency_ms: Any, *, extra: int = 0) -> np.ndarray[Any, Any]:
    """One trial a second with these latencies; NaN is unanswered."""
    values = np.asarray(latency_ms, dtype=float)
    sent = np.arange(1, len(values) + 1, dtype=np.int64) * GAP_NS
    rows = stimuli(sent)
    keep = np.isfinite(values)
    table = observations(rows["key"][keep], sent[keep] + np.rint(values[keep] * MS).astype(np.int64))
    return build(rows, table, monotonic_only(), RULE, 900 * MS).samples


def decide(
    values: Any, schedule: Paced | Trials, aborted: bool = False, loopback: Any = None, **changes: Any
) -> RequirementResult:
    requirement = Requirement.model_validate({**P95, **changes})
    told = Circumstances(planned=schedule.samples, aborted=aborted, abort_reason="lost" if aborted else "")
    return judge(requirement, samples(values), told, Measuring(0.05, schedule, loopback=loopback))


def sequential(n: int = 120, **more: Any) -> Trials:
    return Trials(kind="trials", samples=n, **more)


def paced(*stages: int) -> Paced:
    return Paced(kind="paced", rate_hz=1.0, samples=stages[-1], stages=list(stages))


def with_over(n: int, *over: int, slow: float = 50.0) -> np.ndarray[Any, Any]:
    """n latencies of 5 ms, those at ``over`` (from 0) ``slow``."""
    values = around(5.0, n)
    values[list(over)] = slow + np.arange(len(over))
    return values


def test_the_first_design_that_ends_decides_and_later_trials_are_not_looked_at():
    good, spoilt = with_over(120), with_over(120, *range(70, 120, 3))
    for values in (good, spoilt):
        result = decide(values, sequential())
        assert (result.verdict, result.n, result.exceedances) == (Verdict.PASS, 65, 0)
    assert result.pass_up_to == 0 and result.sampling_plan.endswith(
        "planned at most 120, ended after 65 trials"
    )
    assert result.reasons[0] == "after 65 trials 0 over the limit: up to 0 pass there"


def test_it_fails_as_soon_as_the_count_is_reached():
    result = decide(with_over(120, 1, 3, 4, 40, 45, 50), sequential())
    assert (result.verdict, result.n, result.exceedances_sent, result.fail_from) == (Verdict.FAIL, 5, 3, 3)


def test_no_bound_survives_optional_stopping():
    result = decide(with_over(120), sequential())
    assert (result.upper_bound, result.lower_bound, result.headroom) == (None, None, None)
    assert any("no bound, no headroom" in line for line in result.decision)
    assert result.estimate == pytest.approx(5.0, abs=0.1)


def test_the_cap_without_an_end_is_inconclusive_and_says_what_counts_anew():
    result = decide(with_over(120, 10, 60, 110), sequential())
    assert (result.verdict, result.n) == (Verdict.INCONCLUSIVE, 120)
    assert "harness plan" in result.reasons[-1]


def test_trials_that_hang_together_leave_no_verdict():
    values = around(5.0, 70)
    values[20:24] += 2.0  # the four largest, one after the other; all of them within the limit
    result = decide(values, sequential())
    assert result.verdict is Verdict.INCONCLUSIVE and "hang together" in result.reasons[0]
    assert result.dependence is not None and result.dependence.dependent


def test_constant_values_never_pass():
    result = decide(np.full(70, 5.0), sequential())
    assert result.verdict is Verdict.INCONCLUSIVE and "stopped clock" in result.reasons[0]


def test_what_lies_between_the_thresholds_counts_for_neither():
    # J is nearly 6.1 ms: 12 ms is over 10 and within 10 + J.
    values = around(12.0, 120)
    result = decide(values, sequential(), loopback=around(6.0, 5000))
    assert (result.n, result.exceedances, result.exceedances_sent) == (120, 120, 0)
    assert decide(values, sequential()).verdict is Verdict.FAIL


def test_an_unanswered_trial_is_over_every_limit():
    values = around(5.0, 120)
    values[[1, 3, 4]] = np.nan
    assert decide(values, sequential()).verdict is Verdict.FAIL


@pytest.mark.parametrize(
    ("asked", "values", "verdict", "n"),
    [
        ({"quantity": "loss_rate", "limit": 5, "unit": "%"}, with_over(120), Verdict.PASS, 65),
        (
            {"quantity": "ratio", "limit": 0.95, "unit": "1", "within_ms": 10},
            with_over(120),
            Verdict.PASS,
            65,
        ),
        ({"quantity": "ratio", "limit": 0.95, "unit": "1", "within_ms": 4}, with_over(120), Verdict.FAIL, 3),
        ({"limit": 4, "limit_is": "lower", "quantile": 0.05}, with_over(120), Verdict.PASS, 65),
        ({"limit": 7, "limit_is": "lower", "quantile": 0.05}, with_over(120), Verdict.FAIL, 3),
    ],
)
def test_shares_and_lower_limits_are_followed_too(asked, values, verdict, n):
    quantile = {} if "quantity" not in asked else {"quantile": None}
    result = decide(values, sequential(), **{**quantile, **asked})
    assert (result.verdict, result.n) == (verdict, n)


def test_a_longest_disturbance_puts_off_the_pass():
    requirement = Requirement.model_validate(P95)
    measuring = Measuring(0.05, sequential(200), longest_disturbance_ms=2000.0)
    result = judge(requirement, samples(with_over(200)), Circumstances(planned=200), measuring)
    assert (result.verdict, result.n) == (Verdict.PASS, 118)


@pytest.mark.parametrize("schedule", [sequential(124, stages=[70, 124]), paced(80, 160)])
def test_the_first_declared_look_that_decides_counts(schedule):
    first, last = schedule.stages
    early = decide(with_over(first), schedule)
    late = decide(with_over(last, 5), schedule)
    neither = decide(with_over(last, *range(0, 60, 9)), schedule)
    between = decide(with_over(last - 1, 5), schedule)
    assert (early.verdict, early.n) == (Verdict.PASS, first)
    assert (late.verdict, late.n) == (Verdict.PASS, last)
    assert (neither.verdict, neither.n) == (Verdict.INCONCLUSIVE, last)
    assert between.verdict is Verdict.INCONCLUSIVE


def test_paced_looks_share_the_error():
    # Of 59 samples one look passes, one of two does not: P(Bin(59, 0.05) = 0) = 0.0485 > 0.025.
    assert decide(with_over(59), paced(59)).verdict is Verdict.PASS
    result = decide(with_over(59), paced(59, 72))
    assert result.verdict is Verdict.INCONCLUSIVE
    assert any("0.05 / 2 = 0.025" in line for line in decide(with_over(72), paced(59, 72)).decision)


@pytest.mark.parametrize("schedule", [sequential(), sequential(120, stages=[70, 120]), paced(80, 160)])
def test_what_had_ended_before_an_abort_stands(schedule):
    assert decide(with_over(90), schedule, aborted=True).verdict is Verdict.PASS
    assert decide(with_over(50), schedule, aborted=True).verdict is Verdict.ERROR
    if not schedule.stages:
        assert decide(with_over(50, 1, 3, 4), schedule, aborted=True).verdict is Verdict.FAIL


def test_silence_before_an_abort_counts_neither_way():
    values = with_over(60)
    values[50:] = np.nan
    result = decide(values, sequential(), aborted=True)
    assert (result.verdict, result.n, result.exceedances) == (Verdict.ERROR, 50, 0)


def rates(
    schedule: Paced | Trials, rate: float, n: int, seed: int, repetitions: int = 200
) -> dict[Verdict, float]:
    """Shares of verdicts of independent trials that are over the limit at ``rate``."""
    rng = np.random.default_rng(seed)
    seen = dict.fromkeys(Verdict, 0)
    for _ in range(repetitions):
        values = rng.uniform(4, 6, n) + np.where(rng.random(n) < rate, 20.0, 0.0)
        seen[decide(values, schedule).verdict] += 1
    return {verdict: count / repetitions for verdict, count in seen.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    "schedule",
    [sequential(), sequential(120, stages=[66, 120]), paced(80, 160)],
    ids=["ratio", "trials", "paced"],
)
def test_the_errors_of_the_whole_path_are_the_promised_ones(schedule):
    at_limit = rates(schedule, 0.05, schedule.samples, seed=1, repetitions=REPETITIONS)
    allowed = 0.05 + 3 * sqrt(0.05 * 0.95 / REPETITIONS)
    assert at_limit[Verdict.PASS] <= allowed and at_limit[Verdict.FAIL] <= allowed
    # And it does decide: an item at a tenth of what is allowed, and one at four times that.
    assert rates(schedule, 0.005, schedule.samples, seed=2)[Verdict.PASS] > 0.8
    assert rates(schedule, 0.2, schedule.samples, seed=3)[Verdict.FAIL] > 0.9


def test_every_look_that_was_reached_shows_its_n_k_and_p():
    asked = [f"look {i} of 3, n = {n}" for i, n in ((1, 60), (2, 120), (3, 300))]
    slow = around(3.0, 300)
    slow[[17, 70, 101, 140, 171, 222, 260]] = 20.0
    for kind in ("paced", "trials"):
        extra = {"rate_hz": 100} if kind == "paced" else {}
        schedule = {"paced": Paced, "trials": Trials}[kind](
            kind=kind, samples=300, stages=[60, 120, 300], **extra
        )
        result = decide(slow, schedule)
        looks = [line for line in result.decision if line.startswith("look ")]
        reached = sum(n <= result.n for n in (60, 120, 300))
        assert reached >= 2 and len(looks) == reached
        for line, start in zip(looks, asked, strict=False):
            assert line.startswith(start) and "K = " in line and "P(Bin(" in line
        assert result.needed_n in (60, 120, 300)
