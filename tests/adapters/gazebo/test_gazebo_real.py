"""The adapter ``gazebo`` against the real simulator, headless. Skipped where Gazebo is not installed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gazebo_bench import Bench, options, until
from gazebo_real_bench import RIGS, opened, simulator, skip_without_gazebo

from harness.model import Severity
from harness.testing.device_bench import Recorder
from harness.testing.gazebo_double_world import RECORDED


@pytest.fixture(autouse=True)
def _there() -> None:
    skip_without_gazebo()


@pytest.fixture
def partition() -> str:
    return f"t{uuid.uuid4().hex[:8]}"


def test_commands_move_the_robot_and_stamps_are_of_every_step(partition: str) -> None:
    with simulator(partition, "-r"), opened(partition) as bench:
        device, speeds = bench.device, Recorder()
        device.response("odometry").listen(speeds)
        until(lambda: len(speeds.rows) > 100, "odometry")
        stimulus = device.stimulus("cmd_vel")
        stimulus.send(1, stimulus.prepare({"linear.x": 0.2}))
        until(lambda: speeds.rows[-1]["value"] > 0.15, "speed")
        stimulus.send(2, stimulus.prepare({"linear.x": 0.0}))
        until(lambda: abs(speeds.rows[-1]["value"]) < 0.02, "rest")
        told = device.identity()
        (clock,) = device.clocks()
    assert told["simulator"].startswith("Gazebo Sim ") and told["simulator"][11].isdigit()
    assert told["bindings"].startswith("Gazebo Transport ")
    assert clock.resolution_ns == 1_000_000
    steps = np.diff([row["stamp_ns"] for row in speeds.rows])
    assert np.median(steps) == 1_000_000
    assert bench.findings == [] or {one.name for one in bench.findings} == {"simulation runs slow"}


def test_world_control_calls_and_their_replies(partition: str) -> None:
    ports = {
        "spawn": {
            "stimulus": {
                "control": "spawn",
                "values": {"sdf_filename": str(RIGS / "gazebo" / "swarm_robot.sdf"), "name": "second"},
            }
        },
        "spawned": {"response": {"of": "spawn", "accepted_if": {"data": True}}},
        "remove": {"stimulus": {"control": "remove", "values": {"name": "second"}}},
        "removed": {"response": {"of": "remove", "accepted_if": {"data": True}}},
    }
    with simulator(partition, "-r"), opened(partition, ports) as bench:
        device = bench.device
        heard = {name: Recorder() for name in ("paused", "placed", "spawned", "removed")}
        for name, recorder in heard.items():
            device.response(name).listen(recorder)

        def call(name: str, key: int, values: Any = None) -> None:
            stimulus = device.stimulus(name)
            stimulus.send(key, stimulus.prepare(values or {}))

        call("pause", 1)
        until(lambda: heard["paused"].rows and heard["paused"].rows[-1]["value"] == 1.0, "paused")
        call("run", 2)
        until(lambda: heard["paused"].rows[-1]["value"] == 0.0, "it goes on")
        call("place", 3, {"name": "robot", "position.x": 1.0, "position.z": 0.1})
        call("spawn", 4)
        until(lambda: heard["placed"].rows and heard["spawned"].rows, "replies")
        node = device._connected()
        until(lambda: node.topic_info("/model/second/odometry")[0], "the second robot's odometry")
        call("remove", 5)
        until(lambda: heard["removed"].rows, "a reply")
        until(lambda: not node.topic_info("/model/second/odometry")[0], "its end")
        for name, key in (("placed", 3), ("spawned", 4), ("removed", 5)):
            assert [(row["key"], row["flags"]) for row in heard[name].rows] == [(key, 0)]


def test_faults_take_hold_and_are_undone(partition: str) -> None:
    ports = {
        "stand": {"fault": {"kind": "pause"}},
        "drag": {"fault": {"kind": "slow_down", "real_time_factor": 0.3}},
        "take": {
            "fault": {
                "kind": "remove",
                "model": "{robot}",
                "sdf": "gazebo/swarm_robot.sdf",
                "at": [3, 0, 0.1],
            }
        },
    }
    with simulator(partition, "-r"), opened(partition, ports, robots=["robot"]) as bench:
        until(lambda: bench.device.watch.step_ns, "ticks")
        for port, kind in (("stand", "pause"), ("drag", "slow_down"), ("take", "remove")):
            fault = bench.device.fault(port)
            fault.aim("robot")
            record = fault.inject("robot", kind)
            assert record.verified, (port, record)
            if port == "take":
                node = bench.device._connected()
                until(lambda: not node.topic_info("/model/robot/odometry")[0], "the model is gone")  # noqa: B023
            assert fault.restore("robot").verified
        until(lambda: bench.device._connected().topic_info("/model/robot/odometry")[0], "it is back")
        assert [one for one in bench.findings if one.severity is Severity.ERROR] == []


def test_a_simulator_that_is_killed_or_stopped(partition: str) -> None:
    with simulator(partition, "-r") as process, opened(partition, silence_s=1.0) as bench:
        until(lambda: bench.device.watch.ticks > 100, "ticks")
        os.killpg(process.pid, signal.SIGSTOP)
        until(lambda: bench.named("simulator silent"), "hangs")
        os.killpg(process.pid, signal.SIGCONT)
        ticks = bench.device.watch.ticks
        until(lambda: bench.device.watch.ticks > ticks + 100, "it goes on")
        os.killpg(process.pid, signal.SIGKILL)
        until(lambda: len(bench.named("simulator silent")) == 2, "gone")


def test_somebody_else_pauses_it(partition: str) -> None:
    with simulator(partition, "-r"), opened(partition) as bench:
        until(lambda: bench.device.watch.lowest is not None, "a factor")
        with opened(partition) as other:
            pause = other.device.stimulus("pause")
            pause.send(1, pause.prepare({}))
            until(lambda: bench.named("simulation paused"), "the finding")


def test_worlds_and_models_misspelt_and_two_simulators(partition: str) -> None:
    with simulator(partition, "-r"):
        with opened(partition):
            pass
        topic = {"topic": "/model/robbot/odometry", "type": "gz.msgs.Odometry"}
        for given, name, words in (
            ({"world": "bensch"}, "no such world", "did you mean 'bench'?"),
            ({"ports": {"odometry": {"response": topic}}}, "nobody publishes", "/model/robot/odometry"),
        ):
            ports = given.pop("ports", None)
            with Bench(options(ports, **{"partition": partition, "patience_s": 1.0, **given})) as bench:
                found = {one.name: one for one in bench.device.preflight()}
            assert words in found[name].remedy
        with simulator(partition, "-r"):
            how = options(partition=partition, patience_s=0.1)

            def twice() -> bool:
                with Bench(how) as bench:
                    return "two simulators" in {one.name for one in bench.device.preflight()}

            until(twice, "two simulators are seen", 40.0)


def latencies_in_steps(partition: str, count: int) -> list[int]:
    """Simulated ns from the command to the first odometry above 0.025 m/s, stepped, from rest."""
    found: list[int] = []
    ports = {"cmd_vel": {"stimulus": {"topic": "/model/robot/cmd_vel", "type": "gz.msgs.Twist"}}}
    given = {"stepping": {"steps": 1, "settle_ms": 5}, "patience_s": 30.0, "silence_s": 10.0}
    with simulator(partition), Bench(options(ports, partition=partition, **given)) as bench:
        device, speeds, ticks = bench.device, Recorder(), Recorder()
        device.response("odometry").listen(speeds)
        device.response("sim_time").listen(ticks)
        until(lambda: device.preflight() == [] and len(speeds.rows) > 50, "stepped odometry", 60.0)
        stimulus = device.stimulus("cmd_vel")
        go, stand = stimulus.prepare({"linear.x": 0.2}), stimulus.prepare({"linear.x": 0.0})
        for number in range(count):
            begun = len(speeds.rows)
            at_ns, _ = stimulus.send(2 * number, go)
            until(lambda: any(row["value"] > 0.025 for row in speeds.rows[begun:]), "speed")  # noqa: B023
            first = next(row for row in speeds.rows[begun:] if row["value"] > 0.025)
            sent = max(row["stamp_ns"] for row in ticks.rows if row["seen_ns"] <= at_ns)
            found.append(first["stamp_ns"] - sent)
            # What the double of the simulator was made from.
            by_step = {row["stamp_ns"] - sent: row["value"] for row in speeds.rows[begun:]}
            seen = [by_step[step * 1_000_000] for step in range(1, 7)]
            assert seen == pytest.approx(RECORDED[:6], abs=1e-4)
            stimulus.send(2 * number + 1, stand)
            rest = len(speeds.rows)
            until(lambda: len(speeds.rows) > rest + 100, "a hundred steps of rest")  # noqa: B023
    return found


def test_stepped_latency_is_the_same_at_every_repetition(partition: str) -> None:
    first = latencies_in_steps(partition, 5)
    second = latencies_in_steps(partition + "b", 5)
    assert len(set(first + second)) == 1
    assert first[0] % 1_000_000 == 0 and 1_000_000 <= first[0] <= 20_000_000


def run(tmp_path: Path, rig: str, *words: str) -> tuple[subprocess.CompletedProcess[str], Any]:
    """``harness run``, and its results.json."""
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", str(RIGS / f"{rig}.yaml"), "--out", str(tmp_path), *words],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
        env={**os.environ, "HARNESS_LOCK_DIR": str(tmp_path)},
    )
    (results,) = tmp_path.rglob("results.json")
    return done, json.loads(results.read_text())


@pytest.mark.slow
def test_a_stepped_run_decides_in_simulated_time(tmp_path: Path) -> None:
    done, results = run(tmp_path, "gazebo_stepped", "--set", "host.max_load_per_cpu=100")
    assert done.returncode == 0, done.stdout + done.stderr
    assert results["verdict"] == "PASS" and results["requirements"][0]["time"] == "simulated"
    scenario = results["scenarios"]["step"]
    assert scenario["simulated_latency_ms"]["sd"] == 0.0
    assert scenario["real_time_factor"]["least"] < 0.99
    (told,) = [one for one in scenario["checks"] if one["name"] == "real-time factor"]
    assert told["ok"] and told["bound"].startswith("stated")  # no requirement rests on it
    names = {one["name"] for one in results["uncertainty"]}
    assert {"physics step", "publish period", "simulated time of the send"} <= names


@pytest.mark.slow
def test_a_run_in_wall_time_says_how_fast_the_simulation_ran(tmp_path: Path) -> None:
    done, results = run(tmp_path, "gazebo_diff_drive", "--samples", "60", "--anyway")
    assert done.returncode in (0, 1, 3), done.stdout + done.stderr
    scenario = results["scenarios"]["step"]
    factor = scenario["real_time_factor"]["least"]
    (asked,) = results["requirements"]
    check = next(
        one for one in asked["checks"] if one["name"] == "real-time factor" and "stamps" in one["value"]
    )
    assert check["ok"] is (factor >= 0.99)
    if factor < 0.99:
        assert asked["verdict"] == "INCONCLUSIVE"
    assert scenario["simulated_latency_ms"]["n"] > 0
