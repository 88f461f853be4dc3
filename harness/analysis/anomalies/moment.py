"""What else happened at the moment of an anomaly: the sender's own lateness, what the host was seen to do,
and events of the run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import counted, lateness_ms
from harness.hosttable import HostTable
from harness.model import HostMeasure, StimulusFlag

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


def moment(
    begin_ns: int,
    end_ns: int,
    samples: NDArray[Any],
    events: Iterable[Mapping[str, Any]],
    host: HostTable | None = None,
) -> list[str]:
    """In words, what the run recorded between the two instants (CLOCK_MONOTONIC). ``samples``: SAMPLE_DTYPE,
    of the scenario; ``events``: lines of events.jsonl; ``host``: of the run folder. What stood out comes with
    what it was elsewhere in the scenario; it need not be the cause."""
    return [
        *_host(begin_ns, end_ns, samples, host or HostTable()),
        *_sender(begin_ns, end_ns, samples[counted(samples)]),
        *_events(begin_ns, end_ns, events),
    ]


def _host(begin_ns: int, end_ns: int, samples: NDArray[Any], host: HostTable) -> list[str]:
    looks = host.looks
    if not len(looks) or not len(samples):
        return []
    first, last = int(samples["intended_ns"].min()), int(samples["intended_ns"].max())

    def spans(rows: NDArray[Any], begin: int, end: int) -> NDArray[np.bool_]:
        return np.asarray((rows["t_ns"] > begin) & (rows["t_ns"] - rows["over_ns"] < end))

    # Seconds that the looks at the stretch cover, and those at the rest of the scenario.
    here_s = float(looks["over_ns"][spans(looks, begin_ns, end_ns)].sum()) * 1e-9
    else_s = float(looks["over_ns"][spans(looks, first, last)].sum()) * 1e-9 - here_s
    if here_s <= 0 or else_s <= 0:
        return []
    found = []
    rows = host.rows[spans(host.rows, first, last)]
    for measure, verb in _TELLING.items():
        of_measure = rows[rows["measure"] == measure]
        # Of several programs of one name, as workers are, all together.
        names: dict[str, list[int]] = {}
        for subject in np.unique(of_measure["subject"]).tolist():
            kind = host.kind_of(measure, subject)
            if kind != "helper" and (measure == _M.RUN_MS) == (kind == "other"):
                names.setdefault(host.name_of(measure, subject), []).append(subject)
        for name, subjects in names.items():
            own = of_measure[np.isin(of_measure["subject"], subjects)]
            inside = spans(own, begin_ns, end_ns)
            here, outside = (float(own["value"][each].sum()) for each in (inside, ~inside))
            share, usual = here / here_s * 1e-3, outside / else_s * 1e-3
            if here >= LEAST_MS and share > max(LEAST_SHARE, HOST_TIMES * usual):
                told = f"{name} {verb} {_long(here)} of {_long(here_s * 1e3)}"
                found.append((share - usual, f"{told} (elsewhere {usual:.1%} of the time)"))
    return [words for _, words in sorted(found, key=lambda each: -each[0])[:MOST_HOST]]


def _long(ms: float) -> str:
    return f"{ms * 1e-3:.3g} s" if ms >= 1000 else f"{ms:.3g} ms"


def _sender(begin_ns: int, end_ns: int, rows: NDArray[Any]) -> list[str]:
    inside = (rows["intended_ns"] >= begin_ns) & (rows["intended_ns"] <= end_ns)
    skipped = int((rows["stimulus_flags"][inside] & StimulusFlag.SKIPPED != 0).sum())
    late = lateness_ms(rows)
    here, elsewhere = late[inside & np.isfinite(late)], late[~inside & np.isfinite(late)]
    said = [f"{skipped} stimuli skipped: the harness itself was held up"] if skipped else []
    if len(here) and len(elsewhere):
        usual, worst = float(np.quantile(elsewhere, 0.99)), float(here.max())
        if worst > max(LATE_TIMES * usual, LEAST_LATE_MS):
            said.append(f"the sender was late by up to {worst:.3g} ms (p99 elsewhere {usual:.3g} ms)")
    return said


def _events(begin_ns: int, end_ns: int, events: Iterable[Mapping[str, Any]]) -> list[str]:
    said = []
    for event in events:
        at = event.get("t_ns")
        if not isinstance(at, int) or event.get("event") in _ROUTINE:
            continue
        if begin_ns - AROUND_NS <= at <= end_ns + AROUND_NS:
            rest = {key: value for key, value in event.items() if key not in ("t_ns", "utc", "event")}
            told = str(rest.get("message") or ", ".join(f"{key} {value}" for key, value in rest.items()))
            after = (at - begin_ns) * 1e-9
            name = str(event.get("event")).replace("_", " ")
            said.append(f"event {name} {after:+.2f} s{': ' if told else ''}{told[:_WORDS]}")
    more = len(said) - MOST_EVENTS
    return said[:MOST_EVENTS] + ([f"and {more} more events"] if more > 0 else [])
