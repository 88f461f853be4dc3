"""What a reactive controller makes of its sensors: does a message say that the robot has to stop?

One reader for each sort of message. They are as a robot's are: they read fields and bytes by the layout that
the message declares, and take nothing for granted that it does not say.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from sensor_msgs.msg import Image, Imu, JointState, LaserScan, PointCloud2, PointField

GRAVITY = 9.80665
_TYPES = {PointField.FLOAT32: "f4", PointField.FLOAT64: "f8"}


@dataclass(frozen=True)
class Bounds:
    """What is too much: m, rad, m/s2, grey values, N m. ``window`` ranges in the middle of a scan matter."""

    near_m: float = 0.6
    window: int = 21
    half_width_m: float = 0.3
    points: int = 3
    tilt_rad: float = 0.35
    jolt_m_s2: float = 5.0
    bright: int = 200
    pixels: int = 16
    effort_n_m: float = 20.0
    position_rad: float = 2.8


def nearest(scan: Any, window: int) -> float:
    """The smallest valid range in the middle of a scan, in m; infinite where there is none."""
    begin = max(0, (len(scan.ranges) - window) // 2)
    valid = (r for r in scan.ranges[begin : begin + window] if scan.range_min <= r <= scan.range_max)
    return min(valid, default=float("inf"))


def points_of(cloud: Any) -> np.ndarray[Any, Any]:
    """x, y, z of the points of a cloud, in m, by the layout that it declares."""
    order = ">" if cloud.is_bigendian else "<"
    fields = {field.name: field for field in cloud.fields}
    layout = np.dtype(
        {
            "names": ["x", "y", "z"],
            "formats": [order + _TYPES[fields[name].datatype] for name in "xyz"],
            "offsets": [fields[name].offset for name in "xyz"],
            "itemsize": cloud.point_step,
        }
    )
    flat = np.frombuffer(bytes(cloud.data), dtype=layout, count=cloud.width * cloud.height)
    return np.stack([flat[name].astype(float) for name in "xyz"], axis=1)


def ahead(cloud: Any, bounds: Bounds) -> bool:
    """Whether enough points lie near and straight ahead (x forward, y to the left)."""
    points = points_of(cloud)
    near = (points[:, 0] > 0) & (points[:, 0] < bounds.near_m) & (np.abs(points[:, 1]) < bounds.half_width_m)
    return int(near.sum()) >= bounds.points


def upset(imu: Any, bounds: Bounds) -> bool:
    """Whether the robot tilts, or is accelerated by more than gravity. A quaternion of zeros is unknown."""
    q, a = imu.orientation, imu.linear_acceleration
    tilt = math.acos(max(-1.0, min(1.0, 1.0 - 2.0 * (q.x * q.x + q.y * q.y))))
    jolt = abs(math.sqrt(a.x * a.x + a.y * a.y + a.z * a.z) - GRAVITY)
    return tilt > bounds.tilt_rad or jolt > bounds.jolt_m_s2


def glares(image: Any, bounds: Bounds) -> bool:
    """Whether enough pixels of a grey image (``mono8``) are bright."""
    rows = np.frombuffer(bytes(image.data), dtype=np.uint8).reshape(image.height, image.step)
    return int((rows[:, : image.width] >= bounds.bright).sum()) >= bounds.pixels


def strains(joints: Any, bounds: Bounds) -> bool:
    """Whether any joint is beyond its range or its effort."""
    far = any(abs(position) > bounds.position_rad for position in joints.position)
    return far or any(abs(effort) > bounds.effort_n_m for effort in joints.effort)


@dataclass(frozen=True)
class Sensor:
    """One sort of message: its topic, its type, and whether a message asks for a stop."""

    topic: str
    type: type
    stops: Callable[[Any, Bounds], bool]


SENSORS = {
    "scan": Sensor("scan", LaserScan, lambda scan, bounds: nearest(scan, bounds.window) < bounds.near_m),
    "cloud": Sensor("points", PointCloud2, ahead),
    "imu": Sensor("imu", Imu, upset),
    "image": Sensor("image", Image, glares),
    "joints": Sensor("joint_states", JointState, strains),
}


def digest(message: Any) -> str:
    """A digest of all that a message says but for its stamp: equal where all fields are, bit by bit."""
    found = hashlib.sha256()
    _take(found.update, message, "")
    return found.hexdigest()[:16]


def _take(take: Callable[[bytes], None], value: Any, path: str) -> None:
    if hasattr(value, "get_fields_and_field_types"):
        for name in value.get_fields_and_field_types():
            if path + name != "header.stamp":
                _take(take, getattr(value, name), f"{path}{name}.")
        return
    take(path.encode())
    if hasattr(value, "tobytes"):
        take(value.tobytes())
    elif isinstance(value, (list, tuple)):
        for index, one in enumerate(value):
            _take(take, one, f"{path}{index}.")
    else:
        take(repr(value).encode())
