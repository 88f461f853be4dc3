"""The robot's side of ROS 2: one wait set, kept; serialized messages whose layout is found out once.

No executor and no second thread: rclpy's own executor builds a wait set, a coroutine and a task for every
message, which costs more than the election does.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

import rclpy
from geometry_msgs.msg import PoseStamped
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.parameter import Parameter
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.serialization import serialize_message
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Int64MultiArray, MultiArrayDimension, UInt8MultiArray

from harness.sim.swarm.messages import EVERYBODY, Message, Place, decode, encode
from harness.sim.swarm.status import FIELDS

_LENGTH = struct.Struct("<I")
_STAMP = struct.Struct("<iI")
_POSE = struct.Struct("<7d")


def open_node(name: str, namespace: str) -> Any:
    """A node without services of its own. Signals stay the main program's."""
    rclpy.init(args=[], signal_handler_options=SignalHandlerOptions.NO)
    return rclpy.create_node(
        name,
        namespace=namespace,
        start_parameter_services=False,
        enable_rosout=False,
        parameter_overrides=[Parameter("start_type_description_service", value=False)],
    )


class RobotNode:
    """Node ``swarm_robot`` in the namespace of its robot: status, pose, and links to the others."""

    def __init__(self, names: Sequence[str], me: int, namespace: str, *, reliable: bool) -> None:
        prefix = f"/{namespace}" if namespace else ""
        self._me = me
        self._node = open_node("swarm_robot", f"{prefix}/{names[me - 1]}")
        links = QoSProfile(
            depth=100,
            reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        )
        # What is for all goes out once; answers go to one robot, and wake only that one.
        self._to: dict[int, Any] = {
            EVERYBODY: self._node.create_publisher(UInt8MultiArray, f"{prefix}/swarm/all", links)
        }
        for number, name in enumerate(names, 1):
            if number != me:
                topic = f"{prefix}/{name}/inbox"
                self._to[number] = self._node.create_publisher(UInt8MultiArray, topic, links)
        self._pose = self._node.create_publisher(PoseStamped, "pose", QoSProfile(depth=10))
        self._status = self._node.create_publisher(Int64MultiArray, "status", QoSProfile(depth=100))
        self._readers = [
            self._node.create_subscription(UInt8MultiArray, topic, lambda message: None, links, raw=True)
            for topic in (f"{prefix}/swarm/all", "inbox")
        ]
        self._wait_set = rclpy_implementation.WaitSet(
            len(self._readers), 0, 0, 0, 0, 0, self._node.context.handle
        )
        self._head = bytes(serialize_message(UInt8MultiArray()))[:-4]
        self._status_bytes = bytearray(serialize_message(_status_message()))
        self._pose_bytes, self._pose_at = _pose_buffer()

    def met(self) -> bool:
        """Whether every other robot has been found, in both directions.

        A robot that only some have found would be taken for lost by the rest, once one of those leads.
        """
        robots = len(self._to)
        everybody, inbox = (reader.handle.get_publisher_count() for reader in self._readers)
        return (
            everybody >= robots
            and inbox >= robots - 1
            and self._to[EVERYBODY].get_subscription_count() >= robots
            and all(one.get_subscription_count() for to, one in self._to.items() if to != EVERYBODY)
        )

    def wait(self, timeout_ns: int) -> None:
        """Return when a message has arrived, at the latest after ``timeout_ns``."""
        self._wait_set.clear_entities()
        for reader in self._readers:
            self._wait_set.add_subscription(reader.handle)
        self._wait_set.wait(max(0, timeout_ns))

    def take(self) -> Iterator[Message]:
        """Every message of another robot that has arrived; what is not one of the swarm's is left out."""
        for reader in self._readers:
            while (taken := reader.handle.take_message(reader.msg_type, True)) is not None:
                raw = taken[0]
                start = len(self._head) + 4
                (length,) = _LENGTH.unpack_from(raw, start - 4)
                try:
                    message = decode(raw[start : start + length])
                except ValueError:
                    continue
                if message.sender != self._me:
                    yield message

    def send(self, message: Message) -> None:
        """Hand a message to the middleware."""
        payload = encode(message)
        self._to[message.to].publish(self._head + _LENGTH.pack(len(payload)) + payload)

    def publish_status(self, numbers: Sequence[int]) -> None:
        """Publish on ``status``: one number for each of FIELDS."""
        place = len(self._status_bytes) - 8 * len(FIELDS)
        struct.pack_into(f"<{len(FIELDS)}q", self._status_bytes, place, *numbers)
        self._status.publish(bytes(self._status_bytes))

    def publish_pose(self, stamp_ns: int, place: Place, yaw_rad: float) -> None:
        """Publish on ``pose``; ``stamp_ns`` is CLOCK_REALTIME, the place is in metres."""
        _STAMP.pack_into(self._pose_bytes, 4, *divmod(stamp_ns, 1_000_000_000))
        turn = (0.0, 0.0, math.sin(yaw_rad / 2), math.cos(yaw_rad / 2))
        _POSE.pack_into(self._pose_bytes, self._pose_at, *place, 0.0, *turn)
        self._pose.publish(bytes(self._pose_bytes))

    def close(self) -> None:
        """Leave ROS 2. Repeatable."""
        if rclpy.ok():
            self._node.destroy_node()
            rclpy.shutdown()


def _status_message() -> Any:
    message = Int64MultiArray()
    # The names of the numbers, for who looks at the topic by hand.
    message.layout.dim = [MultiArrayDimension(label=name, size=1, stride=1) for name in FIELDS]
    message.data = [0] * len(FIELDS)
    return message


def _pose_buffer() -> tuple[bytearray, int]:
    message = PoseStamped()
    message.header.frame_id = "world"
    unlikely = 1.2345678901234567e-89
    message.pose.position.x = unlikely
    raw = bytearray(serialize_message(message))
    return raw, raw.index(struct.pack("<d", unlikely))
