"""A run in a process of its own: started, interrupted, and asked what became of it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from harness.interrupt import LAUNCHER

TAIL_BYTES = 4096


class RunProcess:
    """``harness run ...`` as a child.

    It is interrupted by the kernel should the thread that made this object die (PR_SET_PDEATHSIG), so make it
    in the main thread. What it prints goes into a file without a name: a pipe would make a run wait for
    whoever is slow to read it, and break under its safe stop when the reader dies.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        self._output = tempfile.TemporaryFile()  # noqa: SIM115
        self._shown = 0
        self._folder = b""
        self._told, told = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "harness", "run", f"--folder-fd={told}", *arguments],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env={**os.environ, LAUNCHER: str(os.getpid())},
                pass_fds=(told,),
                # A session of its own: Ctrl-C is for the node, which passes it on once.
                start_new_session=True,
            )
        except BaseException:
            os.close(self._told)
            raise
        finally:
            os.close(told)
        os.set_blocking(self._told, False)

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def status(self) -> int | None:
        """Its exit status, negative for a signal; None while it runs."""
        return self._process.poll()

    @property
    def folder(self) -> Path | None:
        """Its run folder, once there is one."""
        if self._told >= 0 and not self._folder.endswith(b"\n"):
            with contextlib.suppress(BlockingIOError):
                self._folder += os.read(self._told, 4096)
        return Path(os.fsdecode(self._folder[:-1])) if self._folder.endswith(b"\n") else None

    def new_lines(self) -> list[str]:
        """Whole lines that it printed since the last call; the rest of the last one, too, once it has
        ended."""
        ended = self.status is not None
        data = os.pread(self._output.fileno(), 1 << 16, self._shown)
        if not ended or len(data) == 1 << 16:
            data = data[: data.rfind(b"\n") + 1]
        self._shown += len(data)
        return data.decode(errors="replace").splitlines()

    def last_words(self) -> str:
        """The end of what it printed: of a run that was refused, why."""
        size = os.fstat(self._output.fileno()).st_size
        data = os.pread(self._output.fileno(), TAIL_BYTES, max(0, size - TAIL_BYTES))
        return data.decode(errors="replace").strip()

    def interrupt(self) -> None:
        """Ask it to stop the robot, write its report and end. Once is enough; more do no harm."""
        if self.status is None:
            self._process.send_signal(signal.SIGINT)

    def kill(self) -> None:
        """End it without a word: its guardian stops the robot then."""
        if self.status is None:
            self._process.kill()

    def close(self) -> None:
        """Wait for the end of it, and let go of its output. Repeatable."""
        self._process.wait()
        if self._told >= 0:
            os.close(self._told)
            self._told = -1
        self._output.close()
