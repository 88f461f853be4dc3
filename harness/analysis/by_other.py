"""Requirements on mean and max of latency or jitter, on loss rate, ratio and rate of answers.

| quantity | what decides | U and J |
|---|---|---|
| mean | t interval at the effective n | J: upper bound of the loopback mean |
| max | FAIL only: more values over the threshold than the harness explains | J: largest loopback value |
| loss_rate | Clopper-Pearson at the effective n | none: loss has no unit of time |
| ratio | the binomial rule, as for the quantile that it is the inverse of | of `within_ms`, J as for it |
| rate_hz | t interval of the interval between answers | none: they are far below any interval |

None passes on evidence that no item in order produces: all latencies the same, values that are none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from harness.analysis import quantities
from harness.analysis.by_share import by_loss, by_ratio, by_ratio_at_most
from harness.analysis.combined import both, interval_reasons, obstacles, with_obstacles
from harness.analysis.evidence import Case, Evidence, Judged, Measuring
from harness.analysis.explain import measuring_lines, requirement_line
from harness.analysis.guard import Floor
from harness.analysis.kept import Scale, kept_by_interval
from harness.analysis.sides import Sides, added, sides
from harness.analysis.statistics import ordered
from harness.config.schema import Requirement
from harness.model import NO_STAMP, SampleFlag, Verdict
from harness.wording import outward_digits

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OtherFloor(Floor):
    """J of a statistic that is no quantile; ``said``: how it was made."""

    said: str = ""

    @property
    def words(self) -> str:
        """For the report."""
        return f"J = {self.value:g}, {self.said}"


def by_other(case: Case) -> Judged:
    """Decide a requirement that is no quantile."""
    requirement = case.requirement
    if requirement.quantity == "ratio":
        rule = by_ratio if requirement.limit_is == "lower" else by_ratio_at_most
        return rule(case)
    if requirement.quantity == "loss_rate":
        found = by_loss(case)
    elif requirement.quantity == "rate_hz":
        found = _by_rate(case)
    elif requirement.statistic == "max":
        found = _by_max(case)
    else:
        found = _by_mean(case)
    return with_obstacles(found, obstacles(case.seen), case.planned)


# -- mean and max


def _by_mean(case: Case) -> Judged:
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit = case.limit
    series, u = sides(requirement, seen), measuring.uncertainty_ms
    upper_limit = requirement.limit_is == "upper"
    floor = _mean_floor(requirement, measuring)
    j = 0.0 if floor is None else floor.value
    judged = partial(
        quantities.mean,
        limit=limit,
        alpha=measuring.alpha,
        upper=upper_limit,
        uncertainty=u,
        floor=j,
        # Of jitter the harness may move values either way.
        pass_floor=j if requirement.jitter else None,
        longest_disturbance=case.disturbance,
    )
    passing, failing = judged(series.passing), judged(series.failing)
    two_sided = j if requirement.jitter else 0.0
    if upper_limit:
        thresholds = (limit - u - two_sided, limit + u + j)
    else:
        thresholds = (limit + u + j, limit - u - two_sided)
    shown = Scale(_per_ms(requirement), requirement.unit)
    kept = kept_by_interval(
        limit=limit,
        u=u,
        j=j,
        thresholds=thresholds,
        upper=upper_limit,
        pass_bound=passing.upper if upper_limit else passing.lower,
        fail_bound=failing.lower if upper_limit else failing.upper,
        shown=shown,
    )
    return both(
        requirement,
        passing,
        failing,
        lines=_head(requirement, measuring, floor, series, seen),
        reasons=interval_reasons(requirement, passing, failing, shown.unit, shown.per_ms, kept),
        thresholds=thresholds,
        floor=floor,
    )


def _mean_floor(requirement: Requirement, measuring: Measuring) -> Floor | None:
    """Upper bound of the mean that the harness adds; the largest value where there are few."""
    if measuring.loopback is None or len(measuring.loopback) == 0:
        return None
    values = added(measuring.loopback, requirement.jitter)
    found = quantities.mean(values, 0.0, measuring.alpha)
    if found.upper is None or not np.isfinite(values).all() or requirement.jitter == "pdv":
        # One unlucky stimulus may be the smallest of the run, which all pdv is counted from.
        return _largest_floor(requirement, measuring)
    said = f"upper bound of the mean of {len(values)} loopback samples, with error {measuring.alpha:g}"
    return OtherFloor(max(0.0, found.upper), len(values), len(values), 0.0, said)


def _largest_floor(requirement: Requirement, measuring: Measuring) -> Floor | None:
    if measuring.loopback is None or len(measuring.loopback) == 0:
        return None
    values = added(measuring.loopback, requirement.jitter)
    largest = float(np.where(np.isnan(values), inf, values).max()) if len(values) else inf
    return OtherFloor(
        max(0.0, largest), len(values), len(values), 0.0, f"largest of {len(values)} loopback samples"
    )


def _by_max(case: Case) -> Judged:
    """Never PASS. FAIL of an upper limit at ``k`` values above limit + U + J, J the largest of m loopback
    values, where the harness alone puts so many of n above J in at most alpha of runs: were its own delays
    the same in the run and on loopback, any k of the n + m are equally likely the largest."""
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit, planned = case.limit, case.planned
    series, u = sides(requirement, seen), measuring.uncertainty_ms
    floor = _largest_floor(requirement, measuring)
    j, m = (0.0, None) if floor is None else (floor.value, floor.n)
    upper_limit, n = requirement.limit_is == "upper", len(series.failing)
    needed = _needed_for_max(n, m, measuring.alpha)
    over_limit = limit - u, limit + u + j
    k_pass = int((series.passing > over_limit[0]).sum()) if upper_limit else 0
    k_fail = int((series.failing > over_limit[1]).sum()) if upper_limit else 0
    known = np.where(np.isnan(series.passing), -inf, series.passing)
    largest = float(known.max()) if n else None
    # What the bench itself lost is an ERROR; an answer that never came is no delay that it added.
    lost = int(np.isposinf(series.failing).sum()) if upper_limit and isfinite(j) else 0
    fails = upper_limit and n > 0 and (k_fail >= needed or lost > 0)
    never = (
        "a maximum never passes: it grows with the number of samples, and samples within the limit do not "
        "show that none exceeds it; require a quantile for a PASS"
    )
    lines = [*_head(requirement, measuring, floor, series, seen)]
    if upper_limit:
        lines.append(
            f"FAIL threshold = limit + U + J = {limit:g} + {u:.4g} + {j:.4g} = {over_limit[1]:.6g} ms; "
            f"{k_fail} of {n} above it"
        )
        lines.append(
            "J was not measured: one value above it is a FAIL"
            if m is None
            else f"{needed} are needed for a FAIL: of n = {n} values in the run and m = {m} on loopback, the "
            f"{needed} largest of what the harness adds are all in the run with a probability of at most "
            f"alpha = {measuring.alpha:g}, the product of (n - i)/(n + m - i) for i = 0 .. {needed - 1}"
        )
    else:
        lines.append("of a lower limit a maximum decides nothing: a later sample may always be larger")
    if lost:
        lines.append(f"{lost} unanswered: over every limit, and no delay of the harness: FAIL")
    lines.append(never)
    if n and not fails and largest is not None and isfinite(largest):
        share = 1 - measuring.alpha ** (1 / n)
        lines.append(
            f"{n} samples up to {outward_digits(largest, up=True, significant=6)} ms show that less than "
            f"{outward_digits(share, up=True)} of all exceed it, with an error of {measuring.alpha:g}"
        )
    reasons = [never]
    if fails:
        reasons = [
            f"{lost} of {n} unanswered within the timeout, which is over every limit"
            if lost
            else f"{k_fail} of {n} over the limit; {needed} or more fail"
        ]
    enough = _needed_for_max(max(planned, n), m, measuring.alpha)
    return Judged(
        verdict=Verdict.FAIL if fails else Verdict.INCONCLUSIVE,
        reasons=tuple(reasons),
        estimate=largest,
        lower=None,
        upper=None,
        pass_threshold=None,
        fail_threshold=over_limit[1] if upper_limit else None,
        n=n,
        exceedances=k_pass,
        exceedances_sent=k_fail,
        lines=tuple(lines),
        fail_from=needed if upper_limit and n else None,
        floor=floor,
        certain=f"{reasons[0]}, whatever the missing ones had brought"
        if fails and (lost or k_fail >= enough)
        else "",
    )


def _needed_for_max(n: int, m: int | None, alpha: float) -> int:
    """Smallest k with product over i < k of (n - i)/(n + m - i) at most alpha; 1 where J was not
    measured."""
    probability, k = 1.0, 0
    while m is not None and k < n and probability > alpha:
        probability *= (n - k) / (n + m - k)
        k += 1
    return max(1, k) if m is None or probability <= alpha else n + 1


# -- rate


def _by_rate(case: Case) -> Judged:
    requirement, seen, measuring = case.requirement, case.seen, case.measuring
    limit = case.limit
    rows = seen.rows
    answered = (rows["arrived_ns"] != NO_STAMP) & (rows["flags"] & SampleFlag.LOST == 0)
    arrived = np.sort(rows["arrived_ns"][answered]).astype(np.int64)
    slow = arrived.copy()
    if len(arrived):
        # Silence at either end has no interval of its own; where the first or last stimulus was lost, it
        # lengthens the first or last one.
        sent = rows["sent_ns"]
        if not answered[0]:
            slow[0] = min(slow[0], int(sent[0]))
        if not answered[-1]:
            slow[-1] = max(slow[-1], int(sent[-1]))
    upper_limit = requirement.limit_is == "upper"
    judged = partial(
        quantities.rate_hz,
        limit=limit,
        alpha=measuring.alpha,
        upper=upper_limit,
        longest_disturbance=case.disturbance,
    )
    quick, slowed = judged(arrived), judged(slow)
    passing, failing = (quick, slowed) if upper_limit else (slowed, quick)
    found = both(
        requirement,
        passing,
        failing,
        lines=[
            requirement_line(requirement, measuring),
            *measuring_lines(requirement, measuring, None)[:-2],
            f"{len(arrived)} answers within the timeout to n = {len(rows)} stimuli; U and J do not enter",
        ],
        reasons=interval_reasons(requirement, passing, failing, "Hz"),
        thresholds=(limit, limit),
    )
    return replace(found, n=len(rows))


# -- words


def _head(
    requirement: Requirement, measuring: Measuring, floor: Floor | None, series: Sides, seen: Evidence
) -> list[str]:
    n = len(ordered(series.passing))
    return [
        requirement_line(requirement, measuring),
        *series.lines,
        *measuring_lines(requirement, measuring, floor),
        f"n = {n}; PASS is judged on {series.pass_name}, FAIL on {series.fail_name}; "
        f"{seen.lost} unanswered within the timeout",
    ]


def _per_ms(requirement: Requirement) -> float:
    return {"us": 1e3, "ms": 1.0, "s": 1e-3}.get(requirement.unit, 1.0)
