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

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite

import numpy as np
from numpy.typing import NDArray

from harness.analysis import quantities
from harness.analysis.by_quantile import conclude, weigh
from harness.analysis.evidence import Evidence, Judged, Measuring
from harness.analysis.explain import measuring_lines, requirement_line
from harness.analysis.guard import Floor, floor_of, guard
from harness.analysis.quantities import Measured
from harness.analysis.rule import fail_from
from harness.analysis.sides import Sides, added, sides
from harness.analysis.statistics import ordered
from harness.config.schema import Requirement
from harness.model import NO_STAMP, SampleFlag, Verdict
from harness.wording import counted_name

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OtherFloor(Floor):
    """J of a statistic that is no quantile; ``said``: how it was made."""

    said: str = ""

    @property
    def words(self) -> str:
        """For the report."""
        return f"J = {self.value:g}, {self.said}"


def by_other(
    requirement: Requirement,
    seen: Evidence,
    measuring: Measuring,
    limit: float,
    disturbance: float,
    planned: int,
) -> Judged:
    """Decide a requirement that is no quantile. ``limit`` in ms for times, else in the quantity's own unit
    (a share as a fraction); ``disturbance``: the longest declared one, in samples; ``planned``: samples that
    were agreed on."""
    if requirement.quantity == "ratio":
        rule = _by_ratio if requirement.limit_is == "lower" else _by_ratio_at_most
        return rule(requirement, seen, measuring, limit, disturbance, planned)
    if requirement.quantity == "loss_rate":
        found = _by_loss(requirement, seen, measuring, limit, disturbance, planned)
    elif requirement.quantity == "rate_hz":
        found = _by_rate(requirement, seen, measuring, limit, disturbance)
    elif requirement.statistic == "max":
        found = _by_max(requirement, seen, measuring, limit, planned)
    else:
        found = _by_mean(requirement, seen, measuring, limit, disturbance)
    return _with_obstacles(found, _obstacles(seen), planned)


def _obstacles(seen: Evidence) -> list[str]:
    """What rules a verdict or a PASS out for every quantity of this page."""
    known = seen.from_intent[np.isfinite(seen.from_intent)]
    found = []
    if len(known) > 1 and bool((known == known[0]).all()):
        found.append(
            "all latencies are the same, which no measured one is: look for a stopped clock or a stamp that "
            "is copied"
        )
    wrong = int((np.isnan(seen.from_intent) | np.isneginf(seen.from_intent)).sum())
    if wrong:
        found.append(f"{wrong} values are no latency (NaN or -inf)")
    return found


def _with_obstacles(found: Judged, obstacles: Sequence[str], planned: int) -> Judged:
    plan = f"n = {planned} was fixed before the run" if found.sampling_plan == "" else found.sampling_plan
    if not obstacles:
        return replace(found, sampling_plan=plan)
    lines = (*found.lines, *(f"no PASS: {each}" for each in obstacles))
    verdict, reasons = found.verdict, found.reasons
    if verdict is Verdict.PASS:
        verdict, reasons = Verdict.INCONCLUSIVE, tuple(obstacles)
    return replace(found, lines=lines, verdict=verdict, reasons=reasons, sampling_plan=plan)


# -- two measurements, one verdict


def _both(
    requirement: Requirement,
    passing: Measured,
    failing: Measured,
    *,
    lines: Sequence[str],
    reasons: Sequence[str],
    thresholds: tuple[float | None, float | None],
    floor: Floor | None = None,
    counts: tuple[int, int] = (0, 0),
    needed: tuple[int | None, int | None] = (None, None),
    certain: str = "",
) -> Judged:
    """PASS as ``passing`` says, FAIL as ``failing`` says."""
    passes, fails = passing.verdict is Verdict.PASS, failing.verdict is Verdict.FAIL
    verdict = Verdict.INCONCLUSIVE if passes == fails else Verdict.PASS if passes else Verdict.FAIL
    upper_limit = requirement.limit_is == "upper"
    said = [f"PASS: {each}" for each in passing.lines] + [f"FAIL: {each}" for each in failing.lines]
    if passing.lines == failing.lines:
        said = list(passing.lines)
    return Judged(
        verdict=verdict,
        reasons=tuple(reasons),
        estimate=passing.estimate,
        lower=(failing if upper_limit else passing).lower,
        upper=(passing if upper_limit else failing).upper,
        pass_threshold=thresholds[0],
        fail_threshold=thresholds[1],
        n=passing.n,
        exceedances=counts[0],
        exceedances_sent=counts[1],
        lines=(*lines, *said),
        pass_up_to=needed[0],
        fail_from=needed[1],
        dependence=passing.dependence,
        floor=floor,
        certain=certain if fails else "",
    )


