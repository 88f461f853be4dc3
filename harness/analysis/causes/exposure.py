"""How much of each condition of the host every stimulus was exposed to, in ms.

The host is looked at some 25 times a second, and a stimulus lasts a few ms: it is given the whole of what
happened in the looks that it touches. That is more than hit it, and so for its unhurried neighbours in the
same look; what is left beyond chance is what counts (:mod:`.find`). Collections of garbage are known exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.causes.slow import Slow
from harness.hosttable import HOST_SUBJECT, HostTable, Subject
from harness.model import HostMeasure

Floats = NDArray[np.float64]

EVENT_MS = 1e3
"""What one retransmit or drop may cost: the wait for the repetition, however long it was."""
FEW_FAULTS = 3


@dataclass(frozen=True)
class Condition:
    """A condition of the host. ``subject``: the process it befell, None for the host; ``fondness``: factor of
    its weight, below 1 for what is rather a sign than a cause. ``ms``: exposure of each stimulus (n,)."""

    kind: str
    subject: Subject | None
    ms: Floats
    fondness: float = 1.0

    @property
    def of(self) -> str:
        """Whom it befell, in words."""
        return "" if self.subject is None else self.subject.words


class Touched:
    """Sums of what happened in the looks that each stimulus touches."""

    def __init__(self, host: HostTable, slow: Slow) -> None:
        self.host = host
        looks = host.looks
        self.over_ms: Floats = looks["over_ns"] * 1e-6
        ends = looks["t_ns"]
        self._first = np.searchsorted(ends, slow.begin_ns, side="left")
        self._last = np.searchsorted(ends - looks["over_ns"], slow.end_ns, side="left")

    def sum(self, per_look: Floats) -> Floats:
        """``per_look`` (looks,) to a value for each stimulus (n,)."""
        total = np.concatenate([[0.0], np.cumsum(per_look)])
        out: Floats = np.maximum(total[self._last] - total[np.minimum(self._first, self._last)], 0.0)
        return out

    def of(self, measure: HostMeasure, subject: int = HOST_SUBJECT) -> Floats:
        """Of one measure."""
        return self.sum(self.host.per_look(measure, subject))


def conditions(host: HostTable, slow: Slow) -> list[Condition]:
    """Every condition that occurred while the stimuli were on their way."""
    touched = Touched(host, slow)
    found = [_garbage(host, slow), *_network(touched), *_of_host(touched)]
    for subject in [*host.of_kind("harness"), *host.of_kind("rig")]:
        found += _of_process(touched, subject)
    return [each for each in found if each is not None and each.ms.any()]


def _of_process(touched: Touched, subject: Subject) -> list[Condition]:
    host, pid = touched.host, subject.pid
    waited = host.per_look(HostMeasure.WAIT_MS, pid)
    if subject.kind == "harness":
        # Its threads also wait for the one that collects garbage, which is a condition of its own.
        waited = np.maximum(waited - _paused(host), 0.0)
    waits = Condition("run-queue delay", subject, touched.sum(waited))
    if subject.kind == "harness":
        return [waits]
    faults = host.per_look(HostMeasure.PROCESS_MAJOR_FAULTS, pid)
    pressure = host.per_look(HostMeasure.MEMORY_PRESSURE_MS, HOST_SUBJECT)
    memory = np.where(faults >= FEW_FAULTS, touched.over_ms, pressure)
    run = host.per_look(HostMeasure.RUN_MS, pid)
    share = np.divide(run, touched.over_ms, out=np.zeros_like(run), where=touched.over_ms > 0)
    beyond = np.maximum(share - 2.0 * np.median(share), 0.0) * touched.over_ms
    return [
        Condition("stopped process", subject, touched.of(HostMeasure.STOPPED_MS, pid)),
        waits,
        Condition("memory pressure", subject, touched.sum(memory)),
        Condition("own computing", subject, touched.sum(beyond), 0.7),
    ]


def _of_host(touched: Touched) -> list[Condition]:
    host = touched.host
    cores = np.unique(host.of(HostMeasure.CORE_STEAL_MS)["subject"])
    steal = sum((host.per_look(HostMeasure.CORE_STEAL_MS, int(core)) for core in cores), np.zeros(1))
    found = [Condition("disk wait", None, touched.of(HostMeasure.IO_PRESSURE_MS), 0.6)]
    if len(cores):
        found.append(Condition("stolen CPU time", None, touched.sum(np.asarray(steal, np.float64))))
    return found


def _network(touched: Touched) -> list[Condition]:
    host = touched.host
    sent_again = host.per_look(HostMeasure.TCP_RETRANSMITS, HOST_SUBJECT)
    for subject in host.of_kind("rig"):
        sent_again = sent_again + host.per_look(HostMeasure.PROCESS_RETRANSMITS, subject.pid)
    dropped = host.per_look(HostMeasure.UDP_DROPS, HOST_SUBJECT)
    dropped = dropped + host.per_look(HostMeasure.REASSEMBLY_FAILURES, HOST_SUBJECT)
    return [
        Condition("retransmits", None, touched.sum(sent_again * EVENT_MS)),
        Condition("dropped datagrams", None, touched.sum(dropped * EVENT_MS)),
    ]


def _garbage(host: HostTable, slow: Slow) -> Condition | None:
    rows = np.sort(host.of(HostMeasure.GC_PAUSE_MS), order="t_ns")
    harness = host.of_kind("harness")
    if not len(rows):
        return None
    instants, paused = _pauses(rows)
    overlap = np.interp(slow.end_ns.astype(np.float64), instants, paused) - np.interp(
        slow.begin_ns.astype(np.float64), instants, paused
    )
    return Condition("garbage collection", harness[0] if harness else None, overlap)


def _pauses(rows: NDArray[Any]) -> tuple[Floats, Floats]:
    """Time paused until t, linear in between, as instants in ns and values in ms: its rise over a span is the
    overlap."""
    instants = np.column_stack([rows["t_ns"] - rows["over_ns"], rows["t_ns"]]).ravel().astype(np.float64)
    lasted = rows["over_ns"] * 1e-6
    return instants, np.column_stack([np.cumsum(lasted) - lasted, np.cumsum(lasted)]).ravel()


def _paused(host: HostTable) -> Floats:
    """Time in each look in which the harness collected garbage."""
    rows = np.sort(host.of(HostMeasure.GC_PAUSE_MS), order="t_ns")
    looks = host.looks
    if not len(rows):
        return np.zeros(len(looks))
    instants, paused = _pauses(rows)
    ends = looks["t_ns"].astype(np.float64)
    begins = ends - looks["over_ns"]
    found: Floats = np.interp(ends, instants, paused) - np.interp(begins, instants, paused)
    return found
