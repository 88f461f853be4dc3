"""The robot's side of ROS 2: one subscription that is polled, four publishers, no executor.

The robot's loop looks for commands once per physics step, as a base's firmware polls its bus. An empty look
costs under a microsecond, no second thread competes for the interpreter, and a command waits half a step on
average. Messages are read and written in their serialized form, whose layout is found out once, not assumed.
"""

from __future__ import annotations

import math
import struct
import time
from collections.abc import Iterator
from typing import Any

import rclpy
from geometry_msgs.msg import Twist, TwistStamped
from nav_msgs.msg import Odometry as OdometryMessage
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile
from rclpy.serialization import deserialize_message, serialize_message
from rclpy.signals import SignalHandlerOptions
from sensor_msgs.msg import Imu as ImuMessage
from std_msgs.msg import Float64

from harness.sim.diff_drive import physics
from harness.sim.diff_drive.physics import Imu, Odometry

COMMAND_DEPTH = 1000
"""Commands that a stalled robot keeps; more would be lost."""
XCDR1_LITTLE_ENDIAN = b"\x00\x01"
_STAMP = struct.Struct("<iI")
_TWIST = struct.Struct("<6d")


class Prepared:
    """A message serialized once, whose stamp and runs of doubles are then written in place.

    ``message`` has a header; ``runs`` gives the path to the first double of each run, e.g.
    ``pose.pose.position.x``, and how many doubles it has.
    """

    def __init__(self, message: Any, runs: dict[str, int]) -> None:
        self._buffer = bytearray(serialize_message(message))
        self._runs = {
            path: (self._find(message, path), struct.Struct(f"<{size}d")) for path, size in runs.items()
        }

    @staticmethod
    def _find(message: Any, path: str) -> int:
        """Where the field lies: the place at which an unlikely value turns up when it is put there."""
        *parents, leaf = path.split(".")
        owner = message
        for name in parents:
            owner = getattr(owner, name)
        before = getattr(owner, leaf)
        unlikely = 1.2345678901234567e-89
        setattr(owner, leaf, unlikely)
        place = bytes(serialize_message(message)).index(struct.pack("<d", unlikely))
        setattr(owner, leaf, before)
        return place

    def write(self, stamp_ns: int, values: dict[str, tuple[float, ...]]) -> bytes:
        """The serialized message with this stamp (ns of CLOCK_REALTIME) and these runs."""
        _STAMP.pack_into(self._buffer, 4, *divmod(stamp_ns, 1_000_000_000))
        for path, run in values.items():
            place, layout = self._runs[path]
            layout.pack_into(self._buffer, place, *run)
        return bytes(self._buffer)


def read_command(raw: bytes) -> tuple[int, float, float, int]:
    """Stamp in ns, linear.x in m/s, angular.z in rad/s of a serialized TwistStamped; where its twist lies.

    The twist is six doubles, aligned to 8 bytes counted from behind the 4-byte encapsulation header.
    """
    seconds, nanoseconds = _STAMP.unpack_from(raw, 4)
    (length,) = struct.unpack_from("<I", raw, 12)
    place = 4 + (12 + length + 7) // 8 * 8
    twist = _TWIST.unpack_from(raw, place)
    return seconds * 1_000_000_000 + nanoseconds, twist[0], twist[5], place


def replace_speeds(raw: bytes, twist_at: int, linear_mps: float, angular_radps: float) -> bytes:
    """A serialized TwistStamped whose twist lies at ``twist_at``, with other speeds."""
    buffer = bytearray(raw)
    struct.pack_into("<d", buffer, twist_at, linear_mps)
    struct.pack_into("<d", buffer, twist_at + 40, angular_radps)
    return bytes(buffer)


