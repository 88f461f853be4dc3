"""What was seen of a simulation's own clock, which is never converted to wall time.

Every observation with such a stamp says that simulated time had come this far when the harness saw it. From
these pairs follow the real-time factor, and for each stimulus the last simulated time that was seen before it
was sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.model import NO_STAMP, ClockKind
from harness.results import RealTimeFactor

WINDOW_NS = 1_000_000_000
BIN_NS = 100_000_000
"""Windows begin so far from each other. In each such part the observation that came with the least delay
counts: one that was held up says nothing of the simulation."""

RESET_NS = 50_000_000
"""Simulated time that lies so far back was not overtaken on its way: the world was reset."""
FOLLOWING = 20
"""Observations that tell a reset from one that was held up."""

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class SimulatedTime:
    """What was seen of one clock of simulated time: ``stamp_ns`` of it, in order of ``seen_ns``
    (CLOCK_MONOTONIC). ``step_ns``: the smallest distance of two stamps. ``epoch``: of each, how often the
    world had been reset before; stamps rise within an epoch only, and nothing is compared across two."""

    name: str
    numbers: frozenset[int]
    seen_ns: Integers
    stamp_ns: Integers
    step_ns: int
    epoch: Integers

    def before(self, instants_ns: Integers) -> Integers:
        """The last simulated time that was seen up to each instant; NO_STAMP where none was."""
        return self._at(np.searchsorted(self.seen_ns, instants_ns, side="right") - 1)

    def epochs(self, instants_ns: Integers) -> Integers:
        """In which epoch each instant was, by what had been seen up to it."""
        if not len(self.epoch):
            return np.zeros(len(instants_ns), dtype=np.int64)
        return self.epoch[np.maximum(np.searchsorted(self.seen_ns, instants_ns, side="right") - 1, 0)]

    def after(self, instants_ns: Integers) -> Integers:
        """The first simulated time beyond that, of what was seen later; NO_STAMP where none was, or only
        after a reset."""
        place = np.searchsorted(self.seen_ns, instants_ns, side="right")
        found = np.full(len(place), NO_STAMP, dtype=np.int64)
        known, epochs = self._at(place - 1), self.epochs(instants_ns)
        for epoch in np.unique(epochs):
            mine, stamps = epochs == epoch, self.stamp_ns[self.epoch == epoch]
            further = np.searchsorted(stamps, known[mine], side="right")
            inside = further < len(stamps)
            found[mine] = np.where(inside, stamps[np.minimum(further, len(stamps) - 1)], NO_STAMP)
        return found

    def _at(self, place: Integers) -> Integers:
        if not len(self.stamp_ns):
            return np.full(len(place), NO_STAMP, dtype=np.int64)
        return np.where(place >= 0, self.stamp_ns[np.maximum(place, 0)], NO_STAMP)

    def factor(self, start_ns: int, end_ns: int) -> RealTimeFactor | None:
        """The real-time factor between two instants: over the whole, and its least over a second; None where
        too little was seen."""
        inside = (self.seen_ns >= start_ns) & (self.seen_ns <= end_ns)
        seen, stamp, epoch = self.seen_ns[inside], self.stamp_ns[inside], self.epoch[inside]
        if len(seen) < 2 or seen[-1] - seen[0] < BIN_NS:
            return None
        part = (seen - seen[0]) // BIN_NS
        order = np.lexsort((seen - stamp, part))
        firsts = order[np.unique(part[order], return_index=True)[1]]
        at, sim, of = seen[firsts], stamp[firsts], epoch[firsts]
        # A part in which the world was reset counts for neither side.
        moved, waited, same = np.diff(sim), np.diff(at), np.diff(of) == 0
        if not same.any():
            return None
        whole = float(moved[same].sum() / max(1, waited[same].sum()))
        later = np.searchsorted(at, at + WINDOW_NS)
        reach = np.flatnonzero(later < len(at))
        reach = reach[of[later[reach]] == of[reach]]
        # A window ends at the first part that is a second later: of a simulation that stood, much later.
        found = (sim[later[reach]] - sim[reach]) / (at[later[reach]] - at[reach])
        least = float(found.min()) if len(found) else whole
        return RealTimeFactor(
            clock=self.name,
            least=least,
            mean=whole,
            window_s=WINDOW_NS / 1e9 if len(found) else float(at[-1] - at[0]) / 1e9,
            n=len(seen),
            step_ms=self.step_ns / 1e6,
        )


def simulated_times(run: Mapping[str, Any], observations: Iterable[NDArray[Any]]) -> dict[str, SimulatedTime]:
    """Every clock of simulated time of the run, by name, with all that its ports have seen."""
    infos = list(run.get("clocks", []))
    found = {}
    tables = list(observations)
    for number, info in enumerate(infos):
        if info.get("kind") != ClockKind.SIMULATED.value:
            continue
        rows = [
            table[(table["stamp_clock"] == number) & (table["stamp_ns"] != NO_STAMP)][["seen_ns", "stamp_ns"]]
            for table in tables
        ]
        every = np.concatenate(rows) if rows else np.zeros(0, dtype=[("seen_ns", "<i8"), ("stamp_ns", "<i8")])
        every = every[np.argsort(every["seen_ns"], kind="stable")]
        stamps, epoch = _in_epochs(every["stamp_ns"].astype(np.int64))
        steps = np.diff(np.unique(stamps))
        found[str(info["name"])] = SimulatedTime(
            str(info["name"]),
            frozenset({number}),
            every["seen_ns"].astype(np.int64),
            stamps,
            int(steps.min()) if len(steps) else int(info.get("resolution_ns", 1)),
            epoch,
        )
    return found


def _in_epochs(stamps: Integers) -> tuple[Integers, Integers]:
    """Stamps in the order they were seen, made to rise within each epoch, and the epoch of each.

    Messages of several topics overtake each other: simulated time has come as far as the furthest of them. A
    world that was reset begins anew: its stamps are :data:`RESET_NS` and more below what had been seen, and
    those that follow are as well.
    """
    out, epoch = stamps.copy(), np.zeros(len(stamps), dtype=np.int64)
    begin, number = 0, 0
    while begin < len(stamps):
        rising = np.maximum.accumulate(stamps[begin:])
        below = stamps[begin:] < rising - RESET_NS
        end = len(stamps)
        for place in np.flatnonzero(below):
            following = below[place : place + FOLLOWING]
            if following.mean() > 0.5:
                end = begin + int(place)
                break
        out[begin:end] = rising[: end - begin]
        epoch[begin:end] = number
        begin, number = end, number + 1
    return out, epoch


def fill(
    samples: NDArray[Any], observations: NDArray[Any], first: Integers, time: SimulatedTime | None
) -> None:
    """Write ``sim_sent_ns`` and ``sim_arrived_ns`` into ``samples`` (SAMPLE_DTYPE); ``first``: the row of
    ``observations`` that answers each, negative where none does."""
    samples["sim_sent_ns"] = samples["sim_arrived_ns"] = NO_STAMP
    if time is None:
        return
    sent = samples["sent_ns"].astype(np.int64)
    known = sent != NO_STAMP
    samples["sim_sent_ns"][known] = time.before(sent[known])
    answered = np.flatnonzero(first >= 0)
    rows = observations[first[answered]]
    ours = np.isin(rows["stamp_clock"], list(time.numbers)) & (rows["stamp_ns"] != NO_STAMP)
    # The world was reset between the two: there is no latency in simulated time.
    ours &= time.epochs(rows["seen_ns"].astype(np.int64)) == time.epochs(sent[answered])
    samples["sim_arrived_ns"][answered[ours]] = rows["stamp_ns"][ours]
