"""Whether a series of figures, one per run, has shifted: scores, the best split, a test between two parts.

Everything is decided on normal scores of ranks (van der Waerden; Hajek, Sidak & Sen, *Theory of Rank Tests*),
so that skewed or heavy-tailed noise between runs costs no false alarm and a lost quantile, an infinite value,
is just the largest rank. Runs near in time resemble each other: the variance of a mean is inflated by the
lag-1 correlation of the part before.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr

from harness.errors import UnavailableError

Floats = NDArray[np.float64]

SMALLEST = 2
"""Runs in each part of a split, at least."""
MOST_CORRELATION = 0.6
"""The lag-1 correlation between runs is believed up to here: from some 30 runs it is known to +-0.2."""


@dataclass(frozen=True)
class Shift:
    """A test between two parts: ``t``, positive where the second is larger, and its one-sided p-values."""

    t: float
    p_up: float
    p_down: float

    @property
    def up(self) -> bool:
        """Whether the second part is larger."""
        return self.t > 0

    @property
    def p(self) -> float:
        """Two-sided p-value."""
        return min(1.0, 2 * min(self.p_up, self.p_down))


def normal_scores(values: Floats) -> Floats:
    """Blom's normal scores of the ranks, ties at their mean rank; infinite values are allowed, NaN is not."""
    # The mean rank of each value; scipy.stats.rankdata says the same and takes as long as all the rest.
    ordered = np.sort(values)
    ranks = (ordered.searchsorted(values, "left") + ordered.searchsorted(values, "right") + 1) / 2
    return cast(Floats, ndtri((ranks - 0.375) / (len(values) + 0.25)))


def best_split(scores: Floats) -> int:
    """Length of the first part where two constant levels fit best (least squares, exact dynamic programming:
    ``ruptures.KernelCPD``). Needs 2 * SMALLEST values. Raises UnavailableError without ruptures."""
    try:
        from ruptures import KernelCPD
    except ImportError as error:
        raise UnavailableError(
            f"change points need the library ruptures, which is not here: {error}",
            hint="pip install 'ruptures>=1.1.9'; it has no release for Python 3.14 yet, 3.10 to 3.13 have it",
        ) from error
    return int(KernelCPD(kernel="linear", min_size=SMALLEST).fit(scores).predict(n_bkps=1)[0])


def lag_one(scores: Floats) -> float:
    """Correlation of neighbours within 0 .. MOST_CORRELATION, with the bias (1 + 4 r) / n of a short series
    taken off (Marriott & Pope, Biometrika 41, 1954)."""
    n = len(scores)
    deviations = scores - scores.mean()
    power = float(deviations @ deviations)
    if n < 3 or power <= 0:
        return 0.0
    raw = float(deviations[1:] @ deviations[:-1]) / power
    return min(MOST_CORRELATION, max(0.0, raw + (1 + 4 * raw) / n))


def inflation(correlation: float, n: int) -> float:
    """Variance of the mean of ``n`` values of an AR(1) series, against that of independent ones."""
    lags = np.arange(1, n)
    return float(1 + 2 * np.sum((1 - lags / n) * correlation**lags))


def compare_parts(before: Floats, after: Floats, inflated: float = 1.0) -> Shift:
    """Student's test between two parts with one variance, that of the means multiplied by ``inflated``. Parts
    without any spread differ for certain, or not at all."""
    n, m = len(before), len(after)
    gap = float(after.mean() - before.mean())
    squares = float(((before - before.mean()) ** 2).sum() + ((after - after.mean()) ** 2).sum())
    # Equal values leave a rounding error, not zero.
    if squares <= 1e-12 * (n + m):
        t = 0.0 if abs(gap) <= 1e-9 else math.copysign(math.inf, gap)
    else:
        t = gap / math.sqrt(squares / (n + m - 2) * (1 / n + 1 / m) * inflated)
    if t == 0:
        return Shift(0.0, 0.5, 0.5)
    small = float(stdtr(n + m - 2, -abs(t)))
    return Shift(t, small, 1 - small) if t > 0 else Shift(t, 1 - small, small)
