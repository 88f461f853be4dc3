"""The processes that are followed: the harness, the programs of the rig, what the harness started beside
them, and the busiest others of the host.

Sources: proc_pid_stat(5); Documentation/scheduler/sched-stats.rst for ``/proc/PID/task/TID/schedstat``: time
on a CPU and time waited for one, both in ns, and how often it was put on a CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness.hostlog.counters import KeptOpen, Reading, snmp
from harness.model import HostMeasure
from harness.proctable import RUN_ID_VARIABLE

MOST_THREADS = 64
MOST_OTHERS = 12
BUSY_SHARE = 0.02
"""Of one core, over the time between two looks at the process table: what makes another process worth
following."""
_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Known:
    """A process that is followed. ``kind``: harness, rig, helper or other."""

    pid: int
    kind: str
    name: str


@dataclass
class _Row:
    """A line of the process table."""

    pid: int
    parent: int
    cpu_ns: int
    command: str
    realtime: bool


def table() -> dict[int, _Row]:
    """Every process with its parent, CPU time and name."""
    found = {}
    for entry in os.scandir("/proc"):
        if not entry.name.isdigit():
            continue
        try:
            with open(f"/proc/{entry.name}/stat", "rb") as file:  # noqa: PTH123
                head, _, tail = file.read().decode(errors="replace").rpartition(")")
        except OSError:
            continue
        words = tail.split()
        cpu = (int(words[11]) + int(words[12])) * _TICK_NS
        name, realtime = head.partition("(")[2], len(words) > 37 and words[37] != "0"
        found[int(entry.name)] = _Row(int(entry.name), int(words[1]), cpu, name, realtime)
    return found


class Task:
    """One process that is followed: its threads, its state, its faults."""

    def __init__(self, known: Known) -> None:
        self.known = known
        self._stat = KeptOpen(f"/proc/{known.pid}/stat", 2048)
        self._threads: dict[str, KeptOpen] = {}
        self._waits: dict[str, int] = {}
        self._run = self._wait = self._switches = 0
        self._last: dict[str, tuple[int, int, int]] = {}
        self._state_since_ns = 0
        self._stopped_ns = self._blocked_ns = 0
        self._snmp = self._own_network()
        self.refresh()

    def _own_network(self) -> KeptOpen | None:
        try:
            here, there = (Path(f"/proc/{pid}/ns/net").readlink() for pid in ("self", self.known.pid))
        except OSError:
            return None
        return KeptOpen(f"/proc/{self.known.pid}/net/snmp") if here != there else None

    def refresh(self) -> None:
        """Look for threads that came or went."""
        try:
            now = [each.name for each in os.scandir(f"/proc/{self.known.pid}/task")][:MOST_THREADS]
        except OSError:
            now = []
        for name in set(self._threads) - set(now):
            self._threads.pop(name).close()
            self._last.pop(name, None)
        for name in now:
            if name not in self._threads:
                self._threads[name] = KeptOpen(f"/proc/{self.known.pid}/task/{name}/schedstat", 128)

    def read(self, now_ns: int) -> Iterator[Reading]:
        """Its counters. WAIT_MS is a counter that rises by what the thread that waited longest has waited."""
        pid = self.known.pid
        longest = 0
        for name, file in self._threads.items():
            words = file.read().split()
            if len(words) < 3:
                continue
            run, wait, switches = int(words[0]), int(words[1]), int(words[2])
            before = self._last.get(name)
            self._last[name] = (run, wait, switches)
            if before is not None:
                self._run += run - before[0]
                longest = max(longest, wait - before[1])
                self._switches += switches - before[2]
        self._wait += longest
        yield HostMeasure.RUN_MS, pid, self._run * 1e-6
        yield HostMeasure.WAIT_MS, pid, self._wait * 1e-6
        yield HostMeasure.SWITCHES, pid, self._switches
        yield from self._of_stat(now_ns)
        if self._snmp is not None:
            for measure, _, value in snmp(self._snmp.read()):
                if measure is HostMeasure.TCP_RETRANSMITS:
                    yield HostMeasure.PROCESS_RETRANSMITS, pid, value

    def _of_stat(self, now_ns: int) -> Iterator[Reading]:
        text = self._stat.read()
        tail = text.rpartition(b")")[2].split()
        if len(tail) < 37:
            return
        pid, state = self.known.pid, tail[0]
        lasted = now_ns - self._state_since_ns if self._state_since_ns else 0
        self._state_since_ns = now_ns
        self._stopped_ns += lasted if state in (b"T", b"t") else 0
        self._blocked_ns += lasted if state == b"D" else 0
        yield HostMeasure.STOPPED_MS, pid, self._stopped_ns * 1e-6
        yield HostMeasure.BLOCKED_MS, pid, self._blocked_ns * 1e-6
        yield HostMeasure.MINOR_FAULTS, pid, float(tail[7])
        yield HostMeasure.PROCESS_MAJOR_FAULTS, pid, float(tail[9])
        yield HostMeasure.CORE, pid, float(tail[36])

    def close(self) -> None:
        """Let go of its files."""
        for file in [self._stat, *self._threads.values(), *filter(None, [self._snmp])]:
            file.close()


@dataclass
class Followed:
    """Who is followed. ``programs``: pids of the rig's programs by name, as far as they are known."""

    harness: int
    programs: dict[int, str] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    _cpu: dict[int, int] = field(default_factory=dict)
    _at_ns: int = 0

    def look(self, now_ns: int) -> list[Known]:
        """Look at the process table; returns whoever is newly followed."""
        rows = table()
        span = now_ns - self._at_ns
        busy = {
            pid: (row.cpu_ns - self._cpu[pid]) / span
            for pid, row in rows.items()
            if pid in self._cpu and span > 0
        }
        self._cpu, self._at_ns = {pid: row.cpu_ns for pid, row in rows.items()}, now_ns
        wanted = {pid: self._kind(pid, rows) for pid in rows}
        others = sorted(
            (pid for pid, kind in wanted.items() if kind == "other"),
            # Those at real-time priority first: they take a core whoever has it.
            key=lambda pid: (not rows[pid].realtime, -busy.get(pid, 0.0)),
        )
        chosen = {pid for pid, kind in wanted.items() if kind != "other"}
        worth = [pid for pid in others if busy.get(pid, 0.0) >= BUSY_SHARE]
        chosen |= set(worth[:MOST_OTHERS])
        for pid in set(self.tasks) - chosen:
            if pid not in rows or self.tasks[pid].known.kind == "other":
                self.tasks.pop(pid).close()
        new = []
        for pid in sorted(chosen):
            if pid in self.tasks:
                self.tasks[pid].refresh()
                continue
            known = Known(pid, wanted[pid], self._name(pid, wanted[pid], rows))
            self.tasks[pid] = Task(known)
            new.append(known)
        return new

    def _kind(self, pid: int, rows: dict[int, _Row]) -> str:
        if pid == self.harness:
            return "harness"
        seen = set()
        at = pid
        while at in rows and at not in seen:
            if at in self.programs:
                return "rig"
            if rows[at].parent == self.harness:
                return "rig" if _of_a_run(at) else "helper"
            seen.add(at)
            at = rows[at].parent
        return "other"

    def _name(self, pid: int, kind: str, rows: dict[int, _Row]) -> str:
        if kind == "harness":
            return "harness"
        if pid in self.programs:
            return self.programs[pid]
        words = _command_line(pid)
        scripts = [word.rpartition("/")[2] for word in words[1:3] if word.endswith(".py")]
        modules = [word for word in words[1:] if word.startswith("harness.")]
        name = [*modules, *scripts, rows[pid].command][0]
        at, seen = rows[pid].parent, set()
        while at in rows and at not in seen:
            if at in self.programs:
                return f"{self.programs[at]}: {name}"
            seen.add(at)
            at = rows[at].parent
        return name


def _command_line(pid: int) -> list[str]:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:  # noqa: PTH123
            return file.read().decode(errors="replace").split("\0")
    except OSError:
        return []


def _of_a_run(pid: int) -> bool:
    """Whether the harness started it as a program or robot of its run: those carry the run's id."""
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123
            return any(each.startswith(f"{RUN_ID_VARIABLE}=".encode()) for each in file.read().split(b"\0"))
    except OSError:
        return False
