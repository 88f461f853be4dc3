from itertools import pairwise

from harness.exchanges import AFTER, BEFORE, BURST, DURING, PERIOD_NS, Exchanges
from harness.model import ClockInfo, ClockKind
from harness.testing.fake_clock import FakeClock

SECOND = 1_000_000_000


class Answering:
    """A device whose exchanges take a time, or come to nothing."""

    def __init__(self, clock, takes_ns, answers=True):
        self.clock, self.takes_ns, self.answers, self.asked = clock, takes_ns, answers, []

    def exchange(self, name):
        before = self.clock.monotonic_ns()
        self.asked.append(before)
        self.clock.advance(self.takes_ns)
        return (before, before, before, self.clock.monotonic_ns()) if self.answers else None


def made(takes_ns, answers=True, kind=ClockKind.ESTIMATED):
    clock, rows = FakeClock(), []
    device = Answering(clock, takes_ns, answers)
    exchanges = Exchanges(clock, lambda *row: rows.append(row), 1)
    exchanges.add(device, ClockInfo("robot.robot", kind), 2)
    return clock, device, exchanges, rows


def keep_house(clock, exchanges, seconds):
    end = clock.monotonic_ns() + round(seconds * SECOND)
    while clock.monotonic_ns() < end:
        exchanges.turn()
        clock.advance(50_000_000)


def of_clock(rows, number):
    return [row for row in rows if row[4] == number]


def test_a_burst_before_is_of_fifty_exchanges_and_one_reading():
    _, device, exchanges, rows = made(100_000)
    exchanges.burst(BEFORE)
    assert len(device.asked) == len(of_clock(rows, 2)) == BURST and len(of_clock(rows, 1)) == 1
    assert {row[5] for row in rows} == {BEFORE}


def test_bursts_of_a_slow_clock_end_in_time():
    clock, device, exchanges, _ = made(60_000_000)
    for phase, at_most in ((BEFORE, 1.0), (AFTER, 0.25)):
        begun, asked = clock.monotonic_ns(), len(device.asked)
        exchanges.burst(phase)
        assert (clock.monotonic_ns() - begun) / SECOND <= at_most + 0.07
        assert len(device.asked) - asked >= 4


def test_in_between_there_are_ten_a_second_and_one_reading_of_the_wall_clock():
    clock, _, exchanges, rows = made(100_000)
    keep_house(clock, exchanges, 10)
    assert 90 <= len(of_clock(rows, 2)) <= 105 and 9 <= len(of_clock(rows, 1)) <= 11
    assert {row[5] for row in rows} == {DURING}
    starts = [row[0] for row in of_clock(rows, 2)]
    assert min(b - a for a, b in pairwise(starts)) >= PERIOD_NS


def test_a_clock_that_does_not_answer_is_asked_seldom_and_holds_nothing_up():
    clock, device, exchanges, rows = made(250_000_000, answers=False)
    exchanges.burst(BEFORE)
    assert len(device.asked) == 3 and of_clock(rows, 2) == []
    begun = clock.monotonic_ns()
    keep_house(clock, exchanges, 100)
    asked = [at for at in device.asked if at >= begun]
    assert len(asked) >= 5 and len(asked) * 0.25 <= 0.12 * 100
    device.answers = True
    keep_house(clock, exchanges, 30)
    assert of_clock(rows, 2)


def test_clocks_without_an_offset_to_find_are_left_alone():
    for kind in (ClockKind.SIMULATED, ClockKind.UNKNOWN):
        clock, device, exchanges, _ = made(1000, kind=kind)
        exchanges.burst(BEFORE)
        keep_house(clock, exchanges, 2)
        assert device.asked == []
