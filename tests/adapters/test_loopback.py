"""The loopback device: every misbehaviour on demand, its clocks, its stop, and its errors."""

from __future__ import annotations

import math
import signal
from pathlib import Path
from typing import Any

import pytest
from loopback_bench import bench, log_of, options, until
from pydantic import ValidationError

from harness.adapters.loopback import LoopbackDevice, Options
from harness.adapters.loopback.robot import Behaviour
from harness.adapters.loopback.wire import Frame, Kind, Splitter, default_address
from harness.errors import ConfigurationError, OperationError, SafetyError, UnavailableError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_KEY, ClockKind, Severity
from harness.ports import DeviceContext, Role
from harness.testing.fake_clock import FakeClock

S = 1_000_000_000
MS = 1_000_000


def test_answers_carry_key_value_and_the_robots_stamp() -> None:
    with bench() as b:
        b.send(3, value=0.25, first=7)
        assert b.until_seen(3) == [7, 8, 9]
        stamps = [row["stamp_ns"] for row in b.seen.rows]
        assert stamps == sorted(stamps)
        assert {row["value"] for row in b.seen.rows} == {0.25}
        assert {row["flags"] for row in b.seen.rows} == {0}


def test_a_robot_that_echoes_nothing_gives_no_key() -> None:
    with bench(key="none", match="order") as b:
        b.send(2, first=5)
        assert b.until_seen(2) == [NO_KEY, NO_KEY]


@pytest.mark.parametrize("size", [64, 1500, 60_000])
def test_messages_are_as_large_as_asked(size: int) -> None:
    with bench(payload_bytes=size) as b:
        assert len(b.stimulus.prepare({})) == size
        b.send(20)
        assert b.until_seen(20) == list(range(20))


# Misbehaviour


def test_drop_every() -> None:
    with bench(drop_every=3) as b:
        b.send(10)
        assert b.settled() == [0, 1, 3, 4, 6, 7, 9]


def test_twice_every() -> None:
    with bench(twice_every=4) as b:
        b.send(8)
        assert b.settled() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7]


def test_reorder_every() -> None:
    with bench(reorder_every=3) as b:
        b.send(7)
        assert b.until_seen(7) == [0, 1, 3, 2, 4, 6, 5]


def test_reordering_does_not_lose_the_last_answer() -> None:
    with bench(reorder_every=2) as b:
        b.send(2)
        assert b.until_seen(2) == [0, 1]


def test_silent() -> None:
    with bench(silent=True) as b:
        b.send(50)
        assert b.settled() == []


def test_latest_answers_only_the_newest_of_a_cycle() -> None:
    with bench(latest=True, cycle_ms=200.0) as b:
        b.send(20)
        until(lambda: 19 in b.seen.keys, "the newest command's answer")
        assert b.seen.keys == sorted(set(b.seen.keys))
        assert len(b.seen.rows) < 20


def test_a_delay_is_waited_for_and_does_not_hold_up_the_sender() -> None:
    def all_sent_before_the_first_answer() -> bool:
        with bench(delay_ms=40.0) as b:
            sent = b.send(5)
            b.until_seen(5)
            for (_, handed_ns), row in zip(sent, b.seen.rows, strict=True):
                assert row["seen_ns"] - handed_ns >= 39 * MS
            return sent[-1][1] < b.seen.rows[0]["seen_ns"]

    # A sender that was held up would never be so early; one on a busy machine is, sooner or later.
    until(all_sent_before_the_first_answer, "five commands sent within the delay")


def test_jitter_delays_without_reordering() -> None:
    with bench(delay_ms=1.0, jitter_ms=10.0, seed=3) as b:
        b.send(20)
        assert b.until_seen(20) == list(range(20))


def test_misbehaviours_combine() -> None:
    with bench(drop_every=5, twice_every=3, delay_ms=1.0) as b:
        b.send(6)
        assert b.until_seen(7) == [0, 1, 2, 2, 3, 5, 5]


@pytest.mark.parametrize("echo", ["thread", pytest.param("process", marks=pytest.mark.slow)])
def test_it_dies_after(echo: str) -> None:
    with bench(echo=echo, die_after=5) as b:
        b.send(6)
        until(lambda: b.findings, "a finding about the robot's death")
        assert b.seen.keys == [0, 1, 2, 3, 4]
        (finding,) = b.findings
        assert (finding.name, finding.severity) == ("robot lost", Severity.ERROR)
        assert ("status 70" if echo == "process" else "thread ended") in finding.message
        with pytest.raises(OperationError, match="gone"):
            b.send(1)
        with pytest.raises(OperationError, match="gone"):
            b.device.safe_stop()
        with pytest.raises(OperationError, match="gone"):
            b.device.exchange("robot.robot")
        assert not b.device.is_ready("echo", "")


