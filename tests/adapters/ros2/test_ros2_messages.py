"""Types by name, fields by path, and where fields lie in serialised messages."""

from __future__ import annotations

import struct
import sys
from typing import Any

import pytest

from harness.adapters.ros2 import cdr, messages, paths
from harness.errors import ConfigurationError

pytestmark = pytest.mark.ros


@pytest.mark.parametrize("name", ["geometry_msgs/msg/TwistStamped", "geometry_msgs/TwistStamped"])
def test_a_type_by_name(name: str):
    assert paths.full_name(messages.message_class(name)) == "geometry_msgs/msg/TwistStamped"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("geometry_msg/msg/Twist", "did you mean geometry_msgs"),
        ("no_such_thing_at_all/msg/Twist", "apt install ros-.*no-such-thing-at-all"),
        ("geometry_msgs/msg/TwistStamp", "did you mean 'geometry_msgs/msg/TwistStamped'"),
        ("Twist", "package/msg/Name"),
        ("geometry_msgs.msg.Twist", "package/msg/Name"),
    ],
)
def test_a_wrong_type_names_the_nearest(name: str, words: str):
    with pytest.raises(ConfigurationError, match=words):
        messages.message_class(name)


def test_without_rclpy_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    import sys

    from harness.errors import UnavailableError

    monkeypatch.setitem(sys.modules, "rclpy", None)
    messages.message_class.cache_clear()
    with pytest.raises(UnavailableError, match=r"\[ros\].*source your ROS 2"):
        messages.message_class("geometry_msgs/msg/Twist")


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("data", ("data",)),
        ("header.stamp", ("header", "stamp")),
        ("points[2].positions[0]", ("points", 2, "positions", 0)),
        ("poses[name=cf3].pose", ("poses", paths.Select("name", "cf3"), "pose")),
    ],
)
def test_paths(path: str, steps: tuple[Any, ...]):
    assert paths.parse(path) == steps


@pytest.mark.parametrize("path", ["", ".", "a..b", "a[", "a[x]", "a[-1]", "[0]b", "a b", "a."])
def test_what_is_no_path(path: str):
    with pytest.raises(ConfigurationError):
        found = paths.parse(path)
        paths.resolve(messages.message_class("std_msgs/msg/Header"), path)
        raise AssertionError(found)


def test_fields_are_set_by_path():
    made = messages.build(
        messages.message_class("trajectory_msgs/msg/JointTrajectory"),
        {
            "header.frame_id": "base",
            "joint_names": ["a", "b"],
            "points[1].positions": [1, 2.5],
            "points[0].velocities[2]": 3,
            "points[1].time_from_start.sec": 4,
        },
    )
    assert made.header.frame_id == "base"
    assert made.joint_names == ["a", "b"]
    assert len(made.points) == 2
    assert list(made.points[1].positions) == [1.0, 2.5]
    assert list(made.points[0].velocities) == [0.0, 0.0, 3.0]
    assert made.points[1].time_from_start.sec == 4


