"""A ROS 2 robot with a stop button: it drives while the button is up, and stands while it is pressed.

``python -m harness.sim.button_stop`` publishes ``cmd_vel`` (``geometry_msgs/msg/Twist``) from a loop of its
own. The button is an input of the robot, wired to an output of the simulated bench board of the same rig,
which presses it; the loop looks at it once a turn, as most do. ``data: true`` on ``stop``
(``std_msgs/msg/Bool``) ends all driving.

What it did goes to standard output, a JSON object per change: ``{"event": "stop" or "drive", "at_ns"}``, the
instant (CLOCK_MONOTONIC) just before the first message that says so.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Sequence
from typing import Any

from geometry_msgs.msg import Twist
from rclpy.node import Node
from std_msgs.msg import Bool

from harness.errors import HarnessError
from harness.sim import ros2_peer
from harness.sim.board.plugs import Plugs


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.button_stop", description=__doc__)
    parser.add_argument("--rate-hz", type=float, default=50.0, help="of the control loop")
    parser.add_argument("--speed", type=float, default=0.2, help="m/s, while the button is up")
    parser.add_argument("--pin", default="D4", help="output of the board that presses the button")
    ros2_peer.add_arguments(parser, "button_stop")
    parser.set_defaults(seconds=600.0)
    return parser.parse_args(argv)


class Robot:
    """The node: whether its button is pressed, and what it says in each turn of its loop."""

    def __init__(self, options: argparse.Namespace, plugs: Plugs, node: Node) -> None:
        self._speed, self._plugs = options.speed, plugs
        self._pressed = self._halted = False
        self._driving: bool | None = None
        plugs.watch(options.pin)
        self._publisher = node.create_publisher(Twist, "cmd_vel", 10)
        node.create_subscription(Bool, "stop", self.on_stop, 10)

    def on_stop(self, message: Any) -> None:
        """Somebody wants it to stand still for good."""
        self._halted = self._halted or message.data

    def control(self, _now_s: float) -> None:
        """One turn of the loop."""
        for _, level in self._plugs.changes():
            self._pressed = level
        driving = not self._pressed and not self._halted
        command = Twist()
        command.linear.x = self._speed if driving else 0.0
        at_ns = time.monotonic_ns()
        self._publisher.publish(command)
        if driving != self._driving:
            self._driving = driving
            print(json.dumps({"event": "drive" if driving else "stop", "at_ns": at_ns}), flush=True)


def main(argv: Sequence[str] | None = None) -> int:
    """Run until told to end."""
    options = arguments(argv)
    try:
        plugs = Plugs()
    except HarnessError as error:
        print(f"button_stop: {error}", file=sys.stderr)
        return error.exit_status
    try:
        return ros2_peer.run(
            options, lambda node: ros2_peer.Turns(options.rate_hz, Robot(options, plugs, node).control)
        )
    finally:
        plugs.close()


if __name__ == "__main__":
    sys.exit(main())
