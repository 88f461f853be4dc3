"""What peers of tests and benchmarks have in common: a node that serves until it is told to stop."""

from __future__ import annotations

import argparse
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import rclpy
from rclpy.context import Context
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node


class Peer(Protocol):
    """What answers."""

    def answer_due(self) -> float | None:
        """Answer what was held back long enough; seconds until the next of them, None when there is none."""


class Turns:
    """A loop of a fixed rate, whose turns are :meth:`Peer.answer_due`."""

    def __init__(self, rate_hz: float, turn: Callable[[float], None]) -> None:
        self.period_s = 1.0 / rate_hz
        self._turn = turn
        self._due_s = time.monotonic()

    def answer_due(self) -> float:
        """One turn where it is due, with the time of CLOCK_MONOTONIC in s; seconds until the next one."""
        now = time.monotonic()
        if now >= self._due_s:
            self._turn(now)
            # The loop keeps its phase; turns that it was too late for are left out.
            self._due_s += self.period_s * max(1, 1 + (time.monotonic() - self._due_s) // self.period_s)
        return max(0.0, self._due_s - time.monotonic())


def add_arguments(parser: argparse.ArgumentParser, node: str) -> None:
    """Arguments that every peer takes."""
    parser.add_argument("--node", default=node)
    parser.add_argument("--namespace", default="/")
    parser.add_argument("--seconds", type=float, default=120.0, help="end after this time")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")


def run(options: argparse.Namespace, make: Callable[[Node], Peer]) -> int:
    """Serve until SIGINT, SIGTERM, the end of time or of standard input. Prints ``ready`` once the node is
    up."""
    stopping = False

    def stop(_number: int, _frame: Any) -> None:
        nonlocal stopping
        stopping = True

    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGTERM, stop)
    context = Context()
    context.init(args=[], initialize_logging=False)
    node = rclpy.create_node(
        options.node, namespace=options.namespace, context=context, use_global_arguments=False
    )
    peer = make(node)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    print("ready", flush=True)
    deadline = time.monotonic() + options.seconds
    looked = time.monotonic()
    try:
        while not stopping and time.monotonic() < deadline:
            due = peer.answer_due()
            executor.spin_once(timeout_sec=0.1 if due is None else min(due, 0.1))
            if options.until_eof and time.monotonic() - looked > 0.1:
                looked = time.monotonic()
                if select.select([sys.stdin], [], [], 0)[0] and not os.read(sys.stdin.fileno(), 1024):
                    break
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()
    return 0
