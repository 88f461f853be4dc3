"""What recording a bag adds to the latency of a round trip over ROS 2.

One device of the ``ros2`` adapter against one echo process that repeats bytes, one recording as a run has it.
Short stretches with and without it take turns within one open device, sent without a pause: what is taken
away is the place where messages go, after each send and after each answer was noted. From just before the
hand-over to the instant the harness saw the answer, and to the middleware's receive stamp; quantiles of all
stretches of an arm together, with the interval that resampling the turns gives. A command of 72 bytes at
200 Hz, and a cloud of a megabyte at 20 Hz. Then what one message costs by itself, and how fast the spools
become a bag.
"""

from __future__ import annotations

import importlib.util
import os
import tempfile
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.figures import Figure, Outcome, load
from benchmarks.ros2_round_trip import TOPICS, echo
from harness.bags.convert import finalise_bag
from harness.bags.recording import BagRecording
from harness.bags.spool import Budget, Spool
from harness.config.schema import Record
from harness.model import Severity
from harness.ports import DeviceContext

P50_RATIO = 1.1
COMMAND, CLOUD = "geometry_msgs/msg/TwistStamped", "sensor_msgs/msg/PointCloud2"
CASES: dict[str, tuple[str, float, dict[str, Any]]] = {
    "command of 72 bytes, 200 Hz": (COMMAND, 200.0, {"twist.linear.x": 0.2}),
    "cloud of 1 MB, 20 Hz": (CLOUD, 20.0, {"data": [7] * 1_000_000}),
}
"""By name: message type, rate in Hz, values."""
ARMS = PLAIN, RECORDED = ("plain", "recorded")
STRETCH_S, TURNS_S = 0.1, 45.0
"""Length of a stretch, 5 messages at least, and of all of them together."""
Stretches = list[list[tuple[float, float]]]


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

    def turns(self, rate_hz: float, length: int, turns: int) -> dict[str, Stretches]:
        """By arm, the stretches of ``length`` round trips: per trip its latencies in ms, to the instant when
        it was seen and to the middleware's stamp.

        Sent without a pause; every other turn in reverse order.
        """
        sent: list[list[tuple[int, int]]] = []
        arms = [arm for turn in range(turns) for arm in ARMS[:: 1 if turn % 2 == 0 else -1]]
        due = time.monotonic_ns() + 50_000_000
        for arm in arms:
            for port, keep in zip(self.ports, self._keeps, strict=True):
                port.keep = keep if arm == RECORDED else None
            sent.append([])
            for _ in range(length):
                time.sleep(max(0, due - time.monotonic_ns()) * 1e-9)
                key = time.time_ns()
                sent[-1].append((key, self.ports[0].send(key, self._prepared)[0]))
                due = max(due + round(1e9 / rate_hz), time.monotonic_ns())
        self._settle({key for stretch in sent for key, _ in stretch})
        found: dict[str, Stretches] = {arm: [] for arm in ARMS}
        for arm, stretch in zip(arms, sent, strict=True):
            back = [(self._seen[key], key, before) for key, before in stretch if key in self._seen]
            found[arm].append([((seen - before) / 1e6, (at - key) / 1e6) for (at, seen), key, before in back])
        lost = length * len(arms) - sum(len(one) for each in found.values() for one in each)
        if lost > 0.01 * length * len(arms):
            raise SystemExit(f"{lost} of {length * len(arms)} round trips were lost")
        return found

    def _settle(self, keys: set[int]) -> None:
        deadline = time.monotonic() + 10
        while keys - self._seen.keys() and time.monotonic() < deadline:
            threading.Event().wait(0.01)

    def close(self) -> Sequence[Any]:
        """Close device and recording; what the recording found."""
        self.device.close()
        return self.recording.close()


def compared(name: str, quick: bool, domain: int) -> tuple[list[Figure], dict[str, Any], list[str]]:
    """The figures of one case, with and without."""
    kind, rate_hz, values = CASES[name]
    length = max(5, round(rate_hz * STRETCH_S))
    turns = 10 if quick else round(TURNS_S / (2 * length / rate_hz))
    before = load()
    missing: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="harness-bench-") as place,
        echo(domain, ["--raw", "--type", kind]),
    ):
        trip = Trip(Path(place), domain, kind, values)
        try:
            trip.turns(rate_hz, length, 3)
            found = trip.turns(rate_hz, length, turns)
        finally:
            missing += [finding.message for finding in trip.close()]
    figures = []
    for column, quantile in ((0, 0.5), (0, 0.99), (1, 0.5)):
        what = f"{('seen', 'middleware')[column]}, p{100 * quantile:g}"
        value, low, high = compare(found, column, quantile)
        plain, recorded = (pooled(found[arm], column, quantile) for arm in ARMS)
        note = f"{recorded:.3f} of {plain:.3f} ms; 95 % interval {low:.2f} to {high:.2f}"
        target = P50_RATIO if (column, quantile) == (0, 0.5) and not quick else None
        figures.append(Figure(f"{name}: {what}", value, "times", target, before, note))
    return figures, {"stretches": found, "length": length}, missing


def pooled(stretches: Stretches, column: int, quantile: float) -> float:
    """A quantile of all round trips of these stretches."""
    return float(np.quantile([trip[column] for stretch in stretches for trip in stretch], quantile))


def compare(found: dict[str, Stretches], column: int, quantile: float) -> tuple[float, float, float]:
    """The quantile with recording over that without, and its 95 % interval by resampling the turns."""

    def over(turns: Sequence[int]) -> float:
        plain, recorded = (pooled([found[arm][turn] for turn in turns], column, quantile) for arm in ARMS)
        return recorded / plain

    count = len(found[PLAIN])
    rng = np.random.default_rng(1)
    again = [over(rng.integers(0, count, count)) for _ in range(400)]  # type: ignore[arg-type]
    return over(range(count)), *(float(edge) for edge in np.quantile(again, (0.025, 0.975)))


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
