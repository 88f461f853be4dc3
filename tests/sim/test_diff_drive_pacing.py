"""Steps in time with a clock that the test owns."""

from __future__ import annotations

import itertools

import pytest

from harness.sim.diff_drive.pacing import SLIP_AFTER_NS, Pacer, RealTimeFactor

MS = 1_000_000


class Time:
    def __init__(self) -> None:
        self.now_ns = 5_000 * MS

    def now(self) -> int:
        return self.now_ns

    def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * 1e9)


@pytest.fixture
def time_() -> Time:
    return Time()


@pytest.fixture
def pacer(time_: Time) -> Pacer:
    return Pacer(1000, time_.now, time_.sleep)


def test_deadlines_are_absolute(time_: Time, pacer: Pacer) -> None:
    start = time_.now_ns
    for step in range(1, 101):
        assert pacer.wait() == start + step * MS
        time_.now_ns += 300_000 + step  # whatever the step takes does not add up
    assert pacer.slipped_ns == 0


def test_a_short_stall_is_caught_up_at_twice_real_time(time_: Time, pacer: Pacer) -> None:
    start = pacer.wait()
    time_.now_ns += 20 * MS
    instants = [pacer.wait() for _ in range(60)]
    gaps = [b - a for a, b in itertools.pairwise(instants)]
    assert min(gaps) == MS // 2, "never faster than twice real time"
    assert gaps[-1] == MS
    assert instants[-1] == start + 60 * MS, "and then in step again"
    assert pacer.slipped_ns == 0


def test_a_long_stall_slips_without_a_burst(time_: Time, pacer: Pacer) -> None:
    start = pacer.wait()
    stall = SLIP_AFTER_NS + 200 * MS
    time_.now_ns += stall
    instants = [pacer.wait() for _ in range(10)]
    assert [i - instants[0] for i in instants] == [n * MS for n in range(10)]
    assert pacer.slipped_ns == instants[0] - (start + MS)


def test_the_factor_is_one_in_step_and_falls_with_a_slip() -> None:
    factor = RealTimeFactor()
    seen = [factor.mark(n * MS, n * 1e-3) for n in range(1500)]
    assert seen[:1000] == [None] * 1000
    assert all(f == pytest.approx(1.0) for f in seen[1000:])
    # 250 ms in which the simulation stood still.
    after = [factor.mark((1750 + n) * MS, (1500 + n) * 1e-3) for n in range(1500)]
    assert min(f for f in after if f is not None) == pytest.approx(0.75, abs=0.03)
    assert after[-1] == pytest.approx(1.0), "a second later it is forgotten"


def test_the_factor_looks_back_one_second_and_no_further() -> None:
    factor = RealTimeFactor()
    for n in range(5000):
        factor.mark(n * MS, n * 0.5e-3)
    for n in range(5000, 6200):
        last = factor.mark(n * MS, 2.5 + (n - 5000) * 1e-3)
    assert last == pytest.approx(1.0)
