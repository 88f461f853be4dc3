"""Ctrl-C, SIGTERM and a closed terminal: one exception in every phase, none while the robot is being
stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LAUNCHER = "HARNESS_ENDS_WITH"
"""Environment: process id of the program that started this one and without which it must not go on."""

_PR_SET_PDEATHSIG = 1


class Interrupted(KeyboardInterrupt):
    """The operator or the system asked the run to end."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def end_with_launcher() -> None:
    """Have the kernel send SIGINT when the parent dies, if the environment names a launcher.

    Raises Interrupted when that one is gone already. The name is taken out of the environment: it does not
    concern what this process starts.
    """
    launcher = os.environ.pop(LAUNCHER, "")
    if not launcher.isdigit():
        return
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGINT), *(ctypes.c_ulong(0),) * 3)
    try:
        os.kill(int(launcher), 0)
    except ProcessLookupError:
        raise Interrupted("launcher") from None
    except OSError:
        pass  # alive, and somebody else's


class Interrupts:
    """Turns the signals into :class:`Interrupted`, raised in the main thread, unless shielded.

    While shielded (safe stop, tear-down, writing evidence) a signal is only counted: stopping a robot is
    never interrupted. Off the main thread no handler can be set; the signals then keep their meaning.
    """

    def __init__(self) -> None:
        self._shields = 0
        self.count = 0
        self.last: str | None = None

    @contextlib.contextmanager
    def handled(self) -> Iterator[Interrupts]:
        """Install the handlers for the ``with`` block."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.getsignal(number) for number in SIGNALS}
        if before[signal.SIGHUP] == signal.SIG_IGN:
            del before[signal.SIGHUP]  # under nohup: a run is meant to outlive its terminal
        for number in before:
            signal.signal(number, self._on_signal)
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextlib.contextmanager
    def shielded(self) -> Iterator[None]:
        """Nothing is raised inside the ``with`` block."""
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1

    def raise_pending(self) -> None:
        """Raise now what came while shielded."""
        if self.last is not None and not self._shields:
            self._shields += 1
            raise Interrupted(self.last)

    def shield(self) -> None:
        """Nothing is raised any more."""
        self._shields += 1

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.count += 1
        self.last = signal.Signals(number).name
        if not self._shields:
            # Once is enough: a second Ctrl-C must not cut the safe stop that the first one begins.
            self._shields += 1
            raise Interrupted(self.last)
