"""Sensors that go on publishing: what is sent when, by a clock that the test drives."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import pytest

from harness.clock import HostClock
from harness.errors import OperationError
from harness.ports import KeyKind
from harness.scenarios.background import BackgroundStream, Course, Streams
from harness.schedule import KeyMaker
from harness.testing.fake_clock import FakeClock

MS = 1_000_000
RATE_HZ, PERIOD = 100.0, 10 * MS


class Port:
    """Keeps what was sent: (instant, key, prepared)."""

    key_kind = KeyKind.STAMP

    def __init__(self, clock: HostClock) -> None:
        self.clock = clock
        self.sent: list[tuple[int, int, Any]] = []
        self.broken_after: int | None = None

    def prepare(self, values: Mapping[str, Any]) -> Any:
        return dict(values)

    def send(self, key: int, prepared: Any) -> tuple[int, int]:
        if self.broken_after is not None and len(self.sent) >= self.broken_after:
            raise OperationError("the port broke")
        before = self.clock.monotonic_ns()
        self.sent.append((before, key, prepared))
        return before, self.clock.monotonic_ns()


class House:
    """The part of a bench that the stream uses."""

    def __init__(self, clock: HostClock) -> None:
        self.clock = clock
        self.hung_from: int | None = None

    def tick(self) -> None:
        self.hung_from = None

    def require_housekeeping(self, now_ns: int) -> None:
        if self.hung_from is not None and now_ns >= self.hung_from:
            raise OperationError("housekeeping hung")


class Bench:
    def __init__(self, clock: HostClock | None = None) -> None:
        self.clock = clock or FakeClock()
        self.port, self.house = Port(self.clock), House(self.clock)
        self.keys = KeyMaker("stamp", self.clock)
        self.stream = BackgroundStream(self.port, self.keys, "rest", RATE_HZ, self.house)  # type: ignore[arg-type]

    def flow(self, messages: int, act: Callable[[int], None] = lambda sent: None) -> None:
        """Let the stream run in this thread until so many messages; ``act`` may step in before each wait."""

        def stopped() -> bool:
            act(len(self.port.sent))
            return len(self.port.sent) >= messages

        if not self.stream._due_ns:
            self.stream._due_ns = self.clock.monotonic_ns()
        self.stream._flow(stopped)

    @property
    def gaps(self) -> list[int]:
        at = [instant for instant, _, _ in self.port.sent]
        return [b - a for a, b in pairwise(at)]


def test_what_it_shows_at_rest_is_sent_at_its_rate() -> None:
    bench = Bench()
    bench.flow(20)
    assert bench.gaps == [PERIOD] * 19
    assert {prepared for _, _, prepared in bench.port.sent} == {"rest"}
    assert (bench.stream.sent, bench.stream.left_out) == (20, 0)


def test_every_message_has_a_key_of_its_own_in_their_order() -> None:
    bench = Bench()
    bench.flow(5)
    with bench.stream.turn:
        bench.stream.send(bench.keys.next_key(), "near")
    bench.flow(10)
    keys = [key for _, key, _ in bench.port.sent]
    assert keys == sorted(set(keys))


def test_a_stimulus_stays_and_the_stream_goes_on_a_period_after_it() -> None:
    bench = Bench()
    bench.flow(3)
    assert isinstance(bench.clock, FakeClock)
    bench.clock.advance(4 * MS)
    bench.stream.send(bench.keys.next_key(), "near")
    bench.flow(7)
    assert [prepared for _, _, prepared in bench.port.sent] == ["rest"] * 3 + ["near"] * 4
    assert bench.gaps == [PERIOD, PERIOD, 4 * MS, PERIOD, PERIOD, PERIOD]
    assert bench.stream.sent == 6  # the stimulus is none of its own


def test_a_stimulus_while_the_stream_waits_moves_its_next_message() -> None:
    bench = Bench()
    assert isinstance(bench.clock, FakeClock)
    clock = bench.clock

    def act(sent: int) -> None:
        if sent == 2:
            clock.advance(PERIOD)  # the message of the stream is due, but the stimulus comes first
            bench.stream.send(bench.keys.next_key(), "near")

    bench.flow(5, act)
    assert [prepared for _, _, prepared in bench.port.sent] == ["rest", "rest", "near", "near", "near"]
    assert bench.gaps == [PERIOD] * 4


@pytest.mark.parametrize(("stall_ms", "left_out"), [(5, 0), (9, 0), (10, 1), (14, 1), (1000, 100)])
def test_a_stall_is_no_burst(stall_ms: int, left_out: int) -> None:
    bench = Bench()
    assert isinstance(bench.clock, FakeClock)
    begin = bench.clock.monotonic_ns()
    bench.clock.stall_at(begin + PERIOD, stall_ms * MS)
    bench.flow(6)
    assert bench.stream.left_out == left_out
    at = [instant - begin for instant, _, _ in bench.port.sent]
    assert at[:2] == [0, PERIOD + stall_ms * MS]
    assert bench.gaps[1] >= PERIOD // 2
    assert bench.gaps[2:] == [PERIOD] * 3


def test_nothing_is_sent_while_nobody_keeps_house() -> None:
    bench = Bench()
    bench.house.hung_from = bench.clock.monotonic_ns() + 3 * PERIOD
    with pytest.raises(OperationError, match="housekeeping hung"):
        bench.flow(10)
    assert len(bench.port.sent) == 3


def real() -> Bench:
    return Bench(HostClock())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.002)


def test_a_port_that_breaks_is_told_to_whoever_asks() -> None:
    bench = real()
    bench.port.broken_after = 2
    with bench.stream.running():
        bench.stream.check()
        until(bench.stream._thread.finished.is_set)
        with pytest.raises(OperationError, match="the port broke"):
            bench.stream.check()
    assert bench.stream.sent == 2


def test_house_is_kept_before_anything_is_sent() -> None:
    bench = real()
    bench.house.hung_from = 0  # opening and looking took longer than sending may go on unwatched
    with bench.stream.running():
        until(lambda: len(bench.port.sent) >= 2)
        bench.stream.check()


def test_it_is_silent_once_it_has_ended() -> None:
    bench = real()
    with bench.stream.running():
        until(lambda: len(bench.port.sent) >= 3)
    sent = len(bench.port.sent)
    assert bench.stream._thread.finished.is_set()
    time.sleep(0.03)
    assert len(bench.port.sent) == sent == bench.stream.sent


def test_keys_go_out_in_order_whoever_sends() -> None:
    bench = real()
    stream = BackgroundStream(bench.port, bench.keys, "rest", 5000.0, bench.house)  # type: ignore[arg-type]

    def stimuli() -> None:
        for number in range(200):
            with stream.turn:
                stream.send(bench.keys.next_key(), number)

    sender = threading.Thread(target=stimuli)
    with stream.running():
        sender.start()
        sender.join(30)
        until(lambda: stream.sent >= 20)
    keys = [key for _, key, _ in bench.port.sent]
    assert len(keys) == 200 + stream.sent
    assert keys == sorted(set(keys))
    assert bench.port.sent[-1][2] == 199


class Events:
    """The part of a run folder that streams use."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def event(self, name: str, **what: Any) -> None:
        self.told.append({"event": name, **what})


