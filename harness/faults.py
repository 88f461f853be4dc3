"""Faults of processes: a robot's process is killed or stopped, and started or woken again.

Only processes that carry the run's ``HARNESS_RUN_ID`` are touched, and exactly one has to match, so that a
pattern that is too wide breaks nothing else.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

from harness import proctable
from harness.clock import HostClock
from harness.config.swarm import ProcessFault, filled
from harness.errors import ConfigurationError, DeadlineError, OperationError
from harness.model import FaultRecord
from harness.proctable import Entry

VERIFY_NS = 2_000_000_000
POLL_NS = 1_000_000
LOOK_NS = 50_000_000
"""Between two looks at the whole process table, which costs some milliseconds."""


def command_line(pid: int) -> str:
    """Of that process, its words separated by spaces; empty where it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


class ProcessFaults:
    """A fault port of a device with several robots. See :class:`harness.ports.Fault`. Used by one thread."""

    def __init__(
        self, port: str, options: ProcessFault, robots: Sequence[str], run_id: str, clock: HostClock
    ) -> None:
        self._port, self._options, self._robots = port, options, list(robots)
        self._run_id, self._clock = run_id, clock
        self._aimed: dict[str, Entry] = {}
        self._injured: tuple[str, Entry] | None = None

    def _matching(self, pattern: str) -> list[Entry]:
        expression = re.compile(pattern)
        return [
            one for one in proctable.run_members(self._run_id) if expression.search(command_line(one.pid))
        ]

    def _pattern(self, target: str) -> str:
        if target not in self._robots:
            raise ConfigurationError(f"fault port {self._port}: there is no robot {target!r}")
        return filled(self._options.process, target, self._robots.index(target) + 1)

    def aim(self, target: str) -> None:
        """Find the process of that robot beforehand, so that the fault itself costs no search. Raises
        OperationError where none, or more than one, matches."""
        found = self._matching(self._pattern(target))
        if len(found) != 1:
            pids = ", ".join(str(each.pid) for each in found) or "none"
            raise OperationError(
                f"fault port {self._port}: {len(found)} processes of this run match"
                f" {self._pattern(target)!r}, which is to name the process of {target} ({pids})",
                hint="correct `process` of that port; it is matched against whole command lines",
            )
        self._aimed[target] = found[0]

    def inject(self, target: str, kind: str) -> FaultRecord:
        """Break the process of the robot ``target``; ``kind`` is that of the port.

        ``before_ns`` and ``after_ns`` are around the signal, which the kernel acts upon by itself; whether it
        did is looked at afterwards.
        """
        if kind != self._options.kind:
            raise ConfigurationError(f"fault port {self._port} can {self._options.kind}, not {kind!r}")
        entry = self._aimed.pop(target, None)
        if entry is None or not proctable.is_running(entry.pid, entry.started):
            self.aim(target)
            entry = self._aimed.pop(target)
        number = signal.SIGKILL if kind == "kill" else signal.SIGSTOP
        self._injured = (target, entry)
        before = self._clock.monotonic_ns()
        proctable.send(entry, number)
        after = self._clock.monotonic_ns()
        verified = self._held(lambda: _broken(entry, kind), after + VERIFY_NS)
        state = proctable.read(entry.pid)
        seen = "gone" if state is None or state.started != entry.started else f"in state {state.state}"
        evidence = f"pid {entry.pid} {seen} {(self._clock.monotonic_ns() - before) * 1e-6:.1f} ms after"
        return FaultRecord(target, kind, before, after, verified, evidence, {"pid": str(entry.pid)})

    def restore(self) -> FaultRecord:
        """Have the process run again, and wait until it does. Repeatable: without a fault it does nothing.

        Raises DeadlineError when it does not run within the port's ``timeout_s``.
        """
        now = self._clock.monotonic_ns()
        if self._injured is None:
            return FaultRecord("", self._options.kind, now, now, True, "nothing was broken")
        target, entry = self._injured
        limit = now + round(self._options.timeout_s * 1e9)
        if self._options.kind == "hang":
            self.wake()
            after, evidence = self._clock.monotonic_ns(), "gone"
            verified = self._held(lambda: not _broken(entry, "hang"), limit)
            if proctable.is_running(entry.pid, entry.started):
                evidence = f"pid {entry.pid} runs"
            self._injured = None
            return FaultRecord(target, "hang", now, after, verified, evidence)
        if self._options.restart is not None:
            self._ask(self._options.restart.process, signal.Signals[self._options.restart.signal])
        found: list[Entry] = []
        while not found:
            if self._clock.monotonic_ns() > limit:
                raise DeadlineError(
                    f"fault port {self._port}: {target} was not started again within"
                    f" {self._options.timeout_s:g} s",
                    hint="look at processes/*.log: who starts it, and does it take that signal?",
                )
            self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_NS)
            found = [each for each in self._matching(self._pattern(target)) if each.pid != entry.pid]
        self._injured = None
        after = self._clock.monotonic_ns()
        return FaultRecord(target, "kill", now, after, True, f"pid {found[0].pid} started")

    def wake(self) -> None:
        """Let a process that hangs go on, whatever else is the matter. Repeatable."""
        if self._injured is not None and self._options.kind == "hang":
            proctable.send(self._injured[1], signal.SIGCONT)

    def _ask(self, process: str, number: signal.Signals) -> None:
        asked = self._matching(process)
        if len(asked) != 1 or not proctable.send(asked[0], number):
            raise OperationError(
                f"fault port {self._port}: {len(asked)} processes of this run match {process!r}, one is to"
                " start robots again",
                hint="correct `restart.process` of that port; it is matched against whole command lines",
            )

    def _held(self, holds: Callable[[], bool], limit_ns: int) -> bool:
        while not holds():
            now = self._clock.monotonic_ns()
            if now > limit_ns:
                return False
            self._clock.sleep_until(now + POLL_NS)
        return True


def _broken(entry: Entry, kind: str) -> bool:
    """Whether it is as the fault leaves it: gone (a zombie does not run), or stopped."""
    if kind == "kill":
        return not proctable.is_running(entry.pid, entry.started)
    now = proctable.read(entry.pid)
    return now is not None and now.started == entry.started and now.state in "Tt"