def test_fixed_arrays_flags_and_named_elements():
    imu = messages.build(messages.message_class("sensor_msgs/msg/Imu"), {"orientation_covariance[4]": 2})
    assert imu.orientation_covariance[4] == 2.0
    status = messages.build(
        messages.message_class("diagnostic_msgs/msg/DiagnosticArray"),
        {
            "status[name=arm].message": "hot",
            "status[name=leg].message": "cold",
            "status[name=arm].hardware_id": "7",
        },
    )
    assert [(one.name, one.message, one.hardware_id) for one in status.status] == [
        ("arm", "hot", "7"),
        ("leg", "cold", ""),
    ]
    assert messages.build(messages.message_class("std_msgs/msg/Bool"), {"data": True}).data is True


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("geometry_msgs/msg/TwistStamped", "twist.linaer.x", 1, "did you mean 'twist.linear.x'"),
        ("geometry_msgs/msg/TwistStamped", "linear.x", 1, "did you mean 'twist.linear.x'"),
        ("geometry_msgs/msg/TwistStamped", "angular.z", 1, "did you mean 'twist.angular.z'"),
        ("geometry_msgs/msg/Twist", "twist.angular.z", 1, "did you mean 'angular.z'"),
        ("geometry_msgs/msg/Twist", "linera.x", 1, "did you mean 'linear.x'"),
        ("geometry_msgs/msg/Twist", "angluar.z", 1, "did you mean 'angular.z'"),
        ("geometry_msgs/msg/Twist", "x", 1, "did you mean 'linear.x' or 'angular.x'"),
        ("geometry_msgs/msg/Twist", "wheel.left", 1, "fields: linear, angular"),
        ("geometry_msgs/msg/TwistStamped", "twist.linear.x.y", 1, "no fields"),
        ("geometry_msgs/msg/TwistStamped", "twist.linear[0]", 1, "no index"),
        ("geometry_msgs/msg/TwistStamped", "twist.linear.x", "fast", "double"),
        ("geometry_msgs/msg/TwistStamped", "twist.linear.x", True, "double"),
        ("geometry_msgs/msg/TwistStamped", "twist.linear", 1, "set its fields"),
        ("geometry_msgs/msg/TwistStamped", "header.frame_id", 3, "string"),
        ("std_msgs/msg/UInt8", "data", 256, "uint8"),
        ("std_msgs/msg/UInt8", "data", -1, "uint8"),
        ("std_msgs/msg/Int32", "data", 1.5, "whole"),
        ("std_msgs/msg/Bool", "data", 1, "true or false"),
        ("sensor_msgs/msg/Imu", "orientation_covariance[9]", 1, "0 to 8"),
        ("sensor_msgs/msg/Imu", "orientation_covariance", [1, 2], "double"),
        ("sensor_msgs/msg/JointState", "position.x", 1, "index first"),
        (
            "diagnostic_msgs/msg/DiagnosticArray",
            "status[nam=x].message",
            "y",
            r"did you mean 'status\[name=x\]\.message'",
        ),
        ("trajectory_msgs/msg/JointTrajectory", "points", [{"positons": [0.1]}], "did you mean 'positions'"),
        ("trajectory_msgs/msg/JointTrajectory", "points", [{"positions": 0.1}], "give a list"),
        ("trajectory_msgs/msg/JointTrajectory", "points", [{"time_from_start": True}], "give seconds"),
        ("trajectory_msgs/msg/JointTrajectory", "points", [{"time_from_start": 3e9}], "seconds from"),
        ("trajectory_msgs/msg/JointTrajectory", "points", [0.5], "give a mapping"),
    ],
)
def test_wrong_fields_and_values(name: str, path: str, value: Any, words: str):
    with pytest.raises(ConfigurationError, match=words):
        messages.build(messages.message_class(name), {path: value})


def test_points_of_a_trajectory_are_mappings_and_durations_are_seconds():
    made = messages.build(
        messages.message_class("trajectory_msgs/msg/JointTrajectory"),
        {
            "joint_names": ["shoulder", "elbow"],
            "points": [
                {"positions": [0.1, 1], "time_from_start": 0.25},
                {"positions": [0.2, -1.0], "time_from_start": {"sec": 1, "nanosec": 7}},
            ],
        },
    )
    assert [list(point.positions) for point in made.points] == [[0.1, 1.0], [0.2, -1.0]]
    assert [(p.time_from_start.sec, p.time_from_start.nanosec) for p in made.points] == [
        (0, 250_000_000),
        (1, 7),
    ]
    assert list(made.points[0].velocities) == []