def test_what_the_harness_loses_is_reported_and_not_handed_on() -> None:
    with bench(lose_inside_every=4) as b:
        b.send(9)
        b.settled()
        assert b.seen.keys == [0, 1, 2, 4, 5, 6, 8]
        assert [finding.name for finding in b.findings] == ["messages lost"] * 2
        assert {finding.severity for finding in b.findings} == {Severity.ERROR}


@pytest.mark.slow
def test_a_hung_robot_is_an_error_not_a_hang() -> None:
    with bench(echo="process") as b:
        child = b.device._peer._child
        child.send_signal(signal.SIGSTOP)
        try:
            assert b.device.exchange("robot.robot") is None
            with pytest.raises(OperationError, match="did not take a command"):
                b.send(200_000)
        finally:
            child.send_signal(signal.SIGCONT)


# Clocks


def test_received_is_on_the_clock_that_was_asked_for() -> None:
    for words, name in (("realtime", HOST_REALTIME), ("monotonic", HOST_MONOTONIC)):
        clock = FakeClock(realtime_ns=5 * S, follow=True)
        with bench(clock=clock, received_clock=words) as b:
            assert b.device.response("applied").received_clock == name
            b.send(1)
            b.until_seen(1)
            row = b.seen.rows[0]
            if name == HOST_MONOTONIC:
                assert row["received_ns"] == row["seen_ns"]
            else:
                assert 5 * S <= row["received_ns"] <= clock.realtime_ns()


def test_a_wall_clock_that_is_set_moves_received_and_nothing_else() -> None:
    clock = FakeClock(follow=True)
    with bench(clock=clock) as b:
        b.send(1)
        b.until_seen(1)
        clock.step_realtime(-3600 * S)
        b.send(1, first=1)
        b.until_seen(2)
    before, after = b.seen.rows
    assert after["received_ns"] < before["received_ns"] - 3000 * S
    assert after["seen_ns"] > before["seen_ns"]
    assert after["stamp_ns"] > before["stamp_ns"]


def test_the_robots_own_clock_is_off_by_what_was_asked() -> None:
    with bench(clock_offset_ms=60_000.0) as b:
        (info,) = b.device.clocks()
        assert (info.name, info.kind) == ("robot.robot", ClockKind.ESTIMATED)
        assert b.device.response("applied").stamp_clock == info.name
        t1, t2, t3, t4 = b.device.exchange(info.name)
        _, real, _ = b.device._context.clock.read_realtime()
        assert t1 <= t4 and t2 <= t3
        # Within ten seconds: the wall clock of a busy machine, not a measurement.
        assert abs((t2 - real) - 60 * S) < 10 * S


def test_the_robots_own_clock_drifts() -> None:
    with bench(clock_drift_ppm=500_000.0) as b:
        first = b.device.exchange("robot.robot")
        until(lambda: b.device._context.clock.monotonic_ns() - first[3] > 50 * MS, "50 ms")
        second = b.device.exchange("robot.robot")
        there = second[1] - first[2]
        # Half as fast again as here: within what the shortest and the longest time here allow.
        assert 1.5 * (second[0] - first[3]) - MS <= there <= 1.5 * (second[3] - first[0]) + MS


def test_a_clock_that_is_not_its_own_has_no_exchange() -> None:
    with bench() as b:
        assert b.device.exchange(HOST_REALTIME) is None


# Stop and limits


@pytest.mark.slow
def test_the_stop_reaches_the_robot_as_often_as_asked(tmp_path: Path) -> None:
    log = tmp_path / "robot.jsonl"
    stop = {"port": "command", "values": {"value": -0.5}, "repeat": 3, "interval_ms": 1.0}
    with bench(echo="process", log=str(log), stop=stop) as b:
        b.send(2)
        b.device.safe_stop()
        until(lambda: sum(row["event"] == "stop" for row in log_of(log)) == 3, "three stops in the log")
        b.device.safe_stop()
        b.settled()
        assert b.seen.keys == [0, 1], "a stop is no command and gets no answer"
    events = [row["event"] for row in log_of(log)]
    assert events[:4] == ["started", "connected", "command", "command"]
    assert events.count("stop") == 6
    assert {row["value"] for row in log_of(log) if row["event"] == "stop"} == {-0.5}
    assert events[-1] == "ended"


def test_values_beyond_a_limit_are_refused() -> None:
    with bench(limits={"value": 1.0}) as b:
        b.stimulus.prepare({"value": -1.0})
        for value in (1.01, -2, math.nan):
            with pytest.raises(SafetyError, match="beyond the limit 1"):
                b.stimulus.prepare({"value": value})


# Roles, readiness, errors


