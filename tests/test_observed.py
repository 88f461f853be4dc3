"""Values that count from what a port observes: a value that is not an old one, or none at all."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from harness import observed
from harness.errors import DeadlineError
from harness.live import PortState
from harness.testing.fake_clock import FakeClock

PORT = "arm.shoulder"


class Bench:
    """As much of a bench as is asked: a clock that goes on while somebody waits, and what ports show then."""

    def __init__(self, shows: Callable[[int], float | None]) -> None:
        self.clock = FakeClock(monotonic_ns=1_000_000_000)
        self.states = {PORT: PortState()}
        self.events: list[tuple[str, dict[str, Any]]] = []
        self.folder = SimpleNamespace(event=lambda name, **what: self.events.append((name, what)))
        self._shows = shows
        self._turns = 0

    def wait(self, done: Callable[[], bool]) -> None:
        while not done():
            self._turns += 1
            self.clock.advance(100_000_000)
            value = self._shows(self._turns)
            if value is not None:
                self.see(value)

    def see(self, value: float) -> None:
        state = self.states[PORT]
        state.count, state.value, state.seen_ns = state.count + 1, value, self.clock.monotonic_ns()


def test_the_first_value_from_now_on_counts_and_is_an_event() -> None:
    bench = Bench(float)
    bench.see(-7.0)
    assert observed.observed_now(bench, PORT) == 1.0  # type: ignore[arg-type]
    assert bench.events == [("observed", {"port": PORT, "value": 1.0})]


def test_a_value_that_is_no_number_is_waited_out() -> None:
    bench = Bench(lambda turn: math.nan if turn < 3 else 0.25)
    assert observed.observed_now(bench, PORT) == 0.25  # type: ignore[arg-type]


def test_an_old_value_is_none() -> None:
    bench = Bench(lambda turn: None)
    bench.see(0.25)
    with pytest.raises(DeadlineError, match=r"its last value, 0.25, is old: none came within 5 s"):
        observed.observed_now(bench, PORT)  # type: ignore[arg-type]
    assert bench.events == []


def test_a_port_that_shows_nothing_is_named() -> None:
    with pytest.raises(DeadlineError, match=r"arm\.shoulder observes, but nothing was observed on it"):
        observed.observed_now(Bench(lambda turn: None), PORT)  # type: ignore[arg-type]
