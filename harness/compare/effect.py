"""How large a difference is, beside whether one was shown: probability of superiority, and distances between
whole distributions. Lost samples are the largest values of all, two lost ones a tie."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.compare.sides import Interval, Pair, Side, between, percentiles

Floats = NDArray[np.float64]

NEGLIGIBLE, SMALL, MEDIUM = 0.147, 0.33, 0.474
"""Bounds of |Cliff's delta|: Romano, Kromrey, Coraggio, Skowronek, FAIR 2006."""


@dataclass(frozen=True)
class Effect:
    """``superiority``: the chance that a sample of B is slower than one of A, ties by halves (Vargha &
    Delaney 2000); 0.5 is no effect. ``kolmogorov``: largest distance of the distribution functions.
    ``wasserstein_ms``: area between them, the mean distance that values have to be moved by, lost ones taken
    at ``lost_at_ms``."""

    superiority: Interval
    kolmogorov: Interval
    wasserstein_ms: Interval
    lost_at_ms: float

    @property
    def cliffs_delta(self) -> Interval:
        """2 x superiority - 1 (Cliff 1993): -1 to 1."""
        one = self.superiority
        return Interval(2 * one.estimate - 1, 2 * one.low - 1, 2 * one.high - 1)

    @property
    def size(self) -> str:
        """The effect in a word: negligible, small, medium, large."""
        delta = abs(self.cliffs_delta.estimate)
        for word, bound in (("negligible", NEGLIGIBLE), ("small", SMALL), ("medium", MEDIUM)):
            if delta < bound:
                return word
        return "large"


def effect(pair: Pair, lost_at_ms: float, alpha: float) -> Effect:
    """All of them, each interval with error ``alpha``. ``lost_at_ms``: what a lost sample counts as in an
    area, the timeout: it took at least so long.

    Distances cannot be negative, and those of resampled copies are too large where the truth is near 0. So
    their intervals rest on the triangle inequality: a distance between truths differs from the observed one
    by at most the distance between the errors of both, whose size the resampled copies tell.
    """
    at = pair.thresholds
    a, b = pair.a.levels(at), pair.b.levels(at)
    of_a, of_b = pair.a.deviations(at), pair.b.deviations(at)
    apart = np.abs(of_b - of_a)
    widths = np.diff(np.append(at, max(lost_at_ms, at[-1]) if len(at) else lost_at_ms))
    return Effect(
        superiority=_superiority(pair, a, b, of_a, of_b, alpha),
        kolmogorov=_distance(float(np.abs(b - a).max(initial=0.0)), apart.max(axis=1, initial=0.0), alpha, 1),
        wasserstein_ms=_distance(float(np.abs(b - a) @ widths), apart @ widths, alpha, np.inf),
        lost_at_ms=lost_at_ms,
    )


def _distance(estimate: float, errors: Floats, alpha: float, largest: float) -> Interval:
    reach = float(np.quantile(errors, 1 - alpha)) if len(errors) else 0.0
    return Interval(estimate, max(0.0, estimate - reach), min(largest, estimate + reach))


def _superiority(
    pair: Pair, a: Floats, b: Floats, of_a: NDArray[np.float32], of_b: NDArray[np.float32], alpha: float
) -> Interval:
    estimate = float(chance_larger(a, b))
    low, high = percentiles(chance_larger(a + of_a, b + of_b), alpha)
    half = between(
        _by_run(pair.a, pair.thresholds, lambda one: chance_larger(one, b)),
        _by_run(pair.b, pair.thresholds, lambda one: chance_larger(a, one)),
        alpha,
    )
    if half is not None:
        low, high = min(low, estimate - half), max(high, estimate + half)
    return Interval(estimate, max(0.0, min(low, estimate)), min(1.0, max(high, estimate)))


def _by_run(side: Side, at: Floats, of: object) -> Floats:
    assert callable(of)
    return np.array([float(of(each.shares(at))) for each in side.runs])


def chance_larger(a: Floats, b: Floats) -> Floats:
    """P(B > A) + P(B = A)/2 of distribution functions at the same thresholds, shape (.., thresholds); what
    lies beyond the last threshold is lost. Values between two thresholds count as ties."""
    edge = np.zeros((*a.shape[:-1], 1))
    below = np.concatenate([edge, a], axis=-1)
    up_to = np.concatenate([a, edge + 1], axis=-1)
    mass = np.diff(np.concatenate([edge, b, edge + 1], axis=-1), axis=-1)
    return np.asarray((mass * (below + up_to)).sum(axis=-1) / 2)
