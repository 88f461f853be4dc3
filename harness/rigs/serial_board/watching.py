"""Edges of a board's inputs as they come, and what of them was lost on the way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from harness.errors import OperationError
from harness.rigs.serial_board.frames import Frame
from harness.rigs.serial_board.messages import INEXACT, SETTLED, Edge, Event
from harness.rigs.serial_board.options import INPUTS
from harness.rigs.serial_board.session import Session

TURN_S = 0.1
PIN_OF_INPUT = {number: pin for pin, number in INPUTS.items()}


@dataclass
class Watch:
    """Edges as they come. ``lost``: those that the line damaged or the board had no room for."""

    session: Session
    pins: tuple[str, ...]
    edges: int = 0
    lost: int = 0
    _begun: int | None = None
    _last: dict[str, int] = field(default_factory=dict)

    def begin(self, pull_up: bool, debounce_ms: float) -> dict[str, int]:
        """Arm the inputs; the level of each."""
        levels = {}
        for pin in self.pins:
            levels[pin], at = self.session.arm(pin, pull_up, debounce_ms)
            self._begun = self._begun or at
        return levels

    def follow(self, count: int | None, seconds: float | None) -> Iterator[dict[str, Any]]:
        """What comes, one record each, until there were so many edges or so much time has gone by."""
        clock = self.session.clock
        until_ns = None if seconds is None else clock.monotonic_ns() + round(seconds * 1e9)
        while count is None or self.edges < count:
            left_s = TURN_S if until_ns is None else (until_ns - clock.monotonic_ns()) * 1e-9
            if left_s <= 0:
                return
            found = self.session.event(min(left_s, TURN_S))
            if found is not None and (record := self._record(found[0])) is not None:
                yield record

    def _record(self, frame: Frame) -> dict[str, Any] | None:
        if frame.type == Event.BOOT:
            raise OperationError("the board started anew: it watches nothing now", hint="look at its power")
        self.lost += self.session.losses.damaged(frame)
        if frame.type != Event.EDGE:
            return None
        edge = Edge.read(frame.body)
        self.lost += self.session.losses.no_room(edge)
        pin = PIN_OF_INPUT.get(edge.index)
        if pin not in self.pins:
            return None
        self.edges += 1
        before = self._last.get(pin)
        self._last[pin] = edge.at
        step = self.session.tick_ns
        return {
            "kind": "edge",
            "pin": pin,
            "level": edge.flags & 1,
            "at_s": (edge.at - (self._begun or 0)) * step * 1e-9,
            "since_last_ms": None if before is None else (edge.at - before) * step * 1e-6,
            "ticks": edge.at,
            "number": edge.number,
            "overtaken": bool(edge.flags & INEXACT),
            "settled": bool(edge.flags & SETTLED),
        }
