"""When stimuli are due, and that a stall never ends in a burst."""

from __future__ import annotations

import threading
from itertools import pairwise

import numpy as np
import pytest

from harness.clock import HostClock
from harness.config.schema import Paced
from harness.schedule import (
    KeyMaker,
    PacedLine,
    SendingThread,
    largest_lateness_ns,
    paced,
    paced_offsets,
    sleep_until,
)

MS = 1_000_000


def spec(rate_hz: float = 200.0, **more: object) -> Paced:
    return Paced.model_validate({"kind": "paced", "rate_hz": rate_hz, "samples": 10, **more})


def test_jittered_gaps_lie_between_half_and_one_and_a_half_periods() -> None:
    gaps = np.diff(paced_offsets(spec(), 20_000, seed=1))
    assert gaps.min() >= 2.5 * MS - 1
    assert gaps.max() <= 7.5 * MS + 1
    assert abs(gaps.mean() - 5 * MS) < 4 * 5 * MS / np.sqrt(12 * len(gaps))


def test_jittered_sends_cover_the_phase_of_a_robot_loop_evenly() -> None:
    for loop_ms in (5.0, 2.5, 10.0, 50.0):
        phase = (paced_offsets(spec(), 20_000, seed=2) / (loop_ms * MS)) % 1.0
        share = np.histogram(phase, bins=20, range=(0, 1))[0] / len(phase)
        assert share.min() > 0.03, loop_ms
        assert share.max() < 0.07, loop_ms


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert np.array_equal(paced_offsets(spec(), 100, 7), paced_offsets(spec(), 100, 7))
    assert not np.array_equal(paced_offsets(spec(), 100, 7), paced_offsets(spec(), 100, 8))


def test_periodic_is_exact() -> None:
    offsets = paced_offsets(spec(periodic=True, robot_period_ms=10.0), 4, seed=1)
    assert offsets.tolist() == [0, 5 * MS, 10 * MS, 15 * MS]


class StallingClock(HostClock):
    """Time moves only when somebody sleeps, and jumps once by ``stall_ns`` at ``stall_at_ns``."""

    def __init__(self, stall_at_ns: int, stall_ns: int) -> None:
        self.now = 0
        self.stall_at_ns, self.stall_ns = stall_at_ns, stall_ns

    def monotonic_ns(self) -> int:
        return self.now

    def realtime_ns(self) -> int:
        return self.now

    def sleep_until(self, deadline_ns: int) -> None:
        self.now = max(self.now, deadline_ns)
        if self.stall_ns and self.now >= self.stall_at_ns:
            self.now += self.stall_ns
            self.stall_ns = 0


@pytest.mark.parametrize("stall_ms", [3, 20, 250, 1000])
def test_a_stall_never_ends_in_a_burst(stall_ms: int) -> None:
    clock = StallingClock(100 * MS, stall_ms * MS)
    wanted = spec(200.0)
    sent: list[tuple[int, int]] = []
    skipped: list[int] = []
    line = PacedLine(
        paced_offsets(wanted, 400, seed=3),
        largest_lateness_ns(wanted),
        send=lambda number, due: sent.append((number, clock.now - due)),
        skip=lambda number, due: skipped.append(number),
    )
    paced([line], clock, stopped=lambda: False)
    assert len(sent) + len(skipped) == 400
    assert sorted([*skipped, *(number for number, _ in sent)]) == list(range(400))
    assert max(late for _, late in sent) <= 2.5 * MS
    assert sum(late > 0 for _, late in sent) <= 1
    assert abs(len(skipped) - stall_ms / 5) <= 2 + stall_ms / 50
    if skipped:
        assert skipped == list(range(skipped[0], skipped[0] + len(skipped)))


