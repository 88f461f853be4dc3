"""Did the other clock step? Two looks at the exchanges: no line fits, or the smallest delays change level.

A step of the clock by d moves the smallest forward difference T2 - T1 by d and the smallest backward one
T4 - T3 by -d; a longer path moves one of them only, upwards. Per second, so that queues do not hide it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.polygon import feasible

Floats = NDArray[np.float64]

SECOND = 1e9
WINDOW = 10
"""Seconds with exchanges on either side of a suspected shift."""
LEAST_SIDE = 4
SMALLEST_SHIFT_NS = 50_000.0
NOISE_FACTOR = 6.0


@dataclass(frozen=True)
class Shift:
    """A level shift in per-second minima at ``at_ns`` after the first exchange. ``forward_ns`` and
    ``backward_ns``: change of the smallest T2 - T1 and T4 - T3."""

    at_ns: float
    forward_ns: float
    backward_ns: float

    @property
    def size_ns(self) -> float:
        """Of the clock's step, as far as it is one."""
        return (self.forward_ns - self.backward_ns) / 2

    @property
    def of_clock(self) -> bool:
        """The two directions moved against each other by similar amounts: the clock, not the path."""
        small, large = sorted((abs(self.forward_ns), abs(self.backward_ns)))
        return self.forward_ns * self.backward_ns < 0 and small > 0.4 * large

    @property
    def words(self) -> str:
        """For the report."""
        where = f"{self.at_ns / SECOND:.1f} s after the first exchange"
        if self.of_clock:
            return f"the clock stepped by about {self.size_ns / 1e6:+.3f} ms {where}"
        return (
            f"the smallest delays changed {where}, forward by {self.forward_ns / 1e6:+.3f} ms and back by "
            f"{self.backward_ns / 1e6:+.3f} ms: the path changed, which the bounds cover"
        )


def find_shift(out: Floats, forward: Floats, home: Floats, back: Floats) -> Shift | None:
    """The largest level shift, or None.

    ``out``, ``home``: T1 and T4 in ns from any origin, ascending; ``forward`` = T2 - T1, ``back`` = T3 - T4,
    in ns, less a constant. At each second medians of up to 10 seconds on either side are compared, less a
    common slope; a shift counts when it exceeds 50 us and six times the scatter of the minima. Not across a
    gap of more than ten times the usual distance: no slope is known well enough to bridge it, and a step that
    matters there leaves no line that fits.
    """
    second = np.floor((out - out[0]) / SECOND).astype(np.int64)
    begins = np.flatnonzero(np.concatenate(([True], np.diff(second) > 0)))
    at = (second[begins] + 0.5) * SECOND
    up, down = np.minimum.reduceat(forward, begins), -np.maximum.reduceat(back, begins)
    theta = (up - down) / 2
    spacing = np.diff(at)
    gaps = (
        np.flatnonzero(spacing > WINDOW * np.median(spacing)) + 1
        if len(spacing)
        else np.empty(0, dtype=np.int64)
    )
    shifts = [
        shift
        for part in np.split(np.arange(len(at)), gaps)
        if (shift := _largest(at[part], up[part], down[part], theta[part])) is not None
    ]
    return max(shifts, key=lambda each: max(abs(each.forward_ns), abs(each.backward_ns)), default=None)


def _largest(at: Floats, up: Floats, down: Floats, theta: Floats) -> Shift | None:
    """The largest shift of minima without gaps: of ``up`` and ``down``, ``theta`` half their difference."""
    n = len(at)
    if n < 2 * LEAST_SIDE:
        return None
    # The slope of most pairs: a single step touches at most a third of them. Across a long gap the slope has
    # to hold for longer than neighbours can tell, so the pairs reach across it too.
    gaps = at[-1] - at[0] > 2 * n * SECOND
    reach = min(WINDOW, n // 2 if gaps else n // 4)
    slope = float(np.median((theta[reach:] - theta[:-reach]) / (at[reach:] - at[:-reach])))
    up, down, theta = up - slope * at, down + slope * at, theta - slope * at
    noise = float(np.median(np.abs(np.diff(theta)))) * 1.05
    found: Shift | None = None
    best = 0.0
    for i in range(LEAST_SIDE, n - LEAST_SIDE + 1):
        before, after = slice(max(0, i - WINDOW), i), slice(i, min(n, i + WINDOW))
        step = float(np.median(theta[after]) - np.median(theta[before]))
        threshold = max(SMALLEST_SHIFT_NS, NOISE_FACTOR * noise / np.sqrt(min(i, n - i, WINDOW) / 2))
        f = float(np.median(up[after]) - np.median(up[before]))
        b = float(np.median(down[after]) - np.median(down[before]))
        # A path that grows in one direction only shows half of itself in theta.
        if max(abs(step), abs(f) / 2, abs(b) / 2) < threshold:
            continue
        # Medians plateau around the shift; means peak at it.
        contrast = abs(float(theta[after].mean() - theta[before].mean()))
        if found is None or contrast > best:
            found, best = Shift(float((at[i] + at[i - 1]) / 2), f, b), contrast
    return found


def locate_step(out: Floats, above: Floats, home: Floats, below: Floats, steepest: float) -> str:
    """In words: between which exchanges no straight line can pass. The arguments of an infeasible
    :func:`harness.analysis.polygon.feasible`."""
    n = len(out)

    def fits(first: int, last: int) -> bool:
        part = slice(first, last)
        return feasible(out[part], above[part], home[part], below[part], steepest) is not None

    def longest(ok: int, wrong: int, from_start: bool) -> int:
        while wrong - ok > 1:
            middle = (ok + wrong) // 2
            if fits(0, middle) if from_start else fits(n - middle, n):
                ok = middle
            else:
                wrong = middle
        return ok

    head, tail = longest(0, n, True), longest(0, n, False)
    if head == 0 or tail == 0:
        return "an exchange contradicts itself: its clock was set in between"
    # The first exchange that contradicts those before it, and the last one that contradicts those after it.
    early, late = out[n - tail - 1] / SECOND, out[head] / SECOND
    early, late = min(early, late), max(early, late)
    return (
        f"no straight line fits all exchanges: the clock stepped, or changed its rate, between {early:.1f} "
        "s and "
        f"{late:.1f} s after the first one"
    )
