"""The signal of the loopback robot: exact where it is computed, and on its way through the device."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
from loopback_bench import bench, log_of, options, until
from pydantic import ValidationError

from harness.adapters.loopback.signal import Signal
from harness.model import NO_KEY

MS = 1_000_000


def signal(rate_hz=1000.0, tau_ms=10.0, noise=0.0, sway=0.0, seed=1):
    return Signal(rate_hz, tau_ms, noise, sway, seed)


def test_it_approaches_the_command_after_the_dead_time():
    one = signal()
    one.command(1.0, 20 * MS)
    assert one.value(20 * MS) == 0.0
    assert one.value(30 * MS) == pytest.approx(1 - math.exp(-1))
    one.command(0.0, 40 * MS)
    assert one.value(39 * MS) == pytest.approx(1 - math.exp(-1.9))
    assert one.value(50 * MS) == pytest.approx((1 - math.exp(-2)) * math.exp(-1))


def test_without_a_time_constant_it_steps():
    one = signal(tau_ms=0.0)
    one.command(0.5, 20 * MS)
    assert (one.value(20 * MS - 1), one.value(20 * MS)) == (0.0, 0.5)


def test_commands_keep_their_order_whatever_their_dead_times():
    one = signal(tau_ms=0.0)
    one.command(1.0, 20 * MS)
    one.command(2.0, 15 * MS)
    assert [one.value(at * MS) for at in (16, 20, 30)] == [0.0, 2.0, 2.0]


def test_how_often_it_is_looked_at_changes_nothing():
    often, seldom = signal(), signal()
    for one in (often, seldom):
        one.command(1.0, 5 * MS)
        one.command(-1.0, 15 * MS)
    values = [often.value(at * MS) for at in range(40)]
    assert seldom.value(39 * MS) == pytest.approx(values[-1])


def test_samples_come_at_the_rate_and_never_in_a_burst():
    one = signal(rate_hz=100.0)
    taken = [at for at in range(100) if one.sample(at * MS) is not None]
    assert len(taken) == 10
    assert one.sample(400 * MS) is not None  # it stood still for 300 ms
    assert [one.sample(at * MS) is not None for at in (401, 402, 403, 404)] == [False] * 4


def test_noise_is_seeded_and_of_the_size_that_was_asked_for():
    one, same, other = (signal(noise=0.1, seed=seed) for seed in (3, 3, 4))
    values = [[each.sample(at * MS) for at in range(0, 4000, 2)] for each in (one, same, other)]
    assert values[0] == values[1] != values[2]
    assert statistics.stdev(values[0]) == pytest.approx(0.1, rel=0.1)


def test_a_swaying_robot_never_stands_still():
    one = signal(sway=0.2)
    values = [one.value(at * MS) for at in range(1000)]
    assert max(values) == pytest.approx(0.2, rel=0.01) and min(values) == pytest.approx(-0.2, rel=0.01)


@pytest.mark.slow
@pytest.mark.parametrize("echo", ["thread", "process"])
def test_a_device_gives_the_signal_and_no_answer(echo, tmp_path: Path):
    log = {"log": str(tmp_path / "robot.jsonl")} if echo == "process" else {}
    with bench(echo=echo, match="onset", signal_hz=200.0, dead_ms=20.0, **log) as found:
        found.until_seen(10)
        assert all(row["value"] == 0.0 for row in found.seen.rows[:10])
        found.send(1, 0.5, first=7)
        until(lambda: found.seen.rows[-1]["value"] == 0.5, "the signal at 0.5")
        assert set(found.seen.keys) == {NO_KEY}
        assert {row["value"] for row in found.seen.rows} == {0.0, 0.5}
        found.device.safe_stop()
        until(lambda: found.seen.rows[-1]["value"] == 0.0, "the signal at rest")
        first = next(row for row in found.seen.rows if row["value"] == 0.5)
        if log:
            (moved,) = [line for line in log_of(tmp_path / "robot.jsonl") if line["event"] == "moves"]
            assert (moved["key"], moved["value"]) == (7, 0.5)
            assert moved["departs_ns"] - moved["taken_ns"] == 20 * MS
            assert first["seen_ns"] > moved["departs_ns"]
    assert found.findings == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"match": "onset"}, "signal_hz need each other"),
        ({"signal_hz": 100.0}, "signal_hz need each other"),
        ({"match": "onset", "signal_hz": 100.0, "delay_ms": 1.0}, "does not go with delay_ms"),
        ({"match": "onset", "signal_hz": 100.0, "busy_ms": 1.0}, "does not go with busy_ms"),
        ({"match": "onset", "signal_hz": 1e6}, "signal_hz"),
    ],
)
def test_what_contradicts_is_named(change, words):
    with pytest.raises(ValidationError) as caught:
        options(**change)
    assert words in str(caught.value)


def test_its_floor_is_measured_against_an_echo():
    twin = options(match="onset", signal_hz=100.0).floor_twin("command", "applied")
    assert twin.options["ports"]["answer"]["response"]["match"]["kind"] == "sequence"
    assert "signal_hz" not in twin.options
