"""What really happened, as JSON lines: every command received and, a hundred times a second, the body."""

from __future__ import annotations

import fcntl
import json
import queue
import threading
from pathlib import Path
from typing import Any


class Truth:
    """Writes on a thread of its own, so that nobody who tells it something waits for a disk.

    Raises OSError where the file cannot be written, or is being written by another robot.
    """

    def __init__(self, path: Path | None) -> None:
        self._rows: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if path is not None:
            self._file = path.open("a", encoding="utf-8")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                self._file.close()
                raise BlockingIOError(f"{path} is being written by another simulated robot") from None
            self._file.truncate(0)
            self._thread = threading.Thread(target=self._write, name="truth", daemon=True)
            self._thread.start()

    def note(self, what: str, monotonic_ns: int, **details: Any) -> None:
        """One thing that happened at that instant (CLOCK_MONOTONIC)."""
        if self._thread is not None:
            self._rows.put({"what": what, "monotonic_ns": monotonic_ns, **details})

    def close(self) -> None:
        """Write what is left. Repeatable."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._rows.put(None)
            thread.join()
            self._file.close()

    def _write(self) -> None:
        while (row := self._rows.get()) is not None:
            self._file.write(json.dumps(row) + "\n")
            if self._rows.empty():
                self._file.flush()
