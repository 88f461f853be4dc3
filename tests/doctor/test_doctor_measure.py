from __future__ import annotations

import importlib.util
import json
import math
import os
import threading
import time
from itertools import pairwise
from typing import Any

import pytest

from harness.config.schema import Host
from harness.doctor import budget, measure, round_trip
from harness.doctor.measure import Timing, quantile, timing
from harness.errors import DeadlineError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_STAMP
from harness.ports import KeyKind
from harness.realtime import QuietHost
from harness.testing.fake_clock import FakeClock

MS = 1_000_000


@pytest.mark.parametrize(
    ("n", "q", "rank"), [(1, 0.99, 1), (100, 0.99, 99), (101, 0.99, 100), (1000, 0.999, 999), (4, 0.5, 2)]
)
def test_quantiles_are_order_statistics(n: int, q: float, rank: int) -> None:
    assert quantile([float(i) for i in range(1, n + 1)], q) == rank


def test_a_timing_counts_what_was_lost_as_infinitely_late() -> None:
    found = timing("x", [3 * MS, 1 * MS, 2 * MS], lost=1)
    assert (found.n, found.lost, found.p50_ms, found.max_ms) == (4, 1, 2.0, math.inf)
    assert json.loads(json.dumps(found.as_dict(), allow_nan=False))["max_ms"] is None
    assert str(found) == "p50 2, p99 inf, p99.9 inf, max inf ms (n 4, 1 lost)"
    nothing = timing("x", [], note="not allowed")
    assert (nothing.n, nothing.p99_ms, str(nothing)) == (0, None, "not allowed")
    assert str(timing("x", [], lost=0)) == "nothing measured"


class TickingClock(FakeClock):
    """Every reading of CLOCK_MONOTONIC takes 25 ns."""

    def monotonic_ns(self) -> int:
        self.advance(25)
        return super().monotonic_ns()


def test_reading_the_clock_is_timed_by_two_readings() -> None:
    found = measure.clock_reading(TickingClock(), readings=50)
    assert (found.n, found.p50_ms, found.max_ms) == (50, 25e-6, 25e-6)


class Unpermitted(QuietHost):
    """A host that asks for nothing, so that a test leaves the process as it is."""

    def __init__(self, report: dict[str, str] | None = None) -> None:
        super().__init__(Host(realtime=False))
        self._said = report or {}
        self.threads: list[str] = []

    def __enter__(self) -> QuietHost:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def promote_thread(self, priority: int = 80, *, name: str = "sender") -> None:
        self.threads.append(threading.current_thread().name)

    def report(self) -> dict[str, str]:
        return self._said


def test_wake_ups_are_paced_and_jittered_and_a_stall_counts_once() -> None:
    clock = FakeClock(monotonic_ns=0)
    clock.stall_at(500 * MS, 40 * MS)
    quiet = Unpermitted()
    found = measure.wake_ups(1.0, realtime=False, clock=clock, quiet=quiet)
    assert found.name == "wake-ups, ordinary priority"
    assert quiet.threads == ["harness-doctor-wake-ups"]
    gaps = [b - a for a, b in pairwise(clock.sleeps)]
    assert 400 < found.n < 600  # 2 ms in the mean, of a second less the stall
    assert min(gaps) >= MS and len(set(gaps)) > 100
    assert found.max_ms is not None and 37 < found.max_ms <= 40
    assert found.p99_ms == 0.0


def test_without_permission_there_is_no_real_time_figure() -> None:
    refused = "not available: Operation not permitted; to get it: ..."
    quiet = Unpermitted({"real-time priority": refused})
    found = measure.wake_ups(1.0, realtime=True, clock=FakeClock(), quiet=quiet)
    assert (found.name, found.n, found.note) == ("wake-ups, real-time priority", 0, refused)


@pytest.mark.slow
def test_wake_ups_of_this_host_leave_it_as_it_was() -> None:
    before = (os.sched_getscheduler(0), threading.active_count())
    found = measure.wake_ups(0.3, realtime=False)
    assert found.n > 0 and found.p50_ms is not None and found.p50_ms >= 0
    assert (os.sched_getscheduler(0), threading.active_count()) == before


class Echo:
    """A device whose answers come after a fixed time on the clock's own terms, or never."""

    def __init__(self, clock: FakeClock, kind: KeyKind, received_clock: str, delay_ns: int) -> None:
        self.key_kind, self.received_clock, self.stamp_clock, self.received_is = kind, received_clock, "", ""
        self.clock, self.delay_ns, self.sink, self.keys = clock, delay_ns, None, []
        self.deaf_to: set[int] = set()

    def stimulus(self, port: str) -> Any:
        return self

    response = stimulus

    def prepare(self, values: Any) -> None:
        return None

    def listen(self, sink: Any) -> None:
        self.sink = sink

    def send(self, key: int, prepared: Any) -> tuple[int, int]:
        now = self.clock.monotonic_ns()
        self.keys.append(key)
        if len(self.keys) - 1 not in self.deaf_to:
            real = self.clock.realtime_ns() + self.delay_ns
            received = real if self.received_clock == HOST_REALTIME else now + self.delay_ns
            assert self.sink is not None
            self.sink(key, received_ns=received if self.received_clock else NO_STAMP, seen_ns=now + 9 * MS)
        return now, now


