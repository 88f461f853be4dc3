"""The real simulator when the harness goes away, falls silent or is given a robot that shows nothing. Skipped
where Gazebo is not installed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from gazebo_bench import Bench, options, until
from gazebo_real_bench import RIGS, opened, simulator, skip_without_gazebo

from harness.testing.device_bench import Recorder

FAULTS = {
    "stand": {"fault": {"kind": "pause"}},
    "drag": {"fault": {"kind": "slow_down", "real_time_factor": 0.3}},
    "take": {"fault": {"kind": "remove", "model": "{robot}", "sdf": "gazebo/swarm_robot.sdf"}},
}
KINDS = {"stand": "pause", "drag": "slow_down", "take": "remove"}

# A harness in small: a guardian, a device, one fault that is told to the guardian and then brought about.
BREAKER = """
import sys, time
from pathlib import Path
from gazebo_bench import options, until
from gazebo_real_bench import opened
from test_gazebo_real_faults import FAULTS, KINDS
from harness.guardian import Guardian

partition, port, folder = sys.argv[1:]
with opened(partition, FAULTS, robots=["robot"]) as bench:
    until(lambda: bench.device.watch.step_ns, "the physics step")
    guardian = Guardian.start("t-broken", Path(folder))
    fault = bench.device.fault(port)
    guardian.breaking(port, fault.aim("robot"))
    print("verified" if fault.inject("robot", KINDS[port]).verified else "not", flush=True)
    time.sleep(120)
