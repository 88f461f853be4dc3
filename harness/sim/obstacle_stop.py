"""A ROS 2 robot with a reactive controller: it drives until a sensor says that it has to stop.

``python -m harness.sim.obstacle_stop`` hears ``scan`` (``sensor_msgs/msg/LaserScan``) and publishes
``cmd_vel`` (``geometry_msgs/msg/Twist``) from a loop of its own: forward while the middle of the newest scan
shows nothing nearer than a threshold, else 0; 0 as well before the first scan and when scans have ceased.
``--sensors`` names what it hears instead, of :data:`harness.sim.sensors.SENSORS`; it needs all of them to
drive. ``data: true`` on ``stop`` (``std_msgs/msg/Bool``) ends all driving.

``contact`` (``std_msgs/msg/Bool``) is a digital output: true while any sensor asks for a stop.

What it did goes to standard output, a JSON object per change, instants in ns of CLOCK_MONOTONIC:
``{"event": "near", "sensor", "stamp_ns", "received_ns"}`` for the first message that asks for a stop, and
``{"event": "stop" or "drive", "before_ns", "after_ns"}`` around the first message that says so. With
``--digests`` also ``{"event": "heard", "sensor", "digest", "stamp_ns", "received_ns"}`` whenever a message
says something else than the one before.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from functools import partial
from typing import Any

from geometry_msgs.msg import Twist
from rclpy.node import Node
from std_msgs.msg import Bool

from harness.sim import ros2_peer
from harness.sim.sensors import SENSORS, Bounds, digest, nearest

__all__ = ["arguments", "main", "nearest"]


QUEUED = 100
"""Messages of a sensor that wait while the machine holds this process up: none is to be missed."""


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.obstacle_stop", description=__doc__)
    parser.add_argument("--rate-hz", type=float, default=50.0, help="of the control loop")
    parser.add_argument("--speed", type=float, default=0.2, help="m/s, while nothing is near")
    parser.add_argument("--sensors", nargs="+", choices=list(SENSORS), default=["scan"], help="what it hears")
    parser.add_argument("--near-m", type=float, default=0.6, help="a range below this is near")
    parser.add_argument("--window", type=int, default=21, help="ranges in the middle of the scan that matter")
    parser.add_argument(
        "--scan-timeout-s", type=float, default=1.0, help="without a sensor for this long it stands still"
    )
    parser.add_argument("--digests", action="store_true", help="tell what each sensor showed")
    parser.add_argument(
        "--stops", type=int, help="stop for so many obstacles only, then drive on whatever the scan shows"
    )
    ros2_peer.add_arguments(parser, "obstacle_stop")
    parser.set_defaults(seconds=600.0)
    return parser.parse_args(argv)


def tell(**what: Any) -> None:
    """One line of what happened."""
    print(json.dumps(what), flush=True)


class Robot:
    """The node: what it heard last, and what it says in each turn of its loop."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        self._options = options
        self._bounds = Bounds(near_m=options.near_m, window=options.window)
        self._near = dict.fromkeys(options.sensors, False)
        self._obstacles = 0
        self._heard_ns: dict[str, int] = {}
        self._digests: dict[str, str] = {}
        self._halted = False
        self._driving: bool | None = None
        self._publisher = node.create_publisher(Twist, "cmd_vel", 10)
        for name in options.sensors:
            sensor = SENSORS[name]
            node.create_subscription(sensor.type, sensor.topic, partial(self.on_sensor, name), QUEUED)
        self._contact = node.create_publisher(Bool, "contact", 10)
        node.create_subscription(Bool, "stop", self.on_stop, 10)

    def on_sensor(self, name: str, message: Any) -> None:
        """A message of a sensor came."""
        received = time.monotonic_ns()
        near = SENSORS[name].stops(message, self._bounds)
        stamp = message.header.stamp
        said = {
            "sensor": name,
            "stamp_ns": stamp.sec * 1_000_000_000 + stamp.nanosec,
            "received_ns": received,
        }
        if near and not self._near[name]:
            self._obstacles += 1
            tell(event="near", **said)
        if self._options.digests and (shown := digest(message)) != self._digests.get(name):
            self._digests[name] = shown
            tell(event="heard", digest=shown, **said)
        self._near[name], self._heard_ns[name] = near, received

    def on_stop(self, message: Any) -> None:
        """Somebody wants it to stand still for good."""
        self._halted = self._halted or message.data

    def control(self, _now_s: float) -> None:
        """One turn of the loop."""
        oldest = time.monotonic_ns() - self._options.scan_timeout_s * 1e9
        fresh = all(self._heard_ns.get(name, oldest) > oldest for name in self._options.sensors)
        near = any(self._near.values())
        blocked = near and (self._options.stops is None or self._obstacles <= self._options.stops)
        driving = fresh and not blocked and not self._halted
        command = Twist()
        command.linear.x = self._options.speed if driving else 0.0
        before = time.monotonic_ns()
        self._publisher.publish(command)
        after = time.monotonic_ns()
        self._contact.publish(Bool(data=near))
        if driving != self._driving:
            self._driving = driving
            tell(event="drive" if driving else "stop", before_ns=before, after_ns=after)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    options = arguments(argv)
    return ros2_peer.run(options, lambda node: ros2_peer.Turns(options.rate_hz, Robot(options, node).control))


if __name__ == "__main__":
    sys.exit(main())
