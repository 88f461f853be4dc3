"""``events.jsonl``: what happened when, one JSON object a line."""

from __future__ import annotations

import json
import os
import threading
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from harness.clock import HostClock
from harness.errors import RecordingError
from harness.tablefile import disk_error


class EventLog:
    """Appends events, from any thread; a line is on its way to the disk before ``write`` returns.

    A disk that refuses raises nothing here, so that no safe stop fails for want of a line in a log: what
    could not be written is kept, written in order with the next event that can be, and known as ``trouble``.
    """

    trouble: RecordingError | None = None
    """Why the newest events are not on the disk, if so."""

    def __init__(self, path: Path, clock: HostClock) -> None:
        self.path = path
        self._clock = clock
        self._lock = threading.Lock()
        self._pending = b""
        self._begun = False

    def write(self, event: str, details: dict[str, Any]) -> None:
        """Append ``{"t_ns": CLOCK_MONOTONIC, "utc": ..., "event": event, **details}``."""
        with self._lock:
            now = datetime.fromtimestamp(self._clock.realtime_ns() * 1e-9, timezone.utc)
            line = {
                "t_ns": self._clock.monotonic_ns(),
                "utc": now.isoformat(timespec="milliseconds"),
                "event": event,
            }
            self._pending += json.dumps({**line, **details}, default=str).encode() + b"\n"
            self._flush()

    def _flush(self) -> None:
        try:
            fd = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            try:
                if not self._begun and (size := os.fstat(fd).st_size) and os.pread(fd, 1, size - 1) != b"\n":
                    self._pending = b"\n" + self._pending  # after the line a killed process was writing
                self._begun = True
                while self._pending:
                    self._pending = self._pending[os.write(fd, self._pending) :]
            finally:
                os.close(fd)
        except OSError as error:
            self.trouble = disk_error(error, self.path, len(self._pending))
        else:
            self.trouble = None


def read_events(path: Path) -> list[dict[str, Any]]:
    """Every whole line, in order; a line that a killed process left unfinished is passed over.

    No file, no events. Raises RecordingError when the file cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return []
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be read: {error.strerror}", hint="check the disk and permissions"
        ) from error
    events = []
    for line in lines:
        try:
            event = json.loads(line)
        except ValueError:
            continue
        if isinstance(event, dict):
            events.append(event)
    return events
