"""Requirements in simulated time, and whether wall time may decide where a simulation is measured.

The answer's stamp less the last simulated time that was seen before the send (:mod:`.simulated_time`) is the
latency in simulated time.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.checks import INCONCLUSIVE
from harness.analysis.samples import has, tried
from harness.analysis.simulated_time import SimulatedTime
from harness.analysis.uncertainty import Budget, Item, combine, resolution, sampling_period
from harness.model import NO_STAMP, SampleFlag
from harness.results import Check, RealTimeFactor

LEAST_FACTOR = 0.99
"""Below it simulated and wall time part, and latencies in wall time say nothing of the item."""


def in_simulated_time(samples: NDArray[Any]) -> NDArray[Any]:
    """The same samples with instants of simulated time in place of wall time: every rule can be asked of
    them. One whose simulated times are not known is OPEN: :func:`stamped` says how many that are."""
    out: NDArray[Any] = samples.copy()
    for name in ("intended_ns", "sent_ns", "handed_ns"):
        out[name] = samples["sim_sent_ns"]
    out["arrived_ns"] = out["seen_ns"] = samples["sim_arrived_ns"]
    lost = has(samples, SampleFlag.LOST)
    unknown = (samples["sim_sent_ns"] == NO_STAMP) | (~lost & (samples["sim_arrived_ns"] == NO_STAMP))
    unknown &= samples["sent_ns"] != NO_STAMP
    # What had not been sent stays what it was.
    out["sent_ns"][samples["sent_ns"] == NO_STAMP] = NO_STAMP
    out["flags"][unknown] |= np.uint32(int(SampleFlag.OPEN))
    # No clock of the host enters: one that was set changes nothing.
    out["flags"] &= np.uint32(~int(SampleFlag.CLOCK_STEP) & 0xFFFFFFFF)
    return out


def stamped(samples: NDArray[Any]) -> Check:
    """Whether every stimulus that counts has its simulated times."""
    rows = samples[tried(samples)]
    lost = has(rows, SampleFlag.LOST)
    without = (rows["sim_sent_ns"] == NO_STAMP) | (~lost & (rows["sim_arrived_ns"] == NO_STAMP))
    missing = int(without.sum())
    return Check(
        name="simulated time",
        ok=missing == 0,
        value=f"{missing} of {len(rows)} samples without stamps of simulated time",
        bound="every sample has the simulated time at which it was sent and answered",
        consequence="" if missing == 0 else INCONCLUSIVE,
        remedy=""
        if missing == 0
        else "give the response port `stamp`, and let a port observe the simulation's clock",
    )


def real_time(found: RealTimeFactor | None) -> Check:
    """Whether the simulation kept up with the wall clock."""
    ok = found is not None and found.least >= LEAST_FACTOR
    value = (
        "no stamps of simulated time in the measured time"
        if found is None
        else f"least {found.least:.4f} over {found.window_s:.3g} s, mean {found.mean:.4f}, by {found.n}"
        f" stamps of {found.clock}"
    )
    return Check(
        name="real-time factor",
        ok=ok,
        value=value,
        bound=f"at least {LEAST_FACTOR:g}: below it simulated and wall time part",
        consequence="" if ok else INCONCLUSIVE,
        remedy=""
        if ok
        else "free the host, or make the world simpler; or ask for simulated time (`time: simulated`)",
    )


def as_fact(check: Check) -> Check:
    """The same for information, where nothing rests on it."""
    bound = "stated: no requirement of this scenario is in wall time"
    return check.model_copy(update={"ok": True, "bound": bound, "consequence": "", "remedy": ""})


def sending_item(samples: NDArray[Any], time: SimulatedTime) -> list[Item]:
    """How well the simulated time of the send is known: it lies between the last stamp that was seen before
    and the next one. The largest such distance of a sample that counts is a hard limit."""
    rows = samples[tried(samples)]
    sent = rows["sent_ns"].astype(np.int64)
    low, high = time.before(sent), time.after(sent)
    known = (low != NO_STAMP) & (high != NO_STAMP)
    if not known.any():
        return []
    largest = float((high - low)[known].max()) / 1e6
    source = "the largest distance of two stamps of simulated time around a send"
    item = sampling_period(largest, source)
    return [Item("simulated time of the send", *_rest(item))]


def physics_item(time: SimulatedTime) -> Item:
    """A command takes effect at the next physics step."""
    item = resolution(time.step_ns / 1e6, f"smallest distance of two stamps of {time.name}")
    return Item("physics step", *_rest(item))


def publish_item(samples: NDArray[Any], observations: NDArray[Any], time: SimulatedTime) -> list[Item]:
    """Of a signal: what it does is seen at the next value only. The distance of the two values around each
    answer, in simulated time; the largest of a sample that counts is a hard limit."""
    rows = samples[tried(samples) & ~has(samples, SampleFlag.LOST)]
    stamps = np.unique(
        observations["stamp_ns"][
            np.isin(observations["stamp_clock"], list(time.numbers)) & (observations["stamp_ns"] != NO_STAMP)
        ]
    )
    place = np.searchsorted(stamps, rows["sim_arrived_ns"])
    inside = (place > 0) & (place < len(stamps)) & (rows["sim_arrived_ns"] != NO_STAMP)
    if not inside.any():
        return []
    gaps = stamps[place[inside]] - stamps[place[inside] - 1]
    source = (
        f"the largest distance, in simulated time, of the two values around an answer;"
        f" {float(np.median(gaps)) / 1e6:.3g} ms typically"
    )
    item = sampling_period(float(gaps.max()) / 1e6, source)
    return [Item("publish period", *_rest(item))]


def simulated_budget(
    samples: NDArray[Any], observations: NDArray[Any], time: SimulatedTime, *, of_signal: bool, jitter: bool
) -> Budget:
    """U of a latency in simulated time, in ms, item by item; no clock of the host is in it."""
    items = [*sending_item(samples, time), physics_item(time)]
    if of_signal:
        items += publish_item(samples, observations, time)
    if jitter:
        items = [_doubled(each) for each in items]
    return combine(items)


def _doubled(item: Item) -> Item:
    """A change of latency has two instants of each kind."""
    return Item(item.name, 2 * item.half_width_ms, *_rest(item)[1:])


def _rest(item: Item) -> tuple[Any, ...]:
    return item.half_width_ms, item.divisor, item.hard, item.distribution, item.source