def _interval_reasons(
    requirement: Requirement, passing: Measured, failing: Measured, unit: str, scale: float = 1.0
) -> list[str]:
    """Why an interval passes, fails, or leaves it open."""
    upper_limit = requirement.limit_is == "upper"
    passes, fails = passing.verdict is Verdict.PASS, failing.verdict is Verdict.FAIL
    high, low = (passing.upper, failing.lower) if upper_limit else (failing.upper, passing.lower)

    def shown(value: float | None) -> str:
        return "unknown" if value is None else f"{value * scale:.4g} {unit}".rstrip()

    between = f"with that confidence it is at least {shown(low)} and at most {shown(high)}"
    asked = f"{'at most' if upper_limit else 'at least'} {requirement.limit:g} {unit}".rstrip()
    if passes != fails:
        return [f"{between}; {asked} is required"]
    open_ = [f"{between}: that neither shows {asked}, U and J allowed for, nor the contrary"]
    if high is None and low is None:
        open_ = []
    no = [line.removeprefix("no PASS: ") for line in passing.lines if line.startswith("no PASS: ")]
    few = [line for line in passing.lines if line.endswith(f"needs {quantities.LEAST_BATCHES}")]
    advice = "plan more samples before the next run; adding to this one would not be a valid test"
    return [*open_, *no, *few, advice]


# -- mean and max


