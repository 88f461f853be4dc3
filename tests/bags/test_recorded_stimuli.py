from __future__ import annotations

import struct
import sys
from pathlib import Path

import numpy as np
import pytest
from bag_bench import made_bag

from harness.adapters.ros2 import definitions, messages, qos, recorded
from harness.adapters.ros2.port_options import StimulusOptions, Template
from harness.adapters.ros2.stimulus import TopicStimulus
from harness.bags.spool import Message
from harness.bags.window import Window
from harness.clock import HostClock
from harness.errors import ConfigurationError, SafetyError
from harness.scenarios.replaying import prepare_window

serialization = pytest.importorskip("rclpy.serialization")
pytestmark = pytest.mark.ros
SCAN, TWIST, INT = "sensor_msgs/msg/LaserScan", "geometry_msgs/msg/TwistStamped", "std_msgs/msg/Int32"


class Publisher:
    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def publish(self, data: bytes) -> None:
        self.sent.append(data)


def stimulus(kind: str, key: str | None, limits: dict[str, float] | None = None) -> TopicStimulus:
    options = StimulusOptions(topic="/in", type=kind, key=key)
    return TopicStimulus("command", options, limits or {}, Publisher(), HostClock())


def scan(nearest: float = 3.0, frame: str = "laser") -> bytes:
    made = messages.message_class(SCAN)()
    made.header.frame_id = frame
    made.header.stamp.sec = 1_600_000_000
    made.ranges = [nearest, *np.linspace(4.0, 9.0, 359).tolist()]
    return bytes(serialization.serialize_message(made))


def twist(speed: float) -> bytes:
    made = messages.message_class(TWIST)()
    made.twist.linear.x = speed
    return bytes(serialization.serialize_message(made))


def test_a_recorded_message_goes_out_as_it_is_but_for_its_key() -> None:
    port, data = stimulus(SCAN, "header.stamp"), scan()
    port.send(1_700_000_000_123_456_789, port.prepare_recorded(SCAN, data))
    (sent,) = port.publisher.sent
    assert sent[:4] + sent[12:] == data[:4] + data[12:]
    assert struct.unpack_from("<iI", sent, 4) == (1_700_000_000, 123_456_789)
    bare = stimulus(SCAN, None)
    bare.send(5, bare.prepare_recorded(SCAN, data))
    assert bare.publisher.sent == [data]


def test_lists_of_texts_and_another_byte_order() -> None:
    port = stimulus("sensor_msgs/msg/JointState", "header.stamp")
    joints = messages.message_class("sensor_msgs/msg/JointState")(name=["a", "bc"], position=[1.5, -2.5])
    big = bytes(4) + _swapped(scan())
    data = bytes(serialization.serialize_message(joints))
    port.send(42, port.prepare_recorded("sensor_msgs/msg/JointState", data))
    again = serialization.deserialize_message(port.publisher.sent[0], type(joints))
    assert (again.name, again.position.tolist(), again.header.stamp.nanosec) == (["a", "bc"], [1.5, -2.5], 42)
    other = stimulus(SCAN, "header.stamp")
    other.send(7, other.prepare_recorded(SCAN, big))
    found = serialization.deserialize_message(other.publisher.sent[0], messages.message_class(SCAN))
    assert (found.header.stamp.nanosec, found.header.frame_id, found.ranges[0]) == (7, "laser", 3.0)


def _swapped(data: bytes) -> bytes:
    """The body of a serialised LaserScan (frame ``laser``, 360 ranges, no intensities) big-endian."""
    assert sys.byteorder == "little"
    head = struct.unpack_from("<iII", data, 4)
    at = 4 + 12 + 6 + 2  # the text with its zero, padded to 4
    floats = struct.unpack_from("<7f", data, at)
    (count,) = struct.unpack_from("<I", data, at + 28)
    ranges = struct.unpack_from(f"<{count}f", data, at + 32)
    body = struct.pack(">iII", *head) + b"laser\0\0\0" + struct.pack(">7f", *floats)
    return body + struct.pack(f">I{count}fI", count, *ranges, 0)


@pytest.mark.parametrize(
    ("kind", "data", "words"),
    [
        (INT, b"", "it is a std_msgs/msg/Int32, the port sends sensor_msgs/msg/LaserScan"),
        (SCAN, b"", "0 bytes cannot be read"),
        (SCAN, scan()[:200], "200 bytes cannot be read"),
    ],
)
def test_what_is_no_such_message_is_refused(kind: str, data: bytes, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words):
        stimulus(SCAN, "header.stamp").prepare_recorded(kind, data)


def test_a_recorded_command_beyond_the_limit_is_named_by_number_and_time() -> None:
    taken = tuple(
        Message(10**18 + number * 10**8, 1, twist(0.9 if number == 3 else 0.2)) for number in range(6)
    )
    offsets = np.arange(6, dtype=np.int64) * 10**8
    window = Window("/cmd", TWIST, 100, taken, offsets, 0)
    watched: list[int] = []
    port = stimulus(TWIST, "header.stamp", {"twist.linear.x": 0.5})
    with pytest.raises(SafetyError, match=r"message 103 of /cmd, due 0\.300 s after the first: .*0\.9"):
        prepare_window("scenarios.x: robot.command", port, window, lambda: watched.append(1))
    assert watched
    wider = stimulus(TWIST, "header.stamp", {"twist.linear.x": 1.0})
    assert len(prepare_window("scenarios.x: robot.command", wider, window)) == 6


