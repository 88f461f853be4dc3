"""The harness's end of the process that records the host."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path

from harness.hostlog.pauses import Pauses
from harness.journal import TableWriter
from harness.proctable import RUN_ID_VARIABLE

END_TIMEOUT_S = 5.0


class HostLog:
    """Records from :meth:`start` to :meth:`close`. What cannot be recorded ends no run."""

    def __init__(self, child: subprocess.Popen[bytes] | None, pauses: Pauses) -> None:
        self._child = child
        self._pauses = pauses
        self.trouble = ""
        """Why the host was not recorded to the end, in words; empty if it was."""

    @classmethod
    def start(cls, folder: Path, rate_hz: float, pauses: TableWriter) -> HostLog:
        """Begin, for the run in ``folder``, with ``rate_hz`` looks a second."""
        log = folder / "processes" / "_host.log"
        # Without the run id: ending the processes of a run must not end what records them.
        env = {key: value for key, value in os.environ.items() if key != RUN_ID_VARIABLE}
        path = os.pathsep.join([*filter(None, sys.path), env.get("PYTHONPATH", "")]).strip(os.pathsep)
        command = [sys.executable, "-m", "harness.hostlog", str(folder.absolute())]
        child, trouble = None, ""
        try:
            with log.open("wb") as output:
                child = subprocess.Popen(
                    [*command, str(os.getpid()), f"{rate_hz:g}"],
                    env={**env, "PYTHONPATH": path},
                    stdin=subprocess.PIPE,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except OSError as error:
            trouble = f"its process cannot be started: {error}"
        found = cls(child, Pauses(pauses))
        found.trouble = trouble
        return found

    @property
    def pid(self) -> int | None:
        """Of the process that records."""
        return None if self._child is None else self._child.pid

    def close(self) -> None:
        """Take a last look, and end. Repeatable; says in ``trouble`` what went wrong."""
        self._pauses.close()
        child, self._child = self._child, None
        if child is None:
            return
        assert child.stdin is not None
        ended = child.poll()
        with contextlib.suppress(OSError):
            child.stdin.close()
        try:
            child.wait(END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
            self.trouble = f"its process did not end within {END_TIMEOUT_S:g} s and was killed"
        if ended is not None or (child.returncode and not self.trouble):
            self.trouble = f"its process ended by itself with status {child.returncode}"
