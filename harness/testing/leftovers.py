"""What a device must not leave behind: threads, of libraries too, child processes, file descriptors."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import psutil


@dataclass(frozen=True)
class Leftovers:
    """What this process had at one instant."""

    threads: frozenset[threading.Thread]
    processes: frozenset[int]
    descriptors: Counter[str]
    native: Counter[str]

    @classmethod
    def now(cls) -> Leftovers:
        """What this process has now; garbage is collected first, as it may hold files."""
        gc.collect()
        children = psutil.Process().children(recursive=True)
        return cls(
            # A dummy stands for a library's own thread that passed through Python: it is counted as native.
            frozenset(one for one in threading.enumerate() if not isinstance(one, threading._DummyThread)),
            frozenset(child.pid for child in children),
            Counter(_descriptors()),
            Counter(_native_threads()),
        )

    def new(self) -> list[str]:
        """What there is now and was not then, in words; empty when nothing was left behind."""
        now = Leftovers.now()
        found = [f"thread {thread.name}" for thread in now.threads - self.threads]
        for pid in now.processes - self.processes:
            try:
                found.append(f"process {pid}: {' '.join(psutil.Process(pid).cmdline())}")
            except psutil.NoSuchProcess:
                continue
        # Sockets and pipes are numbered anew each time: their count tells, by kind.
        found += [
            f"descriptor {kind} x{count}" for kind, count in (now.descriptors - self.descriptors).items()
        ]
        found += [f"native thread {name} x{count}" for name, count in (now.native - self.native).items()]
        return sorted(found)


def _descriptors() -> list[str]:
    kinds = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            target = str(entry.readlink())
        except OSError:
            continue  # the one that lists the directory
        kind, _, rest = target.partition(":")
        kinds.append(kind if rest.startswith("[") else target)
    return kinds


def _native_threads() -> list[str]:
    names = []
    for entry in Path("/proc/self/task").iterdir():
        try:
            names.append((entry / "comm").read_text().strip())
        except OSError:
            continue  # it ended meanwhile
    return names
