"""Where a confirmed change began, and how large it is."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from harness.regressions.shift import (
    SMALLEST,
    Floats,
    best_split,
    inflation,
    lag_one,
    normal_scores,
)

CONFIDENCE = 0.95
"""Of the interval of the size."""
CLIP = 2.5
"""A run further than this outside both levels, in standard deviations, is moved there when a change is
placed."""
FALL = 4.0
"""First runs are in the interval whose split fits worse than the best by less than this, in -2 log
likelihood. At a shift of 1.7 standard deviations it holds the true one in some 90 %."""


@dataclass(frozen=True)
class Place:
    """Places in a series: of the most likely first run of a new level, and of the interval that holds it."""

    first: int
    earliest: int
    latest: int

    def moved(self, by: int) -> Place:
        """The same in a series that began ``by`` runs before."""
        return replace(self, first=self.first + by, earliest=self.earliest + by, latest=self.latest + by)


@dataclass(frozen=True)
class Effect:
    """Two levels and their difference, with an interval of CONFIDENCE.

    ``relative``: ``change`` and its bounds are shares of the level before (0.05 is 5 % more), and levels are
    geometric means; otherwise, where a figure is not positive, differences of arithmetic means in the unit of
    the series. None where too many runs have an infinite figure: a quantile that fell among the lost.
    """

    before: float | None
    after: float | None
    change: float | None
    low: float | None
    high: float | None
    relative: bool


def first_bad(values: Floats) -> Place:
    """Where ``values``, which hold one change for certain, change: the best split and a likelihood interval.

    Worsley (Biometrika 73, 1986): all splits whose likelihood is near that of the best. Neighbours that
    resemble each other make it wider. At least 2 * SMALLEST values.
    """
    from ruptures.costs import CostL2

    figures = _clipped(values)
    n = len(figures)
    best = best_split(figures)
    cost = CostL2().fit(figures)
    splits = range(SMALLEST, n - SMALLEST + 1)
    left = np.array([float(cost.error(0, k)) + float(cost.error(k, n)) for k in splits])
    least, whole = left.min(), float(cost.error(0, n))
    if least <= 1e-12 * whole:
        inside = left <= 1e-9 * whole
    else:
        residual = np.concatenate(
            [figures[:best] - figures[:best].mean(), figures[best:] - figures[best:].mean()]
        )
        widened = FALL * inflation(lag_one(residual), n)
        inside = n * np.log(left / least) <= widened
    places = np.flatnonzero(inside) + SMALLEST
    return Place(best, int(places[0]), int(places[-1]))


def _clipped(values: Floats) -> Floats:
    """The figures on the scale where a split is placed: their logarithms, where all are positive, cut off
    CLIP deviations outside the two levels, so that no single run draws the split to itself. Ranks would do,
    too, but forget how far apart two levels lie; they serve where a level is infinite or without spread."""
    scores = normal_scores(values)
    scaled = np.log(values) if values.min() > 0 else values
    split = best_split(scores)
    middles = [float(np.median(part)) for part in (scaled[:split], scaled[split:])]
    if not np.isfinite(middles).all():
        return scores
    away = np.concatenate([scaled[:split] - middles[0], scaled[split:] - middles[1]])
    # 1.4826: of a normal distribution that makes the median of absolute deviations its standard deviation.
    deviation = 1.4826 * float(np.median(np.abs(away)))
    if not 0 < deviation < math.inf:
        return scores
    return np.clip(scaled, min(middles) - CLIP * deviation, max(middles) + CLIP * deviation)


def level(values: Floats) -> float | None:
    """The level of finite figures: geometric mean of positive ones, else the mean; None where there are
    none."""
    known = values[np.isfinite(values)]
    if not len(known):
        return None
    return math.exp(float(np.log(known).mean())) if known.min() > 0 else float(known.mean())


def effect(before: Floats, after: Floats) -> Effect:
    """How far ``after`` lies from ``before``: Welch's interval, each variance inflated by the correlation of
    neighbouring runs, of logarithms where all figures are positive."""
    before, after = before[np.isfinite(before)], after[np.isfinite(after)]
    relative = bool(len(before) and len(after) and before.min() > 0 and after.min() > 0)
    a, b = (np.log(before), np.log(after)) if relative else (before, after)
    back = math.exp if relative else float
    low_level = back(float(a.mean())) if len(a) else None
    high_level = back(float(b.mean())) if len(b) else None
    if len(a) < SMALLEST or len(b) < SMALLEST:
        return Effect(low_level, high_level, None, None, None, relative)
    gap = float(b.mean() - a.mean())
    correlation = lag_one(a)
    parts = [float(each.var(ddof=1)) / len(each) * inflation(correlation, len(each)) for each in (a, b)]
    total = sum(parts)
    half = 0.0
    if total > 0:
        freedom = total**2 / sum(p**2 / (len(each) - 1) for p, each in zip(parts, (a, b), strict=True))
        half = float(stdtrit(freedom, (1 + CONFIDENCE) / 2)) * math.sqrt(total)
    share = math.expm1 if relative else float
    return Effect(low_level, high_level, share(gap), share(gap - half), share(gap + half), relative)
