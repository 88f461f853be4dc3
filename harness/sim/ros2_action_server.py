"""A ROS 2 node that serves one action, and misbehaves on demand: the peer of tests.

``python -m harness.sim.ros2_action_server --help`` tells what it can do. Any number of goals are on their way
at once; each gets so many feedback messages at equal distances, and its result after the last of them.
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import os
import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.node import Node

from harness.sim import ros2_peer


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.ros2_action_server", description=__doc__)
    parser.add_argument("--serve", default="/echo/go", help="name of the action")
    parser.add_argument("--type", default="harness_interfaces/action/FollowTrajectory")
    parser.add_argument("--feedback", type=int, default=3, help="messages of feedback for each goal")
    parser.add_argument("--step-ms", type=float, default=20.0, help="time before each of them")
    parser.add_argument("--refuse-every", type=int, default=0, help="refuse every n-th goal")
    parser.add_argument("--abort-every", type=int, default=0, help="abort every n-th goal")
    parser.add_argument("--refuse-cancel", action="store_true", help="go on when told to cancel")
    parser.add_argument("--die-after", type=int, default=0, help="exit at once, unclean, after n goals")
    ros2_peer.add_arguments(parser, "mover")
    return parser.parse_args(argv)


class Mover:
    """The action, its misbehaviour, and the goals that are on their way."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        self.options = options
        self.asked = 0
        self.accepted = 0
        package, folder, short = options.type.split("/")
        self._action = getattr(importlib.import_module(f"{package}.{folder}"), short)
        self._due: list[tuple[float, int, int, Any]] = []
        cancel = CancelResponse.REJECT if options.refuse_cancel else CancelResponse.ACCEPT
        self.server = ActionServer(
            node,
            self._action,
            options.serve,
            self._finish,
            goal_callback=self._judge,
            handle_accepted_callback=self._begin,
            cancel_callback=lambda _: cancel,
        )
        self._aborts: set[bytes] = set()

    def _judge(self, _goal: Any) -> GoalResponse:
        self.asked += 1
        if self.options.die_after and self.asked > self.options.die_after:
            os._exit(9)
        every = self.options.refuse_every
        return GoalResponse.REJECT if every and self.asked % every == 0 else GoalResponse.ACCEPT

    def _begin(self, goal: Any) -> None:
        every = self.options.abort_every
        self.accepted += 1
        if every and self.asked % every == 0:
            self._aborts.add(bytes(goal.goal_id.uuid))
        self._wait(goal, self.accepted, self.options.feedback)

    def _wait(self, goal: Any, number: int, left: int) -> None:
        heapq.heappush(self._due, (time.monotonic() + self.options.step_ms * 1e-3, number, left, goal))

    def _finish(self, goal: Any) -> Any:
        if goal.is_cancel_requested:
            goal.canceled()
            print("cancelled", flush=True)
        elif bytes(goal.goal_id.uuid) in self._aborts:
            goal.abort()
        else:
            goal.succeed()
        return self._action.Result()

    def answer_due(self) -> float | None:
        """Take every goal a step further whose time has come; seconds until the next, None when there is
        none."""
        for entry in [one for one in self._due if one[3].is_cancel_requested]:
            self._due.remove(entry)
            entry[3].execute()
        heapq.heapify(self._due)
        while self._due:
            remaining = self._due[0][0] - time.monotonic()
            if remaining > 0:
                return remaining
            _, number, left, goal = heapq.heappop(self._due)
            if left:
                goal.publish_feedback(self._action.Feedback())
                self._wait(goal, number, left - 1)
            else:
                goal.execute()
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    options = arguments(argv)
    return ros2_peer.run(options, lambda node: Mover(options, node))


if __name__ == "__main__":
    sys.exit(main())
