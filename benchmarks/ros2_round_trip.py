"""The harness's ROS 2 round trip beside a plain rclpy ping-pong: same echo process, message, rate and host.

``python benchmarks/ros2_round_trip.py --repeat 5`` takes turns: a block of the plain ping-pong (one node, a
timer that publishes, a typed callback, ``SingleThreadedExecutor``), a block of the harness's adapter, and so
on. What is compared is the median, over the blocks, of each block's p50 and p99, from just before the
hand-over to the callback's first line. The middleware's receive stamp is shown apart. The table goes to
standard output, JSON after it or to ``--json FILE``.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from benchmarks.figures import Figure, Outcome, interleave, load, middle
from harness.adapters.ros2 import loop
from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.options import Options
from harness.model import Severity
from harness.ports import DeviceContext

TYPE = "geometry_msgs/msg/TwistStamped"
TOPICS = ("/bench/in", "/bench/out")
WARM_UP = 50
P50_RATIO = 1.0
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


def compare(
    repeat: int, samples: int, rate_hz: float, domain: int, *, raw_echo: bool = False, loops: bool = False
) -> list[dict[str, Any]]:
    """One row by arm and place: medians, over the blocks, of p50 and p99, their ratios to the plain
    ping-pong at its callback, and the blocks themselves."""
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    arms: dict[str, Callable[[int, float, int], Block]] = {"plain rclpy": plain, "harness": harness}
    if loops:
        arms["harness, rclpy executor"] = harness_with_executor
    with echo(domain, ["--raw"] if raw_echo else []):
        # Bound as defaults: a lambda looks its names up only when it is called.
        blocks = interleave(
            {name: lambda arm=arm: arm(domain, rate_hz, WARM_UP + samples) for name, arm in arms.items()},
            repeat,
        )
    rows = []
    for name, found in blocks.items():
        for what in ("callback", "middleware", "hand-over"):
            if what in found[0]:
                p50 = [float(np.percentile(one[what], 50)) for one in found]
                p99 = [float(np.percentile(one[what], 99)) for one in found]
                lost = int(sum(one["lost"] for one in found))
                row: dict[str, Any] = {"arm": name, "at": what, "p50_ms": middle(p50), "p99_ms": middle(p99)}
                rows.append({**row, "p50_blocks": p50, "p99_blocks": p99, "lost": lost})
    base = rows[0]
    for row in rows:
        row["p50_ratio"], row["p99_ratio"] = row["p50_ms"] / base["p50_ms"], row["p99_ms"] / base["p99_ms"]
    return rows


def main(arguments: Sequence[str] | None = None) -> int:
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
    options = parser.parse_args(arguments)
    repeat, samples = min(options.repeat, 50), min(options.samples, 20_000)
    rows = compare(
        repeat, samples, options.rate_hz, options.domain, raw_echo=options.raw_echo, loops=options.loops
    )
    print(
        f"{repeat} blocks of {samples} at {options.rate_hz:g} Hz,"
        f" {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.2f}"
    )
    print(f"{'arm':26}{'at':12}{'p50 ms':>9}{'p99 ms':>9}{'p50 ratio':>11}{'p99 ratio':>11}{'lost':>6}")
    for row in rows:
        print(
            f"{row['arm']:26}{row['at']:12}{row['p50_ms']:9.3f}{row['p99_ms']:9.3f}"
            f"{row['p50_ratio']:11.2f}{row['p99_ratio']:11.2f}{row['lost']:6d}"
        )
    document = {"rate_hz": options.rate_hz, "samples": samples, "repeat": repeat, "rows": rows}
    text = json.dumps(document)
    if options.json:
        options.json.write_text(text + "\n", encoding="utf-8")
    else:
        print(text)
    return 0


def run(quick: bool) -> Outcome:
    """The comparison as ``python -m benchmarks ros2_round_trip`` runs it."""
    if importlib.util.find_spec("rclpy") is None:
        return Outcome("ros2_round_trip", [], ["rclpy is not installed (make setup, or source a ROS 2)"])
    before = load()
    rows = compare(*((2, 200) if quick else (9, 1000)), 200.0, 91)
    figures = []
    for row in rows:
        lost = f"{row['lost']} lost" if row["lost"] else ""
        name = f"{row['arm']}, {row['at']}"
        figures.append(Figure(f"{name}, p50", row["p50_ms"], "ms", None, before, lost))
        figures.append(Figure(f"{name}, p99", row["p99_ms"], "ms", None, before))
    by_name = {(row["arm"], row["at"]): row for row in rows}
    ours, stamped = by_name["harness", "callback"], by_name["harness", "middleware"]
    target = None if quick else P50_RATIO
    figures += [
        Figure("callback: harness over plain, p50", ours["p50_ratio"], "times", target, before),
        Figure("callback: harness over plain, p99", ours["p99_ratio"], "times", None, before),
        Figure("middleware's stamp over plain callback, p50", stamped["p50_ratio"], "times", None, before),
        Figure("middleware's stamp over plain callback, p99", stamped["p99_ratio"], "times", None, before),
    ]
    return Outcome("ros2_round_trip", figures, raw={"rows": rows})


if __name__ == "__main__":
    sys.exit(main())
