"""What belongs to no robot: topics of all robots, as motion capture or a monitor gives them, and a service
to restart.

``poses`` (geometry_msgs/PoseArray, frame ``world``): entry n - 1 is robot n; one that was not seen for half a
second, or never, is all zeros, which is no orientation. ``swarm/status`` (diagnostic_msgs/DiagnosticArray):
one entry per robot that was heard in the last half second, with its name; its values are ``leader`` (a name,
or ``none``), ``term``, ``slot``, ``slot_term``, ``state``, as strings. ``swarm/restart``
(std_srvs/Trigger) has the launcher start dead robots again.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

import rclpy
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from geometry_msgs.msg import Pose, PoseArray, PoseStamped
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import QoSProfile, ReliabilityPolicy
from std_msgs.msg import Int64MultiArray
from std_srvs.srv import Trigger

from harness.sim.swarm.node import open_node
from harness.sim.swarm.options import Options
from harness.sim.swarm.status import FIELDS

FRESH_S = 0.5
MONITORED = ("leader", "term", "slot", "slot_term", "state")


class Control:
    """The node ``swarm_control``."""

    def __init__(self, options: Options, parent: int) -> None:
        self._parent = parent
        self._node = open_node("swarm_control", f"/{options.namespace}" if options.namespace else "")
        self._poses = [Pose() for _ in options.names]
        self._seen = [0.0] * len(options.names)
        self._nowhere = Pose()
        self._nowhere.orientation.w = 0.0
        if options.poses_hz > 0:
            latest = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
            for number, name in enumerate(options.names):
                self._node.create_subscription(PoseStamped, f"{name}/pose", self._listener(number), latest)
            self._publisher = self._node.create_publisher(PoseArray, "poses", 10)
            self._node.create_timer(1.0 / options.poses_hz, self._publish)
        self._said: dict[int, tuple[float, Sequence[int]]] = {}
        self._names = options.names
        if options.monitor_hz > 0:
            for number, name in enumerate(options.names):
                topic = f"{name}/status"
                self._node.create_subscription(Int64MultiArray, topic, self._hearer(number), 10)
            self._monitor = self._node.create_publisher(DiagnosticArray, "swarm/status", 10)
            self._node.create_timer(1.0 / options.monitor_hz, self._tell)
        self._node.create_service(Trigger, "swarm/restart", self._restart)

    def _listener(self, number: int) -> Callable[[PoseStamped], None]:
        def listen(message: PoseStamped) -> None:
            self._poses[number], self._seen[number] = message.pose, time.monotonic()

        return listen

    def _hearer(self, number: int) -> Callable[[Int64MultiArray], None]:
        def hear(message: Int64MultiArray) -> None:
            self._said[number] = time.monotonic(), message.data

        return hear

    def _tell(self) -> None:
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        limit = time.monotonic() - FRESH_S
        for number, (seen, data) in sorted(self._said.items()):
            if seen > limit:
                values = {key: str(data[FIELDS.index(key)]) for key in MONITORED}
                leader = int(values["leader"])
                values["leader"] = self._names[leader - 1] if leader > 0 else "none"
                pairs = [KeyValue(key=key, value=value) for key, value in values.items()]
                message.status.append(DiagnosticStatus(name=self._names[number], values=pairs))
        self._monitor.publish(message)

    def _publish(self) -> None:
        message = PoseArray()
        message.header.frame_id = "world"
        message.header.stamp = self._node.get_clock().now().to_msg()
        limit = time.monotonic() - FRESH_S
        message.poses = [
            pose if seen > limit else self._nowhere
            for pose, seen in zip(self._poses, self._seen, strict=True)
        ]
        self._publisher.publish(message)

    def _restart(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        os.kill(self._parent, signal.SIGUSR1)
        response.success, response.message = True, "robots that have ended are started again"
        return response

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until ``stopped()``."""
        executor = SingleThreadedExecutor()
        executor.add_node(self._node)
        while not stopped():
            executor.spin_once(timeout_sec=0.1)
        executor.shutdown()
        self._node.destroy_node()
        rclpy.shutdown()
