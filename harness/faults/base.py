"""What all faults have in common: aim, break, verify, undo, each robot by its name."""

from __future__ import annotations

import contextlib
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from harness import proctable
from harness.clock import HostClock
from harness.config.faults import filled
from harness.errors import ConfigurationError, DeadlineError, HarnessError, OperationError
from harness.guardian.undo import Undo, undo
from harness.model import FaultRecord
from harness.proctable import Entry

VERIFY_NS = 2_000_000_000
POLL_NS = 1_000_000
LOOK_NS = 50_000_000
"""Between two looks at the whole process table, or two commands, which cost some milliseconds."""


def command_line(pid: int) -> str:
    """Of that process, its words separated by spaces; empty where it is gone."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return ""
    return raw.rstrip(b"\0").replace(b"\0", b" ").decode(errors="replace")


class FaultPort(ABC):
    """A fault port of a device with several robots. See :class:`harness.ports.Fault`. Used by one thread."""

    verify_ns = VERIFY_NS
    poll_ns = POLL_NS

    def __init__(self, port: str, options: Any, robots: Sequence[str], run_id: str, clock: HostClock) -> None:
        self._port, self._options, self._robots = port, options, list(robots)
        self._run_id, self._clock = run_id, clock
        self._aimed: dict[str, Any] = {}
        self._broken: dict[str, Any] = {}
        self._undoing = threading.Lock()

    # -- what a kind has to say ------------------------------------------------------------------------------

    @abstractmethod
    def _find(self, target: str) -> Any:
        """What is to be broken of that robot. Raises OperationError."""

    @abstractmethod
    def _still(self, aimed: Any) -> bool:
        """Whether what was found earlier is still there to be broken."""

    @abstractmethod
    def _break(self, aimed: Any) -> None:
        """Break it, at once."""

    @abstractmethod
    def _took_hold(self, aimed: Any) -> bool:
        """Whether it is broken, as far as this can be read back."""

    @abstractmethod
    def _evidence(self, aimed: Any) -> str:
        """In words, what shows that."""

    @abstractmethod
    def _undoings(self, aimed: Any) -> list[Undo]:
        """How it is undone, also by who has nothing of this."""

    def _restart(self, aimed: Any) -> None:  # noqa: B027  most kinds have nothing to ask for
        """Ask for what undoing alone does not bring. Raises OperationError."""

    @abstractmethod
    def _back(self, target: str, aimed: Any) -> str | None:
        """In words, what shows that the robot is whole again; None while it is not."""

    # -- the port --------------------------------------------------------------------------------------------

    @property
    def kind(self) -> str:
        """That of the port."""
        return str(self._options.kind)

    def processes(self) -> dict[str, int]:
        """The robots that are processes of this run, with their pids; who cannot be told is left out."""
        process = getattr(self._options, "process", None)
        if process is None:
            return {}
        members = {one.pid: command_line(one.pid) for one in proctable.run_members(self._run_id)}
        found = {}
        for robot in self._robots:
            expression = re.compile(self._filled(process, robot))
            pids = [pid for pid, line in members.items() if expression.search(line)]
            if len(pids) == 1:
                found[robot] = pids[0]
        return found

    def request(self, target: str) -> str | None:
        """What the operator is to be asked before :meth:`restore`; None where nobody is."""
        ask = self._options.ask
        return None if ask is None else filled(ask, target, self._number(target))

    def aim(self, target: str) -> list[Undo]:
        """Find what is to be broken beforehand, so that the fault itself costs no search; how it is undone.

        Raises OperationError where it is not there, is more than one, or may not be touched.
        """
        self._number(target)
        self._aimed[target] = aimed = self._find(target)
        return self._undoings(aimed)

    def inject(self, target: str, kind: str) -> FaultRecord:
        """Break the robot ``target``; ``kind`` is that of the port.

        ``before_ns`` and ``after_ns`` are around what breaks it; whether that took hold is looked at after.
        """
        if kind != self.kind:
            raise ConfigurationError(f"fault port {self._port} can {self.kind}, not {kind!r}")
        aimed = self._aimed.pop(target, None)
        if aimed is None or not self._still(aimed):
            self.aim(target)
            aimed = self._aimed.pop(target)
        self._broken[target] = aimed
        before = self._clock.monotonic_ns()
        self._break(aimed)
        after = self._clock.monotonic_ns()
        verified = self._held(lambda: self._took_hold(aimed), after + self.verify_ns, self.poll_ns)
        proven = self._clock.monotonic_ns()
        evidence = f"{self._evidence(aimed)} {(proven - before) * 1e-6:.1f} ms after"
        return FaultRecord(target, kind, before, after, verified, evidence, {"proven_ns": str(proven)})

    def restore(self, target: str) -> FaultRecord:
        """Have the robot be whole again, and wait until it is. Repeatable: without a fault it does nothing.

        Raises DeadlineError when it is not within the port's ``timeout_s``, OperationError when it cannot be
        asked for.
        """
        now = self._clock.monotonic_ns()
        aimed = self._broken.get(target)
        if aimed is None:
            return FaultRecord(target, self.kind, now, now, True, "nothing was broken")
        self._undo(aimed)
        self._restart(aimed)
        found: list[str] = []

        def back() -> bool:
            words = self._back(target, aimed)
            found.extend([] if words is None else [words])
            return words is not None

        if not self._held(back, now + round(self._options.timeout_s * 1e9), LOOK_NS):
            raise DeadlineError(
                f"fault port {self._port}: {target} was not {self._whole()} within"
                f" {self._options.timeout_s:g} s",
                hint=self._hint(),
            )
        del self._broken[target]
        after = self._clock.monotonic_ns()
        return FaultRecord(target, self.kind, now, after, True, found[-1])

    def undo(self) -> None:
        """Whatever is broken is undone without waiting until it is whole, the last one first; on every way
        out of a run. Repeatable, from any thread; never raises."""
        with self._undoing:
            while self._broken:
                _, aimed = self._broken.popitem()
                with contextlib.suppress(HarnessError):
                    self._undo(aimed)

    # -- for the kinds ---------------------------------------------------------------------------------------

    def _whole(self) -> str:
        return "whole again"

    def _hint(self) -> str:
        return "look at processes/*.log"

    def _undo(self, aimed: Any) -> None:
        for each in self._undoings(aimed):
            undo(each)

    def _number(self, target: str) -> int:
        if target not in self._robots:
            raise ConfigurationError(f"fault port {self._port}: there is no robot {target!r}")
        return self._robots.index(target) + 1

    def _filled(self, template: str, target: str) -> str:
        return filled(template, target, self._number(target))

    def _matching(self, pattern: str) -> list[Entry]:
        expression = re.compile(pattern)
        return [
            one for one in proctable.run_members(self._run_id) if expression.search(command_line(one.pid))
        ]

    def _process(self, target: str) -> Entry:
        """The one process of the run that is that robot. Raises OperationError."""
        pattern = self._filled(self._options.process, target)
        found = self._matching(pattern)
        if len(found) != 1:
            pids = ", ".join(str(each.pid) for each in found) or "none"
            raise OperationError(
                f"fault port {self._port}: {len(found)} processes of this run match"
                f" {pattern!r}, which is to name the process of {target} ({pids})",
                hint="correct `process` of that port; it is matched against whole command lines",
            )
        return found[0]

    def _held(self, holds: Callable[[], bool], limit_ns: int, poll_ns: int) -> bool:
        while not holds():
            now = self._clock.monotonic_ns()
            if now > limit_ns:
                return False
            self._clock.sleep_until(now + poll_ns)
        return True
