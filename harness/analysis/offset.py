"""The offset of another clock, with hard bounds, from four-timestamp exchanges.

An exchange leaves here at T1, arrives there at T2, leaves there at T3 and arrives here at T4; T1 and T4 are
of the host's CLOCK_MONOTONIC, T2 and T3 of the other clock. With theta(t) = other clock - host clock at
instant t, and because no message arrives before it left::

    theta(T1) <= T2 - T1        theta(T4) >= T3 - T4

Over one run theta is taken as a straight line, offset and drift free. All lines that satisfy every exchange
form a convex polygon; the bounds of theta at an instant are the extremes over its corners. The estimate is
the centre, the bound the half-width. Nothing is assumed about the delays; a constant asymmetry cannot be
observed and is covered by the bound. Where the user declares, with evidence, that the asymmetry is at most A,
each direction takes at least (1 - A)/2 of the smallest round trip, and both sets of constraints tighten by
that.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.offset_steps import Shift, find_shift, locate_step
from harness.analysis.polygon import Lines, feasible

DRIFT_LIMIT = 1e-3
"""Largest drift considered, 1000 ppm: quartz clocks keep 100, and NTP gives up beyond 500."""
SMALLEST_SHARE = 0.1
"""Share of the exchanges, the quickest, that the point estimate uses."""
LONG_GAP_NS = 60_000_000_000

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class OffsetEstimate:
    """Where another clock stands against the host's, over one run.

    ``base_ns`` (offset) and ``origin_ns`` (instant) keep numbers small; ``lines`` are the possible straight
    lines relative to them, None when there is none (see ``problems``). ``asymmetry``: as declared, else None.
    ``point_ns`` and ``point_drift``: smallest-round-trip estimate at ``origin_ns``, for comparison only.
    ``problems``: reasons why stamps of this clock must not decide anything; ``notes``: worth knowing.
    """

    exchanges: int
    origin_ns: int
    base_ns: int
    lines: Lines | None
    asymmetry: float | None
    round_trip_min_ns: int
    first_ns: int
    last_ns: int
    point_ns: float
    point_drift: float
    shift: Shift | None
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def usable(self) -> bool:
        """Whether stamps can be converted within bounds."""
        return self.lines is not None and not self.problems

    def bounds(self, instants_ns: Integers) -> tuple[Floats, Floats]:
        """Lower and upper bound, in ns and relative to ``base_ns``, of the offset at host instants; shape
        (n,).

        Infinite where no line fits.
        """
        at = (np.asarray(instants_ns, dtype=np.int64) - self.origin_ns).astype(np.float64)
        if self.lines is None:
            return np.full(at.shape, -np.inf), np.full(at.shape, np.inf)
        return self.lines.extremes(at)

    def offset_ns(self, instants_ns: Integers) -> tuple[Integers, Floats]:
        """Centre and half-width, in ns, of the offset at host instants (CLOCK_MONOTONIC); shape (n,)."""
        low, high = self.bounds(instants_ns)
        if self.lines is None:
            return np.full(low.shape, self.base_ns, dtype=np.int64), np.full(low.shape, np.inf)
        centre = np.rint((low + high) / 2).astype(np.int64)
        # Rounding to whole nanoseconds, and float64 itself, are covered.
        return self.base_ns + centre, (high - low) / 2 + 1.0

    def to_host(self, stamps_ns: Integers) -> tuple[Integers, Floats]:
        """Host instants of stamps of the other clock, and the bound of each, in ns."""
        stamps = np.asarray(stamps_ns, dtype=np.int64)
        host = stamps - self.base_ns
        # host + theta(host) = stamp; each round shrinks the error by the drift, at most 1000 ppm.
        for _ in range(3):
            host = stamps - self.offset_ns(host)[0]
        return host, self.offset_ns(host)[1]

    def largest_bound_ns(self) -> float:
        """Largest half-width between the first and the last exchange: the width is convex in time."""
        return float(self.offset_ns(np.array([self.first_ns, self.last_ns]))[1].max())

    @cached_property
    def drift_ppm(self) -> tuple[float, float]:
        """Range of the drift of the lines that fit, in parts per million."""
        if self.lines is None:
            return -np.inf, np.inf
        return self.lines.slopes[0] * 1e6, self.lines.slopes[1] * 1e6

    def words(self) -> list[str]:
        """For the report."""
        lasted = (self.last_ns - self.first_ns) / 1e9
        first = f"{self.exchanges} exchanges over {lasted:.1f} s; smallest round trip "
        first += f"{self.round_trip_min_ns / 1e6:.4f} ms"
        if self.lines is not None:
            first += f"; bound at most +-{self.largest_bound_ns() / 1e6:.4f} ms; "
            first += f"drift {self.drift_ppm[0]:+.2f} to {self.drift_ppm[1]:+.2f} ppm"
        out = [first]
        if self.asymmetry is not None:
            out.append(
                f"asymmetry of the two directions at most {self.asymmetry:g}: assumed, not observable; "
                "without "
                f"it the bound is about half the smallest round trip, {self.round_trip_min_ns / 2e6:.4f} ms"
            )
        return [*out, *self.notes, *self.problems]


def estimate(exchanges: NDArray[Any], *, asymmetry: float | None = None) -> OffsetEstimate:
    """From exchanges (CLOCK_DTYPE rows of one clock, in any order).

    ``asymmetry``: the declared A, 0 (directions equally long) to 1 (nothing known). Raises ValueError for
    others, and without exchanges.
    """
    if asymmetry is not None and not 0 <= asymmetry <= 1:
        raise ValueError(f"asymmetry {asymmetry} is not between 0 and 1")
    if len(exchanges) == 0:
        raise ValueError("no exchange with this clock was recorded")
    rows = exchanges[np.argsort(exchanges["t1_ns"], kind="stable")]
    t1, t2, t3, t4 = (rows[name].astype(np.int64) for name in ("t1_ns", "t2_ns", "t3_ns", "t4_ns"))
    problems = []
    # Rates differ, so that a quick answer may look a little quicker than nothing.
    turned = (t4 < t1) | (t3 < t2) | (t4 - t1 + 1 < (1 - DRIFT_LIMIT) * (t3 - t2))
    if turned.any():
        problems.append(f"{int(turned.sum())} exchanges run backwards: a clock was set during them")
    round_trip = np.maximum(t4 - t1 - (t3 - t2), 0)
    least = int(round_trip.min())
    origin, base = int(t1[0]), int(t2[0] - t1[0])
    forward, back = (t2 - t1 - base).astype(np.float64), (t3 - t4 - base).astype(np.float64)
    out, home = (t1 - origin).astype(np.float64), (t4 - origin).astype(np.float64)
    tighter = 0.0 if asymmetry is None else (1 - asymmetry) / 2 * least
    lines = feasible(out, forward - tighter, home, back + tighter, DRIFT_LIMIT)
    shift = find_shift(out, forward, home, back)
    if lines is None:
        problems.append(locate_step(out, forward - tighter, home, back + tighter, DRIFT_LIMIT))
    if shift is not None and shift.of_clock:
        problems.append(shift.words)
    notes = [shift.words] if shift is not None and not shift.of_clock else []
    gap = int(np.diff(t1).max()) if len(t1) > 1 else 0
    if gap > LONG_GAP_NS:
        notes.append(f"no exchange for {gap / 1e9:.0f} s: a step in between that reverted would not be seen")
    point, drift = _point(out, (forward + back) / 2, round_trip)
    return OffsetEstimate(
        exchanges=len(rows),
        origin_ns=origin,
        base_ns=base,
        lines=lines,
        asymmetry=asymmetry,
        round_trip_min_ns=least,
        first_ns=int(t1[0]),
        last_ns=int(t4.max()),
        point_ns=base + point,
        point_drift=drift,
        shift=shift,
        problems=tuple(problems),
        notes=tuple(notes),
    )


def _point(at: Floats, middle: Floats, round_trip: Integers) -> tuple[float, float]:
    """Offset at the origin and drift: a robust line (Theil 1950; Sen 1968) through the quickest exchanges."""
    count = min(len(at), max(5, int(len(at) * SMALLEST_SHARE)), 300)
    chosen = np.argsort(round_trip, kind="stable")[:count]
    t, y = at[chosen], middle[chosen]
    i, j = np.triu_indices(count, 1)
    apart = t[j] != t[i]
    slope = float(np.median(((y[j] - y[i])[apart]) / (t[j] - t[i])[apart])) if apart.any() else 0.0
    return float(np.median(y - slope * t)), slope
