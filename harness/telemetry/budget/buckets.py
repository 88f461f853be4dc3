"""Counts by size in bounded memory: the exponential buckets of OpenTelemetry, at scale 6 where they fit.

Bucket i holds what is above 2^(i/64) and at most 2^((i+1)/64), so that it is at most 1.1 % of its value wide;
zero and what is below it are counted apart. When there are too many buckets, neighbours are merged and the
scale is one less, which moves no edge that stays. Powers of two are edges at every scale. Source:
OpenTelemetry metrics data model, "Exponential Histogram". They are for pictures, for export, and for
quantiles that are shown; no verdict rests on them.
"""

from __future__ import annotations

from collections.abc import Iterator
from sys import float_info

import numpy as np
from numpy.typing import NDArray

SCALE = 6
MOST = 4096
"""Buckets of either sign at most."""
NEAR = 1024
"""Sixteen octaves."""

Floats = NDArray[np.float64]
Counts = dict[int, int]


class Buckets:
    """How many values fell into each bucket. Not safe for threads: its owner has the lock."""

    def __init__(self) -> None:
        self.scale = SCALE
        self.zeros = 0
        self._above: Counts = {}
        self._below: Counts = {}
        # What comes is counted here first, from the bucket `_low` on: values are mostly alike.
        self._near: NDArray[np.int64] = np.zeros(NEAR, dtype=np.int64)
        self._low = 0

    def add(self, values: Floats) -> None:
        """Count finite values, shape (n,) with n > 0."""
        if values.min() <= 0:
            below = values[values < 0]
            if len(below):
                _note(self._below, *np.unique(self._keys(-below), return_counts=True))
                self._settle()
            above = values[values > 0]
            self.zeros += len(values) - len(below) - len(above)
            if len(above) == 0:
                return
            values = above
        keys = self._keys(values)
        low, high = int(keys.min()), int(keys.max())
        if high - low >= NEAR:
            _note(self._above, *np.unique(keys, return_counts=True))
            self._settle()
            return
        if not self._low <= low <= high < self._low + NEAR:
            self._settle()
            # Settling may have made the scale smaller.
            keys = self._keys(values)
            low, high = int(keys.min()), int(keys.max())
            self._low = low - (NEAR - 1 - (high - low)) // 2
        found = np.bincount(keys - low)
        self._near[low - self._low : low - self._low + len(found)] += found

    def _keys(self, values: Floats) -> NDArray[np.int64]:
        return np.ceil(np.log2(values) * 2.0**self.scale).astype(np.int64) - 1

    @property
    def above(self) -> Counts:
        """Counts by bucket of what is above zero, of those that are not empty."""
        self._settle()
        return self._above

    @property
    def below(self) -> Counts:
        """Counts by bucket of the distance from zero of what is below it."""
        self._settle()
        return self._below

    @property
    def total(self) -> int:
        """All that was counted."""
        return self.zeros + sum(self.above.values()) + sum(self.below.values())

    def _settle(self) -> None:
        at = np.flatnonzero(self._near)
        _note(self._above, at + self._low, self._near[at])
        self._near[:] = 0
        while max(len(self._above), len(self._below)) > MOST:
            self.scale -= 1
            self._above, self._below = _coarser(self._above), _coarser(self._below)

    @classmethod
    def of(cls, scale: int, zeros: int, above: Counts, below: Counts) -> Buckets:
        """One with these counts."""
        made = cls()
        made.scale, made.zeros, made._above, made._below = scale, zeros, dict(above), dict(below)
        return made

    def merge(self, other: Buckets) -> None:
        """Add what another one counted."""
        above, below = dict(other.above), dict(other.below)
        self._settle()
        scale = other.scale
        while scale > self.scale:
            scale, above, below = scale - 1, _coarser(above), _coarser(below)
        while self.scale > scale:
            self.scale, self._above, self._below = (
                self.scale - 1,
                _coarser(self._above),
                _coarser(self._below),
            )
        for mine, theirs in ((self._above, above), (self._below, below)):
            for key, count in theirs.items():
                mine[key] = mine.get(key, 0) + count
        self.zeros += other.zeros
        self._settle()

    def copy(self) -> Buckets:
        """One of its own with the same counts."""
        return Buckets.of(self.scale, self.zeros, self.above, self.below)

    def since(self, older: Buckets) -> Buckets:
        """What was counted after ``older`` was taken, a copy of this one."""
        scale, above, below = older.scale, older.above, older.below
        self._settle()
        while scale > self.scale:
            scale, above, below = scale - 1, _coarser(above), _coarser(below)
        parts = (
            {key: more for key, count in mine.items() if (more := count - theirs.get(key, 0)) > 0}
            for mine, theirs in ((self._above, above), (self._below, below))
        )
        return Buckets.of(self.scale, self.zeros - older.zeros, *parts)

    def coarser_than(self, span: int) -> tuple[int, Counts, Counts]:
        """Scale, counts above and below zero, merged until either reaches over at most ``span`` buckets."""
        scale, above, below = self.scale, self.above, self.below
        while any(counts and max(counts) - min(counts) >= span for counts in (above, below)):
            scale, above, below = scale - 1, _coarser(above), _coarser(below)
        return scale, above, below

    def edge(self, key: int) -> float:
        """The lower edge of that bucket."""
        power = key / 2.0**self.scale
        return float_info.max if power >= float_info.max_exp else float(2.0**power)

    def __iter__(self) -> Iterator[tuple[float, float, int]]:
        """Lower edge, upper edge and count of every bucket that is not empty, ascending."""
        for key, count in sorted(self.below.items(), reverse=True):
            yield -self.edge(key + 1), -self.edge(key), count
        if self.zeros:
            yield 0.0, 0.0, self.zeros
        for key, count in sorted(self.above.items()):
            yield self.edge(key), self.edge(key + 1), count

    def at_most(self, edge: float) -> int:
        """How many values are at most ``edge``: exactly where that is zero or a power of two above it."""
        return sum(count for _, upper, count in self if upper <= edge * (1 + 1e-12))

    def quantile(self, share: float) -> float | None:
        """The upper edge of the bucket that the quantile falls into: at most one bucket too large."""
        total = self.total
        seen = 0
        for _, upper, count in self:
            seen += count
            if seen >= share * total:
                return upper
        return None


def _note(counts: Counts, keys: NDArray[np.int64], found: NDArray[np.int64]) -> None:
    for key, count in zip(keys.tolist(), found.tolist(), strict=True):
        counts[key] = counts.get(key, 0) + count


def _coarser(counts: Counts) -> Counts:
    merged: Counts = {}
    for key, count in counts.items():
        merged[key >> 1] = merged.get(key >> 1, 0) + count
    return merged
