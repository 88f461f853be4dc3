"""What the robots really did, for tests that compare the harness with it.

One JSON object a line, in one file for each robot, ``DIRECTORY/NAME.jsonl``; a robot that is started again
appends. Instants are CLOCK_MONOTONIC in ns. The first line of each life is::

    {"event": "started", "at_ns": ..., "robot": 1, "called": "robot1", "pid": ..., "term": 0, "memory": true}

The next is ``"met"`` when it has found all others (or ``"missed"``, after --meet-ms) and takes part. Those
after it are the events of settings.EVENTS::

    {"event": "suspects", "at_ns": ..., "robot": 1, "term": 3, "leader": 2, "slot": 1, "version": 1,
     "other": 2, "heard_ns": ...}

A robot that ends by SIGINT or SIGTERM writes ``"stopped"``; one that is killed writes nothing more.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from harness.sim.swarm.settings import EVENTS, Event


class TruthLog:
    """Appends to the file; does nothing without a directory. Unbuffered: a killed robot's log is whole."""

    def __init__(self, directory: Path | None, name: str, robot: int) -> None:
        self._robot = robot
        self._file: int | None = None
        if directory is not None:
            directory.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
            self._file = os.open(directory / f"{name}.jsonl", flags, 0o644)

    def event(self, event: Event) -> None:
        """The robot did this."""
        self.line(
            event.name,
            event.at_ns,
            term=event.term,
            leader=event.leader,
            slot=event.slot,
            version=event.version,
            other=event.other,
            heard_ns=event.heard_ns,
        )

    def line(self, name: str, at_ns: int, **more: Any) -> None:
        """Anything else."""
        if self._file is not None:
            entry = {"event": name, "at_ns": at_ns, "robot": self._robot, **more}
            os.write(self._file, json.dumps(entry).encode() + b"\n")


def read(directory: Path) -> Iterator[dict[str, Any]]:
    """All whole lines of all robots, robot by robot."""
    for path in sorted(directory.glob("*.jsonl")):
        whole, _, _ = path.read_text(encoding="utf-8").rpartition("\n")
        for line in whole.splitlines():
            yield json.loads(line)


def events(directory: Path) -> list[tuple[int, Event]]:
    """The events of the election among them, each with its robot's number, by time."""
    found = [
        (
            int(entry["robot"]),
            Event(
                entry["event"],
                *(entry[key] for key in ("at_ns", "term", "leader", "slot", "version", "other", "heard_ns")),
            ),
        )
        for entry in read(directory)
        if entry["event"] in EVENTS
    ]
    return sorted(found, key=lambda pair: pair[1].at_ns)
