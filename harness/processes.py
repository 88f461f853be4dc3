"""The programs of a rig: started, watched, waited for and ended.

Each runs in a session of its own, so that a Ctrl-C in the terminal reaches the harness alone, which then ends
them in order. Each carries ``HARNESS_RUN_ID``, by which :func:`end_run_processes` finds whatever it left
behind.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING

from harness import proctable
from harness.clock import HostClock
from harness.errors import ConfigurationError, DeadlineError, OperationError, RecordingError
from harness.proctable import RUN_ID_VARIABLE, end_run_processes

if TYPE_CHECKING:
    from harness.config.schema import Process

__all__ = ["Managed", "Processes", "end_run_processes"]

POLL_NS = 20_000_000
KILL_PATIENCE_S = 5.0
TAIL_BYTES = 64 * 1024


@dataclass
class Managed:
    """One started process. ``asked``: the harness told it to end, so that its end is no news."""

    name: str
    spec: Process
    popen: subprocess.Popen[bytes]
    log: Path
    started: int
    asked: bool = False
    _scanned: int = field(default=0, repr=False)
    _rest: str = field(default="", repr=False)

    @property
    def pid(self) -> int:
        """Its pid, which is its process group and session as well."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, minus the number of the signal that ended it, or None while it runs."""
        return self.popen.poll()

    @property
    def how(self) -> str:
        """How it ended, in words: ``exit status 3``, ``signal SIGKILL``, ``running``."""
        code = self.returncode
        if code is None:
            return "running"
        if code >= 0:
            return f"exit status {code}"
        try:
            return f"signal {signal.Signals(-code).name}"
        except ValueError:
            return f"signal {-code}"

    def said(self, pattern: re.Pattern[str]) -> bool:
        """Whether a line written since the last call that returned False matches; each line is read once."""
        with self.log.open("rb") as file:
            file.seek(self._scanned)
            new = file.read()
        self._scanned += len(new)
        *whole, rest = (self._rest + new.decode(errors="replace")).split("\n")
        # A prompt without an end of line counts too; it is looked at again when it has grown.
        self._rest = rest[-TAIL_BYTES:]
        return any(pattern.search(line) for line in (*whole, rest))