@pytest.mark.parametrize(
    ("kind", "received_clock", "expected_ms"),
    [
        (KeyKind.STAMP, HOST_REALTIME, 3.0),
        (KeyKind.SEQUENCE, HOST_MONOTONIC, 3.0),
        (KeyKind.SEQUENCE, HOST_REALTIME, 3.0),
        (KeyKind.SEQUENCE, "", 9.0),
    ],
)
def test_a_round_trip_ends_at_the_middleware_or_else_in_the_harness(
    kind, received_clock, expected_ms
) -> None:
    clock = FakeClock()
    device = Echo(clock, kind, received_clock, 3 * MS)
    found = round_trip.through("x", device, "a", "b", 2.0, rate_hz=100, realtime=False, clock=clock)  # type: ignore[arg-type]
    assert (found.p50_ms, found.max_ms, found.lost) == (expected_ms, expected_ms, 0)
    assert 150 <= found.n <= 250 and len(device.keys) == found.n + round_trip.PROBES
    assert len(set(device.keys)) == len(device.keys) and device.keys == sorted(device.keys)
    gaps = {b - a for a, b in pairwise(clock.sleeps)}
    assert min(gaps) >= 5 * MS and max(gaps) <= 15 * MS and len(gaps) > 50


def test_what_is_not_answered_is_lost_and_not_left_out() -> None:
    clock = FakeClock()
    device = Echo(clock, KeyKind.SEQUENCE, HOST_MONOTONIC, MS)
    device.deaf_to = {25, 26}
    found = round_trip.through("x", device, "a", "b", 0.5, rate_hz=100, realtime=False, clock=clock)  # type: ignore[arg-type]
    assert found.lost == 2 and found.max_ms == math.inf and found.p50_ms == 1.0


class ImpatientClock(FakeClock):
    """By hand, but no reading is like the one before, so that waiting ends."""

    def monotonic_ns(self) -> int:
        self.advance(10 * MS)
        return super().monotonic_ns()


def test_a_device_that_never_answers_ends_the_timing() -> None:
    clock = ImpatientClock()
    device = Echo(clock, KeyKind.SEQUENCE, HOST_MONOTONIC, MS)
    device.deaf_to = set(range(10_000))
    with pytest.raises(DeadlineError, match="nobody answered within 1 s"):
        round_trip.through("x", device, "a", "b", 1.0, realtime=False, warm_up_s=1.0, clock=clock)  # type: ignore[arg-type]
    assert 1 < len(device.keys) < 100


@pytest.mark.slow
def test_loopback_is_timed_and_its_process_ended() -> None:
    found = round_trip.loopback(0.3, realtime=False)
    assert found.note == "" and found.n > 10 and found.lost == 0
    assert found.p50_ms is not None and 0 < found.p50_ms < 1000
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("loopback-doctor")]


def test_a_device_that_does_not_open_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.adapters.loopback.device import LoopbackDevice
    from harness.errors import UnavailableError

    def broken(self: LoopbackDevice) -> None:
        raise UnavailableError("no sockets today")

    monkeypatch.setattr(LoopbackDevice, "open", broken)
    found = round_trip.loopback(0.1)
    assert (found.n, found.note) == (0, "not available: no sockets today")


@pytest.mark.slow
@pytest.mark.ros
def test_ros_is_timed_in_a_domain_of_its_own_and_its_echo_ended() -> None:
    assert importlib.util.find_spec("rclpy") is not None
    environment = dict(os.environ)
    found = round_trip.ros2(0.5, realtime=False)
    assert found.note == "" and found.n > 10
    assert found.p50_ms is not None and 0 < found.p50_ms < 5000
    assert dict(os.environ) == environment
    deadline = time.monotonic() + 20
    while (left := _children("harness.sim.ros2_echo")) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert left == []


def _children(words: str) -> list[int]:
    import psutil

    return [
        child.pid
        for child in psutil.Process().children(recursive=True)
        if child.is_running() and words in " ".join(child.cmdline())
    ]


@pytest.mark.slow
def test_an_echo_that_does_not_start_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(round_trip, "_MESSAGE", "no_such_msgs/msg/Thing")
    found = round_trip.ros2(0.1)
    assert found.n == 0 and found.note == "not available: the ROS 2 echo did not start"


def test_the_time_is_shared_and_every_part_named(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[str, float, Any]] = []

    def fake(name: str) -> Any:
        def take(seconds: float, **how: Any) -> Timing:
            taken.append((name, seconds, how))
            return Timing(name)

        return take

    monkeypatch.setattr(measure, "wake_ups", fake("wake"))
    monkeypatch.setattr(round_trip, "loopback", fake("loop"))
    monkeypatch.setattr(round_trip, "ros2", fake("ros"))
    said: list[str] = []
    budget.timings(60, ros=True, realtime=True, rate_hz=5000, say=said.append)
    assert [(name, seconds) for name, seconds, _ in taken] == [
        ("wake", 15.0),
        ("wake", 15.0),
        ("loop", 15.0),
        ("ros", 15.0),
    ]
    assert [how["realtime"] for _, _, how in taken] == [False, True, True, True]
    assert taken[2][2]["rate_hz"] == budget.FASTEST_HZ
    assert len(said) == 4 and "15 s" in said[0]
    taken.clear()
    budget.timings(60, ros=False)
    assert [(name, seconds) for name, seconds, _ in taken] == [("wake", 20.0), ("wake", 20.0), ("loop", 20.0)]
    assert taken[2][2]["rate_hz"] == round_trip.RATE_HZ
