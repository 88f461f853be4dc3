"""Two sides of a comparison, each of one run or several, and the difference of their quantiles.

Of one run against one the interval tells what a repetition of *these runs' conditions within themselves* may
show: what differs from one run to the next is in neither. Of several runs the interval is the wider of two:
the resampled one, and Student's t on the quantiles of the runs, whose scatter is what runs differ by.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import expm1, floor, inf, isfinite, isnan, log, nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from harness.compare.resample import FEWEST, SEED, Resampled, grid, resample

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Interval:
    """An estimate with its interval; infinite where a bound cannot be given, NaN where nothing can."""

    estimate: float
    low: float
    high: float

    def excludes(self, value: float) -> bool:
        """Whether ``value`` lies outside."""
        return self.low > value or self.high < value

    @property
    def bounded(self) -> bool:
        """Whether both bounds are numbers."""
        return isfinite(self.low) and isfinite(self.high)


@dataclass(frozen=True)
class Shift:
    """A quantile of both sides, in ms (means over the runs of a side; +inf among the lost), and how far B is
    from A: ``difference`` in ms, ``relative`` as a share of A."""

    quantile: float
    a: float
    b: float
    difference: Interval
    relative: Interval

    @property
    def word(self) -> str:
        """What was shown: larger, smaller, or neither. Where there is a share of A, both have to show it."""
        found = [self.difference] + ([] if isnan(self.relative.estimate) else [self.relative])
        if all(each.low > 0 for each in found):
            return "larger"
        return "smaller" if all(each.high < 0 for each in found) else "neither"


class Side:
    """The runs of one side, resampled."""

    def __init__(self, runs: Sequence[Resampled]) -> None:
        self.runs = runs

    @property
    def n(self) -> int:
        """Values of all runs."""
        return sum(each.n for each in self.runs)

    @property
    def lost(self) -> float:
        """Share of lost ones, on the mean of the runs."""
        return float(np.mean([each.lost for each in self.runs]))

    def estimates(self, quantile: float) -> Floats:
        """The quantile of every run."""
        return np.array([each.estimate(quantile) for each in self.runs])

    def draws(self, quantile: float, most: int | None = None) -> Floats:
        """The mean of the runs' quantiles in every resampled copy, or in the first ``most`` of them."""
        return np.asarray(np.mean([each.quantile_draws(quantile, most) for each in self.runs], axis=0))

    def bounded(self, quantile: float) -> tuple[bool, bool]:
        """Whether a lower and an upper bound can be given: enough values are expected on that side, of all
        runs."""
        worth = np.sum([each.worth(quantile) for each in self.runs], axis=0)
        return bool(worth[0] >= FEWEST), bool(worth[1] >= FEWEST)

    def levels(self, thresholds: Floats) -> Floats:
        """The distribution function at ``thresholds``, mean of the runs."""
        return np.asarray(np.mean([each.shares(thresholds) for each in self.runs], axis=0))

    def deviations(self, thresholds: Floats) -> NDArray[np.float32]:
        """Those of the mean distribution function, at ``thresholds`` that every run was counted at."""
        return np.asarray(
            np.mean(
                [each.deviations[:, np.searchsorted(each.thresholds, thresholds)] for each in self.runs],
                axis=0,
            )
        )


