"""Which commands are answered, when, and in what order: all of them, at once, unless told to misbehave."""

from __future__ import annotations

import random
from collections import deque
from dataclasses import dataclass, field

from harness.sim.diff_drive.options import Misbehaviour

REORDER_PATIENCE_NS = 60_000_000
"""How long ``reorder`` holds an answer back for the one that is to overtake it."""


@dataclass
class Command:
    """One command and what became of it; instants are CLOCK_MONOTONIC in ns.

    ``answer`` is the serialized message that repeats the command, as applied.
    """

    number: int
    stamp_ns: int
    received_ns: int
    taken_ns: int
    linear_mps: float
    angular_radps: float
    answer: bytes
    applied_ns: int = 0
    superseded: bool = False
    """A newer one was found in the same look; the wheels followed that one."""
    answered_ns: list[int] = field(default_factory=list)


class Answers:
    """Takes commands as they are applied, and says which answers are due.

    A command that will never be answered comes out of :meth:`offer`.
    """

    def __init__(self, misbehaviour: Misbehaviour, seed: int = 0) -> None:
        self._how = misbehaviour
        self._random = random.Random(seed)
        self._waiting: deque[tuple[int, Command]] = deque()
        self._overtaken: tuple[int, Command] | None = None
        self._last_due_ns = 0

    def offer(self, commands: list[Command]) -> list[Command]:
        """Queue the answers to ``commands``, just applied; returns those that stay without one."""
        how = self._how
        unanswered = []
        for command in commands:
            if (
                how.silent
                or (how.drop and command.number % how.drop == 0)
                or (how.latest and command.superseded)
            ):
                unanswered.append(command)
                continue
            due = command.applied_ns
            if how.delay_ms or how.jitter_ms:
                due += round(how.delay_ms * 1e6 + self._random.uniform(0.0, how.jitter_ms) * 1e6)
                due = max(due, self._last_due_ns)
                self._last_due_ns = due
            self._waiting.append((due, command))
        return unanswered

    def due(self, now_ns: int) -> list[Command]:
        """The answers to be sent now, in this order; with ``twice`` each is there twice."""
        ready: list[Command] = []
        while self._waiting and self._waiting[0][0] <= now_ns:
            ready.append(self._waiting.popleft()[1])
        if self._how.reorder:
            ready = self._swap(ready, now_ns)
        if self._how.twice:
            ready = [command for command in ready for _ in range(2)]
        return ready

    def _swap(self, ready: list[Command], now_ns: int) -> list[Command]:
        swapped: list[Command] = []
        for command in ready:
            if self._overtaken is None:
                self._overtaken = (now_ns, command)
            else:
                swapped += [command, self._overtaken[1]]
                self._overtaken = None
        if self._overtaken is not None and now_ns - self._overtaken[0] >= REORDER_PATIENCE_NS:
            swapped.append(self._overtaken[1])
            self._overtaken = None
        return swapped
