"""Readings of the other clocks: four-timestamp exchanges with those of the devices, before, while and after
measuring, and CLOCK_REALTIME once a second.

Exchanges are made on the thread that keeps house, which a device must not hold up: a clock that does not
answer, or takes long, is asked less often.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from harness.clock import HostClock
from harness.errors import HarnessError
from harness.model import ClockInfo, ClockKind
from harness.ports import Device

PERIOD_NS = 95_000_000
"""A little below 0.1 s, since housekeeping comes round every 50 ms or so."""
REALTIME_PERIOD_NS = 1_000_000_000
BURST = 50
BURST_NS = 1_000_000_000
FINAL_BURST_NS = 250_000_000
"""After a scenario a robot may still carry out its last command; its stop is not to wait for long."""
PAUSE_NS = 2_000_000
"""Between the exchanges of a burst, so that one busy moment of the host does not hit all of them."""
UNANSWERED_IN_BURST = 3
LARGEST_SHARE = 10
"""An exchange may take one part in so many of the housekeeping's time."""
LONGEST_PAUSE_NS = 10_000_000_000

BEFORE, DURING, AFTER = 0, 1, 2
"""Values of the column ``phase``."""


@dataclass
class _Clock:
    device: Device
    name: str
    number: int
    next_ns: int = 0
    unanswered: int = 0


class Exchanges:
    """Keeps exchanging with every clock that was added. ``append`` takes a row of CLOCK_DTYPE; ``realtime``
    is the number of CLOCK_REALTIME."""

    def __init__(self, clock: HostClock, append: Callable[..., None], realtime: int) -> None:
        self._clock = clock
        self._append = append
        self._realtime = realtime
        self._clocks: list[_Clock] = []
        self._next_realtime_ns = 0

    def add(self, device: Device, info: ClockInfo, number: int) -> None:
        """From now on exchange with that clock of the device, clock ``number`` of the tables.

        Simulated time has no offset to the host's, and a clock that the device calls unknown none to find.
        """
        if info.kind not in (ClockKind.SIMULATED, ClockKind.UNKNOWN):
            self._clocks.append(_Clock(device, info.name, number))

    def burst(self, phase: int) -> None:
        """A reading of CLOCK_REALTIME and up to 50 exchanges with each clock, which take at most 1 s before
        and 0.25 s after measuring.
        """
        self._read_realtime(phase)
        limit_ns = BURST_NS if phase == BEFORE else FINAL_BURST_NS
        for each in self._clocks:
            end_ns = self._clock.monotonic_ns() + limit_ns
            each.unanswered = 0
            for _ in range(BURST):
                self._exchange(each, phase)
                now_ns = self._clock.monotonic_ns()
                if now_ns >= end_ns or each.unanswered >= UNANSWERED_IN_BURST:
                    break
                self._clock.sleep_until(now_ns + PAUSE_NS)

    def turn(self) -> None:
        """One exchange with each clock that is due for one."""
        if self._clock.monotonic_ns() >= self._next_realtime_ns:
            self._read_realtime(DURING)
        for each in self._clocks:
            if self._clock.monotonic_ns() >= each.next_ns:
                self._exchange(each, DURING)

    def _exchange(self, each: _Clock, phase: int) -> None:
        before_ns = self._clock.monotonic_ns()
        try:
            found = each.device.exchange(each.name)
        except HarnessError:
            # That a device is gone is told by itself, or by its process; a clock is no reason to end a run.
            found = None
        after_ns = self._clock.monotonic_ns()
        each.unanswered = 0 if found is not None else each.unanswered + 1
        pause_ns = max(PERIOD_NS << min(each.unanswered, 8), LARGEST_SHARE * (after_ns - before_ns))
        each.next_ns = before_ns + min(pause_ns, LONGEST_PAUSE_NS)
        if found is not None:
            self._append(*found, each.number, phase, 0)

    def _read_realtime(self, phase: int) -> None:
        self._next_realtime_ns = self._clock.monotonic_ns() + REALTIME_PERIOD_NS
        before, real, after = self._clock.read_realtime()
        self._append(before, real, real, after, self._realtime, phase, 0)
