"""``guardian.jsonl``: what the guardian did and when, written so that no disk can keep it from acting."""

from __future__ import annotations

import datetime
import json
import queue
import threading
import time
from pathlib import Path


class Record:
    """Lines of ``t_ns`` (CLOCK_MONOTONIC), ``utc``, ``event``; made at the first one.

    A thread writes them: a disk that is full loses a line, a file system that hangs (a lost network share)
    holds that thread, and neither holds the caller.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._write, name="record", daemon=True)
        self._thread.start()

    def add(self, event: str, t_ns: int | None = None, **details: object) -> None:
        """Hand one line over; ``t_ns`` is now unless given. Never waits, never raises."""
        now_ns, utc = time.monotonic_ns(), time.time()
        if t_ns is None:
            t_ns = now_ns
        moment = datetime.datetime.fromtimestamp(utc - (now_ns - t_ns) * 1e-9, datetime.timezone.utc)
        line = {"t_ns": t_ns, "utc": moment.isoformat(timespec="microseconds"), "event": event, **details}
        self._lines.put(json.dumps(line, default=str).encode() + b"\n")

    def finish(self, patience_s: float) -> None:
        """Wait until everything is on its way to the disk, but no longer than ``patience_s``."""
        self._lines.put(None)
        self._thread.join(patience_s)

    def _write(self) -> None:
        while (line := self._lines.get()) is not None:
            try:
                with self._path.open("ab", buffering=0) as file:
                    file.write(line)
            except OSError:
                # Nobody is left to tell, and there may be room again for the next one.
                continue
