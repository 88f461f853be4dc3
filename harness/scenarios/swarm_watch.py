"""What the robots of a swarm say now: who leads, whether all keep one order, and since when.

This controls the trials, and nothing else: every instant and every violation is found afterwards, in the
tables, by :mod:`harness.analysis.swarm`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING

from harness.analysis.swarm_state import Order, Said, order
from harness.config.schema import SwarmReorganization
from harness.errors import DeadlineError
from harness.schedule import Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench

POLL_NS = 4_000_000
FRESH_NS = 1_000_000_000
"""A robot that has said nothing for this long is not known to be well."""


class Watch:
    """The robots of one swarm scenario, by number from 1."""

    def __init__(self, bench: Bench, name: str, spec: SwarmReorganization) -> None:
        self._bench, self._name, self._spec = bench, name, spec
        self._states = {
            number: {column: bench.states[spec.port(column, robot)] for column in spec.columns}
            for number, robot in enumerate(spec.robots, 1)
        }
        self.everybody = list(self._states)

    def order(self, robots: Iterable[int]) -> Order | None:
        """The order that all of these robots keep now, None where they do not."""
        numbers = list(robots)
        said = {number: one for number in numbers if (one := self.said(number)) is not None}
        return order(said, numbers)

    def said(self, number: int) -> Said | None:
        """What that robot said last, None where it has said nothing for a while."""
        states = self._states[number]
        if self._bench.clock.monotonic_ns() - min(each.seen_ns for each in states.values()) > FRESH_NS:
            return None
        values = {column: each.value for column, each in states.items()}
        if not all(math.isfinite(value) for value in values.values()):
            return None
        return Said(**{column: int(value) for column, value in values.items()})

    def stable(self, stopped: Stopped, *, keeps_house: bool = False) -> Order | None:
        """Wait until all robots have kept one order for the settling time; None when stopped. Raises
        DeadlineError."""
        clock, settle_ns = self._bench.clock, int(self._spec.settle_ms * 1e6)
        begun = since = clock.monotonic_ns()
        held: Order | None = None
        while True:
            now, found = clock.monotonic_ns(), self.order(self.everybody)
            if found != held or found is None:
                held, since = found, now
            if found is not None and now - since > settle_ns:
                return found
            if now - begun > int(self._spec.stable_timeout_s * 1e9):
                raise DeadlineError(
                    f"scenario {self._name!r}: the swarm was not stable for {self._spec.settle_ms:g} ms"
                    f" within {self._spec.stable_timeout_s:g} s; no trial can start ({self._words()})",
                    hint="do all robots run, and do the ports `follows`, `term` and `slot` show what is"
                    " meant? raise stable_timeout_s for a slow swarm",
                )
            if keeps_house:
                self._bench.tick()
            if not sleep_until(clock, now + POLL_NS, stopped):
                return None

    def _words(self) -> str:
        lines = []
        for number, robot in enumerate(self._spec.robots, 1):
            said = self.said(number)
            if said is None:
                lines.append(f"{robot} says nothing")
            else:
                whom = self._called(said.follows)
                lines.append(f"{robot} follows {whom} in term {said.term}, slot {said.slot}")
        return "; ".join(lines)

    def _called(self, number: int) -> str:
        robots = self._spec.robots
        return robots[number - 1] if 1 <= number <= len(robots) else "nobody"
