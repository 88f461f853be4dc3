"""The uncertainty budget of each requirement, from facts of the rig file and the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.clocks import Clocks, DeviceClock
from harness.analysis.evidence import MS_PER_UNIT
from harness.analysis.onset import Onsets
from harness.analysis.onset_known import onset_items, with_declared
from harness.analysis.samples import counted
from harness.analysis.uncertainty import (
    Budget,
    Item,
    clock_drift,
    clock_offset,
    clock_reading,
    combine,
    other,
    resolution,
)
from harness.config.schema import Requirement, Scenario
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_STAMP
from harness.results import UncertaintyItem

SLEW_PPM = 500.0
"""Largest rate by which the kernel steers CLOCK_MONOTONIC, adjtimex(2): ``freq`` is within +-500 ppm."""
TIMED = ("latency", "jitter", "ratio")


def budget(
    requirement: Requirement,
    spec: Scenario,
    clocks: Clocks,
    samples: NDArray[Any],
    onsets: Onsets | None = None,
    period: Item | None = None,
) -> Budget:
    """U of one requirement in ms, item by item. ``samples``: SAMPLE_DTYPE rows of its scenario.

    A share of lost ones and a rate measure no time span: their budget is empty. An item is infinite where the
    clock of the arrivals is not related to the host's; then so is U. ``onsets``: of arrivals that are onsets;
    ``period``: of the messages, measured; a declared ``sampling_period_ms`` takes its place.
    """
    if requirement.quantity not in TIMED:
        return combine([])
    name = clocks.arrival_clock(spec)
    items = [*_clock(requirement, name, clocks, samples)]
    items.append(
        clock_drift(SLEW_PPM, _duration_ms(requirement), "adjtimex(2): at most 500 ppm of the limit")
    )
    items.append(
        replace(
            resolution(clocks.resolution_ns(HOST_MONOTONIC) / 1e6, "step of CLOCK_MONOTONIC"),
            name="resolution of the send",
        )
    )
    items.append(
        replace(
            resolution(clocks.resolution_ns(name) / 1e6, f"step of {name}"), name="resolution of the arrival"
        )
    )
    measured = [] if onsets is None else onset_items(onsets, samples, jitter=requirement.quantity == "jitter")
    if period is not None and spec.sampling_period_ms is None:
        measured = [period]
    items += with_declared(measured, spec.sampling_period_ms)
    for each in spec.uncertainty:
        items.append(other(each.name, each.half_width_ms, divisor=each.divisor, source=each.source))
    return combine(items)


def _duration_ms(requirement: Requirement) -> float:
    if requirement.within_ms is not None:
        return requirement.within_ms
    return float(Fraction(repr(requirement.limit)) * MS_PER_UNIT[requirement.unit])


def _clock(requirement: Requirement, name: str, clocks: Clocks, samples: NDArray[Any]) -> list[Item]:
    device = clocks.devices.get(name)
    jitter = requirement.quantity == "jitter"
    if device is None:
        if name != HOST_REALTIME:
            return []
        if jitter:
            return [clock_reading(0.0, "a constant distance of two clocks cancels in a change of latency")]
        source = "CLOCK_REALTIME read between two readings of CLOCK_MONOTONIC"
        return [clock_reading(clocks.timebase.bound_ns / 1e6, source)]
    rows = samples[counted(samples) & (samples["sent_ns"] != NO_STAMP)]
    ends = np.maximum(rows["sent_ns"], rows["seen_ns"])
    window = (int(rows["sent_ns"].min()), int(ends.max())) if len(rows) else (0, 0)
    if len(rows) == 0 and device.estimate is not None:
        window = (device.estimate.first_ns, device.estimate.last_ns)
    bound = device.bound_ms(window)
    if not jitter:
        return [clock_offset(bound, f"{name}: linear program over its exchanges, over the measured window")]
    if not isfinite(bound):
        return [clock_offset(bound, f"{name} is not related to the host's clock")]
    change = min(2 * bound, _drift(requirement, device, window, rows))
    return [
        clock_offset(0.0, f"{name}: a constant offset cancels in a change of latency"),
        replace(
            clock_offset(change, f"{name}: what its drift, as far as known, may change between two answers"),
            name="clock offset, its change",
        ),
    ]


def _drift(
    requirement: Requirement, device: DeviceClock, window: tuple[int, int], rows: NDArray[Any]
) -> float:
    """By how much the error of the conversion may change between the answers that are compared, in ms."""
    assert device.estimate is not None
    apart = window[1] - window[0]
    if requirement.jitter == "ipdv" and len(rows) > 1:
        apart = int(np.diff(np.sort(rows["sent_ns"])).max())
    low, high = device.estimate.drift_ppm
    return (high - low) * 1e-6 * apart / 1e6


def items_of(requirement: str, found: Budget) -> list[UncertaintyItem]:
    """For ``uncertainty`` of the results: item by item, then U; null where unbounded."""

    def line(values: dict[str, Any]) -> UncertaintyItem:
        known: dict[str, Any] = {
            key: None if isinstance(value, float) and not isfinite(value) else value
            for key, value in values.items()
        }
        return UncertaintyItem(requirement=requirement, **known)

    return [line(each) for each in found.as_dicts()]


def bounded(found: Budget) -> Budget | None:
    """The budget where U enters the decision and is bounded. Unbounded, the check of the clock has
    failed, and nothing is decided."""
    return found if found.items and isfinite(found.expanded_ms) else None


def all_items(budgets: Sequence[tuple[str, Budget]]) -> list[UncertaintyItem]:
    """Of all requirements that measure a time, in their order."""
    return [item for requirement, found in budgets if found.items for item in items_of(requirement, found)]
