"""The largest values of a stream and where in it they were, in bounded memory.

A verdict on a quantile needs the exact number of values over the limit, which is a counter, and where the
largest ones lie, for whether they come in bursts. Both are about a share 1 - q of all: with the 16 384
largest kept, all that the rule for rigs looks at is there up to 1.6 million values at p99, 16 million at
p99.9.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

KEPT = 16_384
SEED = 20261125

Floats = NDArray[np.float64]
Positions = NDArray[np.int64]


class Extremes:
    """The ``kept`` largest values with their positions; of equal ones at the edge a random choice with a
    fixed seed, because the first of them would be neighbours. Not safe for threads: its owner has the
    lock."""

    def __init__(self, kept: int = KEPT) -> None:
        self.kept = kept
        self._rng = np.random.default_rng(SEED)
        self._values: list[Floats] = []
        self._positions: list[Positions] = []
        self._lots: list[Floats] = []
        self._size = 0
        self._floor: tuple[float, float] = (-np.inf, 2.0)
        """The smallest that was kept when some had to go, and its lot."""

    def add(self, values: Floats, first: int) -> None:
        """Take the values at positions ``first``, ``first`` + 1, ..."""
        edge, edge_lot = self._floor
        if edge == -np.inf:
            self._take(values, np.arange(first, first + len(values)), self._rng.random(len(values)))
            return
        at = np.flatnonzero(values >= edge)
        if len(at) == 0:
            return
        lots = self._rng.random(len(at))
        fits = (values[at] > edge) | (lots < edge_lot)
        self._take(values[at][fits], first + at[fits], lots[fits])

    def _take(self, values: Floats, positions: Positions, lots: Floats) -> None:
        self._values.append(values)
        self._positions.append(positions)
        self._lots.append(lots)
        self._size += len(values)
        if self._size > 2 * self.kept:
            self._cut()

    def _cut(self) -> None:
        values, positions, lots = self._joined()
        edge = float(np.partition(values, len(values) - self.kept)[len(values) - self.kept])
        above, equal = np.flatnonzero(values > edge), np.flatnonzero(values == edge)
        # Of those at the edge the ones with the lowest lots stay.
        equal = equal[np.argsort(lots[equal])[: self.kept - len(above)]]
        order = np.concatenate([above, equal])
        self._floor = edge, float(lots[equal[-1]])
        self._values, self._positions, self._lots = [values[order]], [positions[order]], [lots[order]]
        self._size = len(order)

    def _joined(self) -> tuple[Floats, Positions, Floats]:
        if len(self._values) != 1:
            empty = np.zeros(0)
            self._values = [np.concatenate([empty, *self._values])]
            self._positions = [np.concatenate([empty.astype(np.int64), *self._positions])]
            self._lots = [np.concatenate([empty, *self._lots])]
        return self._values[0], self._positions[0], self._lots[0]

    @property
    def complete(self) -> bool:
        """Whether no value had to go."""
        return self._floor[0] == -np.inf

    def arrays(self) -> tuple[Floats, Positions, Floats]:
        """Values, positions and lots of all that is kept, in no order."""
        return self._joined()

    def largest(self, size: int) -> tuple[Floats, Positions]:
        """The ``size`` largest, or as many as are kept: values descending, and their positions."""
        values, positions, lots = self._joined()
        order = np.lexsort((lots, -values))[: min(size, len(values))]
        return values[order], positions[order]

    @classmethod
    def of(cls, values: Floats, positions: Positions, lots: Floats, *, complete: bool) -> Extremes:
        """One made of arrays, as :meth:`arrays` gives them, of a stream that is over."""
        made = cls(max(KEPT, len(values)))
        made._values, made._positions, made._lots = [values], [positions], [lots]
        made._size = len(values)
        if not complete:
            made._floor = (float(values.min()) if len(values) else np.inf, 0.0)
        return made
