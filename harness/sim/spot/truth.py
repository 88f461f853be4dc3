"""What really happened, as JSON lines: every command received and, a hundred times a second, the body."""

from __future__ import annotations

import json
import queue
import threading
from pathlib import Path
from typing import Any


class Truth:
    """Writes on a thread of its own, so that nobody who tells it something waits for a disk."""

    def __init__(self, path: Path | None) -> None:
        self._rows: queue.SimpleQueue[dict[str, Any] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        if path is not None:
            self._file = path.open("w", encoding="utf-8")
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
