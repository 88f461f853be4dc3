"""The worlds of the project in the real simulator, stepped: rates by counting messages over simulated time,
IMU and bumper as answers, step and reset as set-up. No wall time decides. Skipped where Gazebo is not
installed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from gazebo_bench import Bench, options, until
from gazebo_real_bench import opened, simulator, skip_without_gazebo

from harness.model import Severity
from harness.testing.device_bench import Recorder

MS = 1_000_000
PORTS: dict[str, Any] = {
    "cmd_vel": {"stimulus": {"topic": "/model/robot/cmd_vel", "type": "gz.msgs.Twist"}},
    "imu": {
        "response": {
            "topic": "/model/robot/imu",
            "type": "gz.msgs.IMU",
            "value": "angular_velocity.z",
            "stamp": "header.stamp",
        }
    },
    "weight": {
        "response": {
            "topic": "/model/robot/imu",
            "type": "gz.msgs.IMU",
            "value": "linear_acceleration.z",
            "stamp": "header.stamp",
        }
    },
    "bumper": {
        "response": {
            "topic": "/model/robot/bumper",
            "type": "gz.msgs.Contacts",
            "value": "contact[0].depth[0]",
            "stamp": "header.stamp",
        }
    },
    "wheel": {
        "response": {
            "topic": "/model/robot/joint_state",
            "type": "gz.msgs.Model",
            "value": "joint[name=left].axis1.velocity",
            "stamp": "header.stamp",
        }
    },
}


@pytest.fixture(autouse=True)
def _there() -> None:
    skip_without_gazebo()


@pytest.fixture
def stepped() -> Iterator[tuple[Bench, dict[str, Recorder]]]:
    """The differential-drive robot, stepped ten physics steps at a time, and all that it publishes."""
    partition = f"t{uuid.uuid4().hex[:8]}"
    how = options(
        dict(PORTS),
        partition=partition,
        stepping={"steps": 10, "settle_ms": 1},
        patience_s=30.0,
        silence_s=10.0,
    )
    for name in ("pause", "run"):
        how.ports.pop(name)
    with simulator(partition), Bench(how) as bench:
        heard = {name: Recorder() for name in ("odometry", "imu", "weight", "bumper", "wheel", "sim_time")}
        for name, recorder in heard.items():
            bench.device.response(name).listen(recorder)
        until(lambda: bench.device.preflight() == [] and heard["imu"].rows, "stepped sensors", 60.0)
        yield bench, heard


def stamps(recorder: Recorder) -> Any:
    return np.array([row["stamp_ns"] for row in recorder.rows])


def advance(bench: Bench, simulated_ms: int) -> None:
    """Let so much simulated time go by."""
    goal = bench.device.watch.sim_ns + simulated_ms * MS
    until(lambda: bench.device.watch.sim_ns > goal, f"{simulated_ms} ms of simulated time", 60.0)


def test_rates_by_counting_over_simulated_time(stepped: tuple[Bench, dict[str, Recorder]]) -> None:
    """Odometry and joint states at every physics step, the IMU at every fifth, the bumper, which touches
    nothing, not at all."""
    bench, heard = stepped
    advance(bench, 200)  # all subscriptions are there
    begun = bench.device.watch.sim_ns
    advance(bench, 1020)
    for name, period in (("odometry", 1), ("wheel", 1), ("imu", 5)):
        seen = stamps(heard[name])
        seen = seen[(seen > begun) & (seen <= begun + 1000 * MS)]
        if name == "wheel":
            seen = np.unique(seen)  # told again and again while the simulation is paused between two steps
        assert len(seen) == 1000 // period, name
        assert set(np.diff(seen)) == {period * MS}, name
    assert heard["bumper"].rows == []
    assert heard["weight"].rows[-1]["value"] == pytest.approx(9.8, abs=0.05)


def test_the_imu_answers_a_command_to_turn(stepped: tuple[Bench, dict[str, Recorder]]) -> None:
    """In simulated time it is the same at every repetition, but for the IMU's own period of 5 ms."""
    bench, heard = stepped
    turn, found = bench.device.stimulus("cmd_vel"), []
    advance(bench, 300)  # it has settled on its wheels
    for number in range(3):
        begun = len(heard["imu"].rows)
        at_ns, _ = turn.send(number, turn.prepare({"angular.z": 1.0}))
        until(lambda: heard["imu"].rows[-1]["value"] > 0.5, "it turns", 60.0)
        sent = max(row["stamp_ns"] for row in heard["sim_time"].rows if row["seen_ns"] <= at_ns)
        first = next(row for row in heard["imu"].rows[begun:] if row["value"] > 0.1)
        found.append(first["stamp_ns"] - sent)
        turn.send(number, turn.prepare({"angular.z": 0.0}))
        advance(bench, 300)
        assert abs(heard["imu"].rows[-1]["value"]) < 0.02
    assert all(0 < one <= 40 * MS for one in found), found
    assert max(found) - min(found) <= 5 * MS, found


