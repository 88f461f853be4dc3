from __future__ import annotations

import threading
import time

import pytest

from harness.clock import HostClock
from harness.testing.fake_clock import FakeClock

MS = 1_000_000


def test_by_hand_time_stands_still_until_it_is_moved() -> None:
    clock = FakeClock(monotonic_ns=100, realtime_ns=10_000)
    assert isinstance(clock, HostClock)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (100, 10_000)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (100, 10_000)
    clock.advance(50)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (150, 10_050)


def test_by_hand_a_sleep_of_an_hour_takes_no_time() -> None:
    clock = FakeClock(monotonic_ns=0)
    began = time.monotonic()
    clock.sleep_until(3600 * 1000 * MS)
    assert time.monotonic() - began < 60
    assert clock.monotonic_ns() == 3600 * 1000 * MS
    clock.sleep_until(5)
    assert clock.monotonic_ns() == 3600 * 1000 * MS
    assert clock.sleeps == [3600 * 1000 * MS, 5]


def test_the_wall_clock_can_be_set_without_touching_the_other() -> None:
    clock = FakeClock(monotonic_ns=100, realtime_ns=10_000)
    clock.step_realtime(-4_000)
    assert (clock.monotonic_ns(), clock.realtime_ns()) == (100, 6_000)
    clock.set_realtime(77)
    assert clock.realtime_ns() == 77
    clock.advance(3)
    assert clock.realtime_ns() == 80


def test_a_step_that_is_planned_happens_at_its_instant() -> None:
    clock = FakeClock(monotonic_ns=0, realtime_ns=1_000)
    clock.step_realtime_at(500, 1_000_000)
    clock.advance(499)
    assert clock.realtime_ns() == 1_499
    clock.advance(1)
    assert clock.realtime_ns() == 1_001_500
    clock.set_realtime(5)
    clock.advance(10)
    assert clock.realtime_ns() == 15


def test_a_stall_makes_the_sleep_that_spans_it_late_once() -> None:
    clock = FakeClock(monotonic_ns=0)
    clock.stall_at(25, 250)
    woken = []
    for deadline in (10, 20, 30, 40):
        clock.sleep_until(deadline)
        woken.append(clock.monotonic_ns())
    assert woken == [10, 20, 275, 275]
    clock.sleep_until(300)
    assert clock.monotonic_ns() == 300


def test_reading_pairs_works_as_on_the_real_clock() -> None:
    clock = FakeClock(monotonic_ns=7, realtime_ns=70)
    assert clock.read_realtime() == (7, 70, 7)


def test_following_it_is_the_real_monotonic_clock() -> None:
    clock = FakeClock(realtime_ns=1_000, follow=True)
    before = time.monotonic_ns()
    now = clock.monotonic_ns()
    assert before <= now <= time.monotonic_ns()
    first = clock.realtime_ns()
    assert first >= 1_000
    clock.step_realtime(-10_000_000 * MS)
    assert clock.realtime_ns() < first
    target = clock.monotonic_ns() + 5 * MS
    clock.sleep_until(target)
    assert clock.monotonic_ns() >= target


def test_following_a_stall_lasts_at_least_as_long_as_asked() -> None:
    clock = FakeClock(follow=True)
    now = clock.monotonic_ns()
    clock.stall_at(now + 2 * MS, 30 * MS)
    clock.sleep_until(now + 4 * MS)
    assert clock.monotonic_ns() >= now + 32 * MS


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        FakeClock().advance(-1)
    with pytest.raises(ValueError, match="follow=False"):
        FakeClock(follow=True).advance(1)


def test_readings_never_go_back_among_threads() -> None:
    clock = FakeClock(monotonic_ns=0)
    seen: list[list[int]] = [[] for _ in range(4)]

    def read(into: list[int]) -> None:
        for _ in range(200):
            into.append(clock.monotonic_ns())
            clock.sleep_until(into[-1] + 3)

    threads = [threading.Thread(target=read, args=(into,)) for into in seen]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for into in seen:
        assert into == sorted(into)
