"""Stimuli and answers through real ROS 2, with an echo in a process of its own."""

from __future__ import annotations

import math
import signal
import threading
import time
from pathlib import Path

import pytest
from ros2_bench import TWIST, Bench, response, stimulus, until

from harness.adapters.ros2 import loop
from harness.adapters.ros2.device import Ros2Device
from harness.errors import ConfigurationError, OperationError, SafetyError
from harness.model import HOST_REALTIME, NO_STAMP, ClockKind, Severity
from harness.ports import KeyKind, Role

pytestmark = [pytest.mark.ros, pytest.mark.slow]


def opened(device: Ros2Device) -> Ros2Device:
    device.open()
    return device


def test_by_stamp(bench: Bench):
    bench.echo()
    trips = bench.round_trips(opened(bench.device()), 100, {"twist.linear.x": 0.25})
    assert trips.stimulus.key_kind is KeyKind.STAMP
    assert trips.arrived(100) == trips.sent
    for row in trips.recorder.rows:
        assert row["flags"] == 0
        assert row["stamp_ns"] == NO_STAMP
        assert math.isnan(row["value"])
        assert row["received_ns"] >= row["key"]  # both CLOCK_REALTIME
        assert row["seen_ns"] <= row["called_ns"]
    assert bench.findings == []


@pytest.mark.parametrize("kind", [loop.DirectLoop, loop.ExecutorLoop])
def test_either_loop_takes_everything_and_ends(bench: Bench, monkeypatch: pytest.MonkeyPatch, kind: type):
    monkeypatch.setattr(loop, "make", kind)
    bench.echo()
    device = opened(bench.device())
    trips = bench.round_trips(device, 100)
    assert trips.arrived(100) == trips.sent
    device.close()
    assert not [one.name for one in threading.enumerate() if one.name.startswith("harness-ros2")]
    assert bench.findings == []


@pytest.mark.parametrize("type_name", ["std_msgs/msg/Int32", "std_msgs/msg/UInt64"])
def test_by_sequence_in_an_integer_field(bench: Bench, type_name: str):
    bench.echo("--type", type_name)
    match = {"kind": "sequence", "path": "data"}
    ports = {
        "cmd": {"stimulus": stimulus(type=type_name, key="data")},
        "out": {"response": response(type=type_name, match=match, value="data")},
    }
    trips = bench.round_trips(opened(bench.device(ports=ports)), 100, key="sequence")
    assert trips.stimulus.key_kind is KeyKind.SEQUENCE
    assert trips.arrived(100) == trips.sent
    assert [row["value"] for row in trips.recorder.rows] == trips.sent


def test_a_stamp_in_a_wide_integer_and_a_sequence_in_a_time(bench: Bench):
    bench.echo("--type", "std_msgs/msg/Int64")
    ports = {
        "cmd": {"stimulus": stimulus(type="std_msgs/msg/Int64", key={"data": "stamp"})},
        "out": {"response": response(type="std_msgs/msg/Int64", match={"kind": "stamp", "path": "data"})},
        "numbered": {"stimulus": stimulus(topic="/other", key={"header.stamp": "sequence"})},
    }
    device = opened(bench.device(ports=ports))
    assert device.stimulus("numbered").key_kind is KeyKind.SEQUENCE
    trips = bench.round_trips(device, 30)
    assert trips.stimulus.key_kind is KeyKind.STAMP
    assert trips.arrived(30) == trips.sent


@pytest.mark.parametrize("raw", [False, True])
def test_key_and_value_after_a_text_of_any_length(bench: Bench, raw: bool):
    """In a JointState the positions come after two texts of the message's own lengths; in a Joy, the buttons
    after a sequence."""
    bench.echo("--type", "sensor_msgs/msg/Joy", *(["--raw"] if raw else []))
    match = {"kind": "sequence", "path": "buttons[1]"}
    ports = {
        "cmd": {"stimulus": stimulus(type="sensor_msgs/msg/Joy", key="buttons[1]")},
        "out": {"response": response(type="sensor_msgs/msg/Joy", match=match, value="axes[2]")},
    }
    values = {"header.frame_id": "a frame of odd length!", "axes": [0.5, 0.25, -2.0], "buttons": [7, 0, 9]}
    trips = bench.round_trips(opened(bench.device(ports=ports)), 60, values, key="sequence")
    assert trips.arrived(60) == trips.sent
    assert {row["value"] for row in trips.recorder.rows} == {-2.0}


