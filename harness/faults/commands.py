"""A fault that a command of the user's own brings about and undoes: ssh, a switched socket, a call."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from harness.errors import OperationError
from harness.faults.base import LOOK_NS, FaultPort
from harness.guardian.undo import Undo, run

LAST_WORDS = 200
"""Characters of what a command printed that are kept as evidence."""


@dataclass
class Called:
    """A robot, and how the command that breaks it ended."""

    target: str
    status: int | None = None
    words: str = ""


class Command(FaultPort):
    """``inject``, then ``verify`` until it succeeds; ``restore``, then ``restored`` until that does."""

    poll_ns = LOOK_NS

    @property
    def verify_ns(self) -> int:  # type: ignore[override]
        """The time that one call may take, and a little for calling again."""
        return round(float(self._options.command_timeout_s) * 1e9)

    def _find(self, target: str) -> Called:
        return Called(target)

    def _still(self, aimed: Called) -> bool:
        return True

    def _break(self, aimed: Called) -> None:
        aimed.status, aimed.words = self._call(self._options.inject, aimed.target)

    def _took_hold(self, aimed: Called) -> bool:
        if aimed.status != 0:
            return False
        verify = self._options.verify
        return verify is None or self._call(verify, aimed.target)[0] == 0

    def _evidence(self, aimed: Called) -> str:
        program = self._options.inject[0]
        if aimed.status != 0:
            return f"{program} ended with status {aimed.status}: {aimed.words or 'no words'};"
        verify = self._options.verify
        if verify is None:
            return f"{program} ended with status 0, and nothing else proves it;"
        return f"{program} ended with status 0, {verify[0]} asked for the proof"

    def _undoings(self, aimed: Called) -> list[Undo]:
        restore = self._options.restore
        words = [self._filled(word, aimed.target) for word in restore or ()]
        return [run(words, self._options.command_timeout_s)] if words else []

    def _undo(self, aimed: Called) -> None:
        if self._options.restore is None:
            return
        status, words = self._call(self._options.restore, aimed.target)
        if status != 0:
            raise OperationError(
                f"fault port {self._port}: `restore` of {aimed.target} ended with status {status}:"
                f" {words or 'no words'}",
                hint="the robot may still be broken: restore it by hand, then correct the command",
            )

    def _back(self, target: str, aimed: Called) -> str | None:
        restored = self._options.restored
        if restored is None:
            return "nothing proves it but the swarm"
        return f"{restored[0]} ended with status 0" if self._call(restored, target)[0] == 0 else None

    def _hint(self) -> str:
        return "does `restored` of that port succeed when it is called by hand?"

    def _call(self, command: list[str], target: str) -> tuple[int | None, str]:
        """Exit status (None: it took too long) and last words."""
        words = [self._filled(word, target) for word in command]
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._options.command_timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return None, f"still running after {self._options.command_timeout_s:g} s"
        except OSError as error:
            raise OperationError(
                f"fault port {self._port}: {words[0]}: {error.strerror}",
                hint="is the program installed? commands run without a shell",
            ) from error
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        return done.returncode, said[-LAST_WORDS:]
