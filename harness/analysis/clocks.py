"""Which clock the arrivals of a scenario rest on, how it stands against the host's, and whether it may
decide."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.checks import INCONCLUSIVE
from harness.analysis.offset import OffsetEstimate, estimate
from harness.analysis.samples import Sampled, counted, has
from harness.analysis.timebase import Timebase
from harness.config.schema import RigFile, Scenario
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_STAMP, ClockKind, SampleFlag
from harness.results import Check, ClockResult

ESTIMATED = (ClockKind.ESTIMATED.value, ClockKind.PTP.value)
LEEWAY_NS = 2_000_000_000
"""In a run that goes on, or was cut short, the last exchange may be this much older than the last answer."""
REPEATED = 0.02
"""Share of arrivals with the stamp of another from which on the clock is said to stand still: two answers
published within one step of it are possible, and rare where stamps have nanoseconds."""
REMEDY_STEP = (
    "stop what sets that clock (its time synchronisation) during the run, or let the arrival be what is "
    "received here: arrival: received"
)
REMEDY_EXCHANGE = (
    "let the device answer exchanges before, during and after the run, or let the arrival be what is "
    "received here: arrival: received"
)


@dataclass(frozen=True)
class DeviceClock:
    """A clock of a device. ``estimate`` is None where no exchange with it was recorded."""

    name: str
    estimate: OffsetEstimate | None
    asymmetry: float | None
    evidence: str

    @property
    def problems(self) -> tuple[str, ...]:
        """Why its stamps must not decide anything; empty where they may."""
        return ("no exchange with it was recorded",) if self.estimate is None else self.estimate.problems

    def bound_ms(self, window_ns: tuple[int, int]) -> float:
        """Largest half-width of its offset over that window, in ms; infinite where it is not usable."""
        if self.estimate is None or not self.estimate.usable:
            return inf
        # The width is convex in time, so the largest one is at an end.
        return float(self.estimate.offset_ns(np.asarray(window_ns, dtype=np.int64))[1].max()) / 1e6

    def result(self) -> ClockResult:
        """For ``clocks`` of the results."""
        found = self.estimate
        words = list(self.problems) if found is None else found.words()
        if self.asymmetry is not None:
            words.append(f"evidence for the asymmetry, as declared: {self.evidence}")
        bound = inf if found is None else found.largest_bound_ns() / 1e6
        return ClockResult(
            name=self.name,
            usable=found is not None and found.usable,
            exchanges=0 if found is None else found.exchanges,
            round_trip_min_ms=None if found is None else found.round_trip_min_ns / 1e6,
            bound_ms=bound if isfinite(bound) else None,
            drift_ppm=None if found is None or found.lines is None else found.drift_ppm,
            asymmetry=self.asymmetry,
            evidence=self.evidence,
            problems=list(self.problems),
            notes=[] if found is None else list(found.notes),
            words=words,
        )


class Clocks:
    """The clocks of a run. ``readings``: CLOCK_DTYPE rows."""

    def __init__(self, run: Mapping[str, Any], rig: RigFile, readings: NDArray[Any]) -> None:
        self._run = run
        self._unfinished = run.get("ended") is None or run.get("status") != "finished"
        self._infos = {str(info["name"]): info for info in run.get("clocks", [])}
        self.devices: dict[str, DeviceClock] = {}
        for number, (name, info) in enumerate(self._infos.items()):
            if info.get("kind") in ESTIMATED:
                self.devices[name] = _device_clock(name, info, rig, readings[readings["clock"] == number])
        usable = {
            name: clock.estimate
            for name, clock in self.devices.items()
            if clock.estimate is not None and clock.estimate.usable
        }
        self.timebase = Timebase(list(self._infos), readings, usable)

    def results(self) -> list[ClockResult]:
        """Every clock whose offset is estimated."""
        return [clock.result() for clock in self.devices.values()]

    def arrival_clock(self, spec: Scenario) -> str:
        """Name of the clock that the scenario's arrivals are stamped with."""
        port = self._run.get("ports", {}).get(spec.response, {})
        key = "stamp_clock" if spec.arrival == "stamp" else "received_clock"
        return str(port.get(key) or HOST_MONOTONIC)

    def resolution_ns(self, name: str) -> float:
        """Step of the stamps of that clock."""
        return float(self._infos.get(name, {}).get("resolution_ns", 1))

    def arrival_is(self, spec: Scenario) -> str:
        """In words, which instant a stamped arrival is."""
        port = self._run.get("ports", {}).get(spec.response, {})
        if spec.arrival == "received":
            return str(port.get("received_is", ""))
        name = self.arrival_clock(spec)
        words = f"the device's own stamp, clock {name}"
        clock = self.devices.get(name)
        if clock is not None and clock.estimate is not None and clock.estimate.usable:
            bound = clock.estimate.largest_bound_ns() / 1e6
            return f"{words}, converted within +-{bound:.4g} ms"
        if name == HOST_REALTIME:
            return f"{words}, converted within +-{self.timebase.bound_ns / 1e6:.2g} ms"
        return words

    def check(self, spec: Scenario, sampled: Sampled) -> Check | None:
        """Whether the clock of the scenario's arrivals may decide; None where they rest on the host's clocks
        and the receiver."""
        name = self.arrival_clock(spec)
        clock = self.devices.get(name)
        if spec.arrival == "received" and clock is None:
            return None
        rows = sampled.samples[counted(sampled.samples)]
        answered = rows[rows["arrived_ns"] != NO_STAMP]
        problems, remedy = self._problems(name, clock, answered)
        impossible = int(has(answered, SampleFlag.CLOCK_STEP).sum())
        set_here = name == HOST_REALTIME and bool(self.timebase.steps)
        if impossible and not problems and not set_here:
            problems.append(
                f"{impossible} of {len(answered)} stamps lie before the command was sent, or after the "
                "answer was seen, by more than the bound: the clock is not what it is said to be"
            )
            remedy = REMEDY_STEP
        if repeated := _repeated(answered, spec) if not problems else 0:
            problems.append(
                f"{repeated} of {len(answered)} arrivals have the stamp of another answer: the clock stands "
                "still between its ticks, as simulated time does"
            )
            remedy = "use arrival: received"
        without = len(answered) - sampled.by_stamp - impossible
        if without > 0 and not problems:
            problems.append(f"{without} of {len(answered)} answers carry no stamp")
            remedy = "let every answer carry its stamp, or use arrival: received"
        notes = () if clock is None or clock.estimate is None else clock.estimate.notes
        related = f"{name}: {'; '.join([self.arrival_is(spec), *notes])}"
        return Check(
            name="clock",
            ok=not problems,
            value=f"{name}: {'; '.join([*problems, *notes])}" if problems else related,
            bound="the clock of the arrivals is related to the host's over the whole run, without a step",
            consequence=INCONCLUSIVE if problems else "",
            remedy=remedy if problems else "",
        )

    def _problems(
        self, name: str, clock: DeviceClock | None, answered: NDArray[Any]
    ) -> tuple[list[str], str]:
        if clock is None:
            if name == HOST_MONOTONIC or (name == HOST_REALTIME and self.timebase.realtime):
                return [], ""
            said = self._infos.get(name, {}).get("description") or "nothing is known of it"
            return [f"the clock is not related to the host's: {said}"], (
                "use arrival: received, or an adapter that makes exchanges with this clock"
            )
        if clock.problems:
            return list(clock.problems), REMEDY_EXCHANGE if clock.estimate is None else REMEDY_STEP
        found = clock.estimate
        assert found is not None
        if len(answered) == 0:
            return [], ""
        before, after = int(answered["sent_ns"].min()), int(answered["seen_ns"].max())
        problems = []
        if found.first_ns > before:
            problems.append(
                f"no exchange before measuring began, {(found.first_ns - before) / 1e9:.3f} s late"
            )
        if found.last_ns < after - (LEEWAY_NS if self._unfinished else 0):
            problems.append(
                f"no exchange after the last answer: the last one was {(after - found.last_ns) / 1e9:.3f} s "
                "before it, so a step since then would not be seen"
            )
        return problems, REMEDY_EXCHANGE

    def facts(self, spec: Scenario) -> list[Check]:
        """What is wrong with clocks that the scenario's arrivals do not rest on; for information."""
        return [
            Check(
                name=f"clock {name}",
                ok=True,
                value="; ".join(clock.problems),
                bound="for information: no arrival of this scenario rests on it",
            )
            for name, clock in self.devices.items()
            if clock.problems and name != self.arrival_clock(spec)
        ]