def test_key_that_needs_deserialising(bench: Bench):
    type_name = "trajectory_msgs/msg/JointTrajectory"
    bench.echo("--type", type_name)
    path = "points[1].time_from_start.sec"
    ports = {
        "cmd": {"stimulus": stimulus(type=type_name, key=path)},
        "out": {
            "response": response(
                type=type_name, match={"kind": "sequence", "path": path}, value="points[0].positions[1]"
            )
        },
    }
    values = {"joint_names": ["a", "bc"], "points[0].positions": [1.0, 4.5]}
    trips = bench.round_trips(opened(bench.device(ports=ports)), 40, values, key="sequence")
    assert trips.arrived(40) == trips.sent
    assert {row["value"] for row in trips.recorder.rows} == {4.5}


def test_the_robots_own_stamp_and_its_clock(bench: Bench):
    bench.echo()
    ports = {
        "cmd": {"stimulus": stimulus()},
        "out": {"response": response(match={"kind": "order"}, stamp="header.stamp", value="twist.angular.z")},
        "here": {"response": response(match=None, stamp="header.stamp", stamp_clock="host")},
    }
    device = opened(bench.device(ports=ports))
    assert [(clock.name, clock.kind) for clock in device.clocks()] == [("robot.clock", ClockKind.UNKNOWN)]
    assert device.response("out").stamp_clock == "robot.clock"
    assert device.response("here").stamp_clock == HOST_REALTIME
    trips = bench.round_trips(device, 30, {"twist.angular.z": -0.5})
    assert trips.arrived(30) == [-1] * 30
    assert [row["stamp_ns"] for row in trips.recorder.rows] == trips.sent
    assert {row["value"] for row in trips.recorder.rows} == {-0.5}


def test_an_echo_that_misbehaves_is_seen_as_it_is(bench: Bench):
    bench.echo("--twice", "--drop-every", "5")
    trips = bench.round_trips(opened(bench.device()), 50)
    until(lambda: len(trips.recorder.rows) >= 80, "two answers to each of 40 stimuli")
    counts = [trips.recorder.keys.count(key) for key in trips.sent]
    assert counts.count(0) == 10 and counts.count(2) == 40


def test_out_of_order_answers_arrive_out_of_order(bench: Bench):
    bench.echo("--swap-every", "4")
    trips = bench.round_trips(opened(bench.device()), 40)
    until(lambda: len(trips.recorder.rows) >= 39, "39 answers")
    keys = trips.recorder.keys
    assert keys != sorted(keys)
    assert set(keys) <= set(trips.sent) | {min(keys)}


def test_a_peer_that_dies_leaves_the_device_usable(bench: Bench):
    peer = bench.echo("--die-after", "60")
    device = opened(bench.device())
    command = device.stimulus("cmd")
    prepared = command.prepare({})
    number = 0

    def died() -> bool:
        nonlocal number
        number += 1
        command.send(number, prepared)
        return peer.process.poll() is not None

    until(died, "the peer's death")
    assert peer.process.returncode == 9
    command.send(number + 1, prepared)
    device.safe_stop()
    assert device.identity()["cmd.topic"] == f"/echo/in ({TWIST})"
    device.close()


def test_namespace_and_relative_topics(bench: Bench):
    bench.echo("--namespace", "/swarm/cf3", "--listen", "cmd", "--answer", "out")
    ports = {"cmd": {"stimulus": stimulus(topic="cmd")}, "out": {"response": response(topic="out")}}
    device = opened(bench.device(namespace="/swarm/cf3", ports=ports))
    assert bench.round_trips(device, 20).arrived(20)
    assert device.identity()["cmd.topic"].startswith("/swarm/cf3/cmd ")
    assert [one.severity.value for one in device.preflight()] == ["info"]


def test_another_domain_hears_nothing(bench: Bench):
    bench.echo()
    device = opened(bench.device(domain_id=bench.domain + 1))
    bench.echo(domain=bench.domain + 1)
    until(lambda: device.is_ready("publishes", "/echo/out"), "the echo in this domain")
    bench.peers[1].end()
    until(lambda: not device.is_ready("publishes", "/echo/out"), "nobody else in this domain")


def test_limits_are_enforced_when_preparing(bench: Bench):
    device = opened(bench.device(limits={"twist.linear.x": 0.5}))
    command = device.stimulus("cmd")
    command.prepare({"twist.linear.x": -0.5})
    for value in (0.51, -0.51, math.inf, math.nan):
        with pytest.raises(SafetyError, match=r"limit of 0\.5"):
            command.prepare({"twist.linear.x": value})
    with pytest.raises(ConfigurationError, match=r"limit 'twist\.linear\.w'"):
        bench.device(run_id="other", limits={"twist.linear.w": 1.0}).open()


