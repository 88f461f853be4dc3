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
SPAN = 1 << 16

Floats = NDArray[np.float64]


class Buckets:
    """How many values fell into each bucket. Not safe for threads: its owner has the lock."""

    def __init__(self) -> None:
        self.shift = SHIFT
        self.counts: dict[int, int] = {}

    def add(self, values: Floats) -> None:
        """Count finite values, shape (n,)."""
        keys = np.abs(values).view(np.int64) >> self.shift
        keys = np.where(values < 0, -1 - keys, keys)
        low = int(keys.min())
        if int(keys.max()) - low < SPAN:
            found = np.bincount(keys - low)
            at = np.flatnonzero(found)
            pairs = zip((at + low).tolist(), found[at].tolist(), strict=True)
        else:
            unique, found = np.unique(keys, return_counts=True)
            pairs = zip(unique.tolist(), found.tolist(), strict=True)
        counts = self.counts
        for key, count in pairs:
            counts[key] = counts.get(key, 0) + count
        while len(self.counts) > MOST:
            self._coarser()

    def merge(self, other: Buckets) -> None:
        """Add what another one counted."""
        mine, theirs = self.copy(), other.copy()
        while mine.shift < theirs.shift:
            mine._coarser()
        while theirs.shift < mine.shift:
            theirs._coarser()
        for key, count in theirs.counts.items():
            mine.counts[key] = mine.counts.get(key, 0) + count
        while len(mine.counts) > MOST:
            mine._coarser()
        self.shift, self.counts = mine.shift, mine.counts

    def copy(self) -> Buckets:
        """Another one with the same counts."""
        other = Buckets()
        other.shift, other.counts = self.shift, dict(self.counts)
        return other

    def _coarser(self) -> None:
        self.shift += 1
        merged: dict[int, int] = {}
        for key, count in self.counts.items():
            merged[key >> 1] = merged.get(key >> 1, 0) + count
        self.counts = merged

    def __iter__(self) -> Iterator[tuple[float, float, int]]:
        """Lower edge, upper edge and count of every bucket that is not empty, ascending."""
        for key in sorted(self.counts):
            if key >= 0:
                yield self._edge(key), self._edge(key + 1), self.counts[key]
            else:
                yield -self._edge(-key), -self._edge(-1 - key), self.counts[key]

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
