"""A ROS 2 node that repeats what it hears, and misbehaves on demand: the peer of tests and benchmarks.

``python -m harness.sim.ros2_echo --help`` tells what it can do. It ends at SIGINT, SIGTERM, after
``--seconds``, or when its standard input closes (``--until-eof``), so that none outlives its parent.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import importlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from typing import Any

from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSProfile, ReliabilityPolicy
from rclpy.time import Time

from harness.sim import ros2_peer


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.ros2_echo", description=__doc__)
    parser.add_argument("--listen", default="/echo/in", help="topic that is heard")
    parser.add_argument("--answer", default="/echo/out", help="topic that is answered on")
    parser.add_argument("--type", default="geometry_msgs/msg/TwistStamped")
    parser.add_argument("--answer-type", help="another type of the answer (its header is copied)")
    parser.add_argument("--reliability", choices=("reliable", "best_effort"), default="reliable")
    parser.add_argument("--durability", choices=("volatile", "transient_local"), default="volatile")
    parser.add_argument(
        "--sim-time-hz",
        type=float,
        default=0.0,
        help="stamp answers with simulated time (use_sim_time), published on /clock at this rate, from 0 on",
    )
    parser.add_argument("--depth", type=int, default=1000)
    parser.add_argument("--raw", action="store_true", help="repeat the bytes, without deserialising")
    parser.add_argument(
        "--busy-ms", type=float, default=0.0, help="takes so long for each message before it answers"
    )
    parser.add_argument("--late-ms", type=float, default=0.0, help="answer this much later")
    parser.add_argument(
        "--late-every",
        type=int,
        default=1,
        help="with --late-ms: only every n-th message, the others at once",
    )
    parser.add_argument("--twice", action="store_true", help="answer every message twice")
    parser.add_argument(
        "--swap-every", type=int, default=0, help="answer every n-th message after its successor"
    )
    parser.add_argument("--drop-every", type=int, default=0, help="never answer every n-th message")
    parser.add_argument(
        "--latest-ms", type=float, default=0.0, help="answer only the newest message, in this period"
    )
    parser.add_argument("--die-after", type=int, default=0, help="exit at once, unclean, after n answers")
    parser.add_argument(
        "--only", choices=("both", "listen", "publish"), default="both", help="leave one side out"
    )
    parser.add_argument(
        "--rate-hz", type=float, default=0.0, help="publish defaults unasked (with --only publish)"
    )
    parser.add_argument(
        "--lanes", type=int, default=1, help="serve so many pairs of topics: _0, _1, ... after their names"
    )
    ros2_peer.add_arguments(parser, "echo")
    return parser.parse_args(argv)


def message_class(name: str) -> Any:
    """Class of ``package/msg/Name``."""
    package, _, rest = name.partition("/")
    return getattr(importlib.import_module(f"{package}.msg"), rest.rpartition("/")[2])


class Echo:
    """The node, its misbehaviour, and what waits to be answered."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        self.options = options
        self.heard = 0
        self.answered = 0
        self._waiting: list[tuple[float, int, Any]] = []
        self._held: Any = None
        self._newest: Any = None
        self._answer_class = message_class(options.answer_type or options.type)
        self._clock = node.get_clock()
        qos = QoSProfile(
            history=HistoryPolicy.KEEP_LAST,
            depth=options.depth,
            reliability=ReliabilityPolicy[options.reliability.upper()],
            durability=DurabilityPolicy[options.durability.upper()],
        )
        if options.only != "listen":
            self.publisher = node.create_publisher(self._answer_class, options.answer, qos)
        if options.only != "publish":
            heard = message_class(options.type)
            node.create_subscription(heard, options.listen, self.on_message, qos, raw=options.raw)
        if options.latest_ms:
            node.create_timer(options.latest_ms * 1e-3, self.on_period)
        if options.rate_hz:
            node.create_timer(1 / options.rate_hz, lambda: self.publisher.publish(self._answer_class()))

    def on_message(self, message: Any) -> None:
        """One message came: answer it, or misbehave."""
        options = self.options
        self.heard += 1
        if options.busy_ms:
            time.sleep(options.busy_ms * 1e-3)
        if options.drop_every and self.heard % options.drop_every == 0:
            return
        if options.latest_ms:
            self._newest = message
        elif options.swap_every and self._held is None and self.heard % options.swap_every == 0:
            self._held = message
        elif options.late_ms and self.heard % options.late_every == 0:
            heapq.heappush(self._waiting, (time.monotonic() + options.late_ms * 1e-3, self.heard, message))
        else:
            self.answer(message)
            if self._held is not None:
                held, self._held = self._held, None
                self.answer(held)

    def on_period(self) -> None:
        """Answer only the newest message since the last period."""
        newest, self._newest = self._newest, None
        if newest is not None:
            self.answer(newest)

    def answer(self, message: Any) -> None:
        """Publish one answer."""
        if self.options.only == "listen":
            return
        if self.options.answer_type:
            made = self._answer_class()
            made.header = message.header
            message = made
        if self.options.sim_time_hz:
            message.header.stamp = self._clock.now().to_msg()
        for _ in range(2 if self.options.twice else 1):
            self.publisher.publish(message)
        self.answered += 1
        if self.answered == self.options.die_after:
            os._exit(9)

    def answer_due(self) -> float | None:
        """Answer what was held back long enough; seconds until the next of them, None when there is none."""
        while self._waiting:
            remaining = self._waiting[0][0] - time.monotonic()
            if remaining > 0:
                return remaining
            self.answer(heapq.heappop(self._waiting)[2])
        return None


class Lanes:
    """Several echoes in one node, one after the other."""

    def __init__(self, options: argparse.Namespace, node: Node) -> None:
        self._echoes = []
        for lane in range(options.lanes):
            topics = {"listen": f"{options.listen}_{lane}", "answer": f"{options.answer}_{lane}"}
            self._echoes.append(Echo(argparse.Namespace(**{**vars(options), **topics}), node))

    def answer_due(self) -> float | None:
        """The same of all of them."""
        return min((due for echo in self._echoes if (due := echo.answer_due()) is not None), default=None)


def tick(node: Node, rate_hz: float) -> None:
    """Publish simulated time on /clock for as long as the node lives."""
    kind = message_class("rosgraph_msgs/msg/Clock")
    publisher = node.create_publisher(kind, "/clock", 1)
    period_ns, ticks = round(1e9 / rate_hz), 0
    with contextlib.suppress(Exception):  # the node is destroyed while this thread sleeps
        while True:
            ticks += 1
            publisher.publish(kind(clock=Time(nanoseconds=ticks * period_ns).to_msg()))
            time.sleep(1 / rate_hz)


def main(argv: Sequence[str] | None = None) -> int:
    """Repeat until told to stop."""
    options = arguments(argv)

    def serve(node: Node) -> ros2_peer.Peer:
        if options.sim_time_hz:
            node.set_parameters([Parameter("use_sim_time", value=True)])
            threading.Thread(target=tick, args=(node, options.sim_time_hz), daemon=True).start()
        return Echo(options, node) if options.lanes == 1 else Lanes(options, node)

    return ros2_peer.run(options, serve)


if __name__ == "__main__":
    sys.exit(main())
