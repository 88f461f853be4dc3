"""Resampling a series whose values depend on each other, through counts.

A quantile of a resampled series is where its distribution function crosses q, and that function is a sum of
counts over blocks. So the series is cut into cells, the values over each threshold of a grid are counted in
each cell once, and a resampled series is a choice of blocks of consecutive cells whose counts are added (a
matrix product): a million samples are resampled two thousand times in a second, and never sorted again.

Blocks wrap around (circular block bootstrap, Politis & Romano 1992). Their length comes from the data:
Politis & White, Econometric Reviews 23 (2004) 53-70, with the correction of Patton, Politis & White 28 (2009)
372-375, applied to the indicator of exceeding each wanted quantile; the longest wins. The bootstrap knows of
as many independent bursts as the series holds, and the fewer they are the less it knows of their own spread:
deviations are widened by t(df)/z with df = n p / v - 1, as the verdict does (Korn & Graubard 1998), p the
share beyond the quantile and v the inflation of the variance of its count, which the bootstrap gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log10, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from harness.analysis.statistics import order_quantile, rank

Floats = NDArray[np.float64]
Counts = NDArray[np.float32]

REPLICATES = 2000
CELLS = 2048
"""A longer series is counted in so many cells, which are then the shortest blocks."""
LEVELS = 128
"""Equal steps of the distribution that the grid has beside the wanted quantiles and the tails."""
TAIL_RATIO = 1.15
"""From one threshold of a tail to the next the number of values beyond it grows by so much."""
FEWEST = 3.7
"""So many values, counted for what they are worth, have to be expected beyond a quantile for a bound on that
side: of fewer, none may be seen in more than 2.5 % of series, whatever the quantile is (-ln 0.025)."""
SEED = 20260210
_CHUNK = 250


def grid(ascending: Floats, quantiles: Sequence[float] = (), levels: int = LEVELS) -> Floats:
    """Thresholds to count at, ascending: order statistics at equal steps of the distribution, more closely in
    both tails, and at the wanted quantiles. Finite ones only; shape (thresholds,). ``levels``: how many
    steps."""
    n = len(ascending)
    if n == 0:
        return np.empty(0)
    tail = [0]
    while tail[-1] < n // 2:
        tail.append(max(tail[-1] + 1, int(tail[-1] * TAIL_RATIO)))
    beyond = np.array(tail[:-1] or [0])
    finite = int(np.searchsorted(ascending, np.inf))
    ranks = np.concatenate(
        [
            (finite - beyond)[beyond < finite],
            beyond + 1,
            np.linspace(1, n, min(n, levels)).round().astype(np.int64),
            [rank(n, quantile) for quantile in quantiles],
        ]
    )
    chosen: Floats = np.unique(ascending[np.unique(ranks) - 1])
    return chosen[np.isfinite(chosen)]


@dataclass(frozen=True)
class Resampled:
    """A series and what its resampled copies came to.

    ``ascending`` (n,): its values, +inf where lost. ``thresholds`` (g,), ``levels`` (g,): the share of values
    at most each. ``deviations`` (REPLICATES, g): that share in a resampled copy, less ``levels``. ``block``
    in samples. ``lost``: the share of values that are infinite.
    """

    ascending: Floats
    thresholds: Floats
    levels: Floats
    deviations: Counts
    block: int

    @property
    def n(self) -> int:
        """How many values."""
        return len(self.ascending)

    @property
    def lost(self) -> float:
        """The share of values that are infinite."""
        return float(np.isinf(self.ascending).mean()) if self.n else 0.0

    def estimate(self, quantile: float) -> float:
        """The ceil(n q)-th smallest value; +inf where it falls among the lost."""
        return order_quantile(self.ascending, quantile)

    def inflation(self, quantile: float) -> float:
        """v: by how much dependence inflates the variance of the share beyond the quantile; at least 1."""
        place = min(int(np.searchsorted(self.levels, quantile)), len(self.levels) - 1)
        if place < 0:
            return 1.0
        level = float(self.levels[place])
        spread = level * (1 - level)
        if spread <= 0:
            return 1.0
        return max(1.0, float(self.deviations[:, place].var()) * self.n / spread)

    def worth(self, quantile: float) -> tuple[float, float]:
        """Values expected below and above the quantile, counted for what they are worth: n q / v and
        n (1 - q) / v."""
        effective = self.n / self.inflation(quantile)
        return effective * quantile, effective * (1 - quantile)

    def widening(self, quantile: float) -> float:
        """t(df)/z at 97.5 %, with df = bursts - 1 (at least 2) on the rarer side of the quantile."""
        df = max(2.0, min(self.worth(quantile)) - 1)
        return float(stdtrit(df, 0.975) / ndtri(0.975))

    def quantile_draws(self, quantile: float, most: int | None = None) -> Floats:
        """The quantile in every resampled copy (the first ``most``), widened; shape (REPLICATES,). +inf among
        the lost."""
        deviations = self.deviations[:most]
        if not len(self.levels):
            return np.full(len(deviations), self.estimate(quantile))
        shares = self.levels + self.widening(quantile) * deviations
        # The first threshold that at least a share q is at most; beyond the last one all are lost.
        reached = shares >= quantile - 1e-7
        place = np.where(reached.any(axis=1), reached.argmax(axis=1), len(self.levels))
        edges = np.concatenate([[0.0], self.levels, [1.0]])
        rows = np.arange(len(shares))
        padded = np.concatenate([np.zeros((len(shares), 1)), shares, np.ones((len(shares), 1))], axis=1)
        low, high = padded[rows, place], padded[rows, place + 1]
        step = high - low
        part = np.divide(quantile - low, step, out=np.ones_like(step), where=step > 0).clip(0.0, 1.0)
        level = edges[place] + part * (edges[place + 1] - edges[place])
        ranks = np.ceil(level * self.n - 1e-6).astype(np.int64).clip(1, self.n)
        return np.asarray(self.ascending[ranks - 1])

    def shares(self, thresholds: Floats) -> Floats:
        """The share of values at most each of ``thresholds``, counted."""
        return np.searchsorted(self.ascending, thresholds, side="right") / max(1, self.n)


def resample(
    values: Floats,
    quantiles: Sequence[float],
    thresholds: Floats | None = None,
    *,
    seed: int = SEED,
    replicates: int = REPLICATES,
    fine: bool = True,
) -> Resampled:
    """Resample ``values`` (n,), in order of time, +inf where lost, for the wanted ``quantiles``.

    ``thresholds``: counted at, too, e.g. those of another series. ``fine``: with equal steps of the whole
    distribution among them. The same input gives the same draws. Raises ValueError
    for values that are NaN or -inf.
    """
    if np.isnan(values).any() or np.isneginf(values).any():
        raise ValueError("values that are no latency (NaN or -inf) cannot be resampled")
    n = len(values)
    ascending = np.sort(values)
    at = grid(ascending, quantiles, LEVELS if fine else 0)
    if thresholds is not None:
        at = np.union1d(at, thresholds)
    if n == 0 or len(at) == 0:
        return Resampled(ascending, at, np.empty(0), np.empty((replicates, 0), np.float32), 1)
    size = ceil(n / CELLS)
    counts = _counts(values, at, size)
    sizes = np.full(len(counts), float(size))
    sizes[-1] = n - size * (len(counts) - 1)
    levels = counts.sum(axis=0, dtype=np.float64) / n
    wanted = {min(int(np.searchsorted(at, order_quantile(ascending, q))), len(at) - 1) for q in quantiles}
    # The last cell may be shorter, which is no dependence.
    block = max((block_length(counts[:, place] - levels[place] * sizes) for place in wanted), default=1)
    shares = _resampled_shares(counts, sizes, block, replicates, seed)
    return Resampled(ascending, at, levels, (shares - levels).astype(np.float32), block * size)


def _counts(values: Floats, thresholds: Floats, size: int) -> Counts:
    """How many values of each cell of ``size`` are at most each threshold; shape (cells, thresholds)."""
    n, width = len(values), len(thresholds) + 1
    cells = ceil(n / size)
    bins = np.searchsorted(thresholds, values, side="left")
    cell = np.arange(n, dtype=np.int64) // size
    table = np.bincount(cell * width + bins, minlength=cells * width).reshape(cells, width)
    return np.asarray(np.cumsum(table[:, :-1], axis=1).astype(np.float32))


def _resampled_shares(counts: Counts, sizes: Floats, block: int, replicates: int, seed: int) -> Floats:
    """Distribution functions of resampled copies, at the thresholds; shape (replicates, thresholds)."""
    cells = len(counts)
    in_block = _circular_sums(np.column_stack([counts, sizes.astype(np.float32)]), block)
    chosen = ceil(cells / block)
    rng = np.random.default_rng((seed, cells, block))
    out = np.empty((replicates, counts.shape[1]))
    # ceil(cells/block) blocks are a little more than the series: their spread is brought back to its length.
    lengthen = sqrt(chosen * block / cells)
    whole = counts.sum(axis=0, dtype=np.float64) / sizes.sum()
    for start in range(0, replicates, _CHUNK):
        rows = min(_CHUNK, replicates - start)
        picks = rng.integers(0, cells, (rows, chosen)) + np.arange(rows)[:, None] * cells
        weights = np.bincount(picks.ravel(), minlength=rows * cells).reshape(rows, cells).astype(np.float32)
        sums = weights @ in_block
        shares = sums[:, :-1] / sums[:, -1:]
        out[start : start + rows] = whole + lengthen * (shares - whole)
    return out


def _circular_sums(columns: Counts, block: int) -> Counts:
    if block == 1:
        return columns
    around = np.concatenate([columns, columns[: block - 1]])
    up_to = np.concatenate([np.zeros((1, columns.shape[1])), np.cumsum(around, axis=0, dtype=np.float64)])
    return np.asarray((up_to[block:] - up_to[:-block]).astype(np.float32))


def block_length(series: NDArray[Any]) -> int:
    """Length of blocks for the circular block bootstrap of the mean of ``series`` (n,), at least 1.

    Politis & White (2004), section 3, with the correction of 2009: the lag m after which K autocorrelations
    in a row are within 2 sqrt(log10 n / n); flat-top window of width 2m.
    """
    n = len(series)
    centred = np.asarray(series, dtype=np.float64) - float(np.mean(series, dtype=np.float64))
    power = float(centred @ centred) / n if n else 0.0
    if n < 10 or power <= 0:
        return 1
    consecutive = max(5, int(sqrt(log10(n))))
    longest = ceil(sqrt(n)) + consecutive
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(centred, size)
    covariance = np.fft.irfft(spectrum * spectrum.conj(), size)[: longest + consecutive + 1] / n
    small = np.abs(covariance[1:]) / power < 2 * sqrt(log10(n) / n)
    in_a_row = np.convolve(small, np.ones(consecutive, dtype=np.int64))[consecutive - 1 :]
    quiet = np.flatnonzero(in_a_row[:longest] == consecutive)
    lag = int(quiet[0]) if len(quiet) else longest
    width = min(2 * max(lag, 1), longest)
    lags = np.arange(1, width + 1)
    window = np.clip(2 * (1 - lags / width), 0, 1)
    at_zero = covariance[0] + 2 * float(window @ covariance[1 : width + 1])
    slope = 2 * float((window * lags) @ covariance[1 : width + 1])
    if at_zero <= 0 or lag == 0:
        return 1
    best = (2 * slope**2 / (4 / 3 * at_zero**2)) ** (1 / 3) * n ** (1 / 3)
    return int(np.clip(ceil(best), 1, max(1, min(3 * sqrt(n), n / 3))))