def _device_clock(name: str, info: Mapping[str, Any], rig: RigFile, rows: NDArray[Any]) -> DeviceClock:
    # Folders of earlier versions do not say whose clock it is; the name begins with the device.
    options = rig.devices.get(info.get("device") or name.partition(".")[0])
    declared = getattr(options, "clock", None)
    if isinstance(options, dict):
        declared = options.get("clock")
    if declared is not None and not isinstance(declared, dict):
        declared = declared.model_dump()
    asymmetry = None if declared is None else float(declared["asymmetry"])
    evidence = "" if declared is None else str(declared["evidence"])
    found = estimate(rows, asymmetry=asymmetry) if len(rows) else None
    return DeviceClock(name, found, asymmetry, evidence)


def _repeated(answered: NDArray[Any], spec: Scenario) -> int:
    """How many samples arrived by a stamp that another answer carried too, where that is more than chance."""
    if spec.arrival != "stamp":
        return 0
    # One answer may be that of several stimuli (answers: latest), which share its stamp.
    own = answered[~has(answered, SampleFlag.SUPERSEDED | SampleFlag.CLOCK_STEP)]
    repeated = len(own) - len(np.unique(own["arrived_ns"]))
    return repeated if repeated > max(1.0, REPEATED * len(own)) else 0