def test_a_real_robot_gets_no_recorded_number_without_a_limit() -> None:
    port, data = stimulus(TWIST, "header.stamp", {"twist.linear": 0.5}), twist(0.2)
    port.real = True
    port.prepare_recorded(TWIST, data)
    with pytest.raises(SafetyError, match=r"twist\.linear = 0\.6"):
        port.prepare_recorded(TWIST, twist(0.6))
    turning = messages.message_class(TWIST)()
    turning.twist.linear.x, turning.twist.angular.z = 0.2, 0.1
    with pytest.raises(SafetyError, match=r"no limit covers twist\.angular\.z of a recorded message"):
        port.prepare_recorded(TWIST, bytes(serialization.serialize_message(turning)))
    lidar = stimulus(SCAN, None, {"ranges": 20.0})
    lidar.real = True
    with pytest.raises(SafetyError, match="covers range_max of"):
        made = serialization.deserialize_message(scan(), messages.message_class(SCAN))
        made.range_max = 10.0
        lidar.prepare_recorded(SCAN, bytes(serialization.serialize_message(made)))
    lidar.prepare_recorded(SCAN, scan())
    lidar.template = lambda: serialization.deserialize_message(scan(), messages.message_class(SCAN))
    with pytest.raises(SafetyError, match="covers angle_min"):
        lidar.prepare({"angle_min": -1.0})


def test_a_port_that_cannot_replay_says_so() -> None:
    window = Window("/cmd", TWIST, 0, (), np.empty(0, np.int64), 0)
    with pytest.raises(ConfigurationError, match="cannot send recorded messages"):
        prepare_window("scenarios.x: robot.command", object(), window)  # type: ignore[arg-type]


def test_values_are_laid_over_a_template(tmp_path: Path) -> None:
    made_bag(tmp_path, {"/scan": [(0, scan(1.0)), (5, scan(2.0, "top"))]})
    port = stimulus(SCAN, "header.stamp", {"range_max": 20.0})
    # The bench writes every topic as Int32: what counts here is the type that the bag tells.
    with pytest.raises(ConfigurationError, match="template of port command: it is a std_msgs/msg/Int32"):
        recorded.template(Template(bag="bag", topic="/scan"), tmp_path, port.message, "command")
    made_bag(tmp_path, {"/scan": [(0, scan(1.0)), (5, scan(2.0, "top"))]}, SCAN)
    told = Template(bag="bag", topic="/scan", message=-1)
    port.template = recorded.template(told, tmp_path, port.message, "command")
    for value in (0.25, 0.5):  # each from the recorded one, not from the one before
        port.send(9, port.prepare({"ranges[0]": value, "range_max": value * 10}))
    found = [serialization.deserialize_message(data, port.message) for data in port.publisher.sent]
    assert [(one.ranges[0], one.range_max, one.header.frame_id, len(one.ranges)) for one in found] == [
        (0.25, 2.5, "top", 360),
        (0.5, 5.0, "top", 360),
    ]
    with pytest.raises(SafetyError, match="range_max"):
        port.prepare({"range_max": 21.0})
    with pytest.raises(ConfigurationError, match=r"template of port command: .*2 message\(s\)"):
        recorded.template(Template(bag="bag", topic="/scan", message=2), tmp_path, port.message, "command")


@pytest.mark.parametrize(
    "kind",
    [SCAN, TWIST, "std_msgs/msg/Empty", "trajectory_msgs/msg/JointTrajectory", "nav_msgs/msg/Odometry"],
)
@pytest.mark.parametrize("installed", [True, False])
def test_definitions_are_whole(kind: str, installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    from mcap_ros2._dynamic import generate_dynamic

    if not installed:
        monkeypatch.setattr(definitions, "_shares", lambda package: iter(()))
    definitions.definition.cache_clear()
    message = messages.message_class(kind)
    text = definitions.definition(message)
    definitions.definition.cache_clear()
    assert ("#" in text) == (installed and kind != "std_msgs/msg/Empty")
    made = message()
    if hasattr(made, "header"):
        made.header.frame_id = "somewhere"
    decode = generate_dynamic(kind, text)[kind]
    found = decode(bytes(serialization.serialize_message(made)))
    for field in message.get_fields_and_field_types():
        assert hasattr(found, field)
    if hasattr(made, "header"):
        assert found.header.frame_id == "somewhere"


def test_quality_of_service_is_told_by_number() -> None:
    import yaml

    (told,) = yaml.safe_load(definitions.qos_text(qos.profile("sensor_data")))
    assert (told["history"], told["reliability"], told["durability"]) == (1, 2, 2)
    assert told["deadline"] == {"sec": 9223372036, "nsec": 854775807}
