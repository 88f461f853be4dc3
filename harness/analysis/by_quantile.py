"""A quantile of latency or jitter, on a number of samples that was fixed beforehand."""

from __future__ import annotations

from harness.analysis import dependence
from harness.analysis.counts import Counts, bound
from harness.analysis.evidence import Evidence, Judged, Measuring
from harness.analysis.explain import decision_lines, undecided
from harness.analysis.guard import decide, floor_of, guard
from harness.analysis.quantities import delay_variation
from harness.analysis.rule import complement, fail_from
from harness.analysis.statistics import order_quantile, ordered
from harness.config.schema import Requirement
from harness.model import Verdict
from harness.results import Dependence


def by_quantile(
    requirement: Requirement,
    seen: Evidence,
    measuring: Measuring,
    limit_ms: float,
    disturbance: float,
    planned: int,
) -> Judged:
    """Decide a requirement with statistic ``quantile``.

    ``disturbance``: the longest declared one, in samples; ``planned``: samples that were agreed on.
    """
    assert requirement.quantile is not None
    upper_limit, alpha = requirement.limit_is == "upper", measuring.alpha
    # At least q of the values at or above a lower limit: the share below it is what may be exceeded.
    p0 = complement(requirement.quantile) if upper_limit else requirement.quantile
    floor = None if measuring.loopback is None else floor_of(measuring.loopback, p0)
    at = guard(limit_ms, p0, uncertainty=measuring.uncertainty_ms, floor=floor, upper=upper_limit)
    passing, failing = seen.from_intent, seen.from_sent
    if requirement.jitter is not None:
        passing, failing = (delay_variation(each, requirement.jitter) for each in (passing, failing))
    if not upper_limit:
        # Of a lower limit the smaller series is the harder one to pass.
        passing, failing = failing, passing
    guarded = decide(passing, at, alpha, disturbance, fail_values=failing)
    counts = Counts.of(guarded.decision)
    verdict = counts.verdict
    if verdict is Verdict.PASS:
        reasons = [
            f"{counts.exceedances_pass} of {counts.n} over the limit; up to {counts.pass_up_to} pass"
            f"{counts.worth}"
        ]
    elif verdict is Verdict.FAIL:
        reasons = [
            f"{counts.exceedances_fail} of {counts.n} over the limit; {counts.fail_from} or more fail"
            f"{counts.worth}"
        ]
    else:
        reasons = undecided(counts)
    upper = lower = None
    if upper_limit:
        upper = bound(ordered(passing), counts.upper_position)
        lower = bound(ordered(failing), counts.lower_position)
    else:
        # Mirrored: the share below the limit is counted from the other end.
        lower = bound(ordered(passing), _mirror(counts.upper_position, counts.n))
        upper = bound(ordered(failing), _mirror(counts.lower_position, counts.n))
    return Judged(
        verdict=verdict,
        reasons=tuple(reasons),
        estimate=order_quantile(ordered(passing), requirement.quantile),
        lower=lower,
        upper=upper,
        pass_threshold=at.pass_threshold,
        fail_threshold=at.fail_threshold,
        n=counts.n,
        exceedances=counts.exceedances_pass,
        exceedances_sent=counts.exceedances_fail,
        lines=tuple(
            decision_lines(
                requirement,
                guarded,
                counts,
                lost=seen.lost,
                upper=upper if upper_limit else lower,
                measuring=measuring,
                floor=floor,
            )
        ),
        pass_up_to=counts.pass_up_to,
        fail_from=counts.fail_from,
        dependence=dependence_of(guarded.decision),
        floor=floor,
        certain=_certain(counts, planned),
        sampling_plan=f"n = {planned} was fixed before the run",
    )


def _mirror(position: int | None, n: int) -> int | None:
    return None if position is None else n - position + 1


def _certain(counts: Counts, planned: int) -> str:
    """Whether the FAIL would stand with the samples that an aborted run lacks, so that the instant of the
    abort cannot have been chosen by the data."""
    planned = max(planned, counts.n)
    needed = fail_from(planned, counts.decision.failing.rate, counts.alpha)
    if needed is None or counts.exceedances_fail < needed or not counts.fails:
        return ""
    return (
        f"{counts.exceedances_fail} over the limit were enough to fail all {planned} planned ones "
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
