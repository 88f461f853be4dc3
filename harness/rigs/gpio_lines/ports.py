"""Outputs that are driven: levels, and pulses whose ends are made by a thread of the device."""

from __future__ import annotations

import heapq
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.clock import HostClock
from harness.errors import OperationError
from harness.ports import KeyKind
from harness.rigs.gpio_lines.options import SHORTEST_MS, StimulusOptions
from harness.rigs.outputs import level_of, width_of

Drive = Callable[[bool], tuple[int, int]]
"""Give the line that level; CLOCK_MONOTONIC in ns just before and just after. Raises OperationError."""


class Pulses:
    """Ends pulses when they are due."""

    def __init__(self, name: str, clock: HostClock, failed: Callable[[str], None]) -> None:
        self._clock, self._failed = clock, failed
        self._due: list[tuple[int, int, Drive]] = []
        self._count = 0
        self._ended = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=f"gpio-pulses-{name}", daemon=True)
        self._thread.start()

    def end_at(self, at_ns: int, drive: Drive) -> None:
        """Let the line be inactive again at that instant."""
        with self._changed:
            self._count += 1
            heapq.heappush(self._due, (at_ns, self._count, drive))
            self._changed.notify()

    def forget(self) -> None:
        """Whatever is pending: the lines went to their safe levels."""
        with self._changed:
            self._due.clear()

    def close(self) -> None:
        """End the thread. Repeatable."""
        with self._changed:
            self._ended = True
            self._due.clear()
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._ended and (not self._due or self._left_s() > 0):
                    self._changed.wait(self._left_s() if self._due else None)
                if self._ended:
                    return
                _, _, drive = heapq.heappop(self._due)
                # Under the lock, so that no stop is followed by the end of a pulse before it.
                try:
                    drive(False)
                except OperationError as error:
                    self._failed(error.message)

    def _left_s(self) -> float:
        return (self._due[0][0] - self._clock.monotonic_ns()) * 1e-9


@dataclass(frozen=True)
class Ready:
    """What a stimulus will do."""

    active: bool
    width_ns: int | None


class GpioStimulus:
    """One output."""

    key_kind = KeyKind.NONE

    def __init__(
        self,
        device: str,
        port: str,
        how: StimulusOptions,
        limits: Mapping[str, float],
        drive: Drive,
        pulses: Callable[[], Pulses],
    ) -> None:
        self._place, self._how, self._limits = f"{device}.{port}", how, limits
        self._drive, self._pulses = drive, pulses

    def prepare(self, values: Mapping[str, Any]) -> Ready:
        """Raises ConfigurationError for a wrong name or value, SafetyError beyond a limit of the rig file."""
        if self._how.kind == "level":
            return Ready(bool(level_of(self._place, values)), None)
        width_ms = width_of(self._place, values, self._how.width_ms, SHORTEST_MS, self._limits)
        return Ready(True, round(width_ms * 1e6))

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Drive the line; a pulse ends by itself. Raises OperationError when the line cannot be driven."""
        before_ns, after_ns = self._drive(prepared.active)
        if prepared.width_ns is not None:
            self._pulses().end_at(after_ns + prepared.width_ns, self._drive)
        return before_ns, after_ns
