"""The harness's ROS 2 round trip beside a plain rclpy ping-pong: same echo process, message, rate and host.

``python benchmarks/ros2_round_trip.py --repeat 5`` takes turns: a block of the plain ping-pong (one node, a
timer that publishes, a typed callback, ``SingleThreadedExecutor``), a block of the harness's adapter, and so
on. What is compared is the median, over the blocks, of each block's p50 and p99, from just before the
hand-over to the callback's first line. The middleware's receive stamp is shown apart. The table goes to
standard output, JSON after it or to ``--json FILE``.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from harness.adapters.ros2 import loop
from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.options import Options
from harness.model import Severity
from harness.ports import DeviceContext

TYPE = "geometry_msgs/msg/TwistStamped"
TOPICS = ("/bench/in", "/bench/out")
WARM_UP = 50
Block = dict[str, np.ndarray]


@contextmanager
def echo(domain: int, extra: list[str]) -> Iterator[None]:
    command = [sys.executable, "-m", "harness.sim.ros2_echo", "--listen", TOPICS[0], "--answer", TOPICS[1]]
    command += ["--type", TYPE, "--seconds", "900", "--until-eof", *extra]
    environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    root = Path(__file__).resolve().parent.parent
    process = subprocess.Popen(
        command, env=environment, cwd=root, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
    finally:
        process.stdin.close()  # type: ignore[union-attr]
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def plain(domain: int, rate_hz: float, samples: int) -> Block:
    """What a careful person writes by hand with rclpy."""
    import rclpy
    from geometry_msgs.msg import TwistStamped
    from rclpy.context import Context
    from rclpy.executors import SingleThreadedExecutor

    context = Context()
    context.init(args=[], domain_id=domain, initialize_logging=False)
    node = rclpy.create_node("plain_ping", context=context, use_global_arguments=False)
    sent: dict[int, int] = {}
    seen: dict[int, int] = {}

    def on_answer(message: Any) -> None:
        now = time.monotonic_ns()
        stamp = message.header.stamp
        seen.setdefault(stamp.sec * 1_000_000_000 + stamp.nanosec, now)

    publisher = node.create_publisher(TwistStamped, TOPICS[0], 100)
    node.create_subscription(TwistStamped, TOPICS[1], on_answer, 5000)
    message = TwistStamped()
    message.twist.linear.x = 0.2

    def on_timer() -> None:
        if len(sent) >= samples:
            return
        key = time.time_ns()
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(key, 1_000_000_000)
        sent[key] = time.monotonic_ns()
        publisher.publish(message)

    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    deadline = time.monotonic() + 10
    while publisher.get_subscription_count() < 1 or node.count_publishers(TOPICS[1]) < 1:
        if time.monotonic() > deadline:
            raise SystemExit("the echo did not appear to the plain ping-pong")
        executor.spin_once(timeout_sec=0.05)
    settled = time.monotonic() + 0.5
    while time.monotonic() < settled:
        executor.spin_once(timeout_sec=0.05)
    node.create_timer(1 / rate_hz, on_timer)
    deadline = time.monotonic() + samples / rate_hz + 10
    while len(seen) < samples and time.monotonic() < deadline:
        executor.spin_once(timeout_sec=0.05)
    executor.shutdown()
    node.destroy_node()
    context.try_shutdown()
    keys = sorted(set(sent) & set(seen))[WARM_UP:]
    return {
        "callback": np.array([seen[key] - sent[key] for key in keys]) / 1e6,
        "lost": np.array(samples - len(seen)),
    }


def harness(domain: int, rate_hz: float, samples: int) -> Block:
    """The adapter as a run uses it."""
    options = Options.model_validate(
        {
            "adapter": "ros2",
            "domain_id": domain,
            "ports": {
                "cmd": {"stimulus": {"topic": TOPICS[0], "type": TYPE, "key": "header.stamp"}},
                "out": {
                    "response": {
                        "topic": TOPICS[1],
                        "type": TYPE,
                        "match": {"kind": "stamp", "path": "header.stamp"},
                    }
                },
            },
        }
    )
    problems: list[Any] = []
    device = Ros2Device("bench", options, DeviceContext(f"bench-{os.getpid()}", report=problems.append))
    device.open()
    problems += [one for one in device.preflight() if one.severity is Severity.ERROR]
    if problems:
        raise SystemExit(f"the harness's preflight: {problems}")
    seen: dict[int, tuple[int, int]] = {}
    done = threading.Event()

    def sink(
        key: int, stamp: int = 0, received: int = 0, seen_ns: int = 0, value: float = 0.0, flags: int = 0
    ) -> None:
        seen.setdefault(key, (received, seen_ns))
        if len(seen) >= samples:
            done.set()

    device.response("out").listen(sink)
    stimulus = device.stimulus("cmd")
    prepared = stimulus.prepare({"twist.linear.x": 0.2})
    time.sleep(0.5)
    sent: dict[int, tuple[int, int]] = {}
    period = round(1e9 / rate_hz)
    due = time.monotonic_ns() + period
    for _ in range(samples):
        remaining = due - time.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining * 1e-9)
        key = time.time_ns()
        sent[key] = stimulus.send(key, prepared)
        due += period
    done.wait(10)
    device.close()
    keys = sorted(set(sent) & set(seen))[WARM_UP:]
    return {
        "callback": np.array([seen[key][1] - sent[key][0] for key in keys]) / 1e6,
        "middleware": np.array([seen[key][0] - key for key in keys]) / 1e6,
        "hand-over": np.array([sent[key][1] - sent[key][0] for key in keys]) / 1e6,
        "lost": np.array(samples - len(seen)),
    }


def harness_with_executor(domain: int, rate_hz: float, samples: int) -> Block:
    """The adapter with rclpy's executor in place of its own loop."""
    make = loop.make
    loop.make = loop.ExecutorLoop  # type: ignore[assignment]
    try:
        return harness(domain, rate_hz, samples)
    finally:
        loop.make = make


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeat", type=int, default=5, help="blocks of each (at most 50)")
    parser.add_argument("--samples", type=int, default=600, help="round trips a block (at most 20000)")
    parser.add_argument("--rate-hz", type=float, default=200.0)
    parser.add_argument("--domain", type=int, default=91)
    parser.add_argument("--raw-echo", action="store_true", help="the echo does not deserialise")
    parser.add_argument("--loops", action="store_true", help="also the adapter on rclpy's executor")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    repeat, samples = min(options.repeat, 50), WARM_UP + min(options.samples, 20_000)
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    arms: dict[str, Callable[[int, float, int], Block]] = {"plain rclpy": plain, "harness": harness}
    if options.loops:
        arms["harness, rclpy executor"] = harness_with_executor
    blocks: dict[str, list[Block]] = {name: [] for name in arms}
    with echo(options.domain, ["--raw"] if options.raw_echo else []):
        for turn in range(repeat):
            # The order alternates, so that a drift of the host favours neither.
            for name in list(arms)[:: 1 if turn % 2 == 0 else -1]:
                blocks[name].append(arms[name](options.domain, options.rate_hz, samples))
    rows = []
    for name, found in blocks.items():
        for what in ("callback", "middleware", "hand-over"):
            if what in found[0]:
                p50 = [float(np.percentile(one[what], 50)) for one in found]
                p99 = [float(np.percentile(one[what], 99)) for one in found]
                rows.append(
                    {
                        "arm": name,
                        "at": what,
                        "p50_ms": statistics.median(p50),
                        "p99_ms": statistics.median(p99),
                    }
                )
                rows[-1].update(p50_blocks=p50, p99_blocks=p99, lost=int(sum(one["lost"] for one in found)))
    base = rows[0]
    print(
        f"{repeat} blocks of {samples - WARM_UP} at {options.rate_hz:g} Hz,"
        f" {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}"
    )
    print(f"{'arm':26}{'at':12}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'p99 ratio':>11}{'lost':>6}")
    for row in rows:
        row["p50_ratio"], row["p99_ratio"] = row["p50_ms"] / base["p50_ms"], row["p99_ms"] / base["p99_ms"]
        print(
            f"{row['arm']:26}{row['at']:12}{row['p50_ms']:9.3f}{row['p99_ms']:9.3f}"
            f"{row['p50_ratio']:11.2f}{row['p99_ratio']:11.2f}{row['lost']:6d}"
        )
    document = {"rate_hz": options.rate_hz, "samples": samples - WARM_UP, "repeat": repeat, "rows": rows}
    text = json.dumps(document)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