def test_a_key_that_does_not_fit_is_refused(bench: Bench):
    ports = {"cmd": {"stimulus": stimulus(type="std_msgs/msg/UInt8", key="data")}}
    command = opened(bench.device(ports=ports)).stimulus("cmd")
    prepared = command.prepare({})
    command.send(255, prepared)
    with pytest.raises(OperationError, match="256 does not fit 'data'"):
        command.send(256, prepared)


@pytest.mark.parametrize(
    ("ports", "words"),
    [
        ({"cmd": {"stimulus": stimulus(key="header.frame_id")}}, "carries no key"),
        ({"cmd": {"stimulus": stimulus(type="std_msgs/msg/Int32", key={"data": "stamp"})}}, "too narrow"),
        ({"cmd": {"stimulus": stimulus(key="header.stmp")}}, "did you mean 'header.stamp'"),
        ({"out": {"response": response(value="header")}}, "a number"),
        ({"out": {"response": response(match={"kind": "stamp", "path": "twist.linear.x"})}}, "64-bit"),
        ({"out": {"response": response(type="std_msgs/msg/Flot64")}}, "did you mean .std_msgs/msg/Float64"),
    ],
)
def test_mistakes_are_found_when_opening(bench: Bench, ports: dict[str, object], words: str):
    with pytest.raises(ConfigurationError, match=words):
        bench.device(ports=ports).open()


def test_stop_is_published_as_often_as_asked_by_both_roles(bench: Bench):
    """The guardian stops with values of its own: numbers of the port's stimuli are not inherited, texts
    are."""
    stop = {"port": "cmd", "values": {"twist.linear.x": 0.0}, "repeat": 4, "interval_ms": 2.0}
    port = stimulus(values={"header.frame_id": "base", "twist.angular.z": 1.0, "twist.linear.x": 0.3})
    ports = {"cmd": {"stimulus": port}, "out": {"response": response(value="twist.angular.z")}}
    bench.echo()
    device = opened(bench.device(ports=ports, stop=stop))
    trips = bench.round_trips(device, 0)
    guardian = opened(bench.device(Role.GUARDIAN, ports=ports, stop=stop))
    until(lambda: guardian.is_ready("subscribes", "/echo/in"), "the echo, seen by the guardian")
    device.safe_stop()
    trips.arrived(4)
    until(lambda: guardian.safe_stop() or len(trips.recorder.rows) >= 8, "stops of the guardian")
    assert {row["value"] for row in trips.recorder.rows} == {0.0}
    keys = trips.recorder.keys
    assert len(set(keys)) == len(keys)
    assert [one for one in device.preflight() if one.severity.value == "error"] == []
    with pytest.raises(ConfigurationError):
        guardian.response("out")


def test_sigint_stays_ours(bench: Bench):
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    device = opened(bench.device())
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before
    caught = Path("/proc/self/status").read_text()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    assert device.is_ready("publishes", "/nothing") is False
    device.close()
    assert (
        Path("/proc/self/status").read_text().split("SigCgt:")[1].split()[0]
        == caught.split("SigCgt:")[1].split()[0]
    )


def test_check_looks_and_sends_nothing(bench: Bench):
    bench.echo()
    device = opened(bench.device(Role.CHECK))
    assert [one.severity.value for one in device.preflight()] == ["info"]
    command = device.stimulus("cmd")
    prepared = command.prepare({"twist.linear.x": 0.1})
    with pytest.raises(OperationError, match="to look only"):
        command.send(1, prepared)
    other = opened(bench.device(run_id="run-2", ports={"out": {"response": response()}}))
    assert not any("check" in one.node for one in other._graph.publishers("/echo/in"))


def test_what_the_middleware_drops_is_reported(bench: Bench):
    """A shallow reader behind a harness that stands still: not the robot's loss."""
    bench.echo("--reliability", "best_effort")
    shallow = {"reliability": "best_effort", "depth": 1}
    ports = {"cmd": {"stimulus": stimulus(qos=shallow)}, "out": {"response": response(qos=shallow)}}
    device = opened(bench.device(ports=ports))
    trips = bench.round_trips(device, 1)
    released = threading.Event()
    device.response("out").listen(lambda *_: released.wait(20) and None)
    for number in range(400):
        trips.stimulus.send(number, trips.prepared)
        time.sleep(0.001)
    released.set()
    until(lambda: bool(bench.findings), "the report")
    assert {one.name for one in bench.findings} == {"messages lost"}
    assert {one.severity for one in bench.findings} == {Severity.ERROR}
    assert "/echo/out" in bench.findings[0].message
