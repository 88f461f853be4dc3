"""What runs on this host, read from ``/proc``: the processes of a run, found and ended whoever their parent
is.

A process belongs to a run when it was started with ``HARNESS_RUN_ID=<run_id>`` in its environment, which
children inherit through any number of forks and new sessions, or when it lives in the session of a process
that the run started, for programs that clean their environment. Light on imports: the guardian uses it.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

RUN_ID_VARIABLE = "HARNESS_RUN_ID"
POLL_S = 0.02
KILL_PATIENCE_S = 2.0
ROUNDS = 10
"""How often new members are looked for: what is being ended may still be starting others."""


@dataclass(frozen=True)
class Entry:
    """One line of the process table. ``started`` is in clock ticks since boot; pid and it name a process for
    good."""

    pid: int
    state: str
    group: int
    session: int
    started: int
    command: str

    @property
    def alive(self) -> bool:
        """Whether it still runs: a zombie does not."""
        return self.state not in "ZX"


def read(pid: int) -> Entry | None:
    """The process with that pid, or None if there is none."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes().decode(errors="replace")
    except OSError:
        return None
    # The name is in parentheses and may itself hold spaces and parentheses: proc_pid_stat(5).
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    return Entry(
        pid=pid,
        state=fields[0],
        group=int(fields[2]),
        session=int(fields[3]),
        started=int(fields[19]),
        command=head.partition("(")[2],
    )


def is_running(pid: int, started: int | None = None) -> bool:
    """Whether ``pid`` is a live process, and the one that began at ``started`` if that is given."""
    entry = read(pid)
    return entry is not None and entry.alive and started in (None, entry.started)


def session_members(session: int, started: int | None = None) -> list[Entry]:
    """The live processes of a session.

    Linux gives a pid to nobody else while a session of that number has members, so that a foreign leader
    (``started`` differs) means that the session meant is long empty.
    """
    leader = read(session)
    if leader is not None and started not in (None, leader.started):
        return []
    return [entry for entry in _table() if entry.session == session and entry.alive]


def run_members(run_id: str, sessions: Mapping[int, int] | None = None) -> list[Entry]:
    """The live processes of this user that belong to the run ``run_id``, or to one of ``sessions`` (number:
    start)."""
    mark = f"{RUN_ID_VARIABLE}={run_id}".encode()
    found = {entry.pid: entry for entry in _table(lambda pid: mark in _environment(pid)) if entry.alive}
    for session, started in (sessions or {}).items():
        found.update({entry.pid: entry for entry in session_members(session, started)})
    return [found[pid] for pid in sorted(found)]


def send(entry: Entry, number: signal.Signals) -> bool:
    """Signal exactly this process; False when it is gone, a namesake pid included."""
    if not is_running(entry.pid, entry.started):
        return False
    try:
        os.kill(entry.pid, number)
    except ProcessLookupError:
        return False
    return True


def end_run_processes(
    run_id: str, exclude: set[int], grace_s: float = 1.0, sessions: Mapping[int, int] | None = None
) -> list[str]:
    """End every process of the run ``run_id``: SIGTERM, ``grace_s`` to obey, SIGKILL. Never this process
    itself.

    ``exclude`` are pids to spare. Returns one line per process, saying how it ended. Goes on past processes
    that may not be signalled, and says so.
    """
    spared = exclude | {os.getpid()}
    told: dict[tuple[int, int], str] = {}
    for _ in range(ROUNDS):
        members = [entry for entry in run_members(run_id, sessions) if entry.pid not in spared]
        members = [entry for entry in members if (entry.pid, entry.started) not in told]
        if not members:
            break
        for number, patience_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, KILL_PATIENCE_S)):
            for entry in members:
                _note(told, entry, number)
            _wait(lambda group=members: not any(is_running(e.pid, e.started) for e in group), patience_s)  # type: ignore[misc]
            members = [entry for entry in members if is_running(entry.pid, entry.started)]
        for entry in members:
            told[(entry.pid, entry.started)] = f"pid {entry.pid} ({entry.command}): still there after SIGKILL"
    return list(told.values())


def _note(told: dict[tuple[int, int], str], entry: Entry, number: signal.Signals) -> None:
    try:
        if send(entry, number):
            told[(entry.pid, entry.started)] = f"pid {entry.pid} ({entry.command}): ended by {number.name}"
    except OSError as error:
        told[(entry.pid, entry.started)] = (
            f"pid {entry.pid} ({entry.command}): {number.name} refused: {error}"
        )


def _wait(holds: Callable[[], bool], patience_s: float) -> None:
    deadline = time.monotonic() + patience_s
    while not holds() and time.monotonic() < deadline:
        time.sleep(POLL_S)


def _table(wanted: Callable[[int], bool] = lambda pid: True) -> list[Entry]:
    """Every process of this user for which ``wanted`` holds."""
    user = os.geteuid()
    found = []
    for path in Path("/proc").iterdir():
        if not path.name.isdigit():
            continue
        try:
            if path.stat().st_uid != user:
                continue
        except OSError:
            continue
        pid = int(path.name)
        # The entry first: a pid reused in between then has another start time, and `send` refuses it.
        entry = read(pid)
        if entry is not None and wanted(pid):
            found.append(entry)
    return found


def _environment(pid: int) -> list[bytes]:
    try:
        return Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return []
