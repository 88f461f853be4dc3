"""``python -m benchmarks.injecting KIND PID BEGIN_NS END_NS``: a fault for a process, from outside, for a
time.

Instants are on CLOCK_MONOTONIC. ``burst``: stopped once for 150 ms. ``periodic``: stopped for 15 ms in every
100. ``tail``: stopped for 15 ms at random instants, 3 a second on average. ``drift``: two busy loops on the
one CPU that the process is bound to meanwhile. Whatever happens, the process goes on afterwards.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress

KINDS = ("burst", "periodic", "tail", "drift")


def until(at_ns: int) -> None:
    """Sleep until that instant."""
    while (left := at_ns - time.monotonic_ns()) > 0:
        time.sleep(left * 1e-9)


def stop(pid: int, ms: float) -> None:
    """Nothing of the process runs for that long."""
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(ms * 1e-3)
    finally:
        os.kill(pid, signal.SIGCONT)


def starve(pid: int, end_ns: int) -> None:
    """Share one CPU among the process and two busy loops."""
    before = os.sched_getaffinity(pid)
    cpu = min(before)
    code = f"import os,time\nos.sched_setaffinity(0,{{{cpu}}})\nwhile time.monotonic_ns()<{end_ns}: pass"
    os.sched_setaffinity(pid, {cpu})
    hogs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    try:
        until(end_ns)
    finally:
        for each in hogs:
            each.kill()
            each.wait()
        with suppress(ProcessLookupError):
            os.sched_setaffinity(pid, before)


def inject(kind: str, pid: int, begin_ns: int, end_ns: int) -> None:
    """The fault, from begin to end; a process that has gone ends it."""
    until(begin_ns)
    source = random.Random(begin_ns)
    at = begin_ns
    with suppress(ProcessLookupError):
        if kind == "burst":
            stop(pid, 150)
        elif kind == "drift":
            starve(pid, end_ns)
        else:
            while at < end_ns:
                until(at)
                stop(pid, 15)
                at += 100_000_000 if kind == "periodic" else round(source.expovariate(3.0) * 1e9)


if __name__ == "__main__":
    inject(sys.argv[1], *map(int, sys.argv[2:5]))
