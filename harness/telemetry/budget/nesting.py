"""Which measured operation the running one is part of.

A lane belongs to one thread or to one measured coroutine: it holds the parts, by cell in seconds, of the
operation that is running there. Whoever begins lays a fresh table in it, and when it ends puts back the one
around it with its own time added. Tasks take over their creator's lane (they copy its context), and what they
await for it counts as its part; a coroutine that is measured runs in a lane of its own.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from threading import get_ident
from typing import Any

from harness.telemetry.budget.cell import Cell

Parts = dict[Cell, float]
"""Seconds by measured operation."""

Lane = list[Any]
"""The parts of what is running, None where nothing is, and the thread that it belongs to."""

current_lane: ContextVar[Lane | None] = ContextVar("harness_budget_lane", default=None)


def new_lane() -> Lane:
    """A lane of this thread, for this context: in place of none, or of another thread's that was copied."""
    lane: Lane = [None, get_ident()]
    current_lane.set(lane)
    return lane


def own_lane() -> Lane:
    """The lane of this thread."""
    lane = current_lane.get()
    return new_lane() if lane is None or lane[1] != get_ident() else lane


def parts_around() -> Parts | None:
    """The parts of the operation that is running here, wherever it runs; None where there is none."""
    lane = current_lane.get()
    return None if lane is None else lane[0]


def enter(parts: Parts) -> Token[Lane | None]:
    """Run what follows in a lane of its own, with these parts."""
    return current_lane.set([parts, get_ident()])


def leave(token: Token[Lane | None]) -> None:
    """Go back to the lane before; in another context, where that one never was, to none."""
    try:
        current_lane.reset(token)
    except ValueError:
        current_lane.set(None)


def add_part(around: Parts | None, cell: Cell, seconds: float) -> None:
    """Count what ended as part of what is around it."""
    if around is not None:
        around[cell] = around.get(cell, 0.0) + seconds
