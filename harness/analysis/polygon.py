"""Straight lines between points: all lines that pass below some points and above others, as a polygon.

The linear program of :mod:`harness.analysis.offset` has two unknowns, so that its feasible set is a polygon
in the plane of (offset, slope). With its corners known, the extremes at any instant are a maximum over a few
lines. Only points on the hulls matter, which leaves few half-planes to cut with.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Lines:
    """All lines ``a + b t`` of a convex set, by its corners: ``a``, ``b`` of shape (m,)."""

    a: Floats
    b: Floats

    def extremes(self, at: Floats) -> tuple[Floats, Floats]:
        """Smallest and largest ``a + b t`` at each of ``at``, shape (n,)."""
        low, high = np.full(at.shape, np.inf), np.full(at.shape, -np.inf)
        for a, b in zip(self.a, self.b, strict=True):
            line = a + b * at
            np.minimum(low, line, out=low)
            np.maximum(high, line, out=high)
        return low, high

    @property
    def slopes(self) -> tuple[float, float]:
        """Smallest and largest slope."""
        return float(self.b.min()), float(self.b.max())


def feasible(
    above_at: Floats, above: Floats, below_at: Floats, below: Floats, steepest: float
) -> Lines | None:
    """Lines with ``a + b above_at <= above``, ``a + b below_at >= below`` and ``|b| <= steepest``.

    None when there is none. Instants and values in one unit (ns), finite; at least one of either kind.
    """
    upper, lower = hull(above_at, above, lower=True), hull(below_at, below, lower=False)
    # A line through all possible intercepts, wide enough never to cut a solution off.
    span = max(np.abs(above_at).max(), np.abs(below_at).max()) * steepest
    high = float(above.min()) + span + 1.0
    low = float(below.max()) - span - 1.0
    if low > high:
        return None
    corners = [(low, -steepest), (high, -steepest), (high, steepest), (low, steepest)]
    cuts = [(1.0, float(above_at[i]), float(above[i])) for i in upper]
    cuts += [(-1.0, -float(below_at[i]), -float(below[i])) for i in lower]
    for p, q, r in cuts:
        corners = _cut(corners, p, q, r)
        if not corners:
            return None
    found = np.array(corners)
    return Lines(found[:, 0], found[:, 1])


def _cut(corners: list[tuple[float, float]], p: float, q: float, r: float) -> list[tuple[float, float]]:
    """The part of the polygon with p a + q b <= r (Sutherland & Hodgman 1974)."""
    kept: list[tuple[float, float]] = []
    over = [p * a + q * b - r for a, b in corners]
    for i, (a, b) in enumerate(corners):
        c, d = corners[i - 1]
        before, now = over[i - 1], over[i]
        if (before > 0) != (now > 0):
            share = before / (before - now)
            kept.append((c + share * (a - c), d + share * (b - d)))
        if now <= 0:
            kept.append((a, b))
    return kept


def hull(at: Floats, value: Floats, *, lower: bool) -> list[int]:
    """Indices of the points on the lower (or upper) convex hull, ascending in ``at`` (Andrew 1979)."""
    sign = 1.0 if lower else -1.0
    y = value * sign
    order = np.lexsort((y, at))
    xs, ys = at[order].tolist(), y[order].tolist()
    chain: list[int] = []
    for i in range(len(order)):
        if chain and xs[chain[-1]] == xs[i]:
            continue
        while len(chain) > 1:
            j, k = chain[-2], chain[-1]
            if (xs[k] - xs[j]) * (ys[i] - ys[j]) <= (ys[k] - ys[j]) * (xs[i] - xs[j]):
                chain.pop()
            else:
                break
        chain.append(i)
    return [int(order[i]) for i in chain]
