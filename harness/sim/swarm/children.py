"""The processes of the swarm: started together, started again, ended together; none outlives the launcher."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

PATIENCE_S = 5.0
_PR_SET_PDEATHSIG = 1


def die_with(parent: int) -> None:
    """Have the kernel end this process when its parent does, even by SIGKILL; end now if it has already."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:
        os._exit(0)


class Children:
    """One process per name. ``wrap`` turns the command of a name into the one that is run."""

    def __init__(self, wrap: Callable[[str, list[str]], list[str]], environment: dict[str, str]) -> None:
        self._wrap, self._environment = wrap, environment
        self._commands: dict[str, list[str]] = {}
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._died: dict[str, float] = {}

    def start(self, name: str, arguments: Sequence[str], first: Sequence[str] = ()) -> None:
        """Start it; ``first`` are arguments of the first time alone."""
        command = [sys.executable, "-m", "harness.sim.swarm", *arguments, f"--parent={os.getpid()}"]
        self._commands[name] = command
        self._run(name, [*command, *first])

    def _run(self, name: str, command: list[str]) -> None:
        process = subprocess.Popen(self._wrap(name, command), env=self._environment, stdin=subprocess.DEVNULL)
        self._processes[name] = process
        self._died.pop(name, None)
        print(f"swarm: {name} pid {process.pid}", flush=True)

    def dead(self) -> dict[str, float]:
        """The names whose process has ended, and when that was found (CLOCK_MONOTONIC, s)."""
        for name, process in self._processes.items():
            if process.poll() is not None and name not in self._died:
                self._died[name] = time.monotonic()
                print(f"swarm: {name} ended with {process.returncode}", flush=True)
        return dict(self._died)

    def restart(self, name: str, before: Callable[[str], None]) -> None:
        """Start one that has ended again; ``before`` is called with its name first."""
        before(name)
        self._run(name, self._commands[name])

    def end(self) -> None:
        """End all: asked first, killed where that does not help. Stopped ones are woken."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
        limit = time.monotonic() + PATIENCE_S
        for process in self._processes.values():
            try:
                process.wait(max(0.0, limit - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def forget(directory: Path, name: str) -> None:
    """Take a robot's memory away."""
    (directory / f"{name}.state").unlink(missing_ok=True)
