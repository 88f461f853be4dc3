"""Where the facts come from. Tests bring a made-up tree; every reader gets its root path as an argument."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.doctor import adjtimex

LONGEST_READ = 1 << 20
"""Bytes; nothing that is read here is meant to be longer."""
MOST_CPUS = 8192
Tool = Callable[[Sequence[str], float], str | None]


def run_tool(command: Sequence[str], timeout_s: float) -> str | None:
    """Standard output of a program, or None: it is not installed, failed, or took longer than allowed."""
    try:
        done = subprocess.run(
            list(command),
            check=False,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            env={**os.environ, "LC_ALL": "C"},
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.decode(errors="replace") if done.returncode == 0 else None


@dataclass(frozen=True)
class Roots:
    """The places that readers look at: ``/``, ``/proc``, ``/sys``, the environment, and two ways to ask.

    ``tool`` runs a program (:func:`run_tool`), ``kernel_clock`` asks the kernel about its clock
    (:func:`.adjtimex.read`), ``cpus`` are those that this process may use, ``reports`` is where runs go.
    """

    root: Path = Path("/")
    proc: Path = Path("/proc")
    sys: Path = Path("/sys")
    environ: Mapping[str, str] = field(default_factory=lambda: os.environ)
    tool: Tool = run_tool
    kernel_clock: Callable[[], adjtimex.KernelClock | None] = adjtimex.read
    cpus: frozenset[int] = field(default_factory=lambda: frozenset(os.sched_getaffinity(0)))
    reports: Path = Path("reports")

    @property
    def cpu(self) -> Path:
        """Where sysfs keeps the CPUs."""
        return self.sys / "devices/system/cpu"

    @property
    def shm(self) -> Path:
        """Where POSIX shared memory lives."""
        return self.root / "dev/shm"


def read(path: Path) -> str | None:
    """The text of a file without surrounding blanks, or None where it cannot be read.

    Reads at most :data:`LONGEST_READ` bytes and never waits, so that a device file cannot hold it up.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except (OSError, ValueError):
        return None
    parts: list[bytes] = []
    length = 0
    try:
        while length < LONGEST_READ and (part := os.read(descriptor, 1 << 16)):
            parts.append(part)
            length += len(part)
    except OSError:  # a sysfs file may refuse, as `speed` of an interface without a cable does
        if not parts:
            return None
    finally:
        os.close(descriptor)
    return b"".join(parts).decode(errors="replace").strip()


def read_int(path: Path) -> int | None:
    """The whole number in a file, or None."""
    text = read(path)
    try:
        return int(text) if text is not None else None
    except ValueError:
        return None


def entries(path: Path, pattern: str = "*") -> list[Path]:
    """What a folder holds, in order; nothing where it cannot be read."""
    try:
        return sorted(path.glob(pattern))
    except OSError:
        return []


def cpu_set(text: str) -> set[int]:
    """``0-2,5`` -> ``{0, 1, 2, 5}``; what is no number is left out (as ``managed_irq,`` of isolcpus)."""
    found: set[int] = set()
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        if first.isdecimal() and (last or first).isdecimal():
            # No kernel has more than 8192 CPUs; a damaged file shall not fill the memory.
            found.update(range(int(first), min(int(last or first), MOST_CPUS) + 1))
    return found
