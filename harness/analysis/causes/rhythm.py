"""Rhythms: slow answers that come in a period of their own, and answers that come on a grid.

Rayleigh's test for a period unknown beforehand: with R = |mean exp(2 pi i t / T)| over m instants, m R^2 is
exponential where there is none, and the smallest of p = exp(-m R^2) over the N periods tried is taken N times
(Mardia and Jupp, Directional Statistics, 2000, 6.3; Scargle, ApJ 263, 1982, for the number of periods).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.causes.slow import Slow

Floats = NDArray[np.float64]

SHORTEST_S, LONGEST_S = 0.02, 2.0
LEAST_EVENTS = 10
LEAST_R = 0.75
LEAST_P = 1e-6
LEAST_KEPT = 0.35
"""Of the periods of the run at least so many have a slow answer."""
GRID_MS = range(2, 256)
"""A USB serial adapter's latency timer is a whole number of ms up to 255."""
GRID_R, SENT_R = 0.85, 0.4
GRID_SEGMENT_S = 1.0
MOST_EVENTS = 2000
MOST_ANSWERS = 20_000
"""Of more answers a share of the segments, evenly spread, tells whether they come on a grid."""
BLOCK = 512
"""So many rates are tried at once."""


@dataclass(frozen=True)
class Period:
    """A period of the slow answers: how strongly they keep to it (R, 0 to 1), p, and in which share of the
    run's periods there is one."""

    ms: float
    r: float
    p: float
    kept: float
    events: int


@dataclass(frozen=True)
class Grid:
    """All answers arrive at multiples of ``ms``, but for a phase; R of the arrivals."""

    ms: float
    r: float


def events_of(slow: Slow) -> Floats:
    """Instants in s at which a run of slow answers ends, each the arrival of its slowest."""
    chosen = np.flatnonzero(slow.slow & np.isfinite(slow.latency_ms))
    if not len(chosen):
        return np.zeros(0)
    ends, excess = slow.end_ns[chosen], slow.excess_ms[chosen]
    # A new run begins with a stimulus that was planned after all earlier answers had come.
    latest = np.maximum.accumulate(ends)
    fresh = np.concatenate([[True], slow.begin_ns[chosen][1:] > latest[:-1]])
    number = np.cumsum(fresh) - 1
    order = np.lexsort((-excess, number))
    firsts = order[np.concatenate([[True], np.diff(number[order]) > 0])]
    found: Floats = (ends[firsts] - slow.begin_ns[0]) * 1e-9
    return found


def find_period(slow: Slow) -> Period | None:
    """The period of the slow answers; None where they have none."""
    events = events_of(slow)[:MOST_EVENTS]
    if len(events) < LEAST_EVENTS:
        return None
    span = float(events[-1] - events[0])
    if span < 4 * SHORTEST_S:
        return None
    rates = np.arange(1.0 / LONGEST_S, 1.0 / SHORTEST_S, 0.2 / span)
    strength = strengths(events, rates)
    # Multiples of a rate fit as well as it does: the slowest of them is the period.
    best = int(np.flatnonzero(strength >= 0.93 * strength.max())[0])
    near = slice(max(0, best - 5), best + 6)
    best = near.start + int(strength[near].argmax())
    finer = rates[best] + np.linspace(-0.2, 0.2, 81) / span
    closer = strengths(events, finer)
    rate, r = float(finer[closer.argmax()]), float(closer.max())
    p = min(1.0, len(rates) * float(np.exp(-len(events) * r * r)))
    kept = len(events) / (span * rate + 1.0)
    if r < LEAST_R or p > LEAST_P or kept < LEAST_KEPT:
        return None
    return Period(ms=1e3 / rate, r=r, p=p, kept=min(1.0, kept), events=len(events))


def strengths(events: Floats, rates: Floats) -> Floats:
    """R of ``events`` (m,), in s, at each of ``rates`` (k,), equally far apart, in Hz; shape (k,).

    exp(2 pi i (a + b) t) is the product of two: those of BLOCK rates at once are one matrix times that of
    the first of each block. A run of an hour has a million rates to try.
    """
    step = rates[1] - rates[0] if len(rates) > 1 else 0.0
    within = np.exp(2j * np.pi * step * np.arange(BLOCK)[:, None] * events)
    found = np.empty(-(-len(rates) // BLOCK) * BLOCK)
    firsts = rates[::BLOCK]
    for start in range(0, len(firsts), BLOCK):
        begins = np.exp(2j * np.pi * firsts[start : start + BLOCK, None] * events)
        part = np.abs(begins @ within.T).ravel()
        found[start * BLOCK : start * BLOCK + len(part)] = part
    return found[: len(rates)] / len(events)


def find_grid(slow: Slow) -> Grid | None:
    """The coarsest grid of whole ms that the answers arrive on while they were not sent on it; None."""
    known = np.isfinite(slow.latency_ms)
    if known.sum() < 100:
        return None
    arrived = (slow.end_ns[known] - slow.begin_ns[0]) * 1e-6
    sent = (slow.begin_ns[known] - slow.begin_ns[0]) * 1e-6
    segment = (sent // (1e3 * GRID_SEGMENT_S)).astype(int)
    if (every := -(-len(sent) // MOST_ANSWERS)) > 1:
        chosen = segment % every == 0
        arrived, sent, segment = arrived[chosen], sent[chosen], segment[chosen] // every
    for step in reversed(GRID_MS):
        if _strength(arrived, segment, step) >= GRID_R and _strength(sent, segment, step) <= SENT_R:
            return Grid(float(step), _strength(arrived, segment, step))
    return None


def _strength(instants_ms: Floats, segment: NDArray[np.int64], step: float) -> float:
    """R within segments of a second, so that a timer that runs a little wrong does not blur it."""
    turns = np.exp(2j * np.pi * instants_ms / step)
    counts = np.bincount(segment)
    sums = np.abs(np.bincount(segment, turns.real) + 1j * np.bincount(segment, turns.imag))
    full = counts >= 20
    return float(sums[full].sum() / counts[full].sum()) if full.any() else 0.0
