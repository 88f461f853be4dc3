"""The decision with a guard band for uncertainty, and with the harness's own floor kept apart.

U is two-sided (clock offset, resolution): the truth may lie on either side of what was measured. PASS is
therefore tested at limit - U, FAIL at limit + U (ILAC-G8:09/2019; JCGM 106:2012, 8.3: guarded acceptance and
guarded rejection). The floor is one-sided: the harness only ever adds. It is never subtracted; PASS bears it.
FAIL is tested at limit + U + J, J being a high order statistic of what the harness measured with nothing but
itself in the loop. If the item exceeds its limit with probability p, and the harness adds more than J with
probability at most s, what is measured exceeds limit + J with probability at most p + s, however the two hang
together (union bound); so FAIL is tested against the rate p0 + s.

s is not known but bounded: the share of all values above the r-th smallest of n is Beta(n - r + 1, r)
distributed (Wilks 1941; David & Nagaraja, *Order Statistics*, 2003, section 2.5), whatever the distribution.
J is the smallest order statistic whose 99 % bound is at most 0.13 p0, near the quantile 1 - p0/10; with too
few loopback samples for that it is their largest value, and s its bound, 1 - 0.01^(1/n).

For a lower limit everything is mirrored: the floor may make a value look larger, which could gain a PASS.
PASS then bears limit + U + J and p0 - s, FAIL limit - U.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv

from harness.analysis import dependence
from harness.analysis.dependence import Decision
from harness.model import Verdict

FLOOR_SHARE = 0.13
"""Where n allows it, the harness alone exceeds J in at most this share of p0."""
FLOOR_CONFIDENCE = 0.99
"""With which the share that exceeds J is bounded."""

UNREACHABLE = 1e-6
"""Closest to 0 or 1 that a rate is moved: no count decides against it any more."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Floor:
    """J: ``value`` (in the unit of the loopback values; +inf when too many were lost), the ``rank``-th
    smallest of ``n`` loopback samples. ``share``: the harness alone exceeds it in at most this share of
    cases,
    with 99 % confidence."""

    value: float
    rank: int
    n: int
    share: float

    @property
    def words(self) -> str:
        """For the report."""
        which = "the largest" if self.rank == self.n else f"number {self.rank} in ascending order"
        return (
            f"J = {self.value:g}, {which} of {self.n} loopback samples: the harness alone exceeds it in at "
            f"most "
            f"{self.share:.3g} of cases, with {100 * FLOOR_CONFIDENCE:g} % confidence"
        )


def floor_of(loopback: Floats, p0: float) -> Floor | None:
    """J of loopback latencies (+inf where lost, NaN counts as lost), shape (n,); None when there are none."""
    n = len(loopback)
    if n == 0:
        return None
    ascending = np.sort(np.where(np.isnan(loopback), np.inf, loopback))
    rank = _rank(n, p0 * FLOOR_SHARE)
    return Floor(max(0.0, float(ascending[rank - 1])), rank, n, share_above(rank, n))


def share_above(rank: int, n: int) -> float:
    """Upper bound, with 99 % confidence, of the share of all values above the ``rank``-th smallest of n."""
    return float(betaincinv(n - rank + 1, rank, FLOOR_CONFIDENCE))


def _rank(n: int, share: float) -> int:
    """The smallest rank above which at most ``share`` lies, with 99 % confidence; n where none is."""
    if share_above(n, n) > share:
        return n
    low, high = 0, n
    while high - low > 1:
        middle = (low + high) // 2
        if share_above(middle, n) <= share:
            high = middle
        else:
            low = middle
    return high


def fail_rate_with(floor: Floor, p0: float) -> float:
    """The rate that FAIL is tested against: p0 plus the share in which the harness alone exceeds J."""
    return min(p0 + floor.share, 1 - UNREACHABLE)


def pass_rate_with(floor: Floor, p0: float) -> float:
    """The same, where the harness may hide an exceedance: p0 less that share."""
    return max(p0 - floor.share, UNREACHABLE)


@dataclass(frozen=True)
class Guard:
    """Thresholds and rates, fixed before any count is looked at; all in the limit's unit.

    ``upper``: values must not exceed the limit; else they must not fall below it. ``either_way``: the harness
    may make a value smaller as well as larger by J, as of differences (jitter), so that both sides bear it.
    """

    limit: float
    p0: float
    uncertainty: float
    floor: float
    upper: bool
    pass_threshold: float
    fail_threshold: float
    pass_rate: float
    fail_rate: float
    either_way: bool = False


