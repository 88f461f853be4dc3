"""Did the level drift during the run? Kendall's rank test on block medians.

A verdict speaks of one distribution; a robot that warms up has several. A line fitted to raw samples
false-alarms on dependent series more often than not; medians of 40 blocks hardly depend on each other any
more and do not mind outliers or lost answers (Kendall 1938; Mann 1945).
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau

BLOCKS = 40
LEAST_BLOCK = 5
LEVEL = 0.01

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stationarity:
    """``medians`` of the blocks, in ms, +inf where most of a block was lost; ``tau`` from -1
    (falling) to 1 (rising); ``p`` of the two-sided test, 1 where nothing can be tested."""

    medians: tuple[float, ...]
    tau: float
    p: float
    tested: bool

    @property
    def ok(self) -> bool:
        """No trend at a level of 1 %."""
        return self.p > LEVEL

    @property
    def words(self) -> str:
        """For the report."""
        if not self.tested:
            return f"too few samples for {BLOCKS} blocks of {LEAST_BLOCK}: a trend was not tested"
        first, last = np.median(self.medians[: BLOCKS // 4]), np.median(self.medians[-BLOCKS // 4 :])
        seen = "no trend" if self.ok else f"the level {'rose' if self.tau > 0 else 'fell'} during the run"
        return (
            f"{seen}: Kendall's tau of {BLOCKS} block medians = {self.tau:+.3f}, p = {self.p:.3g}; median "
            "of the "
            f"first quarter {first:.4g} ms, of the last {last:.4g} ms"
        )


def stationarity(values: Floats) -> Stationarity:
    """Test ``values`` in ms in order of time, shape (n,), NaN left out; needs 200 of them."""
    known = values[~np.isnan(values)]
    if len(known) < BLOCKS * LEAST_BLOCK:
        return Stationarity((), 0.0, 1.0, False)
    edges = np.linspace(0, len(known), BLOCKS + 1).round().astype(int)
    # An order statistic, not a mean of two: infinities stay what they are.
    medians = np.array([np.sort(known[a:b])[(b - a) // 2] for a, b in itertools.pairwise(edges)])
    # Ranks of equal infinities are equal; kendalltau wants numbers.
    ranks = np.unique(medians, return_inverse=True)[1]
    if ranks.max() == 0:
        return Stationarity(tuple(medians.tolist()), 0.0, 1.0, True)
    found = kendalltau(np.arange(BLOCKS), ranks)
    return Stationarity(tuple(medians.tolist()), float(found.statistic), float(found.pvalue), True)
