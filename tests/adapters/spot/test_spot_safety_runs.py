"""What a walking Spot does when the harness ends, hangs or is interrupted: whole runs, a real guardian.

docs/spot-safety.md names these tests, row by row.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from spot_bench import END_S, ESTOP_S, LEASE_S, NS, SIT_S, Robot, Walker, until
from spot_runs import call, lines, walking_run

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    one = Robot(tmp_path_factory.mktemp("spot"))
    yield one
    one.peer.end()


def test_kill_9_while_it_walks(robot: Robot, tmp_path: Path) -> None:
    robot.heal()
    with walking_run(robot, tmp_path, "spot-kill") as run:
        folder = run.run_dir
        killed_ns = time.monotonic_ns()
        run.popen.kill()
        robot.assert_walked(killed_ns)
        # The guardian has a stop taken under a sub-lease; without it the last command would end by itself.
        (acting, *_) = until(lambda: lines(folder / "guardian.jsonl"), "the guardian acts")
        assert acting["event"] == "acting"
        robot.assert_stood(killed_ns)
        stops = robot.taken(killed_ns, "stop")
        assert stops and stops[0]["monotonic_ns"] < killed_ns + (END_S + SIT_S) * NS
        # Nobody checks in or keeps the lease any longer.
        assert robot.assert_off(killed_ns, max(ESTOP_S, LEASE_S) + SIT_S)
        until(
            lambda: [one for one in lines(folder / "guardian.jsonl") if one["event"] == "done"], "it is done"
        )
    recovered = call(tmp_path, "recover", str(folder))
    assert (folder / "results.json").exists(), recovered.stderr
    assert len(run.evidence.samples)
    run.evidence.assert_whole()
    # What the dead run left of itself on the robot keeps no other from it.
    robot.heal()
    with Walker(robot):
        assert robot.state["estop_by"] == ""
    assert [name for name in robot.state["endpoints"] if name.startswith("harness ")] == []


def test_ctrl_c_while_it_walks(robot: Robot, tmp_path: Path) -> None:
    robot.heal()
    with walking_run(robot, tmp_path, "spot-ctrl-c") as run:
        asked_ns = time.monotonic_ns()
        run.signal_group(signal.SIGINT)
        run.finish()
    robot.assert_walked(asked_ns)
    robot.assert_stood(asked_ns)
    (first, *_) = robot.taken(asked_ns, "stop")
    assert [row for row in robot.taken(asked_ns) if row["monotonic_ns"] > first["monotonic_ns"]] == []
    assert robot.assert_off(asked_ns, 2 * SIT_S) == ["safe power off"]
    said = robot.state
    assert said["lease"] is None
    assert [name for name in said["endpoints"] if name.startswith("harness ")] == []
    assert "SIGINT" in run.evidence.assert_aborted("interrupt")
    run.evidence.assert_whole()


def test_a_harness_that_hangs_while_it_walks(robot: Robot, tmp_path: Path) -> None:
    robot.heal()
    with walking_run(robot, tmp_path, "spot-hang") as run:
        hung_ns = time.monotonic_ns()
        os.kill(run.popen.pid, signal.SIGSTOP)
        try:
            robot.assert_walked(hung_ns)
            robot.assert_stood(hung_ns)
            assert robot.rows("expired", hung_ns)
            # Its keep-alives hang with it.
            assert robot.assert_off(hung_ns, max(ESTOP_S, LEASE_S) + SIT_S)
            acted = until(lambda: lines(run.run_dir / "guardian.jsonl"), "the guardian acts")
            assert "no heartbeat" in acted[0]["reason"]
        finally:
            os.kill(run.popen.pid, signal.SIGCONT)
        run.finish()
        assert robot.taken(hung_ns + NS) == []
    run.evidence.assert_aborted(run.evidence.run["abort_kind"])
    run.evidence.assert_whole()
