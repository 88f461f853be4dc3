"""What recording a bag adds to the latency of a round trip over ROS 2.

One device of the ``ros2`` adapter against one echo process that repeats bytes, one recording as a run has it.
Blocks with and without it take turns within one open device: what is taken away is the place where messages
go, after each send and after each answer was noted. From just before the hand-over to the instant the harness
saw the answer, and to the middleware's receive stamp. A command of 72 bytes at 200 Hz, and a cloud of a
megabyte at 20 Hz. Then what one message costs by itself, and how fast the spools become a bag.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from benchmarks.ros2_round_trip import TOPICS, echo
from harness.bags.convert import finalise_bag
from harness.bags.recording import BagRecording
from harness.bags.spool import Budget, Spool
from harness.config.schema import Record
from harness.model import Severity
from harness.ports import DeviceContext

P50_RATIO = 1.1
WARM_UP = 5
COMMAND, CLOUD = "geometry_msgs/msg/TwistStamped", "sensor_msgs/msg/PointCloud2"
CASES: dict[str, tuple[str, float, dict[str, Any]]] = {
    "command of 72 bytes, 200 Hz": (COMMAND, 200.0, {"twist.linear.x": 0.2}),
    "cloud of 1 MB, 20 Hz": (CLOUD, 20.0, {"data": [7] * 1_000_000}),
}
"""By name: message type, rate in Hz, values."""
Block = dict[str, Any]


class Trip:
    """An open device whose recording can be taken away and given back."""

    def __init__(self, folder: Path, domain: int, kind: str, values: dict[str, Any]) -> None:
        from harness.adapters.ros2.device import Ros2Device
        from harness.adapters.ros2.options import Options

        match = {"kind": "stamp", "path": "header.stamp"}
        told = {
            "adapter": "ros2",
            "domain_id": domain,
            "ports": {
                "cmd": {"stimulus": {"topic": TOPICS[0], "type": kind, "key": "header.stamp"}},
                "out": {"response": {"topic": TOPICS[1], "type": kind, "match": match}},
            },
        }
        self.recording = BagRecording(Record(max_mb=4096), folder)
        problems: list[Any] = []
        context = DeviceContext(
            f"bench-{os.getpid()}", report=problems.append, record=partial(self.recording.offer, "bench")
        )
        self.device = Ros2Device("bench", Options.model_validate(told), context)
        self.device.open()
        problems += [one for one in self.device.preflight() if one.severity is Severity.ERROR]
        if problems:
            raise SystemExit(f"the harness's preflight: {problems}")
        self.ports: list[Any] = [self.device.stimulus("cmd"), self.device.response("out")]
        self._keeps = [port.keep for port in self.ports]
        assert all(self._keeps)
        self._seen: dict[int, tuple[int, int]] = {}
        self.ports[1].listen(self._sink)
        self._prepared = self.ports[0].prepare(values)
        time.sleep(0.5)

    def _sink(
        self,
        key: int,
        stamp: int = 0,
        received: int = 0,
        seen_ns: int = 0,
        value: float = 0.0,
        flags: int = 0,
    ) -> None:
        self._seen.setdefault(key, (received, seen_ns))

    def block(self, recorded: bool, rate_hz: float, samples: int) -> Block:
        """Latencies of ``samples`` round trips, in ms."""
        for port, keep in zip(self.ports, self._keeps, strict=True):
            port.keep = keep if recorded else None
        sent: dict[int, int] = {}
        due = time.monotonic_ns() + 50_000_000
        for _ in range(WARM_UP + samples):
            time.sleep(max(0, due - time.monotonic_ns()) * 1e-9)
            key = time.time_ns()
            sent[key] = self.ports[0].send(key, self._prepared)[0]
            due += round(1e9 / rate_hz)
        self._settle(sent)
        keys = sorted(sent.keys() & self._seen.keys())[WARM_UP:]
        if len(keys) < samples * 0.9:
            raise SystemExit(f"{samples - len(keys)} of {samples} round trips were lost")
        seen = np.array([self._seen[key][1] - sent[key] for key in keys]) / 1e6
        stamped = np.array([self._seen[key][0] - key for key in keys]) / 1e6
        return {"seen": seen.tolist(), "middleware": stamped.tolist()}

    def _settle(self, sent: dict[int, int]) -> None:
        deadline = time.monotonic() + 10
        while sent.keys() - self._seen.keys() and time.monotonic() < deadline:
            threading.Event().wait(0.01)

    def close(self) -> Sequence[Any]:
        """Close device and recording; what the recording found."""
        self.device.close()
        return self.recording.close()


def compared(name: str, quick: bool, domain: int) -> tuple[list[Figure], dict[str, Any], list[str]]:
    """The blocks of one case, with and without."""
    kind, rate_hz, values = CASES[name]
    samples, turns = (50, 3) if quick else (round(rate_hz * 0.6), 60)
    before = load()
    missing: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="harness-bench-") as place,
        echo(domain, ["--raw", "--type", kind]),
    ):
        trip = Trip(Path(place), domain, kind, values)
        try:
            trip.block(True, rate_hz, 20)
            arms: dict[str, Callable[[], Block]] = {
                word: partial(trip.block, word == "recorded", rate_hz, samples)
                for word in ("plain", "recorded")
            }
            found = interleave(arms, turns)
        finally:
            missing += [finding.message for finding in trip.close()]
    figures = []
    for what in ("seen", "middleware"):
        plain, recorded = (
            [float(np.median(block[what])) for block in found[word]] for word in ("plain", "recorded")
        )
        note = f"{middle(recorded):.3f} of {middle(plain):.3f} ms"
        target = P50_RATIO if what == "seen" and not quick else None
        figures.append(Figure(f"{name}: {what}, p50", ratio(recorded, plain), "times", target, before, note))
    late = {
        word: float(np.percentile(np.concatenate([b["seen"] for b in found[word]]), 99)) for word in found
    }
    note = f"{late['recorded']:.3f} of {late['plain']:.3f} ms, all blocks together"
    figures.append(
        Figure(f"{name}: seen, p99", late["recorded"] / late["plain"], "times", None, before, note)
    )
    return figures, {"blocks": found, "samples": samples}, missing


def alone(quick: bool) -> list[Figure]:
    """One message by itself, and the bag that becomes of many."""
    count = 5_000 if quick else 50_000
    data = bytes(72)
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        spool = Spool(Path(place) / "000.spool", Budget(1 << 30, Path(place)))
        laps = []
        for _ in range(count):
            begun = time.perf_counter_ns()
            spool.append(data, 1, 1)
            laps.append(time.perf_counter_ns() - begun)
            if spool.count % 1000 == 0:
                spool.grow_ahead()
        spool.close()
    figures = [
        Figure("taking one message of 72 bytes, p50", float(np.median(laps)) / 1e3, "us", None, load())
    ]
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        from harness.ports import BagTopic

        recording = BagRecording(Record(), Path(place))
        keep = recording.offer("bench", BagTopic("/cmd", COMMAND, "cmd", "int32 data"))
        assert keep is not None
        for number in range(count):
            keep(data, number + 1, number + 1)
            if number % 1000 == 0:
                time.sleep(0.001)  # as a run would, leave the helper time to allocate
        recording.close()
        begun = time.perf_counter()
        finalise_bag(Path(place))
        rate = count / (time.perf_counter() - begun)
    return [*figures, Figure("from spool to bag, after the run", rate / 1e3, "k msg/s", None, load())]


def run(quick: bool) -> Outcome:
    """Both cases, then the parts."""
    if importlib.util.find_spec("rclpy") is None:
        return Outcome("bag_recording", [], ["rclpy is not installed (make setup, or source a ROS 2)"])
    os.environ["ROS_AUTOMATIC_DISCOVERY_RANGE"] = "LOCALHOST"
    figures: list[Figure] = []
    raw: dict[str, Any] = {}
    missing: list[str] = []
    for number, name in enumerate(CASES):
        more, raw[name], untaken = compared(name, quick, 93 + number)
        figures += more
        missing += untaken
    return Outcome("bag_recording", [*figures, *alone(quick)], missing, raw)
