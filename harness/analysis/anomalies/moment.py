"""What else happened at the moment of an anomaly: the sender's own lateness, what the host was seen to do,
and events of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import counted, lateness_ms
from harness.hosttable import HostTable
from harness.model import HOST_DTYPE, HostMeasure, StimulusFlag

Floats = NDArray[np.float64]

AROUND_NS = 500_000_000
"""Events this much before and after belong to the moment."""
LATE_TIMES, LEAST_LATE_MS = 3.0, 0.1
"""The sender is called late when it was so by more than this many times its p99 outside, and by this much."""
MOST_EVENTS = 5
_ROUTINE = {"phase", "measured", "floor_measured", "process_ready", "guardian_ready", "safe_stop", "ended"}
"""Events of every run, which explain nothing."""
_WORDS = 90


_M = HostMeasure
_TELLING = {
    _M.STOPPED_MS: "was stopped",
    _M.WAIT_MS: "waited for a CPU",
    _M.BLOCKED_MS: "waited for a disk or memory",
    _M.GC_PAUSE_MS: "collected garbage",
    _M.CORE_STEAL_MS: "was taken by the hypervisor",
    _M.MEMORY_FULL_MS: "waited for memory",
    _M.IO_PRESSURE_MS: "waited for a disk",
    _M.RUN_MS: "ran",
}
"""Measures that are looked at; ``RUN_MS`` only of programs that are not of the run."""
HOST_TIMES, LEAST_SHARE, LEAST_MS = 3.0, 0.05, 4.0
"""A measure is told when it was so many times as high as in the rest of the scenario, more than that share of
the stretch, and that long."""
MOST_HOST = 4


class Moments:
    """What a run recorded at a moment, for any number of moments of one scenario.

    ``samples``: SAMPLE_DTYPE, of the scenario; ``events``: lines of events.jsonl; ``host``: what it did.
    Everything is put in order of time once: a run of an hour has millions of rows, and may have a hundred
    moments to look at.
    """

    def __init__(
        self, samples: NDArray[Any], events: Iterable[Mapping[str, Any]], host: HostTable | None = None
    ) -> None:
        self._events = [each for each in events if isinstance(each.get("t_ns"), int)]
        rows = samples[counted(samples)]
        order = np.argsort(rows["intended_ns"], kind="stable")
        self._intended: NDArray[np.int64] = rows["intended_ns"][order]
        self._skipped = np.asarray((rows["stimulus_flags"] & StimulusFlag.SKIPPED != 0)[order])
        self._late: Floats = lateness_ms(rows)[order]
        self._by_size = np.sort(self._late[np.isfinite(self._late)])
        self._looks, self._did = _Rows.none(), dict[tuple[str, str], _Rows]()
        if host is not None and len(host.looks) and len(samples):
            first, last = int(samples["intended_ns"].min()), int(samples["intended_ns"].max())
            self._looks = _Rows.of(host.looks, first, last, "over_ns")
            self._did = _by_name(host, first, last)

    def words(self, begin_ns: int, end_ns: int) -> list[str]:
        """What stood out between the two instants (CLOCK_MONOTONIC), with what it was elsewhere in the
        scenario; it need not be the cause."""
        return [
            *self._of_host(begin_ns, end_ns),
            *self._of_sender(begin_ns, end_ns),
            *_of_events(begin_ns, end_ns, self._events),
        ]

    def _of_host(self, begin_ns: int, end_ns: int) -> list[str]:
        # Seconds that the looks at the stretch cover, and those at the rest of the scenario.
        here_s = self._looks.inside(begin_ns, end_ns) * 1e-9
        else_s = self._looks.total * 1e-9 - here_s
        if here_s <= 0 or else_s <= 0:
            return []
        found = []
        for (name, verb), rows in self._did.items():
            here = rows.inside(begin_ns, end_ns)
            share, usual = here / here_s * 1e-3, max(rows.total - here, 0.0) / else_s * 1e-3
            if here >= LEAST_MS and share > max(LEAST_SHARE, HOST_TIMES * usual):
                told = f"{name} {verb} {_long(here)} of {_long(here_s * 1e3)}"
                found.append((share - usual, f"{told} (elsewhere {usual:.1%} of the time)"))
        return [words for _, words in sorted(found, key=lambda each: -each[0])[:MOST_HOST]]

    def _of_sender(self, begin_ns: int, end_ns: int) -> list[str]:
        first, last = (
            np.searchsorted(self._intended, begin_ns),
            np.searchsorted(self._intended, end_ns, "right"),
        )
        skipped = int(self._skipped[first:last].sum())
        said = [f"{skipped} stimuli skipped: the harness itself was held up"] if skipped else []
        here = self._late[first:last]
        here = here[np.isfinite(here)]
        others = len(self._by_size) - len(here)
        if not len(here) or not others:
            return said
        worst = float(here.max())
        # Without some of them, the value of any rank is at least what it is with all.
        at_least = self._by_size[int(0.99 * (others - 1))]
        if worst > max(LATE_TIMES * at_least, LEAST_LATE_MS):
            rest = np.concatenate([self._late[:first], self._late[last:]])
            usual = float(np.quantile(rest[np.isfinite(rest)], 0.99))
            if worst > LATE_TIMES * usual:
                said.append(f"the sender was late by up to {worst:.3g} ms (p99 elsewhere {usual:.3g} ms)")
        return said


@dataclass(frozen=True)
class _Rows:
    """Rows of the host in order of time: when each span ended and began, in ns, and its value."""

    ends: NDArray[np.int64]
    begins: NDArray[np.int64]
    values: Floats
    longest: int
    total: float

    @classmethod
    def of(cls, rows: NDArray[Any], first: int, last: int, value: str = "value") -> _Rows:
        """Those of ``rows`` (HOST_DTYPE) that touch the stretch."""
        rows = rows[(rows["t_ns"] > first) & (rows["t_ns"] - rows["over_ns"] < last)]
        rows = rows[np.argsort(rows["t_ns"], kind="stable")]
        values = rows[value].astype(np.float64)
        longest = int(rows["over_ns"].max()) if len(rows) else 0
        return cls(rows["t_ns"].copy(), rows["t_ns"] - rows["over_ns"], values, longest, float(values.sum()))

    @classmethod
    def none(cls) -> _Rows:
        """No rows."""
        return cls.of(np.empty(0, HOST_DTYPE), 0, 0)

    def inside(self, begin_ns: int, end_ns: int) -> float:
        """Sum of the values whose spans touch that stretch."""
        first, last = np.searchsorted(self.ends, (begin_ns, end_ns + self.longest), "right")
        return float(self.values[first:last][self.begins[first:last] < end_ns].sum())


def _by_name(host: HostTable, first: int, last: int) -> dict[tuple[str, str], _Rows]:
    """What is looked at of the host, by who did what; of several programs of one name, as workers are, all
    together."""
    found: dict[tuple[str, str], _Rows] = {}
    for measure, verb in _TELLING.items():
        rows = host.of(measure)
        names: dict[str, list[int]] = {}
        for subject in np.unique(rows["subject"]).tolist():
            kind = host.kind_of(measure, subject)
            if kind != "helper" and (measure == _M.RUN_MS) == (kind == "other"):
                names.setdefault(host.name_of(measure, subject), []).append(subject)
        for name, subjects in names.items():
            found[name, verb] = _Rows.of(rows[np.isin(rows["subject"], subjects)], first, last)
    return found


def _long(ms: float) -> str:
    return f"{ms * 1e-3:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def _of_events(begin_ns: int, end_ns: int, events: Iterable[Mapping[str, Any]]) -> list[str]:
    said = []
    for event in events:
        at = event["t_ns"]
        if event.get("event") in _ROUTINE:
            continue
        if begin_ns - AROUND_NS <= at <= end_ns + AROUND_NS:
            rest = {key: value for key, value in event.items() if key not in ("t_ns", "utc", "event")}
            told = str(rest.get("message") or ", ".join(f"{key} {value}" for key, value in rest.items()))
            after = (at - begin_ns) * 1e-9
            name = str(event.get("event")).replace("_", " ")
            said.append(f"event {name} {after:+.2f} s{': ' if told else ''}{told[:_WORDS]}")
    more = len(said) - MOST_EVENTS
    return said[:MOST_EVENTS] + ([f"and {more} more events"] if more > 0 else [])
