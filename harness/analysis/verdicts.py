"""A requirement's verdict: the rule of :mod:`harness.analysis.rule` applied to samples, under what
circumstances, with reasons in plain words and the whole arithmetic, so that a reviewer can redo it by
hand."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis import checks as bench
from harness.analysis import dependence
from harness.analysis.checks import Circumstances
from harness.analysis.counts import Counts, bound
from harness.analysis.explain import decision_lines, undecided
from harness.analysis.guard import decide, guard
from harness.analysis.rule import complement, fail_from
from harness.analysis.samples import counted, has, latency_ms, tried
from harness.analysis.statistics import finite, order_quantile, ordered
from harness.config.schema import Requirement
from harness.model import NO_STAMP, SampleFlag, Verdict
from harness.results import Check, Dependence, RequirementResult

MS_PER_UNIT = {"us": Fraction(1, 1000), "ms": Fraction(1), "s": Fraction(1000)}


@dataclass(frozen=True)
class Evidence:
    """Latencies of the samples that count, in ms, +inf where lost. ``set_aside``: unanswered ones at the end
    of an aborted run, which count neither way."""

    from_intent: NDArray[np.float64]
    from_sent: NDArray[np.float64]
    lost: int
    set_aside: int


def evidence(samples: NDArray[Any], *, aborted: bool = False) -> Evidence:
    """What counts for or against the item.

    Where the clock of the arrival stamp was set, the instant the harness saw the answer is an upper bound of
    the arrival, and the send a lower one: the first may cost the PASS, the second is what FAIL is tested on.
    In an aborted run the unbroken row of unanswered stimuli before the end may be what ended it, not what was
    asked.
    """
    rows = samples[tried(samples)]
    set_aside = 0
    if aborted:
        silent = has(rows, SampleFlag.LOST) & ~has(rows, SampleFlag.LATE)
        heard = np.flatnonzero(~silent)
        keep = int(heard[-1]) + 1 if len(heard) else 0
        set_aside = len(rows) - keep
        rows = rows[:keep]
    from_sent = latency_ms(rows)
    from_sent[has(rows, SampleFlag.CLOCK_STEP) & (rows["arrived_ns"] != NO_STAMP)] = 0.0
    return Evidence(
        from_intent=latency_ms(rows, "intended_ns"),
        from_sent=from_sent,
        lost=int(has(rows, SampleFlag.LOST).sum()),
        set_aside=set_aside,
    )


def judge(
    requirement: Requirement,
    samples: NDArray[Any],
    circumstances: Circumstances,
    *,
    uncertainty_ms: float | None = None,
    floor_ms: float | None = None,
    longest_disturbance_ms: float | None = None,
) -> RequirementResult:
    """Decide one requirement on the samples (SAMPLE_DTYPE) of its scenario.

    ``uncertainty_ms`` U and ``floor_ms`` J are None until they are measured.
    """
    scale = MS_PER_UNIT[requirement.unit]
    limit_ms = float(Fraction(repr(requirement.limit)) * scale)
    p0, alpha = complement(requirement.quantile), complement(requirement.confidence)
    seen = evidence(samples, aborted=circumstances.aborted)
    at = guard(limit_ms, p0, uncertainty=uncertainty_ms or 0.0, floor=floor_ms)
    disturbance = in_samples(longest_disturbance_ms, samples)
    guarded = decide(seen.from_intent, at, alpha, disturbance, fail_values=seen.from_sent)
    decision = Counts.of(guarded.decision)

    checks = [
        *circumstances.broken,
        bench.lateness(samples, requirement.quantile, limit_ms),
        *circumstances.checks,
    ]
    verdict, reasons = _conclude(decision, checks, circumstances)
    if seen.set_aside:
        reasons.append(
            f"{seen.set_aside} unanswered stimuli in a row before the abort count neither way: "
            "what ended the run may be what silenced the item"
        )
    upper = bound(ordered(seen.from_intent), decision.upper_position)
    lower = bound(ordered(seen.from_sent), decision.lower_position)
    per_ms = float(1 / scale)

    def in_unit(value: float | None) -> float | None:
        known = finite(value)
        return None if known is None else known * per_ms

    known_upper = in_unit(upper)
    return RequirementResult(
        id=requirement.id,
        text=requirement.text,
        scenario=requirement.scenario,
        verdict=verdict,
        reasons=reasons,
        quantity=requirement.quantity,
        quantile=requirement.quantile,
        limit=requirement.limit,
        unit=requirement.unit,
        confidence=requirement.confidence,
        estimate=in_unit(order_quantile(ordered(seen.from_intent), requirement.quantile)),
        lower_bound=in_unit(lower),
        upper_bound=known_upper,
        uncertainty=None if uncertainty_ms is None else uncertainty_ms * per_ms,
        floor=None if floor_ms is None else floor_ms * per_ms,
        pass_threshold=at.pass_threshold * per_ms,
        fail_threshold=at.fail_threshold * per_ms,
        n=decision.n,
        exceedances=decision.exceedances_pass,
        exceedances_sent=decision.exceedances_fail,
        pass_up_to=decision.pass_up_to,
        fail_from=decision.fail_from,
        headroom=requirement.limit / known_upper if known_upper else None,
        dependence=_dependence(guarded.decision),
        checks=checks,
        decision=decision_lines(
            requirement,
            guarded,
            decision,
            lost=seen.lost,
            upper=upper,
            measured=(uncertainty_ms is not None, floor_ms is not None),
        ),
    )


def in_samples(duration_ms: float | None, samples: NDArray[Any]) -> float:
    """How many samples a disturbance of that duration hits, by the median distance of the stimuli; 1 if none
    is declared."""
    due = np.sort(samples["intended_ns"][counted(samples)])
    if duration_ms is None or len(due) < 2:
        return 1.0
    return max(1.0, duration_ms * 1e6 / float(np.median(np.diff(due))))


def _dependence(decision: dependence.Decision) -> Dependence:
    side = decision.passing
    return Dependence(
        gate_p=side.gate.p,
        dependent=side.dependent,
        inflation=side.inflation,
        effective_n=side.n_effective,
        effective_exceedances=side.k_effective,
        longest_disturbance=decision.longest_disturbance,
    )


def _conclude(
    decision: Counts, checks: list[Check], circumstances: Circumstances
) -> tuple[Verdict, list[str]]:
    """Verdict and its reasons: whole evidence first, then a run that ended, then a good bench, then the
    rule."""
    if lacking := [c for c in circumstances.broken if not c.ok]:
        return Verdict.ERROR, [_in_words(c) for c in lacking]
    poor = [_in_words(c) for c in checks if not c.ok]
    if circumstances.aborted:
        return _aborted(decision, poor, circumstances)
    if decision.n == 0:
        return Verdict.INCONCLUSIVE, [
            "nothing was measured: no stimulus was sent in the measured part",
            *poor,
        ]
    if poor:
        return Verdict.INCONCLUSIVE, poor
    if decision.verdict is Verdict.PASS:
        return Verdict.PASS, [
            f"{decision.exceedances_pass} of {decision.n} over the limit; up to {decision.pass_up_to} pass"
            f"{decision.worth}"
        ]
    if decision.verdict is Verdict.FAIL:
        return Verdict.FAIL, [
            f"{decision.exceedances_fail} of {decision.n} over the limit; {decision.fail_from} or more fail"
            f"{decision.worth}"
        ]
    return Verdict.INCONCLUSIVE, undecided(decision)


def _aborted(decision: Counts, poor: list[str], circumstances: Circumstances) -> tuple[Verdict, list[str]]:
    """A run that was cut short: FAIL only if already certain whatever the missing samples had brought, so
    that the instant of the abort cannot have been chosen by the data."""
    planned = max(circumstances.planned, decision.n)
    needed = fail_from(planned, decision.p0, decision.alpha)
    cut = f"the run was cut short: {circumstances.abort_reason or 'no reason recorded'}"
    proven = needed is not None and decision.exceedances_fail >= needed and decision.fails
    if proven and not poor:
        return Verdict.FAIL, [
            f"{decision.exceedances_fail} over the limit were enough to fail all {planned} planned ones "
            f"({needed} or more fail), whatever the missing ones had brought",
            cut,
        ]
    return Verdict.ERROR, [
        cut,
        f"{decision.n} of {planned} planned samples were measured; nothing was proven",
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
