"""What a detector says, and what all detectors are told."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]


class Kind(str, enum.Enum):
    """What is unusual."""

    DRIFT = "drift"
    """The level: latencies in the middle of the distribution are longer or shorter than they were."""
    TAIL = "tail"
    """The tail: a larger or smaller share of samples is slow, while the level stays."""
    BURST = "burst"
    """Slow or lost samples in a row."""
    PERIODIC = "periodic"
    """Slow samples that come back with a period."""


@dataclass(frozen=True)
class Anomaly:
    """One finding. ``begin_s``, ``end_s``: of the stretch, in seconds of the series; ``end_s`` moves on while
    ``open`` (it had not ended with the last sample). ``found_s``: when it was known.

    ``size``: of a drift the change of the median in ms; of a tail the factor by which the share of slow
    samples changed; of a burst the longest latency in ms (inf: all were lost); of periodic stalls the median
    of their slow samples over the level, in ms. ``slow``: slow samples within, those that were ``lost``
    included. ``confidence``: 1 - the probability that a clean run shows one like it.
    """

    kind: Kind
    begin_s: float
    end_s: float
    found_s: float
    size: float
    confidence: float
    open: bool = False
    period_ms: float | None = None
    threshold_ms: float | None = None
    slow: int = 0
    lost: int = 0

    def overlaps(self, other: Anomaly) -> bool:
        """Whether both speak of the same stretch."""
        return self.begin_s <= other.end_s and other.begin_s <= self.end_s


class Batch(NamedTuple):
    """Samples in order, after calibration: arrays of shape (n,). ``latency``: in ms, inf where lost;
    ``slow``: how slow, 0 for a sample that is not (see :meth:`Reference.slowness`)."""

    time: Floats
    latency: Floats
    lost: Bools
    slow: Floats


def share_of_budget(alpha: float, step: int) -> float:
    """The part of a false-alarm budget ``alpha`` that the ``step``-th decision (from 1) may use.

    Proportional to 1 / (m ln² m) with m = step + 9, which sums to less than ``alpha`` over all steps:
    whatever the length of the run, and without knowing it (alpha spending; Lan & DeMets 1983).
    """
    m = step + 9.0
    return alpha * 2.25 / (m * math.log(m) ** 2)
