"""Faults with a ROS 2 robot: it dies, never appears, is silent, somebody else drives it; signals, kill -9."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from fault_bench import ROOT, Cli, Evidence, call, cli, lines, people, rig_file, until

from harness.model import NO_STAMP, StimulusFlag, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.ros]

SIM = yaml.safe_load((ROOT / "rig_configs" / "sim_diff_drive.yaml").read_text())
FOREVER = {"scenarios.command.schedule.samples": 1_000_000}

RIVAL = """
import sys, time
import rclpy
from geometry_msgs.msg import TwistStamped
rclpy.init(domain_id=int(sys.argv[1]))
node = rclpy.create_node("joystick")
publisher = node.create_publisher(TwistStamped, "/cmd_vel", 10)
print("up", flush=True)
sys.stdin.read()
node.destroy_node()
rclpy.shutdown()
"""


def sim(folder: Path, changes: dict[str, Any] | None = None, *misbehave: str) -> Path:
    robot = ["python", "-m", "harness.sim.diff_drive", "--log-truth", str(folder / "truth.jsonl")]
    robot += [word for each in misbehave for word in ("--misbehave", each)]
    base = {
        "processes.robot.command": robot,
        "scenarios.command.schedule.samples": 200,
        "scenarios.command.schedule.warmup_s": 0.1,
        "scenarios.command.probing": {"consecutive": 3, "rate_hz": 50, "timeout_s": 30},
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.5, "limit": 90}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0.2},
    }
    return rig_file(folder, {**base, **(changes or {})}, base=SIM)


@contextlib.contextmanager
def running(folder: Path, changes: dict[str, Any] | None = None, *misbehave: str) -> Iterator[Cli]:
    with cli(folder, "run", str(sim(folder, changes, *misbehave)), "--out", str(folder / "out")) as found:
        yield found


@contextlib.contextmanager
def joystick(domain: int) -> Iterator[None]:
    """Somebody else who publishes commands. Without that, each run has a domain of its own."""
    env = {**os.environ, "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    child = subprocess.Popen(
        [sys.executable, "-c", RIVAL, str(domain)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=env,
        text=True,
    )
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        yield
    finally:
        child.communicate()


def truth(folder: Path) -> list[dict[str, Any]]:
    return [line for line in lines(folder / "truth.jsonl") if "stamp_ns" in line]


def assert_stopped(folder: Path) -> None:
    """The last commands that reached the wheels were the stop, and nothing followed it."""
    speeds = [(line["linear_mps"], line["angular_radps"]) for line in truth(folder)]
    assert speeds, "the robot got nothing"
    assert speeds[-1] == (0.0, 0.0), speeds[-10:]
    moving = [number for number, speed in enumerate(speeds) if speed != (0.0, 0.0)]
    assert not moving or all(speed == (0.0, 0.0) for speed in speeds[moving[-1] + 1 :])


def ended(run: Cli, kind: str) -> tuple[Evidence, str]:
    """It ended with status 4, whole, aborted, and nobody is left."""
    assert run.finish() == 4, run.stdout + run.stderr
    evidence = run.evidence
    evidence.assert_whole()
    evidence.assert_nothing_runs()
    assert "Traceback" not in run.stdout + run.stderr
    return evidence, evidence.assert_aborted(kind)


def test_the_robot_process_dies_mid_run(tmp_path):
    with running(tmp_path, FOREVER, "die-after:150") as run:
        run.wait_measuring(5)
        memory = shared_memory(run)
        evidence, reason = ended(run, "device")
    for part in ("process 'robot' ended by itself", "exit status 70", "processes/robot.log"):
        assert part in reason, reason
    assert evidence.results.verdict is Verdict.ERROR
    answered = {line["stamp_ns"] for line in truth(tmp_path)}
    assert len(answered) >= 150
    assert answered <= set(evidence.stimuli["key"].tolist())
    assert_no_shared_memory(memory)


def test_the_robot_never_appears(tmp_path):
    changes = {"processes.robot.ready": {"publishes": "/odom", "timeout_s": 2.0}}
    with running(tmp_path, changes, "never-appear") as run:
        evidence, reason = ended(run, "device")
    assert "process 'robot' not ready after 2 s" in reason and "/odom" in reason
    assert len(evidence.stimuli) == 0


def test_a_robot_that_answers_nothing_is_told_from_ports_and_topics(tmp_path):
    changes = {
        "scenarios.command.probing": {"consecutive": 3, "rate_hz": 50, "timeout_s": 1.5},
        "devices.robot.patience_s": 5.0,
    }
    with running(tmp_path, changes, "silent") as run:
        evidence, reason = ended(run, "device")
    for part in ("robot.cmd_vel", "robot.applied", "none of them was answered"):
        assert part in reason, reason
    assert_stopped(tmp_path)
    assert (evidence.stimuli["flags"] & StimulusFlag.PROBE).all()


def test_ctrl_c_stops_the_wheels(tmp_path):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(50)
        run.signal_group(signal.SIGINT)
        evidence, reason = ended(run, "interrupt")
    assert reason == "ended by SIGINT"
    assert_stopped(tmp_path)
    assert lines(tmp_path / "truth.jsonl")[-1]["end"] == "stopped"
    arrived = {line["stamp_ns"] for line in truth(tmp_path) if line["linear_mps"]}
    assert arrived <= set(evidence.stimuli["key"].tolist())


def test_after_kill_9_the_wheels_stand_and_recover_yields_every_command(tmp_path):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(50)
        memory = shared_memory(run)
        run.popen.kill()
        run.popen.wait()
        evidence = run.evidence
        evidence.assert_nothing_runs()
        assert_stopped(tmp_path)
    assert_no_shared_memory(memory)
    assert call(tmp_path, "recover", str(evidence.folder)).finish() == 4
    evidence.assert_whole()
    evidence.assert_aborted("harness", status="recovered")
    arrived = {line["stamp_ns"] for line in truth(tmp_path) if line["linear_mps"]}
    assert len(arrived) > 50
    rows = evidence.stimuli
    assert arrived <= set(rows["key"][rows["sent_ns"] != NO_STAMP].tolist())


def test_somebody_else_who_drives_is_refused_before_anything_moves(tmp_path, ros_domain):
    # Two of the periods of 3 s in which DDS participants announce themselves: this host may be busy.
    code = "import time; time.sleep(6); print('settled', flush=True); time.sleep(300)"
    pause = {"command": ["python", "-c", code], "ready": {"log": "settled"}}
    patient = {"devices.robot.domain_id": ros_domain, "processes.pause": pause}
    with joystick(ros_domain), running(tmp_path, patient) as run:
        evidence, reason = ended(run, "safety")
    assert "/cmd_vel" in reason and "joystick" in reason, reason
    assert len(evidence.stimuli) == 0
    assert not [line for line in truth(tmp_path) if line["linear_mps"]]


def test_somebody_who_begins_to_drive_mid_run_ends_it(tmp_path, ros_domain):
    with running(tmp_path, {**FOREVER, "devices.robot.domain_id": ros_domain}) as run:
        run.wait_measuring(20)
        with joystick(ros_domain):
            evidence, reason = ended(run, "safety")
    assert "/cmd_vel" in reason and "joystick" in reason, reason
    assert evidence.scenario.sent >= 20
    assert_stopped(tmp_path)


def test_a_good_run_ends_by_itself_and_leaves_nothing(tmp_path):
    with running(tmp_path) as run:
        run.wait_measuring(5)
        memory = shared_memory(run)
        status = run.finish()
        evidence = run.evidence
    assert evidence.run["status"] == "finished", run.stdout + run.stderr
    assert status == evidence.results.verdict.exit_status
    evidence.assert_whole()
    evidence.assert_nothing_runs()
    assert evidence.scenario.sent + evidence.scenario.skipped == 200
    assert_stopped(tmp_path)
    assert_no_shared_memory(memory)


def shared_memory(run: Cli) -> set[str]:
    """Files of Fast DDS that the run's processes (harness, guardian, robot) have mapped at this instant."""
    found: set[str] = set()
    for line in people(run.run_dir.name):
        found |= mapped(Path("/proc") / line.partition(":")[0])
    assert any(name.startswith("fastrtps_port") for name in found), found
    return found


def mapped(process: Path) -> set[str]:
    try:
        return set(re.findall(r"/dev/shm/((?:sem\.)?fastrtps\S+)", (process / "maps").read_text()))
    except OSError:
        return set()


def assert_no_shared_memory(names: set[str]) -> None:
    """They are gone, but for those that some other program on this machine has in use."""

    def left() -> set[str]:
        there = {name for name in names if (Path("/dev/shm") / name).exists()}
        return {name for name in there if not any(name in mapped(p) for p in Path("/proc").glob("[0-9]*"))}

    until(lambda: not left(), f"shared memory is left: {left()}")
