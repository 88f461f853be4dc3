"""How long processes of this host were ready to run and had to wait for a CPU, from ``/proc``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def waited_ns(pid: int) -> int:
    """Time that all threads of the process have been runnable and waiting since they began, ns: the second
    number of ``/proc/PID/task/TID/schedstat`` (Linux, Documentation/scheduler/sched-stats.rst). 0 where the
    kernel does not tell, or the process is gone."""
    total = 0
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            total += int((task / "schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        return total
    return total


class Waits:
    """The waits of some processes between two instants; ``pids`` by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._begun = dict.fromkeys(self._pids, 0)

    def begin(self) -> None:
        """Count from now on."""
        self._begun = {name: waited_ns(pid) for name, pid in self._pids.items()}

    def since(self) -> dict[str, int]:
        """How long each has waited since :meth:`begin`, ns. Threads that have ended meanwhile count not."""
        return {name: max(0, waited_ns(pid) - self._begun[name]) for name, pid in self._pids.items()}
