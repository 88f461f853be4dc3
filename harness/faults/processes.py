"""Faults of processes: a robot's process is killed, stopped or made to leave, and started or woken again.

Only processes that carry the run's ``HARNESS_RUN_ID`` are touched, and exactly one has to match, so that a
pattern that is too wide breaks nothing else.
"""

from __future__ import annotations

import signal

from harness import proctable
from harness.errors import OperationError
from harness.faults.base import LOOK_NS, FaultPort
from harness.guardian.undo import Undo, wake
from harness.proctable import Entry


class ProcessFault(FaultPort):
    """A signal to the robot's process, which the kernel acts upon by itself."""

    def _signal(self) -> signal.Signals:
        return signal.SIGKILL

    def _find(self, target: str) -> Entry:
        if getattr(self._options, "restart", None) is not None:
            self._restarter()  # better told before anything is broken
        return self._process(target)

    def _still(self, aimed: Entry) -> bool:
        return proctable.is_running(aimed.pid, aimed.started)

    def _break(self, aimed: Entry) -> None:
        proctable.send(aimed, self._signal())

    def _took_hold(self, aimed: Entry) -> bool:
        # A zombie does not run.
        return not proctable.is_running(aimed.pid, aimed.started)

    def _evidence(self, aimed: Entry) -> str:
        state = proctable.read(aimed.pid)
        seen = "gone" if state is None or state.started != aimed.started else f"in state {state.state}"
        return f"pid {aimed.pid} {seen}"

    def _undoings(self, aimed: Entry) -> list[Undo]:
        return []

    def _restart(self, aimed: Entry) -> None:
        restart = getattr(self._options, "restart", None)
        if restart is None:
            return
        proctable.send(self._restarter(), signal.Signals[restart.signal])
        self._clock.sleep_until(self._clock.monotonic_ns() + LOOK_NS)

    def _restarter(self) -> Entry:
        """The one process of the run that starts robots again. Raises OperationError."""
        restart = self._options.restart
        asked = self._matching(restart.process)
        if len(asked) != 1:
            raise OperationError(
                f"fault port {self._port}: {len(asked)} processes of this run match {restart.process!r},"
                " one is to start robots again",
                hint="correct `restart.process` of that port; it is matched against whole command lines",
            )
        return asked[0]

    def _back(self, target: str, aimed: Entry) -> str | None:
        found = [
            each
            for each in self._matching(self._filled(self._options.process, target))
            if each.pid != aimed.pid
        ]
        return f"pid {found[0].pid} started" if found else None

    def _whole(self) -> str:
        return "started again"

    def _hint(self) -> str:
        return "look at processes/*.log: who starts it, and does it take that signal?"


class Kill(ProcessFault):
    """SIGKILL."""


class Leave(ProcessFault):
    """The signal on which the robot leaves in good order; it has to end."""

    def _signal(self) -> signal.Signals:
        return signal.Signals[self._options.signal]


class Hang(ProcessFault):
    """SIGSTOP, undone by SIGCONT."""

    def _signal(self) -> signal.Signals:
        return signal.SIGSTOP

    def _took_hold(self, aimed: Entry) -> bool:
        now = proctable.read(aimed.pid)
        return now is not None and now.started == aimed.started and now.state in "Tt"

    def _undoings(self, aimed: Entry) -> list[Undo]:
        return [wake(aimed)]

    def _back(self, target: str, aimed: Entry) -> str | None:
        if self._took_hold(aimed):
            return None
        return f"pid {aimed.pid} {'runs' if self._still(aimed) else 'is gone'}"

    def _whole(self) -> str:
        return "awake"
