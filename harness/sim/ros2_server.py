"""A ROS 2 node that serves one service, and misbehaves on demand: the peer of tests and of the floor.

``python -m harness.sim.ros2_server --help`` tells what it can do. A reply whose type has a field ``success``
says true, unless ``--refuse-every`` has it say no.
"""

from __future__ import annotations

import argparse
import heapq
import importlib
import os
import random
import sys
import time
from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile

from harness.sim import ros2_peer

SEND_GOAL = "_SendGoal"
DEPTH = 1000


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.ros2_server", description=__doc__)
    parser.add_argument("--serve", default="/echo/call", help="name of the service")
    parser.add_argument(
        "--type", default="std_srvs/srv/SetBool", help="or package/action/Name_SendGoal, which takes goals"
    )
    parser.add_argument(
        "--shuffle-ms", type=float, default=0.0, help="reply after a random time up to this long"
    )
    parser.add_argument("--refuse-every", type=int, default=0, help="success: false in every n-th reply")
    parser.add_argument("--drop-every", type=int, default=0, help="never reply to every n-th request")
    parser.add_argument("--die-after", type=int, default=0, help="exit at once, unclean, after n replies")
    ros2_peer.add_arguments(parser, "server")
    return parser.parse_args(argv)


def service_class(name: str) -> Any:
    """Class of ``package/srv/Name``, or of the service that takes an action's goals."""
    package, folder, short = name.split("/")
    module = importlib.import_module(f"{package}.{folder}")
    if short.endswith(SEND_GOAL):
        return getattr(module, short.removesuffix(SEND_GOAL)).Impl.SendGoalService
    return getattr(module, short)


class Server:
    """The service, its misbehaviour, and the replies that wait."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        self.options = options
        self.asked = 0
        self.replied = 0
        self._random = random.Random(7)
        self._waiting: list[tuple[float, int, Any, Any]] = []
        profile = QoSProfile(depth=DEPTH)
        service = node.create_service(
            service_class(options.type), options.serve, self._asked, qos_profile=profile
        )
        # rclpy sends what the callback returns; a reply that waits in an executor would hold up the others.
        self._send, service.send_response = service.send_response, self._reply

    def _asked(self, _request: Any, reply: Any) -> Any:
        self.asked += 1
        every = self.options.refuse_every
        if hasattr(reply, "success"):
            reply.success = not (every and self.asked % every == 0)
        return reply

    def _reply(self, reply: Any, header: Any) -> None:
        options = self.options
        if options.drop_every and self.asked % options.drop_every == 0:
            return
        if options.die_after and self.replied >= options.die_after:
            os._exit(9)
        self.replied += 1
        if not options.shuffle_ms:
            self._send(reply, header)
            return
        due = time.monotonic() + self._random.uniform(0.0, options.shuffle_ms * 1e-3)
        heapq.heappush(self._waiting, (due, self.asked, reply, header))

    def answer_due(self) -> float | None:
        """Send the replies whose time has come; seconds until the next one, None when there is none."""
        while self._waiting:
            remaining = self._waiting[0][0] - time.monotonic()
            if remaining > 0:
                return remaining
            self._send(*heapq.heappop(self._waiting)[2:])
        return None


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until told to stop."""
    options = arguments(argv)
    return ros2_peer.run(options, lambda node: Server(options, node))


if __name__ == "__main__":
    sys.exit(main())
