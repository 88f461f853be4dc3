"""Latencies by time, in bounded memory: what a heat map of a run is drawn from."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from math import floor, inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import counted, latency_ms
from harness.config.schema import RigFile
from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.budget.limits import SECONDS_PER

MOST = 60
FIRST_S = 0.25
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """A limit to draw: of one requirement, in seconds. ``what``: the statistic that it is on, ``p99`` or
    ``mean``."""

    requirement: str
    what: str
    limit_s: float
    limit_is: str


def lines_of(rig: RigFile) -> dict[str, list[Line]]:
    """By scenario, every limit on its latency."""
    found: dict[str, list[Line]] = {}
    for asked in rig.requirements:
        if asked.quantity == "latency":
            what = asked.statistic if asked.quantile is None else f"p{100 * asked.quantile:g}"
            limit_s = asked.limit * SECONDS_PER[asked.unit]
            found.setdefault(asked.scenario, []).append(Line(asked.id, str(what), limit_s, asked.limit_is))
    return found


def lost_s(rig: RigFile, scenario: str, lines: list[Line]) -> float:
    """Where an unanswered stimulus is drawn: at the timeout, at least at twice the highest limit."""
    timeout_s: float = rig.scenarios[scenario].timeout_ms * 1e-3
    return max(timeout_s, *(2 * each.limit_s for each in lines))


@dataclass(frozen=True)
class Shown:
    """Columns as they were at one moment: ``columns[i]`` has what was due from ``i * width_s`` on, in seconds
    after the first. ``total``: values in all."""

    width_s: float
    columns: list[Buckets]
    total: int


class TimeColumns:
    """At most 60 columns of equal width from the first value on. When there would be more, neighbours are
    merged and columns are twice as wide, so that a run is shown from its beginning. Safe for threads."""

    def __init__(self, first_s: float = FIRST_S) -> None:
        self._lock = threading.Lock()
        self._width_s = first_s
        self._origin_s = inf
        self._columns: dict[int, Buckets] = {}

    def add(self, at_s: Floats, values: Floats) -> None:
        """Count ``values``, shape (n,), that were due at ``at_s``, shape (n,); both in seconds. What is
        earlier than the very first counts with it."""
        if not len(values):
            return
        with self._lock:
            if self._origin_s == inf:
                self._origin_s = float(at_s.min())
            after = np.maximum(at_s - self._origin_s, 0.0)
            while floor(float(after.max()) / self._width_s) >= MOST:
                self._merge()
            where = np.floor(after / self._width_s).astype(np.int64)
            for index in np.unique(where).tolist():
                self._columns.setdefault(index, Buckets()).add(values[where == index])

    def _merge(self) -> None:
        self._width_s *= 2
        merged: dict[int, Buckets] = {}
        for index, column in self._columns.items():
            if index >> 1 in merged:
                merged[index >> 1].merge(column)
            else:
                merged[index >> 1] = column
        self._columns = merged

    def shown(self) -> Shown:
        """What there is now; empty columns between others are there."""
        with self._lock:
            last = max(self._columns, default=-1)
            columns = [self._columns.get(index, Buckets()).copy() for index in range(last + 1)]
            return Shown(self._width_s, columns, sum(each.total for each in columns))


def columns_of(samples: NDArray[Any], lost: float) -> TimeColumns:
    """Columns of the samples of one scenario (``SAMPLE_DTYPE``), by the latency from intent; those that do
    not count are left out. ``lost``: what an unanswered one is drawn at, in seconds."""
    made = TimeColumns()
    samples = samples[counted(samples)]
    values = latency_ms(samples, "intended_ns") * 1e-3
    known = ~np.isnan(values)
    values = np.where(np.isinf(values), lost, values)
    made.add(samples["intended_ns"][known] * 1e-9, values[known])
    return made