class Processes:
    """The processes of one run. ``log_dir`` takes one ``NAME.log`` each. Used by one thread."""

    def __init__(self, run_id: str, log_dir: Path, clock: HostClock) -> None:
        self._run_id = run_id
        self._log_dir = log_dir
        self._clock = clock
        self._managed: dict[str, Managed] = {}

    def start(
        self,
        name: str,
        spec: Process,
        rig_dir: Path,
        environment: Mapping[str, str],
        *,
        stdin: int = subprocess.DEVNULL,
    ) -> Managed:
        """Start one process; ``environment`` (of the devices) comes before ``spec.env`` in rank. ``stdin``
        PIPE: for a program that ends when its standard input closes, as it does with the harness.

        Raises ConfigurationError when the program or its folder is not there or cannot be executed,
        OperationError when a process of that name runs already, RecordingError when the log cannot be
        written.
        """
        before = self._managed.get(name)
        if before is not None and before.returncode is None:
            raise OperationError(f"process {name!r} runs already (pid {before.pid})")
        folder = rig_dir / (spec.cwd or ".")
        if not folder.is_dir():
            raise ConfigurationError(
                f"process {name!r}: folder {str(folder)!r} does not exist",
                hint=f"correct processes.{name}.cwd; it is relative to the rig file",
            )
        command = list(spec.command)
        if command[0] == "python":
            command[0] = sys.executable
        env = {
            **os.environ,
            "PYTHONUNBUFFERED": "1",
            **environment,
            **spec.env,
            RUN_ID_VARIABLE: self._run_id,
        }
        log = self._log_dir / f"{name}.log"
        try:
            self._log_dir.mkdir(parents=True, exist_ok=True)
            output = log.open("wb")
        except OSError as error:
            raise RecordingError(f"log of process {name!r} cannot be written: {error}") from error
        with output:
            popen = self._spawn(name, command, folder, env, output, stdin)
        entry = proctable.read(popen.pid)
        managed = Managed(name, spec, popen, log, entry.started if entry else 0)
        self._managed.pop(name, None)
        self._managed[name] = managed
        return managed

    @staticmethod
    def _spawn(
        name: str, command: list[str], folder: Path, env: dict[str, str], output: IO[bytes], stdin: int
    ) -> subprocess.Popen[bytes]:
        try:
            with _interruptible_children():
                return subprocess.Popen(
                    command,
                    cwd=folder,
                    env=env,
                    stdin=stdin,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
        except FileNotFoundError as error:
            raise ConfigurationError(
                f"process {name!r}: program {command[0]!r} not found",
                hint=f"install it, put it on PATH, or correct processes.{name}.command",
            ) from error
        except (OSError, ValueError) as error:
            raise ConfigurationError(
                f"process {name!r}: program {command[0]!r} cannot be executed: {error}",
                hint=f"check its permissions, its first line and processes.{name}.command",
            ) from error

    def ended(self) -> list[Managed]:
        """Those that ended though nobody asked them to, in the order they were started; the same at every
        call."""
        return [m for m in self._managed.values() if not m.asked and m.returncode is not None]

    def log_tail(self, name: str, lines: int = 20) -> str:
        """The last ``lines`` lines that the process wrote, joined by line feeds; empty if it wrote
        nothing."""
        try:
            with self._managed[name].log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(0, size - TAIL_BYTES))
                text = file.read().decode(errors="replace")
        except OSError as error:
            return f"(log cannot be read: {error})"
        return "\n".join(text.splitlines()[-lines:])

    def wait_ready(self, name: str, is_ready: Callable[[str, str], bool]) -> None:
        """Return once every condition of the process's ``ready`` has held.

        ``is_ready(condition, argument)`` answers for the conditions that a device has to judge
        (``publishes``, ``serves``); ``log`` is looked for in what the process writes. Raises OperationError
        when the process ends meanwhile, DeadlineError when ``timeout_s`` passes, and what ``is_ready``
        raises.
        """
        managed = self._managed[name]
        ready = managed.spec.ready
        missing: dict[str, Callable[[], bool]] = {}
        if ready.log is not None:
            try:
                pattern = re.compile(ready.log)
            except re.error as error:
                raise ConfigurationError(
                    f"process {name!r}: {ready.log!r} is no regular expression: {error}",
                    hint=f"correct processes.{name}.ready.log",
                ) from error
            missing[f"its output matches {ready.log!r}"] = lambda: managed.said(pattern)
        if ready.publishes is not None:
            topic = ready.publishes
            missing[f"somebody publishes {topic}"] = lambda: is_ready("publishes", topic)
        if ready.serves is not None:
            served = ready.serves
            missing[f"somebody serves {served}"] = lambda: is_ready("serves", served)
        deadline = self._clock.monotonic_ns() + round(ready.timeout_s * 1e9)
        while True:
            # Whether it ended is asked first: what a dead process wrote or published makes it no less dead.
            if managed.returncode is not None:
                tail = self.log_tail(name) or "(nothing)"
                raise OperationError(
                    f"process {name!r} ended before it was ready ({managed.how}); it wrote:\n{tail}",
                    hint=f"see {managed.log}",
                )
            for condition in [text for text, holds in missing.items() if holds()]:
                del missing[condition]
            if not missing:
                return
            now = self._clock.monotonic_ns()
            if now >= deadline:
                raise DeadlineError(
                    f"process {name!r} not ready after {ready.timeout_s:g} s; missing: {'; '.join(missing)}",
                    hint=f"see {managed.log}",
                )
            self._clock.sleep_until(min(deadline, now + POLL_NS))

    def stop_all(self) -> list[str]:
        """End every process, the last started first. Repeatable; goes on past failures.

        SIGINT to the process group; after ``stop_timeout_s`` SIGTERM to the whole session; after as long
        again SIGKILL. Returns one line per process that needed more than the SIGINT, or that could not be
        ended.
        """
        told = []
        for managed in reversed(list(self._managed.values())):
            try:
                force = self._stop(managed)
            except OSError as error:
                force = f"could not be ended: {error}"
            if force:
                told.append(f"{managed.name}: {force}")
        return told

    def _stop(self, managed: Managed) -> str | None:
        if managed.popen.stdin is not None:
            managed.popen.stdin.close()
        if managed.returncode is None:
            managed.asked = True
        patience_s = managed.spec.stop_timeout_s
        needed = None
        for number, wait_s in (
            (signal.SIGINT, patience_s),
            (signal.SIGTERM, patience_s),
            (signal.SIGKILL, KILL_PATIENCE_S),
        ):
            members = proctable.session_members(managed.pid, managed.started)
            if not members:
                break
            if number is signal.SIGINT:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(managed.pid, number)
            else:
                needed = f"needed {number.name}"
                for entry in members:
                    proctable.send(entry, number)
            self._wait_gone(managed, wait_s)
        left = proctable.session_members(managed.pid, managed.started)
        managed.popen.poll()  # it may have become a zombie, to be reaped, since it was last looked at
        return f"still there after SIGKILL: {', '.join(str(e.pid) for e in left)}" if left else needed

    def _wait_gone(self, managed: Managed, patience_s: float) -> None:
        deadline = self._clock.monotonic_ns() + round(patience_s * 1e9)
        while managed.returncode is None or proctable.session_members(managed.pid, managed.started):
            now = self._clock.monotonic_ns()
            if now >= deadline:
                return
            self._clock.sleep_until(min(deadline, now + POLL_NS))


@contextlib.contextmanager
def _interruptible_children() -> Iterator[None]:
    """Children get SIGINT's default action even if the harness ignores it, as under ``nohup`` or ``command
    &``.

    An ignored signal stays ignored across exec, a handled one does not (signal(7)).
    """
    if (
        threading.current_thread() is not threading.main_thread()
        or signal.getsignal(signal.SIGINT) != signal.SIG_IGN
    ):
        yield
        return
    signal.signal(signal.SIGINT, lambda number, frame: None)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
