"""Do the largest samples come in clusters? Pair counts, and a gate whose level is calibrated.

A set of k of n positions is described by N_H, the number of its pairs at distance 1..H. Were its members
spread at random, the expected number would be E_H(k) = k (k - 1) H (n - (H + 1)/2) / (n (n - 1)): that many
pairs of positions are within H, and each of them is in the set with probability k (k - 1) / (n (n - 1)).
Bursts raise it. The gate takes the smallest p-value over H = 1, 2, 4 .. 512 and calibrates that minimum
itself, so that its level is right although ten distances are looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.special import gammaincc, ndtr

Positions = NDArray[np.int64]
Floats = NDArray[np.float64]

SUBSETS = 2000
"""Random subsets that the gate is calibrated with."""
MANY_PAIRS = 10.0
"""From so many expected neighbours (H = 1) on, the gate uses the limit distribution instead of subsets."""
LARGE_SET = 200
"""Smallest set that the limit distribution is used for."""
LIMIT_DRAWS = 20_000
SEED = 20260131
GATE_LONGEST = 512
WIDTH_LONGEST = 1024


@dataclass(frozen=True)
class Gate:
    """What the gate found: ``p`` of the whole look, ``distance`` H with the smallest p-value of its own,
    ``pairs`` there and ``expected`` there. ``how``: what it was calibrated with."""

    p: float
    distance: int
    pairs: int
    expected: float
    how: str


SEARCHED = 100
"""From so many samples a member on, pairs are counted by looking them up."""


def dyadic(longest: float) -> tuple[int, ...]:
    """1, 2, 4 .. up to ``longest``; none below 1."""
    return tuple(2**i for i in range(max(0, int(longest).bit_length()))) if longest >= 1 else ()


def gate_distances(n: int) -> tuple[int, ...]:
    """Distances of the gate: 1, 2, 4 .. 512, at most n/20."""
    return dyadic(min(GATE_LONGEST, n / 20))


def width_distances(n: int) -> tuple[int, ...]:
    """Distances that variances are measured at: 1, 2, 4 .. 1024, at most n/50."""
    return dyadic(min(WIDTH_LONGEST, n / 50))


def pair_counts(positions: Positions, distances: tuple[int, ...], n: int) -> Positions:
    """N_H of the ascending ``positions`` (0..n-1), one for each of ``distances``; O(n + k) each, or
    O(k log k) where n is large against k."""
    k = len(positions)
    if k == 0 or not distances:
        return np.zeros(len(distances), dtype=np.int64)
    reach = distances[-1]
    if n > SEARCHED * k:
        # Few in many: looked up, so that the memory goes with the members and not with n.
        first = np.arange(1, k + 1)
        return np.array(
            [int((np.searchsorted(positions, positions + h, "right") - first).sum()) for h in distances],
            dtype=np.int64,
        )
    # up_to[i] = members before position i; one beyond the end for every distance.
    member = np.zeros(n + reach + 1, dtype=np.int32)
    member[positions + 1] = 1
    up_to = np.cumsum(member, dtype=np.int64)
    here = int(up_to[positions + 1].sum())
    return np.array([int(up_to[positions + h + 1].sum()) - here for h in distances], dtype=np.int64)


def expected_pairs(k: int, distance: int, n: int) -> float:
    """E_H(k), see above."""
    return k * (k - 1) * distance * (n - (distance + 1) / 2) / (n * (n - 1)) if n > 1 else 0.0


def inflation(positions: Positions, n: int) -> tuple[float, int]:
    """By how much clustering inflates the variance of the number of members, at least 1; and at which H.

    1 + 2 (N_H - E_H) / (k (1 - k/n)): the sum of the autocorrelations of the indicator up to lag H, largest
    over dyadic H. (1, 0) where it cannot be measured: no member, or nothing but members.
    """
    k, distances = len(positions), width_distances(n)
    if k in (0, n) or not distances:
        return 1.0, 0
    counts = pair_counts(positions, distances, n)
    widths = [
        1 + 2 * (int(c) - expected_pairs(k, h, n)) / (k * (1 - k / n))
        for c, h in zip(counts, distances, strict=True)
    ]
    best = int(np.argmax(widths))
    return (float(widths[best]), distances[best]) if widths[best] > 1 else (1.0, 0)


def gate(positions: Positions, n: int) -> Gate:
    """Are the ascending ``positions`` clustered? ``p`` = 1 where there is nothing to see (k < 2, k = n, or n
    below 20)."""
    k, distances = len(positions), gate_distances(n)
    if k < 2 or k == n or not distances:
        return Gate(1.0, 0, 0, 0.0, "not looked at: too few samples")
    counts = pair_counts(positions, distances, n)
    if k >= LARGE_SET and k * k / n >= MANY_PAIRS:
        own = _limit_tails(counts, distances, k, n)
        minima, how = _limit_minima(distances, k, n), "the limit distribution of the pair counts"
    else:
        columns, minima = _calibration(n, k)
        own = np.array([_tail(column, int(count)) for column, count in zip(columns, counts, strict=True)])
        how = f"{SUBSETS} random subsets of the same size"
    best = int(np.argmin(own))
    p = (1 + int(np.searchsorted(minima, own[best] * (1 + 1e-12), side="right"))) / (len(minima) + 1)
    return Gate(p, distances[best], int(counts[best]), expected_pairs(k, distances[best], n), how)


def _tail(ascending: Positions, count: int) -> float:
    """Permutation p-value: the share of subsets with at least ``count`` pairs, the observed one among
    them."""
    reached = len(ascending) - int(np.searchsorted(ascending, count, side="left"))
    return (1 + reached) / (len(ascending) + 1)


@lru_cache(maxsize=32)
def _calibration(n: int, k: int) -> tuple[NDArray[np.int32], Floats]:
    """Per distance the ascending pair counts of random subsets, and the ascending smallest p-values.

    Depends on n and k alone: the seed is fixed, so that a verdict is the same whenever it is derived.
    """
    distances = gate_distances(n)
    rng = np.random.default_rng((SEED, n, k))
    counts = _dense(rng, n, k, distances) if k * GATE_LONGEST > 8 * n else _sparse(rng, n, k, distances)
    columns = np.sort(counts, axis=1)
    # Every subset against all of them: how many have at least as many pairs, itself included.
    tails = np.empty(counts.shape)
    for column, row, out in zip(columns, counts, tails, strict=True):
        out[:] = (SUBSETS - np.searchsorted(column, row, side="left")) / (SUBSETS + 1)
    return columns, np.sort(tails.min(axis=0))


def _subset(rng: np.random.Generator, n: int, k: int) -> Positions:
    # For few of many, drawing again is cheaper than a permutation.
    if k * 20 > n:
        return rng.permutation(n)[:k]
    return rng.choice(n, k, replace=False, shuffle=False)


def _dense(rng: np.random.Generator, n: int, k: int, distances: tuple[int, ...]) -> NDArray[np.int32]:
    counts = np.empty((len(distances), SUBSETS), dtype=np.int32)
    for column in range(SUBSETS):
        counts[:, column] = pair_counts(np.sort(_subset(rng, n, k)), distances, n)
    return counts


def _sparse(rng: np.random.Generator, n: int, k: int, distances: tuple[int, ...]) -> NDArray[np.int32]:
    """All subsets end to end, further apart than the longest distance; then neighbour by neighbour."""
    reach, span = distances[-1], n + distances[-1] + 1
    drawn = np.sort(np.stack([_subset(rng, n, k) for _ in range(SUBSETS)]).astype(np.int64), axis=1)
    line = (drawn + np.arange(SUBSETS, dtype=np.int64)[:, None] * span).ravel()
    counts = np.zeros((SUBSETS, len(distances) + 1), dtype=np.int64)
    start, step = np.arange(len(line)), 1
    edges = np.array(distances)
    while len(start):
        start = start[start + step < len(line)]
        gap = line[start + step] - line[start]
        near = gap <= reach
        start, gap = start[near], gap[near]
        cell = (start // k) * counts.shape[1] + np.searchsorted(edges, gap)
        counts += np.bincount(cell, minlength=counts.size).reshape(counts.shape)
        step += 1
    cumulated: NDArray[np.int32] = np.cumsum(counts[:, :-1], axis=1).T.astype(np.int32)
    return cumulated


def _limit_tails(counts: Positions, distances: tuple[int, ...], k: int, n: int) -> Floats:
    """P(N_H >= count) for large sets, by gamma distributions with the three moments of :func:`_moments`."""
    out = np.empty(len(distances))
    covariance, third = _moments(distances, k, n)
    for i, (count, h) in enumerate(zip(counts, distances, strict=True)):
        spread = sqrt(covariance[i, i])
        z = (int(count) - 0.5 - expected_pairs(k, h, n)) / spread
        shape = 4 * spread**6 / third[i] ** 2 if third[i] > 0 else np.inf
        out[i] = ndtr(-z) if shape > 1e8 else gammaincc(shape, max(0.0, shape + z * sqrt(shape)))
    return out


def _moments(distances: tuple[int, ...], k: int, n: int) -> tuple[Floats, Floats]:
    """Covariances over the distances, and third central moments, of N_H of a large random set.

    With p = k/n, s = p (1 - p) and y = x - p, N_H for a fixed k is a constant plus two uncorrelated parts:
    sum of y_i y_j over the pairs within H, whose terms are uncorrelated (variance s^2 each; so that it grows
    with H like a random walk), and, because positions near the ends have fewer neighbours, -p sum of d_i y_i
    with the deficits d = H, H-1 .. 1 at either end. Third moments: triangles, single pairs, and pairs near
    the ends.
    """
    p = k / n
    s = p * (1 - p)
    h = np.array(distances, dtype=np.float64)
    low, high = np.minimum.outer(h, h), np.maximum.outer(h, h)
    pairs = low * (n - (low + 1) / 2)
    # Sum over one end of d_i(low) d_i(high), both ends, less the mean.
    deficits = low * (low + 1) * (3 * high - low + 1) / 3
    deficits -= low * (low + 1) * high * (high + 1) / n
    covariance = pairs * s**2 + p**2 * s * deficits
    single = h * (n - (h + 1) / 2)
    third = 3 * n * h * (h - 1) * s**3 + single * s**2 * (1 - 2 * p) ** 2 + 1.5 * p**2 * s**2 * h**4
    return covariance, third


@lru_cache(maxsize=32)
def _limit_minima(distances: tuple[int, ...], k: int, n: int) -> Floats:
    """Ascending smallest p-values over the distances, in the limit of many pairs."""
    rng = np.random.default_rng((SEED, n, k))
    covariance, _ = _moments(distances, k, n)
    spread = np.sqrt(np.diag(covariance))
    root = np.linalg.cholesky(covariance / np.outer(spread, spread))
    drawn = rng.standard_normal((LIMIT_DRAWS, len(distances))) @ root.T
    return np.sort(ndtr(-drawn.max(axis=1)))