def test_check_starts_nothing_and_says_what_a_run_would() -> None:
    device = LoopbackDevice("robot", options(echo="process"), DeviceContext("r", role=Role.CHECK))
    device.open()
    try:
        (finding,) = device.preflight()
        assert finding.severity is Severity.INFO
        assert "child process" in finding.message
        with pytest.raises(UnavailableError, match="no robot listens"):
            device.stimulus("command").send(0, device.stimulus("command").prepare({}))
    finally:
        device.close()


def test_an_external_robot_that_is_not_there_is_found() -> None:
    told = options(echo="process", external=True)
    device = LoopbackDevice("robot", told, DeviceContext("nobody-there"))
    device.open()
    try:
        assert not device.is_ready("publishes", "applied")
        (finding,) = device.preflight()
        assert (finding.name, finding.severity) == ("nobody there", Severity.ERROR)
        assert device.process_environment() == {
            "HARNESS_LOOPBACK_SOCKET": "@harness-loopback-nobody-there-robot"
        }
    finally:
        device.close()


def test_an_address_in_use_is_named() -> None:
    context = DeviceContext("twice")
    first = LoopbackDevice("robot", options(echo="process"), context)
    first.open()
    second = LoopbackDevice("robot", options(echo="process"), context)
    try:
        with pytest.raises(UnavailableError, match="@harness-loopback-twice-robot"):
            second.open()
        second.close()
        assert first.is_ready("echo", "")
    finally:
        first.close()


def test_sending_before_opening_is_an_error() -> None:
    device = LoopbackDevice("robot", options(), DeviceContext("r"))
    stimulus = device.stimulus("command")
    with pytest.raises(OperationError, match="not open"):
        stimulus.send(0, stimulus.prepare({}))


def test_readiness_of_an_unknown_port_or_condition_is_refused() -> None:
    with bench() as b:
        assert b.device.is_ready("publishes", "echo")
        with pytest.raises(ConfigurationError, match="did you mean 'applied'"):
            b.device.is_ready("publishes", "aplied")
        with pytest.raises(ConfigurationError, match="subscribes"):
            b.device.is_ready("subscribes", "x")


WRONG = [
    ({"stop": {"port": "comand"}}, "did you mean 'command'"),
    ({"echo": "thread", "external": True}, "external"),
    ({"payload_bytes": 3}, "payload_bytes"),
    ({"delay_ms": -1}, "delay_ms"),
    ({"dely_ms": 1}, "dely_ms"),
    ({"ports": {"command": {}}}, "exactly one of `stimulus` and `response`"),
    ({"ports": {"a": {"response": {"of": "b", "match": {"kind": "sequence"}}}}}, "no stimulus port 'b'"),
    (
        {
            "ports": {
                "c": {"stimulus": {"key": "stamp"}},
                "a": {"response": {"of": "c", "match": {"kind": "sequence"}}},
            }
        },
        "needs `key: sequence`",
    ),
]


@pytest.mark.parametrize(("change", "words"), WRONG, ids=lambda each: str(each)[:30])
def test_wrong_options_are_named(change: dict[str, Any], words: str) -> None:
    whole = options(echo="process").model_dump(exclude_unset=True)
    with pytest.raises(ValidationError) as caught:
        Options.model_validate({**whole, **change})
    assert words in str(caught.value)


# Pieces


def test_behaviour_becomes_a_command_line_and_back() -> None:
    from harness.sim.loopback_robot import parser

    how = Behaviour(delay_ms=1.5, drop_every=3, silent=True, clock_offset_ms=-2.0)
    read = vars(parser().parse_args(["--socket", "@x", *how.arguments()]))
    assert Behaviour(**{name: read[name] for name in Behaviour.__dataclass_fields__}) == how
    assert Behaviour().arguments() == []


def test_frames_survive_being_cut_anywhere() -> None:
    frames = [Frame(Kind.COMMAND, 1, size, 2**62 + size, -5, 6, 0.5) for size in (44, 64, 1000)]
    stream = b"".join(bytes(frame.pack()) for frame in frames)
    for step in (1, 7, 43, 44, 45, 500, len(stream)):
        splitter = Splitter()
        found = [
            frame for at in range(0, len(stream), step) for frame in splitter.feed(stream[at : at + step])
        ]
        assert found == frames


def test_a_stream_that_is_not_ours_is_refused() -> None:
    with pytest.raises(ValueError, match="not a loopback frame"):
        list(Splitter().feed(b"GET / HTTP/1.1\r\n" * 4))


def test_addresses_fit_a_socket_whatever_the_names() -> None:
    assert default_address("run", "robot") == "@harness-loopback-run-robot"
    long = default_address("r" * 200, "robot")
    assert len(long) < 108
    assert long != default_address("r" * 201, "robot")
