"""Columns to draw, out of the table of samples: what counts, in milliseconds, and thinned without hiding
extremes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.model import NO_STAMP, NOT_COUNTED, SAMPLE_DTYPE, SampleFlag, StimulusFlag
from harness.results import Results

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

INSTANTS = ("intended_ns", "sent_ns", "handed_ns", "arrived_ns", "seen_ns")
GAP_NS = 1_000_000_000
_NOT_SHOWN = NOT_COUNTED | StimulusFlag.SKIPPED | StimulusFlag.UNSENT
_NEITHER = SampleFlag.NOT_SENT | SampleFlag.OPEN | SampleFlag.FALSE_ONSET | SampleFlag.NO_SIGNAL


@dataclass(frozen=True)
class Series:
    """The counted samples of one scenario, in the order in which they were due. All arrays have shape (n,).

    ``time_s`` counts from the first counted stimulus. ``latency_ms`` (from sent) and ``intent_ms`` (from
    intended) are +inf where the answer was lost, late ones included; ``late_ms`` is the latency from intent
    of late answers, NaN elsewhere.
    """

    key: npt.NDArray[np.int64]
    time_s: Floats
    latency_ms: Floats
    intent_ms: Floats
    late_ms: Floats
    lateness_ms: Floats
    lost: Bools
    flags: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.key)


def extract(samples: npt.NDArray[Any], scenario: int) -> Series:
    """The counted samples of the scenario with that number: no warm-up, no probe, sent, outcome known."""
    counted = (
        (samples["scenario"] == scenario)
        & ((samples["stimulus_flags"] & int(_NOT_SHOWN)) == 0)
        & ((samples["flags"] & int(_NEITHER)) == 0)
        & (samples["sent_ns"] != NO_STAMP)
    )
    rows = samples[counted]
    rows = rows[np.argsort(rows["intended_ns"], kind="stable")]
    arrived = rows["arrived_ns"] != NO_STAMP
    lost = ((rows["flags"] & int(SampleFlag.LOST)) != 0) | ~arrived
    # NO_STAMP must not enter a difference: it would wrap around.
    arrival = np.where(arrived, rows["arrived_ns"], rows["sent_ns"])
    latency = (arrival - rows["sent_ns"]) * 1e-6
    intent = (arrival - rows["intended_ns"]) * 1e-6
    start = rows["intended_ns"][0] if len(rows) else 0
    return Series(
        key=rows["key"],
        time_s=(rows["intended_ns"] - start) * 1e-9,
        latency_ms=np.where(lost, np.inf, latency),
        intent_ms=np.where(lost, np.inf, intent),
        late_ms=np.where(lost & arrived, intent, np.nan),
        lateness_ms=(rows["sent_ns"] - rows["intended_ns"]) * 1e-6,
        lost=lost,
        flags=rows["flags"],
    )


def places(results: Results, run: Mapping[str, Any]) -> dict[str, int]:
    """Scenarios of the results and the number that the table of samples calls each by.

    That is its place in run.json; one that was never reached comes after those.
    """
    order = [str(entry.get("name")) for entry in run.get("scenarios") or []]
    order += [name for name in results.scenarios if name not in order]
    return {name: order.index(name) for name in results.scenarios}


@dataclass(frozen=True)
class Envelope:
    """Smallest, middle and largest value in each of at most ``columns`` consecutive groups of samples."""

    time_s: Floats
    low: Floats
    middle: Floats
    high: Floats


def envelope(time_s: Floats, values: Floats, columns: int) -> Envelope:
    """Thin a series without losing an extreme: equal shares of the samples, each reduced to min, median, max.

    ``values`` are finite; both arrays have shape (n,), n >= 1.
    """
    edges = np.linspace(0, len(values), min(columns, len(values)) + 1).astype(np.intp)
    starts = edges[:-1]
    medians = np.array([np.median(values[a:b]) for a, b in zip(starts, edges[1:], strict=True)])
    return Envelope(
        time_s=(time_s[starts] + time_s[edges[1:] - 1]) / 2,
        low=np.minimum.reduceat(values, starts),
        middle=medians,
        high=np.maximum.reduceat(values, starts),
    )


def exceedance_curve(values: Floats, points: int = 1500) -> tuple[Floats, Floats]:
    """Share of all ``values`` that is larger than x, at the finite x: (x, share), x ascending.

    Values of +inf (lost) count but have no x, so that the curve ends at their share. Thinned to about
    ``points`` steps, evenly in the logarithm of the rank, so that the largest values are all there.
    """
    n = len(values)
    finite = np.sort(values[np.isfinite(values)])
    if not len(finite):
        return np.empty(0), np.empty(0)
    if len(finite) > points:
        from_top = np.unique(np.geomspace(1, len(finite), points).astype(np.intp))
        index = len(finite) - from_top[::-1]
    else:
        index = np.arange(len(finite))
    return finite[index], (n - 1 - index) / n


def thin_marks(time_s: Floats, values: Floats, columns: int) -> tuple[Floats, Floats]:
    """Of the marks that would fall on the same of ``columns`` columns of a plot, the one with the largest
    value.
    """
    if len(time_s) <= columns:
        return time_s, values
    span = time_s[-1] - time_s[0] or 1.0
    column = np.minimum(((time_s - time_s[0]) / span * columns).astype(np.intp), columns - 1)
    order = np.lexsort((values, column))
    last = np.append(np.flatnonzero(np.diff(column[order])), len(order) - 1)
    keep = order[last]
    return time_s[keep], values[keep]


def joined(parts: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """The samples of all parts of a resumed series (SAMPLE_DTYPE), for drawing: the instants of earlier parts
    are moved so that each ends a second before the next one begins. Their differences stay what they were."""
    whole = parts[-1] if parts else np.empty(0, SAMPLE_DTYPE)
    for part in reversed(parts[:-1]):
        earlier = part.copy()
        if len(earlier) and len(whole):
            latest = max(int(earlier[name].max()) for name in INSTANTS)
            move = int(whole["intended_ns"].min()) - GAP_NS - latest
            for name in INSTANTS:
                earlier[name][earlier[name] != NO_STAMP] += move
        whole = np.concatenate([earlier, whole])
    return whole
