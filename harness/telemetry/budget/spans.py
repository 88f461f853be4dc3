"""A block of code that is timed: ``with budgets.span("name"):``, and ``async with`` for one that awaits."""

from __future__ import annotations

from contextvars import Token
from time import perf_counter
from types import TracebackType
from typing import Any

from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.nesting import Lane, Parts, add_part, enter, leave, parts_around
from harness.telemetry.budget.overrun import Policy
from harness.telemetry.budget.wrap import finish


class Span:
    """One use of one block; nested spans of one name are several of these."""

    __slots__ = ("_around", "_begun", "_cell", "_lane", "_parts", "_policy")

    def __init__(self, cell: Cell, policy: Policy) -> None:
        self._cell, self._policy = cell, policy

    def __enter__(self) -> Span:
        self._around = parts_around()
        self._parts: Parts = {}
        self._lane: Token[Lane | None] = enter(self._parts)
        self._begun = perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took = perf_counter() - self._begun
        leave(self._lane)
        add_part(self._around, self._cell, took)
        finish(self._cell, self._policy, took, self._parts, error)

    async def __aenter__(self) -> Span:
        return self.__enter__()

    async def __aexit__(self, *raised: Any) -> None:
        self.__exit__(*raised)


class NoSpan:
    """A block that is not timed."""

    __slots__ = ()

    def __enter__(self) -> NoSpan:
        return self

    def __exit__(self, *raised: Any) -> None:
        return None

    async def __aenter__(self) -> NoSpan:
        return self

    async def __aexit__(self, *raised: Any) -> None:
        return None


NO_SPAN = NoSpan()