CASES = [
    ("geometry_msgs/msg/TwistStamped", "header.stamp", {"header.frame_id": "odd"}, True),
    ("geometry_msgs/msg/TwistStamped", "twist.linear.x", {"header.frame_id": "abcde"}, False),
    ("std_msgs/msg/UInt16", "data", {}, True),
    ("std_msgs/msg/Float64", "data", {}, True),
    ("geometry_msgs/msg/Pose", "orientation.w", {}, True),
    ("sensor_msgs/msg/Imu", "orientation_covariance[8]", {"header.frame_id": "x"}, False),
    ("sensor_msgs/msg/Imu", "linear_acceleration.z", {"header.frame_id": "link"}, False),
    (
        "nav_msgs/msg/Odometry",
        "twist.twist.angular.z",
        {"header.frame_id": "o", "child_frame_id": "base_link"},
        False,
    ),
    (
        "sensor_msgs/msg/JointState",
        "position[1]",
        {"name": ["a", "bcd", ""], "position": [1.0, 2.0, 3.0]},
        False,
    ),
    ("sensor_msgs/msg/JointState", "effort[0]", {"name": ["a"], "velocity": [1.0], "effort": [2.0]}, False),
    ("sensor_msgs/msg/Joy", "buttons[2]", {"axes": [0.5], "buttons": [1, 0, 7]}, False),
    ("sensor_msgs/msg/BatteryState", "present", {"header.frame_id": "b", "present": True}, False),
]


def _serialise(made: Any) -> bytes:
    from rclpy.serialization import serialize_message

    return bytes(serialize_message(made))


@pytest.mark.parametrize(("name", "path", "values", "constant"), CASES)
def test_a_field_is_found_where_the_middleware_wrote_it(
    name: str, path: str, values: dict[str, Any], constant: bool
):
    message = messages.message_class(name)
    kind = paths.resolve(message, path)
    made = messages.build(message, values)
    if kind.base == paths.TIME:
        messages.assign(made, f"{path}.sec", 1_234_567)
        messages.assign(made, f"{path}.nanosec", 89)
        expected: Any = 1_234_567_000_000_089
    elif kind.base in paths.BOOLEAN:
        expected = True
    else:
        expected = 77
        messages.assign(made, path, expected)
    data = _serialise(made)
    locator = cdr.locate(message, path)
    assert (locator.constant is not None) == constant
    assert cdr.reader(locator.kind)(data, locator.offset(data)) == expected


def test_an_element_that_is_not_there():
    message = messages.message_class("sensor_msgs/msg/JointState")
    locator = cdr.locate(message, "position[3]")
    with pytest.raises(LookupError, match="element 3 of 1"):
        locator.offset(_serialise(messages.build(message, {"position": [1.0]})))


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("geometry_msgs/msg/PoseArray", "poses[0].position.x"),
        ("trajectory_msgs/msg/JointTrajectory", "points[0].positions[0]"),
        ("diagnostic_msgs/msg/DiagnosticArray", "status[name=a].level"),
    ],
)
def test_what_needs_deserialising_says_so(name: str, path: str):
    with pytest.raises(cdr.NotLocatableError):
        cdr.locate(messages.message_class(name), path)


def test_big_endian_is_read_as_such():
    message = messages.message_class("geometry_msgs/msg/TwistStamped")
    frame = b"odd\0"
    body = (
        struct.pack(">iI", 5, 6)
        + struct.pack(">I", len(frame))
        + frame
        + struct.pack(">6d", 1, 2, 3, 4, 5, 6)
    )
    data = b"\0\0\0\0" + body
    assert cdr.plain(data)
    for path, expected in (("header.stamp", 5_000_000_006), ("twist.linear.y", 2.0)):
        locator = cdr.locate(message, path)
        assert cdr.reader(locator.kind)(data, locator.offset(data)) == expected
    assert not cdr.plain(b"\0\x07\0\0" + body)


def test_our_own_package_is_built_not_downloaded(monkeypatch: pytest.MonkeyPatch):
    for name in ("harness_interfaces", "harness_interfaces.action"):
        monkeypatch.setitem(sys.modules, name, None)
    messages.action_class.cache_clear()
    with pytest.raises(ConfigurationError, match="no action package 'harness_interfaces'") as refused:
        messages.action_class("harness_interfaces/action/FollowTrajectory")
    assert "make setup" in str(refused.value) and "apt install" not in str(refused.value)