def test_the_bumper_answers_what_touches_it(stepped: tuple[Bench, dict[str, Recorder]]) -> None:
    """The robot is turned over: its chassis falls on the ground and then touches it at every step."""
    bench, heard = stepped
    place = bench.device.stimulus("place")
    advance(bench, 100)
    before = bench.device.watch.sim_ns
    over = {"name": "robot", "position.z": 0.2, "orientation.w": 0.0, "orientation.x": 1.0}
    place.send(1, place.prepare(over))
    until(lambda: heard["bumper"].rows, "a contact", 60.0)
    first = stamps(heard["bumper"])[0]
    # A fall of some centimetres to a decimetre: 2 s / g is the longest it may take.
    assert 0 < first - before < 400 * MS
    advance(bench, 1000)
    assert heard["weight"].rows[-1]["value"] < 0.0
    late = stamps(heard["bumper"])
    late = late[late > bench.device.watch.sim_ns - 200 * MS]
    assert len(late) > 100 and np.diff(late).min() == MS


def test_reset_as_a_set_up_step(stepped: tuple[Bench, dict[str, Recorder]]) -> None:
    """It stands where it began, at the time it began, still stepped; and whoever reset it is told."""
    bench, heard = stepped
    partition = bench.device.partition
    advance(bench, 300)
    ports = {"reset": {"stimulus": {"control": "reset", "values": {"pause": True}}}}
    with opened(str(partition), ports) as other:
        until(lambda: other.device.watch.sim_ns, "ticks", 60.0)
        reset = other.device.stimulus("reset")
        reset.send(1, reset.prepare({}))
        until(lambda: other.named("world reset"), "what it did itself", 60.0)
        until(lambda: bench.named("world reset by another"), "what another did", 60.0)
    back = np.flatnonzero(np.diff(stamps(heard["sim_time"])) < 0)
    assert len(back) == 1 and stamps(heard["sim_time"])[back[0] + 1] < 20 * MS
    advance(bench, 50)
    assert [one.severity for one in bench.named("world reset by another")] == [Severity.ERROR]
    assert bench.named("stepping failed") == []


def test_step_and_reset_ports_of_a_simulation_that_is_paused() -> None:
    """A hundred steps are a hundred milliseconds, no more; a reset brings the clock back to its beginning."""
    partition = f"t{uuid.uuid4().hex[:8]}"
    ports = {
        "step": {"stimulus": {"control": "step", "values": {"multi_step": 100}}},
        "stepped": {"response": {"of": "step", "accepted_if": {"data": True}}},
        "reset": {"stimulus": {"control": "reset", "values": {"pause": True}}},
        "iterations": {"response": {"signal": "iterations"}},
    }
    with simulator(partition), opened(partition, ports) as bench:
        device, replies, counted = bench.device, Recorder(), Recorder()
        device.response("stepped").listen(replies)
        device.response("iterations").listen(counted)
        until(lambda: counted.rows and device.watch.repeats > 3, "a world that stands")
        begun, count = device.watch.sim_ns, counted.rows[-1]["value"]
        step = device.stimulus("step")
        for number in (1, 2):
            step.send(number, step.prepare({}))
            until(lambda: len(replies.rows) == number, "a reply")  # noqa: B023
            goal = begun + number * 100 * MS
            until(lambda: device.watch.sim_ns >= goal and device.watch.repeats > 20, "a hundred steps")  # noqa: B023
            assert device.watch.sim_ns == goal
        until(lambda: counted.rows[-1]["value"] == count + 200, "two hundred iterations")
        assert [(row["key"], row["flags"]) for row in replies.rows] == [(1, 0), (2, 0)]
        reset = device.stimulus("reset")
        reset.send(3, reset.prepare({}))
        until(lambda: device.watch.sim_ns == 0 and bench.named("world reset"), "the beginning")
        assert bench.named("world reset")[0].severity is Severity.INFO
        assert bench.named("world reset by another") == []
