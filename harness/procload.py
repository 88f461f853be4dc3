"""How long processes of this host were ready to run and had to wait for a CPU, from ``/proc``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def waited_ns(pid: int) -> dict[str, int]:
    """For how long each thread of the process has been runnable and waiting since it began, in ns, by its
    number: the second number of ``/proc/PID/task/TID/schedstat`` (Linux, sched-stats.rst). Empty where the
    kernel does not tell, or the process is gone."""
    found = {}
    try:
        for task in Path(f"/proc/{pid}/task").iterdir():
            found[task.name] = int((task / "schedstat").read_bytes().split()[1])
    except (OSError, IndexError, ValueError):
        pass
    return found


class Waits:
    """The waits of some processes between two instants; ``pids`` by name."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._begun: dict[str, dict[str, int]] = {}

    def begin(self) -> None:
        """Count from now on."""
        self._begun = {name: waited_ns(pid) for name, pid in self._pids.items()}

    def since(self) -> dict[str, int]:
        """How long each has waited since :meth:`begin`, in ns: the thread that waited longest, since threads
        that wait side by side lose no more time than that. Threads that have ended or begun meanwhile do not
        count."""
        out = {}
        for name, pid in self._pids.items():
            begun = self._begun.get(name, {})
            more = [ns - begun[thread] for thread, ns in waited_ns(pid).items() if thread in begun]
            out[name] = max(more, default=0)
        return out
