"""A requirement's verdict: what the rule for its quantity makes of the samples, and under what circumstances,
with reasons in plain words and the whole arithmetic, so that a reviewer can redo it by hand."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from typing import Any

from numpy.typing import NDArray

from harness.analysis.by_other import by_other
from harness.analysis.by_plan import by_plan, ends_by_plan
from harness.analysis.by_quantile import by_quantile
from harness.analysis.checks import Circumstances
from harness.analysis.evidence import MS_PER_UNIT, Case, Judged, Measuring, evidence, in_samples
from harness.analysis.rule import complement
from harness.analysis.samples import counted
from harness.analysis.simulated import in_simulated_time, stamped
from harness.analysis.statistics import finite
from harness.analysis.timing import timing
from harness.config.schema import Requirement, Trials
from harness.model import NO_STAMP, Verdict
from harness.results import Check, RequirementResult

SCALES = {**MS_PER_UNIT, "%": Fraction(1, 100)}
"""To ms, or to the quantity's own unit; a share is a fraction."""


def judge(
    requirement: Requirement,
    samples: NDArray[Any],
    circumstances: Circumstances,
    measuring: Measuring | None = None,
) -> RequirementResult:
    """Decide one requirement on the samples (SAMPLE_DTYPE) of its scenario.

    ``measuring``: how they were measured; by default U and J are not known and the number of samples was
    fixed.
    """
    if measuring is None:
        planned = max(1, circumstances.planned)
        fixed = Trials(kind="trials", samples=planned, stopping="fixed")
        measuring = Measuring(complement(requirement.confidence), fixed)
    simulated = requirement.time == "simulated"
    if simulated:
        # U is of simulated time then, and no floor of the harness enters it.
        unstamped, samples = stamped(samples), in_simulated_time(samples)
        measuring = replace(measuring, loopback=None)
        circumstances = replace(circumstances, checks=[*circumstances.checks, unstamped])
    else:
        circumstances = replace(circumstances, checks=[*circumstances.checks, *circumstances.wall_checks])
    scale = SCALES.get(requirement.unit, Fraction(1))
    limit = float(Fraction(repr(requirement.limit)) * scale)
    seen = evidence(samples, aborted=circumstances.aborted)
    disturbance = in_samples(measuring.longest_disturbance_ms, samples)
    judged = _rule(Case(requirement, seen, measuring, limit, disturbance, circumstances.planned))

    checks = [*circumstances.broken, *timing(requirement, samples, limit, measuring), *circumstances.checks]
    verdict, reasons = _conclude(judged, checks, circumstances)
    if seen.set_aside:
        reasons.append(
            f"{seen.set_aside} unanswered stimuli in a row before the abort count neither way: "
            "what ended the run may be what silenced the item"
        )
    reasons += circumstances.remarks
    per_ms = float(1 / scale)

    def in_unit(value: float | None) -> float | None:
        known = finite(value)
        return None if known is None else known * per_ms

    # U, J and thresholds of a ratio are of the time that it is asked within; of loss and rate there is no U.
    timed = requirement.quantity in ("latency", "jitter")
    in_guard = finite if requirement.quantity == "ratio" else in_unit
    budget = measuring.budget if timed or requirement.quantity == "ratio" else None

    at = in_unit(judged.pass_threshold) if timed else None
    guarded = 0.0 if at is None else abs(requirement.limit - at)

    return RequirementResult(
        id=requirement.id,
        text=requirement.text,
        scenario=requirement.scenario,
        verdict=verdict,
        reasons=reasons,
        quantity=requirement.quantity,
        statistic=requirement.statistic,
        quantile=requirement.quantile,
        within_ms=requirement.within_ms,
        jitter=requirement.jitter,
        limit=requirement.limit,
        limit_is=requirement.limit_is,
        unit=requirement.unit,
        time=requirement.time,
        confidence=requirement.confidence,
        alpha=measuring.alpha,
        sampling_plan=judged.sampling_plan,
        needed_n=judged.needed_n,
        estimate=in_unit(judged.estimate),
        lower_bound=in_unit(judged.lower),
        upper_bound=in_unit(judged.upper),
        uncertainty=None if budget is None else in_guard(budget.expanded_ms),
        floor=None if judged.floor is None else in_guard(judged.floor.value),
        pass_threshold=in_guard(judged.pass_threshold),
        fail_threshold=in_guard(judged.fail_threshold),
        n=judged.n,
        exceedances=judged.exceedances,
        exceedances_sent=judged.exceedances_sent,
        pass_up_to=judged.pass_up_to,
        fail_from=judged.fail_from,
        headroom=_headroom(requirement, verdict, in_unit(judged.upper), in_unit(judged.lower), guarded),
        dependence=judged.dependence,
        checks=checks,
        decision=list(judged.lines),
    )