@dataclass(frozen=True)
class Pair:
    """Both sides, and the thresholds that every run of both was counted at. ``lost_at_ms``: what a lost
    sample took at least, the timeout."""

    a: Side
    b: Side
    thresholds: Floats
    lost_at_ms: float = 1e9

    @classmethod
    def of(
        cls,
        a: Sequence[Callable[[], Floats]],
        b: Sequence[Callable[[], Floats]],
        quantiles: Sequence[float],
        lost_at_ms: float = 1e9,
        *,
        fine: bool = True,
    ) -> Pair:
        """Resample all runs; each is a function that gives its values, called one after the other, so that
        few are in memory at a time. ``fine``: count on a common grid as well, for what is said of whole
        distributions."""
        common = np.empty(0)
        if fine:
            common = np.union1d(*(grid(np.sort(side[0]()), quantiles) for side in (a, b)))
        sides = []
        for place, side in enumerate((a, b)):
            seeds = (SEED + 2 * number + place for number in range(len(side)))
            sides.append(
                Side(
                    [
                        resample(values(), quantiles, common, seed=seed, fine=fine)
                        for values, seed in zip(side, seeds, strict=True)
                    ]
                )
            )
        return cls(sides[0], sides[1], common, lost_at_ms)

    def shift(self, quantile: float, alpha: float) -> Shift:
        """B against A at one quantile; the intervals miss the truth with a probability of ``alpha``."""
        a, b = self.a.estimates(quantile), self.b.estimates(quantile)
        one, other = float(a.mean()), float(b.mean())
        open_low, open_high = self._open(quantile)
        of_a, of_b = self.a.draws(quantile), self.b.draws(quantile)
        with np.errstate(invalid="ignore", divide="ignore"):
            difference = _interval(_minus(other, one), of_b - of_a, alpha)
            positive = one > 0 and bool((of_a > 0).all())
            relative = (
                _interval(_minus(other, one) / one if isfinite(one) else nan, of_b / of_a - 1, alpha)
                if positive
                else Interval(nan, -inf, inf)
            )
        difference = _wider(difference, runs_apart(a, b, alpha, self.lost_at_ms))
        if positive and (np.concatenate([a, b]) > 0).all():
            ratio = runs_apart(np.log(a), np.log(b), alpha, log(self.lost_at_ms))
            relative = _wider(relative, None if ratio is None else (expm1(ratio[0]), _growth(ratio[1])))
        return Shift(
            quantile,
            one,
            other,
            _opened(difference, open_low, open_high, -inf),
            _opened(relative, open_low, open_high, -1.0 if positive else -inf),
        )

    def _open(self, quantile: float) -> tuple[bool, bool]:
        """Whether the difference has no lower, and no upper bound."""
        (a_low, a_high), (b_low, b_high) = self.a.bounded(quantile), self.b.bounded(quantile)
        return not (b_low and a_high), not (b_high and a_low)


def between(a: Floats, b: Floats, alpha: float) -> float | None:
    """Half the width of Student's interval for mean(b) - mean(a) from the scatter of runs, one variance for
    both sides; None of fewer than three runs."""
    k, m = len(a), len(b)
    if k + m < 3:
        return None
    df = k + m - 2
    variance = (((a - a.mean()) ** 2).sum() + ((b - b.mean()) ** 2).sum()) / df
    return float(stdtrit(df, 1 - alpha / 2) * sqrt(variance * (1 / k + 1 / m)))


def runs_apart(a: Floats, b: Floats, alpha: float, lost_at: float) -> tuple[float, float] | None:
    """Student's interval for mean(b) - mean(a) from the scatter of runs; None of fewer than three.

    A lost one took at least ``lost_at``: that much bounds the difference on one side, and nothing on the
    other.
    """
    low_b, low_a = np.minimum(b, lost_at), np.minimum(a, lost_at)
    half = between(low_a, low_b, alpha)
    if half is None:
        return None
    centre = float(low_b.mean() - low_a.mean())
    return (
        centre - half if np.isfinite(a).all() else -inf,
        centre + half if np.isfinite(b).all() else inf,
    )


def percentiles(draws: Floats, alpha: float) -> tuple[float, float]:
    """The bounds that all but a share ``alpha`` of ``draws`` lie within. Order statistics, since infinite
    ones are among them; what is no number lies beyond either."""
    unknown = np.isnan(draws)
    out = floor(len(draws) * alpha / 2)
    low = np.sort(np.where(unknown, -inf, draws))[out]
    high = np.sort(np.where(unknown, inf, draws))[-1 - out]
    return float(low), float(high)


def _interval(estimate: float, draws: Floats, alpha: float) -> Interval:
    low, high = percentiles(draws, alpha)
    if isnan(estimate):
        return Interval(estimate, low, high)
    # Draws are discrete: of few values they may all lie on one side of the estimate.
    return Interval(estimate, min(low, estimate), max(high, estimate))


def _minus(b: float, a: float) -> float:
    """b - a; NaN where both are lost."""
    return b - a if isfinite(a) or isfinite(b) else nan


def _wider(found: Interval, other: tuple[float, float] | None) -> Interval:
    if other is None:
        return found
    return Interval(found.estimate, min(found.low, other[0]), max(found.high, other[1]))


def _growth(logarithm: float) -> float:
    return expm1(logarithm) if logarithm < 700 else inf


def _opened(found: Interval, low: bool, high: bool, least: float) -> Interval:
    return Interval(found.estimate, least if low else max(found.low, least), inf if high else found.high)
