"""How well a simulated rig foretells the real one: one accuracy beside the differences and distances.

Accuracy: the share of real trials whose outcome the simulation foretold. Trials of the two runs have no
pairs, so they are matched by rank: the fastest with the fastest, the lost with the lost. A real trial was
foretold when the simulated latency of its rank is within a tolerance of it, or both are lost. A simulation
that is right on the mean and too narrow, or too wide, scores lower by that.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.compare.runs import Chosen
from harness.compare.sides import Interval, Pair, Side, percentiles
from harness.compare.traces import Traces, traces

Floats = NDArray[np.float64]

INDICATOR = "simulation.sim_to_real_accuracy"
"""The budget of the catalogue that the accuracy is an observation of, in per cent."""
LEVELS = 200
DRAWS = 400
"""So many resampled copies are enough for an interval at 95 %."""


@dataclass(frozen=True)
class Foretold:
    """``accuracy`` as a share with its interval, ``tolerance`` as a share of the real latency; ``traces`` of
    signals where both runs have them."""

    accuracy: Interval
    tolerance: float
    traces: Traces | None


def foretold(chosen: Chosen, scenario: str, pair: Pair, alpha: float, tolerance: float) -> Foretold:
    """Of ``pair``, real runs on side A and simulated ones on side B."""
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    real, simulated = (_quantiles(side, at) for side in (pair.a, pair.b))
    estimate = float(share_within(real[0], simulated[0], tolerance))
    low, high = percentiles(share_within(real[1], simulated[1], tolerance), alpha)
    accuracy = Interval(estimate, min(low, estimate), max(high, estimate))
    return Foretold(accuracy, tolerance, traces(chosen.a[0], chosen.b[0], scenario))


def _quantiles(side: Side, at: Floats) -> tuple[Floats, Floats]:
    """At every level: of the values, shape (levels,), and of resampled copies, shape (DRAWS, levels)."""
    whole = np.array([side.estimates(float(q)).mean() for q in at])
    return whole, np.stack([side.draws(float(q), DRAWS) for q in at], axis=1)


def share_within(real: Floats, simulated: Floats, tolerance: float) -> Floats:
    """Share of the last axis in which ``simulated`` is within ``tolerance`` (a share) of ``real``; two lost
    ones agree, one of two does not."""
    with np.errstate(invalid="ignore"):
        near = np.abs(simulated - real) <= tolerance * np.abs(real)
    lost = np.isinf(real), np.isinf(simulated)
    return np.asarray(np.where(lost[0] | lost[1], lost[0] & lost[1], near).mean(axis=-1))
