"""How long processes wait for a CPU: two that share one wait for each other."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import pytest

from harness.procload import Waits, waited_ns

BUSY = """
import os, time
os.sched_setaffinity(0, {%d})
end = time.monotonic() + 60
while time.monotonic() < end: pass
"""


@pytest.mark.slow
def test_two_on_one_cpu_wait_for_each_other() -> None:
    cpu = min(os.sched_getaffinity(0))
    busy = [subprocess.Popen([sys.executable, "-c", BUSY % cpu]) for _ in range(2)]
    try:
        waits = Waits({"one": busy[0].pid, "two": busy[1].pid})
        waits.begin()
        limit = time.monotonic() + 20
        while min(waits.since()[name] for name in ("one", "two")) < 50_000_000:
            assert time.monotonic() < limit, waits.since()
            time.sleep(0.02)
        assert set(waits.since()) == {"one", "two"}
    finally:
        for each in busy:
            each.kill()
            each.wait()


def test_a_process_that_is_gone_has_not_waited() -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    waits = Waits({"gone": gone.pid})
    waits.begin()
    assert waits.since() == {"gone": 0} and waited_ns(gone.pid) == {}
