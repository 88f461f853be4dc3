"""A quantile of latency or jitter, on a number of samples that was fixed beforehand."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis import dependence
from harness.analysis.counts import Counts, bound
from harness.analysis.evidence import MS_PER_UNIT, Case, Judged
from harness.analysis.explain import decision_lines, undecided
from harness.analysis.guard import Floor, Guarded, decide, floor_of, guard
from harness.analysis.kept import Scale, kept_by_guard
from harness.analysis.rule import complement, fail_from
from harness.analysis.sides import Sides, added, sides
from harness.analysis.statistics import order_quantile, ordered
from harness.config.schema import Requirement
from harness.model import Verdict
from harness.results import Dependence
from harness.wording import beyond_threshold

Floats = NDArray[np.float64]


def by_quantile(case: Case) -> Judged:
    """Decide a requirement with statistic ``quantile``."""
    return conclude(case, case.requirement, weigh(case))


@dataclass(frozen=True)
class Weighed:
    """What the rule made of the two series, before it is put in words."""

    sides: Sides
    guarded: Guarded
    counts: Counts
    floor: Floor | None


def weigh(case: Case) -> Weighed:
    """Place the thresholds of a quantile, count, and decide."""
    requirement, measuring = case.requirement, case.measuring
    assert requirement.quantile is not None
    upper_limit = requirement.limit_is == "upper"
    # At least q of the values at or above a lower limit: the share below it is what may be exceeded.
    p0 = complement(requirement.quantile) if upper_limit else requirement.quantile
    loopback = measuring.loopback
    floor = None if loopback is None else floor_of(added(loopback, requirement.jitter), p0)
    at = guard(
        case.limit,
        p0,
        uncertainty=measuring.uncertainty_ms,
        floor=floor,
        upper=upper_limit,
        either_way=requirement.jitter is not None,
    )
    both = sides(requirement, case.seen)
    guarded = decide(
        both.passing,
        at,
        measuring.alpha,
        case.disturbance,
        fail_values=both.failing,
        may_repeat=requirement.time == "simulated",
    )
    return Weighed(both, guarded, Counts.of(guarded.decision), floor)


def conclude(case: Case, asked: Requirement, weighed: Weighed) -> Judged:
    """The verdict with its bounds and its reasons. ``asked``: the requirement as it was written, where that
    of ``case`` is the quantile that says the same."""
    requirement, seen, measuring, planned = case.requirement, case.seen, case.measuring, case.planned
    assert requirement.quantile is not None
    upper_limit, counts, both = requirement.limit_is == "upper", weighed.counts, weighed.sides
    at, verdict = weighed.guarded.guard, counts.verdict
    shown = Scale(*in_unit(asked))
    beyond, beyond_sent = (
        beyond_threshold(asked, at.limit * shown.per_ms, each * shown.per_ms, word)
        for word, each in (("PASS", at.pass_threshold), ("FAIL", at.fail_threshold))
    )
    if verdict is Verdict.PASS:
        reasons = [
            f"{counts.exceedances_pass} of {counts.n} {beyond}; up to {counts.pass_up_to} pass{counts.worth}"
        ]
    elif verdict is Verdict.FAIL:
        reasons = [
            f"{counts.exceedances_fail} of {counts.n} {beyond_sent}; {counts.fail_from} or more "
            f"fail{counts.worth}"
        ]
    else:
        kept, pointless = kept_by_guard(at, both.passing, both.failing, counts, shown)
        reasons = undecided(counts, both, (beyond, beyond_sent), kept, pointless)
    # Of a lower limit everything is mirrored; a lost one is beyond that limit, too.
    passing, failing = (ordered(_towards(each, upper_limit)) for each in (both.passing, both.failing))
    sign = 1.0 if upper_limit else -1.0
    upper, lower = bound(passing, counts.upper_position), bound(failing, counts.lower_position)
    upper, lower = (None if each is None else sign * each for each in (upper, lower))
    worst = passing if upper_limit else -passing[::-1]
    return Judged(
        verdict=verdict,
        reasons=tuple(reasons),
        estimate=order_quantile(worst, requirement.quantile),
        lower=lower if upper_limit else upper,
        upper=upper if upper_limit else lower,
        pass_threshold=at.pass_threshold,
        fail_threshold=at.fail_threshold,
        n=counts.n,
        exceedances=counts.exceedances_pass,
        exceedances_sent=counts.exceedances_fail,
        lines=tuple(
            decision_lines(
                requirement,
                weighed.guarded,
                counts,
                lost=seen.lost,
                bound=upper,
                measuring=measuring,
                floor=weighed.floor,
                sides=both,
            )
        ),
        pass_up_to=counts.pass_up_to,
        fail_from=counts.fail_from,
        dependence=dependence_of(weighed.guarded.decision),
        floor=weighed.floor,
        certain=_certain(counts, planned, beyond_sent),
        needed_n=weighed.guarded.decision.needed_n,
        sampling_plan=f"n = {planned} was fixed before the run",
    )


def in_unit(asked: Requirement) -> tuple[float, str]:
    """How thresholds in ms are shown: factor and unit; those of a ratio in ms."""
    per_ms = MS_PER_UNIT.get(asked.unit)
    return (1.0, "ms") if per_ms is None else (float(1 / per_ms), asked.unit)


def _towards(values: Floats, upper_limit: bool) -> Floats:
    """Values that grow towards an exceedance; what was lost stays the largest."""
    return values if upper_limit else np.where(np.isposinf(values), np.inf, -values)


def _certain(counts: Counts, planned: int, beyond: str) -> str:
    """Whether the FAIL would stand with the samples that an aborted run lacks, so that the instant of the
    abort cannot have been chosen by the data."""
    planned = max(planned, counts.n)
    needed = fail_from(planned, counts.decision.failing.rate, counts.alpha)
    if needed is None or counts.exceedances_fail < needed or not counts.fails:
        return ""
    return (
        f"{counts.exceedances_fail} {beyond} were enough to fail all {planned} planned ones "
        f"({needed} or more fail), whatever the missing ones had brought"
    )


def dependence_of(decision: dependence.Decision) -> Dependence:
    """What the decision found of dependence, for the results."""
    side = decision.passing
    return Dependence(
        gate_p=side.gate.p,
        dependent=side.dependent,
        inflation=side.inflation,
        effective_n=side.n_effective,
        effective_exceedances=side.k_effective,
        longest_disturbance=decision.longest_disturbance,
    )
