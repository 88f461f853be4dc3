"""The verdict on a budget: the rule of rig runs (docs/statistics.md), on exact counts.

Nothing of it rests on a bucket: n and the numbers over the thresholds are counters, where the largest values
lie is known of 16 384 of them, and bounds are values that were observed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from harness.analysis.counts import Counts
from harness.analysis.dependence import Side, concluded, side_of, top_size
from harness.analysis.guard import Floor, guard, share_above
from harness.analysis.rule import complement
from harness.analysis.statistics import rank
from harness.model import Verdict
from harness.telemetry.budget.guarding import own_floor, uncertainty
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.tally import Over, Tally


@dataclass(frozen=True)
class Judged:
    """One limit of a budget and what was decided. Values in the budget's unit, None where there is none.

    ``over``: observations that exceed the limit itself; ``over_pass`` and ``over_fail``: those beyond the two
    guarded thresholds, of which at most ``pass_up_to`` pass and ``fail_from`` or more fail at this ``n``.
    ``estimate``: the observed quantile, ``bound``: the one that PASS rests on.
    """

    which: str
    limit: float
    verdict: Verdict
    reason: str
    n: int
    over: int
    over_pass: int
    over_fail: int
    pass_up_to: int | None
    fail_from: int | None
    needed_n: int
    estimate: float | None
    bound: float | None
    headroom: float | None
    lines: list[str] = field(default_factory=list)


def judge(limits: Limits, tally: Tally) -> list[Judged]:
    """Each limit of the budget decided; empty for a budget without one."""
    wanted = [("upper", limits.upper), ("lower", limits.lower)]
    named = [(which, limit) for which, limit in wanted if limit is not None]
    overs = tally.overs if tally.overs else [None] * len(named)
    return [
        _one(limits, tally, which, limit, over) for (which, limit), over in zip(named, overs, strict=True)
    ]


def worst(verdicts: list[Verdict]) -> Verdict | None:
    """FAIL outranks ERROR, ERROR outranks INCONCLUSIVE; None of none."""
    order = (Verdict.FAIL, Verdict.ERROR, Verdict.INCONCLUSIVE, Verdict.PASS)
    return next((each for each in order if each in verdicts), None)


def _one(limits: Limits, tally: Tally, which: str, limit: float, over: Over | None) -> Judged:
    n, alpha = tally.judged, complement(limits.confidence)
    if over is None or n == 0:
        # The same as of no samples at all.
        return Judged(
            which, limit, Verdict.INCONCLUSIVE, "nothing was observed", 0, 0, 0, 0, None, None,
            _least(limits, alpha), None, None, None,
        )  # fmt: skip
    p0 = complement(limits.quantile)
    floor = None
    if limits.is_time:
        own = own_floor()
        floor = Floor(own.value, own.rank, own.n, share_above(own.rank, own.n))
    at = guard(
        limit * limits.factor,
        p0,
        uncertainty=uncertainty(limits, limit),
        floor=floor,
        upper=which == "upper",
    )
    passing = _side(over, n, over.edges.passing, over.above_passing, p0, at.pass_rate, alpha, passing=True)
    failing = _side(over, n, over.edges.failing, over.above_failing, p0, at.fail_rate, alpha, passing=False)
    decision = concluded(
        passing,
        failing,
        p0,
        alpha,
        longest_disturbance=limits.longest_disturbance,
        invalid=tally.invalid,
        constant=n > 1 and tally.smallest == tally.largest,
    )
    counts = Counts.of(decision)
    estimate = _order(over, n, rank(n, limits.quantile))
    bound = _order(over, n, counts.upper_position)
    shown = [None if each is None else over.edges.sign * each / limits.factor for each in (estimate, bound)]
    return Judged(
        which=which,
        limit=limit,
        verdict=counts.verdict,
        reason=_reason(limits, counts, which, limit),
        n=n,
        over=over.above_limit,
        over_pass=over.above_passing,
        over_fail=over.above_failing,
        pass_up_to=counts.pass_up_to,
        fail_from=counts.fail_from,
        needed_n=decision.needed_n,
        estimate=shown[0],
        bound=shown[1],
        headroom=_headroom(which, limit, shown[1]),
        lines=list(decision.lines),
    )


def _least(limits: Limits, alpha: float) -> int:
    from harness.analysis.rule import smallest_n

    return int(np.ceil(smallest_n(0, complement(limits.quantile), alpha) * limits.longest_disturbance))


def _side(
    over: Over, n: int, threshold: float, count: int, p0: float, rate: float, alpha: float, *, passing: bool
) -> Side:
    values, positions, _ = over.extremes.arrays()
    wanted = top_size(n, p0)
    _, top = over.extremes.largest(wanted)
    return side_of(
        np.sort(positions[values > threshold]),
        np.sort(top),
        n,
        threshold,
        rate,
        alpha,
        passing=passing,
        count=count,
        stretch=max(1.0, wanted / len(top)) if len(top) else 1.0,
    )


def _order(over: Over, n: int, position: int | None) -> float | None:
    """The ``position``-th smallest (from 1) of n values, mirrored for a lower limit; None where it is not
    among those that are kept."""
    if position is None or position < 1:
        return None
    values, _ = over.extremes.largest(n - position + 1)
    return float(values[-1]) if len(values) == n - position + 1 else None


def _headroom(which: str, limit: float, bound: float | None) -> float | None:
    """How many times better than the limit what was shown is."""
    if bound is None or bound <= 0 or limit <= 0:
        return None
    return limit / bound if which == "upper" else bound / limit


def _reason(limits: Limits, counts: Counts, which: str, limit: float) -> str:
    side = "above" if which == "upper" else "below"
    unit = "" if limits.unit == "1" else f" {limits.unit}"
    what = f"{side} {limit:g}{unit}"
    if counts.verdict is Verdict.PASS:
        return f"{counts.exceedances_pass} of {counts.n} {what}; up to {counts.pass_up_to} pass{counts.worth}"
    if counts.verdict is Verdict.FAIL:
        return (
            f"{counts.exceedances_fail} of {counts.n} {what}; {counts.fail_from} or more fail{counts.worth}"
        )
    seen = f"{counts.exceedances_pass} of {counts.n} {what}"
    if counts.obstacles:
        return f"{seen}; {counts.obstacles[0]}"
    up_to = "none passes" if counts.pass_up_to is None else f"up to {counts.pass_up_to} pass"
    fails = "none fails" if counts.fail_from is None else f"{counts.fail_from} or more fail"
    return f"{seen}; {up_to}, {fails}{counts.worth}"
