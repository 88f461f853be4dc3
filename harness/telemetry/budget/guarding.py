"""The guard band of a budget: what the clock and the measuring itself may have done to a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from harness.analysis.uncertainty import clock_drift, combine, resolution
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.tally import Edges

SLEW_PPM = 500.0
"""Largest rate by which the kernel steers CLOCK_MONOTONIC, adjtimex(2)."""
LOOPBACK = 10_000
"""Idle calls that are measured, once in a process: about two milliseconds."""
RANK = LOOPBACK - 9
"""Which of them, in ascending order, is J: being interrupted once or twice must not make it."""


@dataclass(frozen=True)
class OwnFloor:
    """J in seconds: the ``rank``-th smallest of ``n`` times that measuring a function which does nothing
    took."""

    value: float
    rank: int
    n: int


@lru_cache(maxsize=1)
def own_floor() -> OwnFloor:
    """What measuring adds to a time, measured now with nothing in it; the same from then on."""
    clock = time.perf_counter

    def idle() -> None:
        return None

    function: Callable[[], None] = idle
    found = []
    for _ in range(LOOPBACK):
        begun = clock()
        function()
        found.append(clock() - begun)
    return OwnFloor(sorted(found)[RANK - 1], RANK, LOOPBACK)


def uncertainty(limits: Limits, limit: float) -> float:
    """U, two-sided, in what values are kept in: of a time the steering and the steps of the clock, else 0."""
    if not limits.is_time:
        return 0.0
    step_ms = time.get_clock_info("perf_counter").resolution * 1e3
    items = [
        clock_drift(SLEW_PPM, abs(limit) * limits.factor * 1e3, "adjtimex(2): at most 500 ppm of the limit"),
        resolution(step_ms, "step of CLOCK_MONOTONIC at the start"),
        resolution(step_ms, "step of CLOCK_MONOTONIC at the end"),
    ]
    return combine(items).expanded_ms / 1e3


def edges_of(limits: Limits) -> list[Edges]:
    """The thresholds of the upper and of the lower limit, of those that there are, see guard.py.

    What measuring adds makes a time look longer: FAIL of an upper limit and PASS of a lower one bear it.
    """
    found = []
    added = own_floor().value if limits.is_time and limits.judged else 0.0
    if limits.upper is not None:
        limit, u = limits.upper * limits.factor, uncertainty(limits, limits.upper)
        found.append(Edges(1, limit - u, limit, limit + u + added))
    if limits.lower is not None:
        limit, u = limits.lower * limits.factor, uncertainty(limits, limits.lower)
        found.append(Edges(-1, -(limit + u + added), -limit, -(limit - u)))
    return found
