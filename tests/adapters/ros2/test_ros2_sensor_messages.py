"""Sensor messages as a rig file describes them: prepared once, their stamp patched for each send."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.port_options import StimulusOptions
from harness.adapters.ros2.stimulus import TopicStimulus
from harness.clock import HostClock
from harness.config import expand_variants
from harness.errors import ConfigurationError, SafetyError

pytestmark = pytest.mark.ros

STAMP_NS = 1_700_000_123_456_789_012


class Sent:
    """In the place of a publisher: keeps the bytes."""

    def __init__(self) -> None:
        self.data: list[bytes] = []

    def publish(self, data: bytes) -> None:
        self.data.append(data)


def sent(kind: str, values: dict[str, Any], limits: dict[str, float] | None = None) -> Any:
    """The message that a robot would get."""
    options = StimulusOptions.model_validate(
        {"topic": "/sensor", "type": kind, "key": "header.stamp", "values": values}
    )
    publisher = Sent()
    stimulus = TopicStimulus("sensor", options, limits or {}, publisher, HostClock())
    (variant,) = expand_variants(options.values)
    prepared = stimulus.prepare(variant)
    for key in (1, STAMP_NS):
        stimulus.send(key, prepared)
    deserialize = vendor.load("rclpy.serialization").deserialize_message
    first, second = (deserialize(data, stimulus.message) for data in publisher.data)
    assert (first.header.stamp.sec, first.header.stamp.nanosec) == (0, 1)
    assert second.header.stamp.sec * 10**9 + second.header.stamp.nanosec == STAMP_NS
    second.header.stamp = first.header.stamp
    assert second == first  # nothing but the stamp differs
    return first


def test_a_scan_with_an_obstacle() -> None:
    scan = sent(
        "sensor_msgs/msg/LaserScan",
        {
            "header.frame_id": "laser",
            "range_min": 0.1,
            "range_max": 12.0,
            "ranges": {
                "fill": {"value": 10.0, "count": 360},
                "window": {"first": 170, "last": 190, "value": 0.5},
            },
            "intensities": {"ramp": {"first": 0.0, "last": 359.0, "count": 360}},
        },
    )
    expected = np.full(360, 10.0, dtype=np.float32)
    expected[170:191] = 0.5
    assert np.array_equal(np.asarray(scan.ranges, dtype=np.float32), expected)
    assert np.array_equal(np.asarray(scan.intensities), np.arange(360.0))
    assert (scan.header.frame_id, scan.range_max) == ("laser", 12.0)


def test_a_cloud_of_points() -> None:
    points = [(1.0, 0.0, 0.5), (1.0, 0.1, 0.5)]
    data = b"".join(struct.pack("<fff", *point) for point in points)
    values: dict[str, Any] = {"height": 1, "width": 2, "point_step": 12, "row_step": 24, "is_dense": True}
    for index, name in enumerate("xyz"):
        values[f"fields[{index}].name"] = name
        values[f"fields[{index}].offset"] = 4 * index
        values[f"fields[{index}].datatype"] = 7
        values[f"fields[{index}].count"] = 1
    cloud = sent("sensor_msgs/msg/PointCloud2", {**values, "data": list(data)})
    assert [(field.name, field.offset, field.datatype) for field in cloud.fields] == [
        ("x", 0, 7),
        ("y", 4, 7),
        ("z", 8, 7),
    ]
    assert list(struct.iter_unpack("<fff", bytes(cloud.data))) == [
        pytest.approx(point, rel=1e-6) for point in points
    ]


def test_an_inertial_unit() -> None:
    imu = sent(
        "sensor_msgs/msg/Imu",
        {
            "orientation.w": 1.0,
            "linear_acceleration.z": 9.81,
            "angular_velocity.y": -0.3,
            "orientation_covariance[0]": -1.0,
            "linear_acceleration_covariance": {"fill": {"value": 0.01, "count": 9}},
        },
    )
    assert (imu.orientation.w, imu.linear_acceleration.z, imu.angular_velocity.y) == (1.0, 9.81, -0.3)
    assert list(imu.orientation_covariance) == [-1.0] + [0.0] * 8
    assert list(imu.linear_acceleration_covariance) == [0.01] * 9


def test_an_image_of_a_bright_bar() -> None:
    width, height = 160, 120
    bar = {"first": 50 * width, "last": 60 * width - 1, "value": 255}
    image = sent(
        "sensor_msgs/msg/Image",
        {
            "width": width,
            "height": height,
            "step": width,
            "encoding": "mono8",
            "data": {"fill": {"value": 1, "count": width * height}, "window": bar},
        },
    )
    pixels = np.asarray(image.data, dtype=np.uint8).reshape(height, width)
    assert (pixels[50:60] == 255).all()
    assert (pixels[:50] == 1).all()
    assert (pixels[60:] == 1).all()


def test_joints_by_name_and_place() -> None:
    joints = sent(
        "sensor_msgs/msg/JointState",
        {
            "name": ["left", "right"],
            "position": {"ramp": {"first": -0.5, "last": 0.5, "count": 2}},
            "velocity[1]": 0.25,
        },
    )
    assert (list(joints.name), list(joints.position), list(joints.velocity)) == (
        ["left", "right"],
        [-0.5, 0.5],
        [0.0, 0.25],
    )


@pytest.mark.parametrize(
    ("kind", "path", "value", "words"),
    [
        ("sensor_msgs/msg/Image", "data", {"fill": {"value": 256, "count": 3000}}, "from 0 to 255"),
        ("sensor_msgs/msg/Image", "data", {"ramp": {"first": 0.0, "last": 1.0, "count": 3}}, "whole number"),
        ("sensor_msgs/msg/LaserScan", "ranges", {"fill": {"value": "far", "count": 3}}, "give a number"),
        ("sensor_msgs/msg/LaserScan", "range_max", {"fill": {"value": 1.0, "count": 3}}, "cannot take"),
        (
            "sensor_msgs/msg/Imu",
            "orientation_covariance",
            {"fill": {"value": 0.0, "count": 8}},
            "exactly 9 elements",
        ),
    ],
)
def test_an_array_that_does_not_fit_its_field(
    kind: str, path: str, value: dict[str, Any], words: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        sent(kind, {path: value})
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert len(caught.value.message) < 200


def test_a_limit_on_what_a_sensor_shows() -> None:
    values = {"linear_acceleration.z": 9.81}
    assert sent("sensor_msgs/msg/Imu", values, {"linear_acceleration.z": 10.0})
    with pytest.raises(SafetyError, match="beyond the limit of 5"):
        sent("sensor_msgs/msg/Imu", values, {"linear_acceleration.z": 5.0})
