"""Faults of processes: they take hold, are verified and undone, and touch only processes of the run."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

import pytest
from pydantic import TypeAdapter

from harness import proctable
from harness.clock import HostClock
from harness.config.faults import FaultOptions
from harness.errors import ConfigurationError, DeadlineError, OperationError
from harness.faults import FaultPort, make_fault
from harness.faults.base import command_line

ROBOTS = ["left", "right"]
SLEEPER = [sys.executable, "-c", "import time; time.sleep(60)"]
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def run_id() -> str:
    return f"faults-{secrets.token_hex(4)}"


@pytest.fixture
def start(run_id: str) -> Iterator[Start]:
    begun: list[subprocess.Popen[bytes]] = []

    def start(*words: str, run: str = run_id) -> subprocess.Popen[bytes]:
        process = subprocess.Popen([*SLEEPER, *words], env={**os.environ, "HARNESS_RUN_ID": run})
        begun.append(process)
        until(lambda: words[0] in command_line(process.pid))
        return process

    yield start
    for process in begun:
        process.kill()
        process.wait()


def until(holds: Callable[[], object]) -> None:
    limit = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < limit
        time.sleep(0.005)


def faults(run_id: str, **options: object) -> FaultPort:
    given = {"kind": "kill", "process": "--robot={number}$", **options}
    told = TypeAdapter(FaultOptions).validate_python(given)
    return make_fault("break", told, ROBOTS, run_id, HostClock())


def test_kill_is_verified_and_restored_when_it_runs_again(run_id: str, start: Start) -> None:
    left, right = start("--robot=1"), start("--robot=2")
    fault = faults(run_id, timeout_s=20.0)
    record = fault.inject("right", "kill")
    assert record.verified and record.target == "right" and record.kind == "kill"
    assert record.before_ns <= record.after_ns <= time.monotonic_ns()
    assert str(right.pid) in record.evidence
    right.wait()
    assert right.returncode == -9 and left.poll() is None
    again = start("--robot=2")
    restored = fault.restore("right")
    assert restored.verified and str(again.pid) in restored.evidence
    assert fault.restore("right").evidence == "nothing was broken"


def test_nobody_starts_it_again(run_id: str, start: Start) -> None:
    start("--robot=1")
    fault = faults(run_id, timeout_s=0.05)
    assert fault.inject("left", "kill").verified
    with pytest.raises(DeadlineError, match="left was not started again"):
        fault.restore("left")


def test_hang_stops_and_goes_on(run_id: str, start: Start) -> None:
    left = start("--robot=1")
    fault = faults(run_id, kind="hang")
    record = fault.inject("left", "hang")
    entry = proctable.read(left.pid)
    assert record.verified and entry is not None and entry.state == "T"
    restored = fault.restore("left")
    entry = proctable.read(left.pid)
    assert restored.verified and entry is not None and entry.state != "T"


def test_who_leaves_has_to_end(run_id: str, start: Start) -> None:
    left = start("--robot=1")
    fault = faults(run_id, kind="leave", signal="SIGTERM", timeout_s=20.0)
    record = fault.inject("left", "leave")
    assert record.verified and left.wait(20) == -15
    again = start("--robot=1")
    assert str(again.pid) in fault.restore("left").evidence


def test_two_robots_are_broken_and_restored_each_by_itself(run_id: str, start: Start) -> None:
    both = [start("--robot=1"), start("--robot=2")]
    fault = faults(run_id, kind="hang")

    def states() -> list[str]:
        entries = [proctable.read(each.pid) for each in both]
        return ["T" if each is not None and each.state == "T" else "runs" for each in entries]

    fault.inject("left", "hang")
    fault.inject("right", "hang")
    assert states() == ["T", "T"]
    fault.restore("left")
    assert states() == ["runs", "T"]
    fault.undo()
    until(lambda: states() == ["runs", "runs"])


def test_waking_is_safe_at_any_time(run_id: str, start: Start) -> None:
    left = start("--robot=1")
    fault = faults(run_id, kind="hang")
    fault.undo()
    fault.inject("left", "hang")
    fault.undo()
    until(lambda: (entry := proctable.read(left.pid)) is not None and entry.state != "T")


def test_a_process_of_another_run_is_never_touched(run_id: str, start: Start) -> None:
    other = start("--robot=1", run=f"other-{run_id}")
    with pytest.raises(OperationError, match="0 processes of this run match"):
        faults(run_id).inject("left", "kill")
    assert other.poll() is None


def test_a_pattern_that_names_several_breaks_none(run_id: str, start: Start) -> None:
    both = [start("--robot=1"), start("--robot=2")]
    with pytest.raises(OperationError, match="2 processes of this run match"):
        faults(run_id, process="--robot=").inject("left", "kill")
    assert [each.poll() for each in both] == [None, None]


def test_who_restarts_has_to_be_one_process(run_id: str, start: Start) -> None:
    left = start("--robot=1")
    fault = faults(run_id, restart={"process": "--launcher"})
    with pytest.raises(OperationError, match="0 processes of this run match '--launcher'"):
        fault.inject("left", "kill")
    assert left.poll() is None  # nothing is broken that nobody would mend


def test_what_it_cannot_do_is_refused(run_id: str) -> None:
    with pytest.raises(ConfigurationError, match="can kill, not 'hang'"):
        faults(run_id).inject("left", "hang")
    with pytest.raises(ConfigurationError, match="no robot 'middle'"):
        faults(run_id).aim("middle")
