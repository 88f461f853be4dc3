"""Coroutines and asynchronous generators that are timed.

A coroutine takes from its first step until it returns, what it waits for included: that is its caller's
latency. An asynchronous generator takes the sum over its steps, without the time between them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable
from time import perf_counter
from typing import Any

from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.nesting import Parts, add_part, enter, leave, parts_around
from harness.telemetry.budget.overrun import Policy
from harness.telemetry.budget.wrap import finish


def coroutine(
    function: Callable[..., Any], cell: Cell, policy: Policy, *, nest: bool
) -> tuple[Callable[..., Any], Callable[[], None]]:
    """The coroutine function with every call of it timed."""

    async def timed(*args: Any, **kwargs: Any) -> Any:
        begun = perf_counter()
        try:
            result = await function(*args, **kwargs)
        except BaseException as error:
            finish(cell, policy, perf_counter() - begun, {}, error)
            raise
        finish(cell, policy, perf_counter() - begun, {}, None)
        return result

    async def nested(*args: Any, **kwargs: Any) -> Any:
        around = parts_around()
        parts: Parts = {}
        own = enter(parts)
        begun = perf_counter()
        failed: BaseException | None = None
        try:
            return await function(*args, **kwargs)
        except BaseException as error:
            failed = error
            raise
        finally:
            took = perf_counter() - begun
            leave(own)
            add_part(around, cell, took)
            finish(cell, policy, took, parts, failed)

    def renew() -> None:
        """Nothing is kept at hand."""

    return nested if nest else timed, renew


def async_generator(
    function: Callable[..., Any], cell: Cell, policy: Policy, *, nest: bool
) -> tuple[Callable[..., Any], Callable[[], None]]:
    """The asynchronous generator function with every generator that it makes timed."""

    async def steps(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
        inner: AsyncGenerator[Any, Any] = function(*args, **kwargs)
        parts: Parts = {}
        took = 0.0

        async def step(call: Awaitable[Any]) -> Any:
            nonlocal took
            around = parts_around() if nest else None
            own = enter(parts) if nest else None
            begun = perf_counter()
            try:
                return await call
            finally:
                seconds = perf_counter() - begun
                took += seconds
                if own is not None:
                    leave(own)
                add_part(around, cell, seconds)

        call: Awaitable[Any] = inner.asend(None)
        while True:
            try:
                value = await step(call)
            except StopAsyncIteration:
                finish(cell, policy, took, parts, None)
                return
            except BaseException as error:
                finish(cell, policy, took, parts, error)
                raise
            try:
                sent = yield value
            except GeneratorExit:
                try:
                    await step(inner.aclose())
                except BaseException as error:
                    finish(cell, policy, took, parts, error)
                    raise
                finish(cell, "record", took, parts, None)
                raise
            except BaseException as error:
                call = inner.athrow(error)
            else:
                call = inner.asend(sent)

    def renew() -> None:
        """Nothing is kept at hand."""

    return steps, renew