def several(own: Bench | None, **others: Bench) -> tuple[Streams, Any]:
    streams = Streams(
        "tilt",
        "robot.imu",
        own.stream if own else None,
        {f"robot.{name}": other.stream for name, other in others.items()},
    )
    return streams, SimpleNamespace(folder=Events())


def test_other_sensors_go_on_while_one_is_the_stimulus() -> None:
    imu, scan = real(), real()
    streams, bench = several(imu, scan=scan)
    with streams.running(bench):
        until(lambda: len(scan.port.sent) >= 2)
        with imu.stream.turn:
            imu.stream.send(imu.keys.next_key(), "tilted")
        at = len(scan.port.sent)
        until(lambda: len(scan.port.sent) >= at + 2 and len(imu.port.sent) >= 3)
        streams.check()
    assert {prepared for _, _, prepared in scan.port.sent} == {"rest"}
    assert imu.port.sent[-1][2] == "tilted"
    told = [(each["event"], each["scenario"], each["port"], each["sent"]) for each in bench.folder.told]
    assert told == [
        ("background", "tilt", "robot.imu", len(imu.port.sent) - 1),
        ("background", "tilt", "robot.scan", len(scan.port.sent)),
    ]


def test_a_command_to_a_robot_that_needs_its_sensors() -> None:
    scan = real()
    streams, bench = several(None, scan=scan)
    with streams.running(bench):
        until(lambda: len(scan.port.sent) >= 2)
    assert [each["port"] for each in bench.folder.told] == ["robot.scan"]


def test_a_sensor_that_breaks_ends_the_scenario_whichever_it_is() -> None:
    imu, scan = real(), real()
    scan.port.broken_after = 1
    streams, bench = several(imu, scan=scan)
    with streams.running(bench):
        until(scan.stream._thread.finished.is_set)
        with pytest.raises(OperationError, match="the port broke"):
            streams.check()
    assert [each["sent"] for each in bench.folder.told] == [len(imu.port.sent), 1]
    assert imu.stream._thread.finished.is_set()


def test_no_sensor_no_event() -> None:
    streams, bench = several(None)
    with streams.running(bench):
        streams.check()
    assert bench.folder.told == []


def test_a_stimulus_of_several_messages_goes_on_with_the_stream_and_stays_at_its_last() -> None:
    bench = Bench()
    bench.flow(2)
    bench.stream.send(bench.keys.next_key(), Course(("a", "b", "c")))
    bench.flow(7)
    assert [prepared for _, _, prepared in bench.port.sent] == ["rest"] * 2 + ["a", "b", "c", "c", "c"]
    assert bench.gaps[2:] == [PERIOD] * 4


def test_what_ends_a_trial_ends_its_ramp() -> None:
    bench = Bench()
    bench.flow(1)
    bench.stream.send(bench.keys.next_key(), Course(("a", "b", "c")))
    bench.stream.send(bench.keys.next_key(), "rest")
    bench.flow(5)
    assert [prepared for _, _, prepared in bench.port.sent] == ["rest", "a", "rest", "rest", "rest"]
