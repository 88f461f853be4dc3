"""Generators that are timed: what they do themselves, from their first step to their last.

The time between two steps belongs to whoever uses the values, and is not counted. One generator that was run
to its end, closed, or failed, is one observation; one that was never begun is none.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from time import perf_counter
from typing import Any

from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.nesting import Lane, Parts, add_part, own_lane
from harness.telemetry.budget.overrun import Policy
from harness.telemetry.budget.wrap import finish


def generator(
    function: Callable[..., Any], cell: Cell, policy: Policy, *, nest: bool
) -> tuple[Callable[..., Any], Callable[[], None]]:
    """The generator function with every generator that it makes timed."""

    def steps(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
        inner: Generator[Any, Any, Any] = function(*args, **kwargs)
        parts: Parts = {}
        took = 0.0

        def step(call: Callable[..., Any], *values: Any) -> Any:
            nonlocal took
            lane: Lane = own_lane() if nest else [None, 0]
            around: Parts | None = lane[0]
            lane[0] = parts
            begun = perf_counter()
            try:
                return call(*values)
            finally:
                seconds = perf_counter() - begun
                took += seconds
                lane[0] = around
                add_part(around, cell, seconds)

        call: Callable[..., Any] = inner.send
        values: tuple[Any, ...] = (None,)
        while True:
            try:
                value = step(call, *values)
            except StopIteration as stop:
                finish(cell, policy, took, parts, None)
                return stop.value
            except BaseException as error:
                finish(cell, policy, took, parts, error)
                raise
            try:
                sent = yield value
            except GeneratorExit:
                try:
                    step(inner.close)
                except BaseException as error:
                    finish(cell, policy, took, parts, error)
                    raise
                # Closed by its user, who had enough: no exception of its own.
                finish(cell, "record", took, parts, None)
                raise
            except BaseException as error:
                call, values = inner.throw, (error,)
            else:
                call, values = inner.send, (sent,)

    def renew() -> None:
        """Nothing is kept at hand."""

    return steps, renew