@pytest.mark.parametrize("stall_ms", [3, 40, 250])
def test_recorded_gaps_are_kept_and_a_stall_among_them_ends_in_no_burst(stall_ms: int) -> None:
    rng = np.random.default_rng(11)
    gaps = rng.lognormal(np.log(5 * MS), 1.0, 400).astype(np.int64)
    gaps[200:204] = 0  # as it happens in recordings: several at one instant
    offsets = np.cumsum(gaps) - gaps[0]
    clock = StallingClock(100 * MS, stall_ms * MS)
    sent: list[tuple[int, int]] = []
    skipped: list[int] = []
    line = PacedLine(
        offsets,
        5 * MS,
        send=lambda number, due: sent.append((number, clock.now)),
        skip=lambda number, due: skipped.append(number),
        own_gaps=True,
    )
    paced([line], clock, stopped=lambda: False)
    assert sorted([*skipped, *(number for number, _ in sent)]) == list(range(400))
    for (before, at), (number, now) in pairwise(sent):
        if number == before + 1:
            assert now - at >= gaps[number] // 2
    due = {number: now - offsets[number] - 5 * MS for number, now in sent}
    assert max(due.values()) <= 5 * MS
    assert {200, 201, 202, 203} <= due.keys()
    assert bool(skipped) or stall_ms < 40


@pytest.mark.parametrize("stall_ms", [0, 20, 250])
def test_lines_that_go_together_keep_their_own_times_whatever_the_stall(stall_ms: int) -> None:
    clock = StallingClock(100 * MS, stall_ms * MS)
    rates = [200.0, 100.0, 37.0]
    sent: list[list[tuple[int, int, int]]] = [[] for _ in rates]
    skipped: list[list[int]] = [[] for _ in rates]
    order: list[int] = []

    def line(which: int, rate: float) -> PacedLine:
        def send(number: int, due: int) -> None:
            sent[which].append((number, due, clock.now))
            order.append(due)

        wanted = spec(rate)
        return PacedLine(
            paced_offsets(wanted, round(2 * rate), seed=which),
            largest_lateness_ns(wanted),
            send,
            lambda number, due: skipped[which].append(number),
        )

    lines = [line(which, rate) for which, rate in enumerate(rates)]
    paced(lines, clock, stopped=lambda: False)
    assert order == sorted(order)
    for which, each in enumerate(lines):
        numbers = [number for number, _, _ in sent[which]]
        assert sorted([*numbers, *skipped[which]]) == list(range(len(each.offsets)))
        first = sent[which][0]
        assert [due - first[1] for _, due, _ in sent[which]] == each.offsets[numbers].tolist()
        gaps = np.diff([now for _, _, now in sent[which]])
        assert gaps.min() >= np.diff(each.offsets).min() // 2
        assert bool(skipped[which]) == (stall_ms * MS > 1.5e9 / rates[which]) or stall_ms == 20


def test_sleeping_ends_when_told() -> None:
    asked = iter([False, False, True])
    clock = StallingClock(10**18, 0)
    assert not sleep_until(clock, 10_000 * MS, lambda: next(asked))
    assert clock.now <= 200 * MS


def test_the_thread_keeps_the_exception_and_says_it_has_ended() -> None:
    def broken(stopped: object) -> None:
        raise ValueError("no")

    thread = SendingThread(broken)
    thread.start()
    assert thread.finished.wait(20)
    thread.stop()
    assert isinstance(thread.failure, ValueError)


def test_stop_ends_the_loop_and_is_repeatable() -> None:
    entered = threading.Event()

    def loop(stopped: object) -> None:
        entered.set()
        while not stopped():  # type: ignore[operator]
            threading.Event().wait(0.001)

    thread = SendingThread(loop)
    thread.stop()
    thread = SendingThread(loop)
    thread.start()
    assert entered.wait(20)
    thread.stop()
    thread.stop()
    assert thread.finished.is_set()
    assert thread.failure is None


def test_stamp_keys_increase_even_when_the_wall_clock_is_set_back() -> None:
    clock = StallingClock(0, 0)
    keys = KeyMaker("stamp", clock)
    clock.now = 1_000
    first = keys.next_key()
    clock.now = 10
    assert keys.next_key() == first + 1
    assert KeyMaker("sequence", clock).next_key() == 0
