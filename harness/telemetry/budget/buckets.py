"""Counts by size in bounded memory: logarithmic buckets read off the bits of a float64.

The upper bits of a positive IEEE 754 double are its exponent and the head of its mantissa, so that a shift
gives buckets that are linear within an octave and double from octave to octave, as those of HdrHistogram
(http://hdrhistogram.org) do. With 64 of them an octave a bucket is at most 1/64 of its value wide. They are
for pictures and for quantiles that are shown; no verdict rests on them.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

SHIFT = 46  # 52 bits of mantissa, 6 of which tell the 64 buckets of an octave apart
MOST = 4096
"""Buckets at most; when there are more, neighbours are merged."""
NEAR = 1024
"""Sixteen octaves."""

Floats = NDArray[np.float64]


class Buckets:
    """How many values fell into each bucket. Not safe for threads: its owner has the lock."""

    def __init__(self) -> None:
        self.shift = SHIFT
        self._counts: dict[int, int] = {}
        # What comes is counted here first, from the bucket `_low` on: values are mostly alike.
        self._near: NDArray[np.int64] = np.zeros(NEAR, dtype=np.int64)
        self._low = 0

    def add(self, values: Floats) -> None:
        """Count finite values, shape (n,) with n > 0."""
        keys = values.view(np.int64) >> self.shift
        low, high = int(keys.min()), int(keys.max())
        if low < 0:
            keys = np.abs(values).view(np.int64) >> self.shift
            keys = np.where(values < 0, -1 - keys, keys)
            low, high = int(keys.min()), int(keys.max())
        if high - low >= NEAR:
            unique, found = np.unique(keys, return_counts=True)
            self._note(unique, found)
            return
        if not self._low <= low <= high < self._low + NEAR:
            self._settle()
            self._low = low - (NEAR - 1 - (high - low)) // 2
        found = np.bincount(keys - low)
        self._near[low - self._low : low - self._low + len(found)] += found

    @property
    def counts(self) -> dict[int, int]:
        """Counts by bucket, of those that are not empty."""
        self._settle()
        return self._counts

    def _settle(self) -> None:
        at = np.flatnonzero(self._near)
        if len(at):
            self._note(at + self._low, self._near[at])
            self._near[:] = 0

    def _note(self, keys: NDArray[np.int64], found: NDArray[np.int64]) -> None:
        counts = self._counts
        for key, count in zip(keys.tolist(), found.tolist(), strict=True):
            counts[key] = counts.get(key, 0) + count
        while len(self._counts) > MOST:
            self._coarser()

    @classmethod
    def of(cls, shift: int, counts: dict[int, int]) -> Buckets:
        """One with these counts."""
        made = cls()
        made.shift, made._counts = shift, dict(counts)
        return made

    def merge(self, other: Buckets) -> None:
        """Add what another one counted."""
        mine, theirs = self.of(self.shift, self.counts), self.of(other.shift, other.counts)
        while mine.shift < theirs.shift:
            mine._coarser()
        while theirs.shift < mine.shift:
            theirs._coarser()
        for key, count in theirs._counts.items():
            mine._counts[key] = mine._counts.get(key, 0) + count
        while len(mine._counts) > MOST:
            mine._coarser()
        self.shift, self._counts = mine.shift, mine._counts

    def _coarser(self) -> None:
        self.shift += 1
        merged: dict[int, int] = {}
        for key, count in self._counts.items():
            merged[key >> 1] = merged.get(key >> 1, 0) + count
        self._counts = merged

    def __iter__(self) -> Iterator[tuple[float, float, int]]:
        """Lower edge, upper edge and count of every bucket that is not empty, ascending."""
        for key, count in sorted(self.counts.items()):
            if key >= 0:
                yield self._edge(key), self._edge(key + 1), count
            else:
                yield -self._edge(-key), -self._edge(-1 - key), count

    def _edge(self, key: int) -> float:
        bits = min(key << self.shift, 0x7FEFFFFFFFFFFFFF)
        return float(np.int64(bits).view(np.float64))

    def quantile(self, share: float) -> float | None:
        """The upper edge of the bucket that the quantile falls into: at most one bucket too large."""
        total = sum(self.counts.values())
        seen = 0
        for _, upper, count in self:
            seen += count
            if seen >= share * total:
                return upper
        return None