class RobotNode:
    """The node ``diff_drive``. Topics are relative, so that a namespace moves them all.

    ``plain``: commands are ``geometry_msgs/Twist`` and are not repeated; each gets its arrival as its stamp.
    """

    def __init__(self, namespace: str = "", noise: float = 1.0, *, plain: bool = False) -> None:
        # Signals are the main program's own: rclpy's handlers would end the context under a running loop.
        rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
        self._node: Any = rclpy.create_node(
            "diff_drive",
            namespace=namespace,
            start_parameter_services=False,
            enable_rosout=False,
            parameter_overrides=[Parameter("start_type_description_service", value=False)],
        )
        deep, ordinary = QoSProfile(depth=COMMAND_DEPTH), QoSProfile(depth=10)
        self._commands: Any = self._node.create_subscription(
            Twist if plain else TwistStamped, "cmd_vel", lambda message: None, deep, raw=True
        )
        self._stamped = Prepared(TwistStamped(), {"twist.linear.x": 6}) if plain else None
        self._applied: Any = (
            None if plain else self._node.create_publisher(TwistStamped, "cmd_vel/applied", deep)
        )
        self._factor: Any = self._node.create_publisher(Float64, "real_time_factor", ordinary)
        self._imu: Any = self._node.create_publisher(ImuMessage, "imu", ordinary)
        # The last one: whoever waits for odom then finds the rest, too.
        self._odometry: Any = self._node.create_publisher(OdometryMessage, "odom", ordinary)
        self._odometry_message = _odometry_message(noise)
        self._imu_message = _imu_message(noise)

    def take(self) -> Iterator[tuple[bytes, int]]:
        """Every command that has arrived, oldest first: serialized, and its arrival (CLOCK_MONOTONIC, ns)."""
        handle = self._commands.handle
        while True:
            with handle:
                taken = handle.take_message(self._commands.msg_type, True)
            if taken is None:
                return
            raw, info = taken
            age_ns = time.time_ns() - info["received_timestamp"]
            if self._stamped is not None:
                twist = _TWIST.unpack_from(raw, 4)
                raw = self._stamped.write(info["received_timestamp"], {"twist.linear.x": twist})
            elif raw[:2] != XCDR1_LITTLE_ENDIAN:
                raw = serialize_message(deserialize_message(raw, TwistStamped))
            yield raw, time.monotonic_ns() - age_ns

    def answer(self, raw: bytes) -> None:
        """Repeat a command on ``cmd_vel/applied``, where commands are repeated."""
        if self._applied is not None:
            self._applied.publish(raw)

    def publish_odometry(self, stamp_ns: int, odometry: Odometry) -> None:
        """Publish on ``odom``; ``stamp_ns`` is CLOCK_REALTIME."""
        half = odometry.yaw_rad / 2
        self._odometry.publish(
            self._odometry_message.write(
                stamp_ns,
                {
                    "pose.pose.position.x": (odometry.x_m, odometry.y_m, 0.0),
                    "pose.pose.orientation.z": (math.sin(half), math.cos(half)),
                    "twist.twist.linear.x": (odometry.linear_mps,),
                    "twist.twist.angular.z": (odometry.angular_radps,),
                },
            )
        )

    def publish_imu(self, stamp_ns: int, imu: Imu) -> None:
        """Publish on ``imu``; ``stamp_ns`` is CLOCK_REALTIME."""
        self._imu.publish(
            self._imu_message.write(
                stamp_ns,
                {
                    "orientation.x": imu.orientation_xyzw,
                    "angular_velocity.x": imu.gyro_radps,
                    "linear_acceleration.x": imu.accelerometer_mps2,
                },
            )
        )

    def publish_factor(self, factor: float) -> None:
        """Publish on ``real_time_factor``."""
        self._factor.publish(Float64(data=factor))

    def close(self) -> None:
        """Leave ROS 2. Repeatable; leaves no shared memory behind."""
        if rclpy.ok():
            self._node.destroy_node()
            rclpy.shutdown()


def _odometry_message(noise: float) -> Prepared:
    message = OdometryMessage()
    message.header.frame_id = "odom"
    message.child_frame_id = "base_link"
    speed = (physics.WHEEL_SPEED_SD_RADPS * noise * physics.WHEEL_RADIUS_M) ** 2
    message.twist.covariance[0] = speed / 2
    message.twist.covariance[35] = speed * 2 / physics.TRACK_M**2
    return Prepared(
        message,
        {
            "pose.pose.position.x": 3,
            "pose.pose.orientation.z": 2,
            "twist.twist.linear.x": 1,
            "twist.twist.angular.z": 1,
        },
    )


def _imu_message(noise: float) -> Prepared:
    message = ImuMessage()
    message.header.frame_id = "imu_link"
    for place in (0, 4, 8):
        message.angular_velocity_covariance[place] = (physics.GYRO_SD_RADPS * noise) ** 2
        message.linear_acceleration_covariance[place] = (physics.ACCELEROMETER_SD_MPS2 * noise) ** 2
    return Prepared(message, {"orientation.x": 4, "angular_velocity.x": 3, "linear_acceleration.x": 3})