"""


@pytest.fixture(autouse=True)
def _there() -> None:
    skip_without_gazebo()


@pytest.fixture
def partition() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def pace(bench: Bench) -> float:
    """Simulated over wall time, of a fifth of a second."""
    watch = bench.device.watch
    sim, now = watch.sim_ns, time.monotonic_ns()
    time.sleep(0.2)
    return (watch.sim_ns - sim) / (time.monotonic_ns() - now)


@pytest.mark.parametrize("port", FAULTS)
def test_the_guardian_undoes_a_fault_of_a_harness_that_was_killed(
    partition: str, port: str, tmp_path: Path
) -> None:
    """kill -9 while the fault holds: the simulation goes on, at its own pace, with its model."""
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parent}:{os.environ.get('PYTHONPATH', '')}"}
    # Not GZ_IP: the guardian's command has to know by itself where the simulator is.
    environment.pop("GZ_IP", None)
    with simulator(partition, "-r"), opened(partition) as bench:
        node = bench.device._connected()
        until(lambda: bench.device.watch.sim_ns, "ticks")
        usual = pace(bench)
        words = [sys.executable, "-c", BREAKER, partition, port, str(tmp_path)]
        with subprocess.Popen(words, stdout=subprocess.PIPE, env=environment, text=True) as breaker:
            try:
                assert breaker.stdout is not None and breaker.stdout.readline() == "verified\n"
                if port == "take":
                    until(lambda: not node.topic_info("/model/robot/odometry")[0], "the model is gone")
                else:
                    assert pace(bench) < 0.6 * usual
            finally:
                breaker.send_signal(signal.SIGKILL)
        assert breaker.returncode == -signal.SIGKILL
        if port == "take":
            until(lambda: node.topic_info("/model/robot/odometry")[0], "the model is back", 40.0)
        else:
            until(lambda: pace(bench) > 0.7 * usual, "it goes on", 40.0)
        until(lambda: "undone" in _kept(tmp_path), "the guardian's record")
    assert "ended with status 0" in _kept(tmp_path)


def _kept(folder: Path) -> str:
    path = folder / "guardian.jsonl"
    return path.read_text() if path.exists() else ""


@pytest.fixture
def attached(partition: str, tmp_path: Path) -> Iterator[tuple[Path, Bench, Recorder]]:
    """A rig file for a simulator that runs already and outlives the run, and who looks at its robot."""
    rig = yaml.safe_load((RIGS / "gazebo_diff_drive.yaml").read_text())
    del rig["processes"], rig["monitors"]
    rig["devices"]["robot"]["partition"] = partition
    rig["rig"]["item"] = {"model": str(RIGS / "gazebo" / "diff_drive.sdf")}
    rig["host"] = {"floor_s": 0, "max_load_per_cpu": 1000}
    file = tmp_path / "attached.yaml"
    file.write_text(yaml.safe_dump(rig))
    with simulator(partition, "-r"), opened(partition) as bench:
        speeds = Recorder()
        bench.device.response("odometry").listen(speeds)
        yield file, bench, speeds


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["ctrl-c", "kill -9"])
def test_whatever_ends_the_run_the_wheels_stand(
    attached: tuple[Path, Bench, Recorder], number: signal.Signals, tmp_path: Path
) -> None:
    """Seen in the odometry, by somebody else: commands move it, then it stands and stays so."""
    file, _, speeds = attached
    words = [sys.executable, "-m", "harness", "run", str(file), "--out", str(tmp_path / "out"), "--anyway"]
    # Commands that last: the signal meets a robot that moves.
    words += ["--set", "scenarios.step.schedule.follow_ms=1500", "--set", "scenarios.step.timeout_ms=1000"]
    with subprocess.Popen(
        words,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "HARNESS_LOCK_DIR": str(tmp_path)},
    ) as run:
        try:
            until(lambda: speeds.rows and abs(speeds.rows[-1]["value"]) > 0.15, "it moves", 90.0)
            run.send_signal(number)
            run.wait(60)
        finally:
            run.kill()
        said = run.stderr.read() if run.stderr is not None else ""
    assert run.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 4), said

    def stands() -> bool:
        return len(speeds.rows) > 300 and all(abs(row["value"]) < 0.005 for row in speeds.rows[-300:])

    until(stands, "300 odometry messages of a robot that stands", 40.0)


def without_drive(folder: Path) -> Path:
    """The world with a robot whose drive is missing: it takes no commands and shows nothing."""
    text = (RIGS / "gazebo" / "diff_drive.sdf").read_text()
    plugin = re.compile(r'<plugin filename="gz-sim-diff-drive-system".*?</plugin>', re.DOTALL)
    assert len(plugin.findall(text)) == 1
    path = folder / "driveless.sdf"
    path.write_text(plugin.sub("", text))
    return path


def test_a_robot_that_publishes_nothing(partition: str, tmp_path: Path) -> None:
    """Its plugin is missing: nobody publishes, nobody subscribes, both said before anything is sent."""
    how = options(partition=partition, patience_s=4.0)
    with simulator(partition, "-r", world=without_drive(tmp_path)), Bench(how) as bench:
        until(lambda: bench.device.watch.ticks, "a simulator")
        found = {one.name for one in bench.device.preflight()}
    assert found == {"nobody publishes", "nobody subscribes"}


@pytest.mark.slow
def test_a_topic_that_is_advertised_and_never_published(
    attached: tuple[Path, Bench, Recorder], tmp_path: Path
) -> None:
    """The bumper of a robot that touches nothing: the run says that no answer came, and is no PASS."""
    file, _, _ = attached
    rig: Any = yaml.safe_load(file.read_text())
    bumper = {"topic": "/model/robot/bumper", "type": "gz.msgs.Contacts", "value": "contact[0].depth[0]"}
    odom = rig["devices"]["robot"]["ports"]["odom"]["response"]
    rig["devices"]["robot"]["ports"]["odom"]["response"] = {**odom, **bumper}
    rig["scenarios"]["step"]["probing"]["timeout_s"] = 5
    file.write_text(yaml.safe_dump(rig))
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", str(file), "--out", str(tmp_path / "out"), "--anyway"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "HARNESS_LOCK_DIR": str(tmp_path)},
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "robot.odom" in done.stdout + done.stderr
