"""What is usual in a series, learned from its beginning: ranks, what is slow, how far samples depend."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from harness.analysis.anomalies.model import Bools, Floats

SLOW_QUARTILES = 6.0
"""Slow is what exceeds the median by more than this many times the distance from median to upper quartile."""
LEAST_SLOW = 0.25
"""And by more than this share of the median."""
HEAVIEST = 4.0
"""The most that one slow sample weighs: a lost one does."""
LEAST_BLOCK = 32
BLOCKS_WANTED = 24
BLOCK_TIMES = 5.0
"""A block is at least this many times as long as what one independent sample is worth."""


@dataclass(frozen=True)
class Reference:
    """``ascending``: latencies in ms, lost ones at infinity, shape (m,). ``block``: samples whose mean is
    nearly independent of the next one's; ``inflation`` and ``clusters``: of the variance of a mean, and of a
    count of slow samples, by dependence; ``enough``: there were enough samples to say so."""

    ascending: Floats
    median: float
    slow_over: float
    block: int
    inflation: float
    clusters: float
    enough: bool

    @classmethod
    def learn(cls, latency: Floats, lost: Bools) -> Reference:
        """From samples in order, shape (n,), ``latency`` in ms, inf where ``lost``."""
        ascending = np.sort(np.where(lost, np.inf, latency))
        median, upper = (float(ascending[int(q * (len(ascending) - 1))]) for q in (0.5, 0.75))
        reach = SLOW_QUARTILES * (upper - median) if np.isfinite(upper) else 0.0
        over = median + max(reach, LEAST_SLOW * abs(median)) if np.isfinite(median) else np.inf
        worth = inflation(_scores(ascending, np.where(lost, np.inf, latency)))
        block = LEAST_BLOCK
        while block < BLOCK_TIMES * worth:
            block *= 2
        clusters = inflation((latency > ascending[int(0.95 * len(ascending))]).astype(np.float64))
        return cls(ascending, median, over, block, worth, clusters, len(latency) >= BLOCKS_WANTED * block)

    def scores(self, latency: Floats) -> Floats:
        """Normal scores of the ranks among the reference: distribution-free, so that heavy tails are none."""
        return _scores(self.ascending, latency)

    def quantile(self, q: float) -> float:
        """An order statistic of the reference, in ms."""
        return float(self.ascending[min(len(self.ascending) - 1, int(np.ceil(q * len(self.ascending))) - 1)])

    def slowness(self, latency: Floats, lost: Bools) -> Floats:
        """0 where a sample is not slow, else 1 to 4: 1 + log2 of how many times the threshold's distance from
        the median it is away, a lost one 4."""
        reach = max(self.slow_over - self.median, 1e-9)
        with np.errstate(invalid="ignore", divide="ignore"):
            times = (np.where(lost, np.inf, latency) - self.median) / reach
            weight = np.clip(1 + np.log2(np.maximum(times, 1e-9)), 1.0, HEAVIEST)
        return np.where(lost | (latency > self.slow_over), weight, 0.0)


def _scores(ascending: Floats, latency: Floats) -> Floats:
    # Mid-ranks: equal latencies, as of a coarse clock, get one score.
    low = np.searchsorted(ascending, latency, "left")
    high = np.searchsorted(ascending, latency, "right")
    return np.asarray(ndtri(np.clip((low + high + 1) / 2 / (len(ascending) + 1), 1e-3, 1 - 1e-3)))


def inflation(scores: Floats) -> float:
    """1 + 2 times the sum of the autocorrelations of ``scores``, at least 1: how many samples say as much as
    an independent one. Summed up to the lag that is 5 times the sum so far (Sokal 1997)."""
    n = len(scores)
    centred = scores - scores.mean()
    variance = float(centred @ centred)
    if n < 8 or variance <= 0:
        return 1.0
    spectrum = np.fft.rfft(centred, 2 * n)
    correlation = np.fft.irfft(spectrum * np.conj(spectrum))[: n // 4] / variance
    running = 2 * np.cumsum(correlation) - 1
    inside = np.flatnonzero(np.arange(len(running)) >= 5 * np.maximum(running, 1.0))
    return max(1.0, float(running[inside[0] if len(inside) else -1]))
