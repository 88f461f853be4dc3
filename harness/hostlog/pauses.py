"""Collections of Python's garbage in this process, recorded exactly."""

from __future__ import annotations

import contextlib
import gc
import os
import time

from harness.errors import RecordingError
from harness.journal import TableWriter
from harness.model import HostMeasure

SHORTEST_NS = 50_000
"""Shorter collections are of the youngest generation, hundreds a second, and delay nobody."""


class Pauses:
    """Records collections of at least 50 us until it is closed.

    One thread at a time appends: a collection holds the interpreter's lock and does not begin inside another.
    """

    def __init__(self, table: TableWriter) -> None:
        self._table = table
        self._begun_ns = 0
        self._pid = os.getpid()
        gc.callbacks.append(self._collected)

    def _collected(self, phase: str, info: dict[str, int]) -> None:
        now = time.monotonic_ns()
        if phase == "start":
            self._begun_ns = now
            return
        lasted = now - self._begun_ns
        if not self._begun_ns or lasted < SHORTEST_NS:
            return
        with contextlib.suppress(RecordingError):
            self._table.append(
                now, lasted, lasted * 1e-6, self._pid, HostMeasure.GC_PAUSE_MS, info.get("generation", 0)
            )

    def close(self) -> None:
        """No more from now on. Repeatable."""
        with contextlib.suppress(ValueError):
            gc.callbacks.remove(self._collected)
