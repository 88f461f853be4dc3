"""Which answers are slow, by how much, and in which stage."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import NS_PER_MS, counted, has
from harness.analysis.timebase import Timebase
from harness.model import NO_STAMP, SampleFlag, StimulusFlag

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

LEAST_MS = 0.3
"""An answer that is slower than the median by less than this is not called slow."""
LEAST_OF_LIMIT = 0.05
SPREADS = 3.0
"""Nor one within so many times the distance of the median and the third quartile."""
TAIL = 0.05
WAY_BACK = "way back"
"""From the device's own stamp of an answer to its arrival, where a device stamps."""
USABLE = 0.9


@dataclass(frozen=True)
class Slow:
    """The stimuli that count, in order of their planned instants; all arrays (n,).

    ``begin_ns``, ``end_ns``: from the plan to the arrival, or to where it was given up; ``latency_ms``: from
    intent, +inf where lost, NaN where skipped; ``excess_ms``: beyond the median, of a lost one up to its
    timeout, of a skipped one half a period. ``slow``: the tail that is looked at. ``stages``: share of the
    tail's excess by stage.
    """

    begin_ns: NDArray[np.int64]
    end_ns: NDArray[np.int64]
    latency_ms: Floats
    excess_ms: Floats
    slow: Booleans
    middle_ms: float
    threshold_ms: float
    stages: dict[str, float]

    @property
    def mean_excess_ms(self) -> float:
        """Of the slow ones."""
        return float(self.excess_ms[self.slow].mean()) if self.slow.any() else 0.0


def find_slow(
    samples: NDArray[Any],
    timeout_ms: float,
    limit_ms: float | None,
    quantile: float | None,
    observed: NDArray[Any] | None = None,
    timebase: Timebase | None = None,
) -> Slow | None:
    """The slow ones among ``samples`` (SAMPLE_DTYPE); None without an answer.

    Slow: among the slowest max(5 %, 1 - ``quantile``), and slower than the median by at least 0.3 ms, 5 % of
    the limit, and three times the distance from the median to the third quartile. ``observed``: rows of the
    response port, whose device stamps split the last stage.
    """
    rows = samples[counted(samples)]
    skipped = (rows["stimulus_flags"] & StimulusFlag.SKIPPED) != 0
    lost = has(rows, SampleFlag.LOST)
    answered = (rows["arrived_ns"] != NO_STAMP) & ~lost
    keep = skipped | lost | answered
    rows, skipped, lost, answered = rows[keep], skipped[keep], lost[keep], answered[keep]
    if not answered.any():
        return None
    order = np.argsort(rows["intended_ns"], kind="stable")
    rows, skipped, lost, answered = rows[order], skipped[order], lost[order], answered[order]
    begin = rows["intended_ns"].astype(np.int64)
    half_ns = int(np.median(np.diff(begin)) / 2) if len(begin) > 1 else 0
    end = np.where(answered, rows["arrived_ns"], begin + round(timeout_ms * NS_PER_MS)).astype(np.int64)
    end[skipped] = begin[skipped] + half_ns
    latency = (end - begin) / NS_PER_MS
    middle = float(np.median(latency[answered]))
    excess = np.maximum(latency - middle, 0.0)
    excess[skipped] = half_ns / NS_PER_MS
    spread = float(np.quantile(latency[answered], 0.75)) - middle
    least = max(LEAST_MS, LEAST_OF_LIMIT * (limit_ms or 0.0), SPREADS * spread)
    share = max(TAIL, 1.0 - quantile if quantile is not None else 0.0)
    threshold = max(float(np.quantile(excess, 1.0 - share)), least)
    slow = excess >= threshold
    return Slow(
        begin_ns=begin,
        end_ns=end,
        latency_ms=np.where(answered, latency, np.where(skipped, np.nan, np.inf)),
        excess_ms=excess,
        slow=slow,
        middle_ms=middle,
        threshold_ms=middle + threshold,
        stages=_stages(rows, slow & answered, answered, latency, _stamped(rows, observed, timebase)),
    )


def _stamped(rows: NDArray[Any], observed: NDArray[Any] | None, timebase: Timebase | None) -> Floats | None:
    """When the device says that it answered, in ns of CLOCK_MONOTONIC; NaN where it does not. None where it
    mostly does not, or copies what it was sent."""
    if observed is None or timebase is None or not len(observed):
        return None
    table = observed[np.argsort(observed["seen_ns"], kind="stable")]
    place = np.minimum(np.searchsorted(table["seen_ns"], rows["seen_ns"]), len(table) - 1)
    found = table[place]
    same = (found["seen_ns"] == rows["seen_ns"]) & (rows["arrived_ns"] != NO_STAMP)
    when = timebase.convert(
        found["stamp_ns"].astype(np.int64), found["stamp_clock"], found["seen_ns"].astype(np.int64)
    )
    inside = (when.instant_ns > rows["sent_ns"]) & (when.instant_ns < rows["arrived_ns"])
    good = same & when.usable & inside
    if good.sum() < USABLE * max(1, same.sum()):
        return None
    return np.where(good, when.instant_ns.astype(np.float64), np.nan)


def _stages(
    rows: NDArray[Any], slow: Booleans, answered: Booleans, latency: Floats, stamped: Floats | None
) -> dict[str, float]:
    """Share of the excess by stage: its mean in the slow ones less its mean around the median, of the whole
    alike; they add up to 1 (harness.analysis.hops.tail tells why means)."""
    if not slow.any():
        return {}
    low, high = np.quantile(latency[answered], [0.4, 0.6])
    middle = answered & ~slow & (latency >= low) & (latency <= high)
    handed = np.minimum(rows["handed_ns"], rows["arrived_ns"])
    parts = {
        "lateness": rows["sent_ns"] - rows["intended_ns"],
        "hand-over": handed - rows["sent_ns"],
        "robot and transport": rows["arrived_ns"] - handed,
    }
    if stamped is not None:
        known = ~np.isnan(stamped)
        slow, middle = slow & known, middle & known
        instant = np.where(known, stamped, 0).astype(np.int64)
        parts["robot and transport"] = np.maximum(instant, handed) - handed
        parts[WAY_BACK] = rows["arrived_ns"] - np.maximum(instant, handed)
    if not slow.any() or not middle.any():
        return {}
    excess = {name: float(each[slow].mean() - each[middle].mean()) for name, each in parts.items()}
    whole = sum(excess.values())
    return {name: value / whole for name, value in excess.items()} if whole > 0 else {}