def _by_mean(
    requirement: Requirement, seen: Evidence, measuring: Measuring, limit: float, disturbance: float
) -> Judged:
    both, upper_limit, u = sides(requirement, seen), requirement.limit_is == "upper", measuring.uncertainty_ms
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
        longest_disturbance=disturbance,
    )
    passing, failing = judged(both.passing), judged(both.failing)
    two_sided = j if requirement.jitter else 0.0
    if upper_limit:
        thresholds = (limit - u - two_sided, limit + u + j)
    else:
        thresholds = (limit + u + j, limit - u - two_sided)
    return _both(
        requirement,
        passing,
        failing,
        lines=_head(requirement, measuring, floor, both, seen),
        reasons=_interval_reasons(requirement, passing, failing, requirement.unit, _per_ms(requirement)),
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
    return OtherFloor(max(0.0, found.upper), 0.5, len(values), True, said)


def _largest_floor(requirement: Requirement, measuring: Measuring) -> Floor | None:
    if measuring.loopback is None or len(measuring.loopback) == 0:
        return None
    values = added(measuring.loopback, requirement.jitter)
    largest = float(np.where(np.isnan(values), inf, values).max()) if len(values) else inf
    return OtherFloor(max(0.0, largest), 1.0, len(values), True, f"largest of {len(values)} loopback samples")


def _by_max(
    requirement: Requirement, seen: Evidence, measuring: Measuring, limit: float, planned: int
) -> Judged:
    """Never PASS. FAIL of an upper limit at ``k`` values above limit + U + J, J the largest of m loopback
    values, where the harness alone puts so many of n above J in at most alpha of runs: were its own delays
    the same in the run and on loopback, any k of the n + m are equally likely the largest."""
    both, u = sides(requirement, seen), measuring.uncertainty_ms
    floor = _largest_floor(requirement, measuring)
    j, m = (0.0, None) if floor is None else (floor.value, floor.n)
    upper_limit, n = requirement.limit_is == "upper", len(both.failing)
    needed = _needed_for_max(n, m, measuring.alpha)
    over_limit = limit - u, limit + u + j
    k_pass = int((both.passing > over_limit[0]).sum()) if upper_limit else 0
    k_fail = int((both.failing > over_limit[1]).sum()) if upper_limit else 0
    known = np.where(np.isnan(both.passing), -inf, both.passing)
    largest = float(known.max()) if n else None
    fails = upper_limit and n > 0 and k_fail >= needed
    never = (
        "a maximum never passes: it grows with the number of samples, and samples within the limit do not "
        "show that none exceeds it; require a quantile for a PASS"
    )
    lines = [*_head(requirement, measuring, floor, both, seen)]
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
    lines.append(never)
    if n and not fails and largest is not None and isfinite(largest):
        share = 1 - measuring.alpha ** (1 / n)
        lines.append(f"{n} samples up to {largest:.6g} ms show that less than {share:.3g} of all exceed it")
    reasons = [never]
    if fails:
        reasons = [f"{k_fail} of {n} over the limit; {needed} or more fail"]
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
        certain=f"{k_fail} over the limit; {enough} or more fail, whatever the missing ones had brought"
        if fails and k_fail >= enough
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


# -- shares


def _by_loss(
    requirement: Requirement,
    seen: Evidence,
    measuring: Measuring,
    limit: float,
    disturbance: float,
    planned: int,
) -> Judged:
    lost = np.isposinf(seen.from_sent) | np.isnan(seen.from_sent)
    upper_limit, alpha = requirement.limit_is == "upper", measuring.alpha
    found = quantities.share(
        lost, limit, alpha, upper=upper_limit, longest_disturbance=disturbance, name="loss_rate"
    )
    k, n = int(lost.sum()), len(lost)
    certain = ""
    if upper_limit and n:
        enough = fail_from(max(planned, n), limit, alpha)
        if enough is not None and k >= enough:
            certain = (
                f"{k} unanswered were enough to fail all {max(planned, n)} planned ones ({enough} or more "
                "fail), whatever the missing ones had brought"
            )
    return _both(
        requirement,
        found,
        found,
        lines=[
            requirement_line(requirement),
            *measuring_lines(requirement, measuring, None)[:-2],
            f"K = {k} of n = {n} stimuli unanswered within the timeout; U and J do not enter",
        ],
        reasons=_share_reasons(requirement, found, found, (k, k)),
        thresholds=(limit, limit),
        counts=(k, k),
        needed=found.needed if upper_limit else (None, None),
        certain=certain,
    )


def _share_reasons(
    requirement: Requirement, passing: Measured, failing: Measured, counts: tuple[int, int]
) -> list[str]:
    percent = requirement.unit == "%"
    side = 1 if failing.verdict is Verdict.FAIL else 0
    first = f"{counts[side]} of {passing.n} {counted_name(requirement)}"
    if passing.n == 0:
        return [first]
    unit, scale = ("%", 100.0) if percent else ("", 1.0)
    rest = _interval_reasons(requirement, passing, failing, unit, scale)
    return [f"{first}: {rest[0]}", *rest[1:]]


def _by_ratio(
    requirement: Requirement,
    seen: Evidence,
    measuring: Measuring,
    limit: float,
    disturbance: float,
    planned: int,
) -> Judged:
    """At least a share L within W is the same as: the L quantile of latency is at most W."""
    assert requirement.within_ms is not None
    within = requirement.within_ms
    same = requirement.model_copy(
        update={
            "quantity": "latency",
            "statistic": "quantile",
            "quantile": limit,
            "limit": within,
            "limit_is": "upper",
            "unit": "ms",
            "within_ms": None,
        }
    )
    weighed = weigh(same, seen, measuring, within, disturbance)
    found = conclude(same, seen, measuring, weighed, planned, beyond=counted_name(requirement))
    passing, failing = weighed.guarded.decision.passing, weighed.guarded.decision.failing
    n, alpha = passing.n, measuring.alpha
    if n == 0:
        return replace(found, estimate=None, lower=None, upper=None)
    most = quantities.clopper_pearson(passing.n_effective, passing.k_effective, alpha)[1]
    least = quantities.clopper_pearson(failing.n_effective, failing.k_effective, alpha)[0]
    # What the harness alone may have put over the threshold is not the item's.
    least = max(0.0, least - (failing.rate - passing.rate))
    lines = (
        requirement_line(requirement),
        f"that is the same as: the {limit:g} quantile of latency is at most {within:g} ms",
        *found.lines[1:-1],
        f"exact bounds of the share (Clopper-Pearson at n*), each with error {alpha:g}: {1 - most:.4%} to "
        f"{1 - least:.4%}; at least {limit:.4%} is required",
    )
    return replace(
        found,
        estimate=1 - float((seen.from_intent > within).sum() + np.isnan(seen.from_intent).sum()) / n,
        lower=1 - most,
        upper=1 - least,
        lines=lines,
    )


def _by_ratio_at_most(
    requirement: Requirement,
    seen: Evidence,
    measuring: Measuring,
    limit: float,
    disturbance: float,
    planned: int,
) -> Judged:
    """At most a share within W: the harness's own delay may only make it look smaller, so PASS counts from
    sent at W + U + J, FAIL from intent at W - U."""
    assert requirement.within_ms is not None
    alpha, u = measuring.alpha, measuring.uncertainty_ms
    floor = None if measuring.loopback is None else floor_of(measuring.loopback, limit)
    at = guard(requirement.within_ms, limit, uncertainty=u, floor=floor, upper=False)
    events = seen.from_sent <= at.pass_threshold, seen.from_intent <= at.fail_threshold
    counts = int(events[0].sum()), int(events[1].sum())
    judged = partial(quantities.share, alpha=alpha, longest_disturbance=disturbance)
    passing, failing = judged(events[0], at.pass_rate), judged(events[1], at.fail_rate)
    found = _both(
        requirement,
        passing,
        failing,
        lines=[
            requirement_line(requirement),
            *measuring_lines(requirement, measuring, floor),
            f"PASS counts latency from sent within {requirement.within_ms:g} + U + J = "
            f"{at.pass_threshold:.6g} ms, FAIL latency from intent within {requirement.within_ms:g} - U = "
            f"{at.fail_threshold:.6g} ms",
        ],
        reasons=_share_reasons(requirement, passing, failing, counts),
        thresholds=(at.pass_threshold, at.fail_threshold),
        counts=counts,
        floor=floor,
        needed=(passing.needed[0], failing.needed[1]),
    )
    return _with_obstacles(found, _obstacles(seen), planned)


# -- rate


def _by_rate(
    requirement: Requirement, seen: Evidence, measuring: Measuring, limit: float, disturbance: float
) -> Judged:
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
        longest_disturbance=disturbance,
    )
    quick, slowed = judged(arrived), judged(slow)
    passing, failing = (quick, slowed) if upper_limit else (slowed, quick)
    found = _both(
        requirement,
        passing,
        failing,
        lines=[
            requirement_line(requirement),
            *measuring_lines(requirement, measuring, None)[:-2],
            f"{len(arrived)} answers within the timeout to n = {len(rows)} stimuli; U and J do not enter",
        ],
        reasons=_interval_reasons(requirement, passing, failing, "Hz"),
        thresholds=(limit, limit),
    )
    return replace(found, n=len(rows))


# -- words


def _head(
    requirement: Requirement, measuring: Measuring, floor: Floor | None, both: Sides, seen: Evidence
) -> list[str]:
    n = len(ordered(both.passing))
    return [
        requirement_line(requirement),
        *both.lines,
        *measuring_lines(requirement, measuring, floor),
        f"n = {n}; PASS is judged on {both.pass_name}, FAIL on {both.fail_name}; "
        f"{seen.lost} unanswered within the timeout",
    ]


def _per_ms(requirement: Requirement) -> float:
    return {"us": 1e3, "ms": 1.0, "s": 1e-3}.get(requirement.unit, 1.0)