def _rule(case: Case) -> Judged:
    """The rule for that quantity and that sampling plan."""
    return by_plan(case, _fixed) if ends_by_plan(case.measuring.schedule) else _fixed(case)


def _fixed(case: Case) -> Judged:
    """The rule for that quantity on a number of samples that was fixed beforehand."""
    return by_quantile(case) if case.requirement.statistic == "quantile" else by_other(case)


def _headroom(
    requirement: Requirement, verdict: Verdict, upper: float | None, lower: float | None, guarded: float
) -> float | None:
    """Limit / (upper bound + what PASS bears of U and J), for a lower limit (lower bound - that) / limit;
    only of a PASS, since nothing else shows any. ``guarded``: how far the PASS threshold is from the
    limit."""
    if verdict is not Verdict.PASS:
        return None
    if requirement.limit_is == "upper":
        return requirement.limit / (upper + guarded) if upper else None
    return (lower - guarded) / requirement.limit if lower else None


def _conclude(judged: Judged, checks: list[Check], circumstances: Circumstances) -> tuple[Verdict, list[str]]:
    """Verdict and its reasons: whole evidence first, then a run that ended, then a good bench, then the
    rule."""
    if lacking := [c for c in circumstances.broken if not c.ok]:
        return Verdict.ERROR, [_in_words(c) for c in lacking]
    poor = [_in_words(c) for c in checks if not c.ok]
    if circumstances.aborted:
        return _aborted(judged, poor, circumstances)
    if judged.n == 0:
        return Verdict.INCONCLUSIVE, [
            "nothing was measured: no stimulus was sent in the measured part",
            *poor,
        ]
    if poor:
        return Verdict.INCONCLUSIVE, poor
    return judged.verdict, list(judged.reasons)


def _aborted(judged: Judged, poor: list[str], circumstances: Circumstances) -> tuple[Verdict, list[str]]:
    """A run that was cut short: FAIL only if already certain whatever the missing samples had brought, so
    that the instant of the abort cannot have been chosen by the data."""
    planned = max(circumstances.planned, judged.n)
    cut = f"the run was cut short: {circumstances.abort_reason or 'no reason recorded'}"
    if judged.certain and not poor:
        decided = Verdict.PASS if judged.verdict is Verdict.PASS else Verdict.FAIL
        return decided, [judged.certain, cut]
    return Verdict.ERROR, [
        cut,
        f"{judged.n} of {planned} planned samples were measured; nothing was proven",
        *poor,
    ]


def _in_words(check: Check) -> str:
    return f"{check.name}: {check.value}; required: {check.bound}"


def measured_window(samples: NDArray[Any], timeout_ns: int) -> tuple[int, int] | None:
    """From the first to the last counted send plus the timeout, on CLOCK_MONOTONIC; None if nothing was
    sent."""
    rows = samples[counted(samples) & (samples["sent_ns"] != NO_STAMP)]
    if len(rows) == 0:
        return None
    return int(rows["sent_ns"].min()), int(rows["sent_ns"].max()) + timeout_ns
