"""``python -m harness.hostlog RUN_DIR PID RATE_HZ``: record the host until standard input closes.

Looks come at jittered distances (three quarters to five quarters of the period), so that they stay in no step
with anything. The process table, which costs most, is looked at once a second.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import select
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from harness.errors import RecordingError
from harness.hostlog.counters import HOST, STATES, HostCounters, Reading
from harness.hostlog.tasks import Followed
from harness.hosttable import NAMES
from harness.journal import SUFFIX, TableWriter
from harness.model import HOST_DTYPE, HostMeasure

NICE = 5
"""Behind whatever has the ordinary priority, and not so far that a busy host keeps it from looking."""
TABLE_S = 1.0
LEAST_FREE_BYTES = 256 << 20
"""On the disk: with less than this the record ends, so that it takes no space that the run needs."""


class Looks:
    """Takes looks and appends them."""

    def __init__(self, folder: Path, harness: int) -> None:
        self._table = TableWriter.create(folder / "journal" / f"host{SUFFIX}", HOST_DTYPE, 8192)
        self._names = (folder / "journal" / NAMES).open("a", encoding="utf-8")
        self._events = folder / "events.jsonl"
        self._host = HostCounters()
        self._followed = Followed(harness)
        self._before: dict[tuple[int, int], float] = {}
        self._at_ns = 0
        self._table_ns = 0
        self._read = 0

    def take(self) -> None:
        """One look. Raises RecordingError when there is no space."""
        begun = time.thread_time_ns()
        now = time.monotonic_ns()
        if now - self._table_ns >= TABLE_S * 1e9:
            self._table_ns = now
            self._look_at_processes(now)
            now = time.monotonic_ns()
        over = now - self._at_ns if self._at_ns else 0
        self._at_ns = now
        for reading in self._host.read():
            self._take(reading, now, over)
        for task in self._followed.tasks.values():
            for reading in task.read(now):
                self._take(reading, now, over)
        cost = (time.thread_time_ns() - begun) * 1e-6
        self._table.append(now, over, cost, HOST, HostMeasure.SAMPLING_MS, 0)

    def _take(self, reading: Reading, now: int, over: int) -> None:
        measure, subject, value = reading
        before = self._before.get((measure, subject))
        self._before[measure, subject] = value
        if measure in STATES:
            if value != before:
                self._table.append(now, 0, value, subject, measure, 0)
        elif before is not None and over and value > before:
            self._table.append(now, over, value - before, subject, measure, 0)

    def _look_at_processes(self, now: int) -> None:
        if shutil.disk_usage(self._events.parent).free < LEAST_FREE_BYTES:
            raise RecordingError("the disk is nearly full: what the host does is recorded no more")
        for event in self._new_events():
            if event.get("event") == "process_started":
                self._followed.programs[int(event["pid"])] = str(event["process"])
        for known in self._followed.look(now):
            about = {"pid": known.pid, "kind": known.kind, "name": known.name}
            self._names.write(json.dumps(about) + "\n")
        self._names.flush()

    def _new_events(self) -> list[dict[str, Any]]:
        """Those whose lines have become whole since the last time."""
        try:
            with self._events.open("rb") as file:
                file.seek(self._read)
                whole = file.read().rpartition(b"\n")[0]
        except OSError:
            return []
        self._read += len(whole) + 1 if whole else 0
        found = []
        for line in whole.split(b"\n"):
            with contextlib.suppress(ValueError):
                event = json.loads(line)
                if isinstance(event, dict):
                    found.append(event)
        return found

    def close(self) -> None:
        """Close the table."""
        self._names.close()
        self._table.close()


def main(argv: list[str]) -> int:
    """Record until standard input closes; 1 when the disk refuses."""
    folder, harness, rate_hz = Path(argv[0]), int(argv[1]), float(argv[2])
    with contextlib.suppress(OSError):
        os.nice(NICE)
    # A file is held open for every thread that is followed.
    with contextlib.suppress(OSError, ValueError):
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    jitter = random.Random()
    try:
        looks = Looks(folder, harness)
        try:
            ended = False
            while not ended:
                looks.take()
                wait = jitter.uniform(0.75, 1.25) / rate_hz
                ended = bool(select.select([sys.stdin], [], [], wait)[0])
            looks.take()
        finally:
            looks.close()
    except (RecordingError, OSError) as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
