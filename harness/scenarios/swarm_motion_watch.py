"""Whether the robots of a swarm stand still, and which have begun to move: of those that report nothing else.

As :class:`.Watch`, for the driver: at rest is the order that is stable, everybody having moved the new one.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.analysis.swarm_state import Order
from harness.config.match import Match
from harness.config.schema import SwarmReorganization
from harness.scenarios.swarm_watch import FRESH_NS, Watch

if TYPE_CHECKING:
    from harness.bench import Bench

FEW = 6
"""Looks of which it can be told that a robot stands still."""
AT_REST, MOVED = Order(0, 0), Order(0, 1)


class MotionWatch(Watch):
    """The robots of one swarm scenario with ``moves``."""

    def __init__(self, bench: Bench, name: str, spec: SwarmReorganization, rule: Match) -> None:
        super().__init__(bench, name, spec)
        self._rest_ns = int(rule.rest_ms * 1e6)
        self._band = max(rule.threshold or 0.0, rule.at_least)
        self._past: dict[int, deque[tuple[int, float]]] = {number: deque() for number in self.everybody}
        self._level: dict[int, float] = {}
        movers = spec.movers or spec.robots
        self._movers = {number for number, robot in enumerate(spec.robots, 1) if robot in movers}

    def order(self, robots: Iterable[int]) -> Order | None:
        """AT_REST where all of them stand still; of fewer than all, MOVED once each has left its place."""
        numbers = list(robots)
        now = self._bench.clock.monotonic_ns()
        values = {number: self._value(number, now) for number in self.everybody}
        if len(numbers) == len(self.everybody):
            still = all(value is not None and self._still(number, now) for number, value in values.items())
            if still:
                self._level = {number: value for number, value in values.items() if value is not None}
            return AT_REST if still else None
        expected = [number for number in numbers if number in self._movers]
        gone = [
            number
            for number in expected
            if (value := values[number]) is not None
            and abs(value - self._level.get(number, math.nan)) > self._band
        ]
        return MOVED if gone == expected else None

    def _value(self, number: int, now_ns: int) -> float | None:
        """Where it is, None where it has said nothing for a while."""
        state = self._states[number]["moves"]
        if now_ns - state.seen_ns > FRESH_NS or not math.isfinite(state.value):
            return None
        past = self._past[number]
        past.append((now_ns, float(state.value)))
        while past and past[0][0] < now_ns - self._rest_ns:
            past.popleft()
        return float(state.value)

    def _still(self, number: int, now_ns: int) -> bool:
        past = [value for _, value in self._past[number]]
        if len(past) < FEW and number in self._level:
            # Looked at after a pause: is it still where it stood?
            return abs(past[-1] - self._level[number]) <= self._band
        return len(past) >= FEW and max(past) - min(past) <= self._band

    def _words(self) -> str:
        now = self._bench.clock.monotonic_ns()
        lines = []
        for number, robot in enumerate(self._spec.robots, 1):
            if self._value(number, now) is None:
                lines.append(f"{robot} says nothing")
            elif not self._still(number, now):
                lines.append(f"{robot} moves")
        return "; ".join(lines) or "all stand still now"