def guard(
    limit: float,
    p0: float,
    *,
    uncertainty: float = 0.0,
    floor: Floor | None = None,
    upper: bool = True,
    either_way: bool = False,
) -> Guard:
    """Place the thresholds. ``floor`` None: not measured, and the rates stay p0.

    Raises ValueError for a negative or unknown uncertainty or floor, or a p0 that leaves no room.
    """
    if not (isfinite(limit) and isfinite(uncertainty) and uncertainty >= 0):
        raise ValueError(f"limit {limit} and uncertainty {uncertainty}: finite and U >= 0 is needed")
    if floor is not None and not floor.value >= 0:
        raise ValueError(f"floor {floor.value} is not an added delay")
    if not 0 < p0 < 1:
        raise ValueError(f"p0 = {p0} has to lie between 0 and 1")
    j = 0.0 if floor is None else floor.value
    raised, lowered = p0, p0
    if floor is not None:
        raised, lowered = fail_rate_with(floor, p0), pass_rate_with(floor, p0)
    above, below = limit + uncertainty + j, limit - uncertainty - (j if either_way else 0.0)
    thresholds = (below, above) if upper else (above, below)
    return Guard(
        limit,
        p0,
        uncertainty,
        j,
        upper,
        *thresholds,
        pass_rate=lowered if either_way or not upper else p0,
        fail_rate=raised if either_way or upper else p0,
        either_way=either_way,
    )


@dataclass(frozen=True)
class Guarded:
    """A decision with its guard, and all of it in words."""

    verdict: Verdict
    guard: Guard
    decision: Decision
    lines: tuple[str, ...]


def decide(
    values: Floats,
    at: Guard,
    alpha: float,
    longest_disturbance: float = 1.0,
    *,
    fail_values: Floats | None = None,
    unit: str = "ms",
    may_repeat: bool = False,
) -> Guarded:
    """Decide with the thresholds and rates of ``at``; the rest as in
    :func:`harness.analysis.dependence.decide`.

    For a lower limit a lost value (+inf) is an exceedance all the same. An unbounded floor makes the side
    that bears it undecidable.
    """
    if at.upper:
        passing, failing, low, high = values, fail_values, at.pass_threshold, at.fail_threshold
    else:
        passing = _mirrored(values)
        failing = None if fail_values is None else _mirrored(fail_values)
        low, high = -at.pass_threshold, -at.fail_threshold
    # -inf would not be a threshold but nothing can pass below it, nor below the smallest number.
    low = max(low, -np.finfo(np.float64).max)
    decision = dependence.decide(
        passing,
        low,
        high,
        at.p0,
        alpha,
        longest_disturbance,
        fail_values=failing,
        pass_rate=at.pass_rate,
        fail_rate=at.fail_rate,
        may_repeat=may_repeat,
    )
    return Guarded(decision.verdict, at, decision, (*guard_lines(at, unit), *decision.lines))


def _mirrored(values: Floats) -> Floats:
    # -inf is no latency, and would be a lost one when mirrored.
    return np.where(np.isposinf(values), np.inf, np.where(np.isneginf(values), np.nan, -values))


def guard_lines(at: Guard, unit: str = "ms") -> list[str]:
    """The thresholds and rates, with their arithmetic. ``unit``: of the limit."""
    limit, u, j = at.limit, at.uncertainty, at.floor
    both = at.either_way and j > 0
    above = f"limit + U + J = {limit:g} + {u:.4g} + {j:.4g}"
    below = f"limit - U - J = {limit:g} - {u:.4g} - {j:.4g}" if both else f"limit - U = {limit:g} - {u:.4g}"
    passing, failing = (below, above) if at.upper else (above, below)
    how = "moved by the harness, either way" if both else "added by the harness, never subtracted"
    lines = [
        f"limit {limit:g} {unit}, values {'above' if at.upper else 'below'} it exceed it; "
        f"U = {u:.4g} {unit} (two-sided, k = 2); J = {j:.4g} {unit} ({how})",
        f"PASS threshold = {passing} = {at.pass_threshold:.6g} {unit}",
        f"FAIL threshold = {failing} = {at.fail_threshold:.6g} {unit}",
    ]
    if at.fail_rate != at.p0:
        lines.append(
            f"FAIL is tested against the rate {at.fail_rate:.4g} = {at.p0:g} + {at.fail_rate - at.p0:.3g}: "
            "the share in which the harness alone exceeds J, with a margin for J's estimate (union bound)"
        )
    if at.pass_rate != at.p0:
        lines.append(
            f"PASS is tested against the rate {at.pass_rate:.4g} = {at.p0:g} - {at.p0 - at.pass_rate:.3g}: "
            "the harness alone may have moved a value within the limit"
        )
    return lines
