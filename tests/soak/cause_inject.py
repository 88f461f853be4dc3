"""Disturbances of known kind, each a process of its own, bounded in time: ``cause_inject.py KIND ...``.

All come at random distances, but for ``task``. At real-time priority, so that they take the core from a robot
that is at real-time priority itself, as the clean runs need on a busy host.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import time

PRIORITY = 90


def at_core(core: int) -> None:
    os.sched_setaffinity(0, {core})
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


def spin(seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def hog(core: int, seconds: float, seed: int) -> None:
    """Bursts of 12 to 25 ms, 200 ms apart on average."""
    at_core(core)
    chance, end = random.Random(seed), time.monotonic() + seconds
    while time.monotonic() < end:
        time.sleep(0.06 + chance.expovariate(1 / 0.14))
        spin(chance.uniform(0.012, 0.025))


def task(core: int, seconds: float, seed: int) -> None:
    """9 ms of work every 100 ms."""
    at_core(core)
    chance = random.Random(seed)
    due, end = time.monotonic() + chance.uniform(0.0, 0.1), time.monotonic() + seconds
    while due < end:
        time.sleep(max(0.0, due - time.monotonic()))
        spin(0.009)
        due += 0.1


def pause(pid: int, seconds: float, seed: int) -> None:
    """Stops of 45 to 90 ms, 400 ms apart on average."""
    chance, end = random.Random(seed), time.monotonic() + seconds
    with contextlib.suppress(ProcessLookupError):
        try:
            while time.monotonic() < end:
                time.sleep(0.1 + chance.expovariate(1 / 0.3))
                os.kill(pid, signal.SIGSTOP)
                time.sleep(chance.uniform(0.045, 0.09))
                os.kill(pid, signal.SIGCONT)
        finally:
            os.kill(pid, signal.SIGCONT)


if __name__ == "__main__":
    kind, target, seconds, seed = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), int(sys.argv[4])
    {"hog": hog, "task": task, "pause": pause}[kind](target, seconds, seed)
