"""Coroutines and generators, asynchronous ones too: measured as what they do, and changed in nothing."""

from __future__ import annotations

import asyncio
import inspect
import threading
from collections.abc import AsyncIterator, Iterator

import pytest

from harness.telemetry.budget import Budgets


def test_generators(budgets: Budgets, nest: bool) -> None:
    log: list[object] = []

    @budgets.measure(name="gen", nest=nest)
    def numbers(most: int) -> Iterator[int]:
        try:
            for number in range(most):
                got = yield number
                if got is not None:
                    log.append(got)
        except KeyError as error:
            log.append(error)
            yield -1
        finally:
            log.append("closed")
        return "done"

    assert inspect.isgeneratorfunction(numbers)
    assert list(numbers(3)) == [0, 1, 2]
    stepped = numbers(3)
    assert next(stepped) == 0 and stepped.send("hello") == 1
    assert stepped.throw(KeyError("k")) == -1
    with pytest.raises(StopIteration) as stop:
        next(stepped)
    assert stop.value.value == "done"
    early = numbers(9)
    next(early)
    early.close()
    numbers(9)  # never begun: no observation
    assert [str(each) for each in log] == ["closed", "hello", "'k'", "closed", "closed"]
    line = budgets.results()["gen"]
    assert (line.n, line.failed) == (3, 0)

    @budgets.measure(name="broken", nest=nest)
    def broken() -> Iterator[int]:
        yield 1
        raise OSError

    with pytest.raises(OSError):
        list(broken())
    assert budgets.results()["broken"].errors == {"OSError": 1}


def test_a_generator_is_not_charged_for_its_user(budgets: Budgets) -> None:
    @budgets.measure(name="gen")
    def two() -> Iterator[int]:
        yield 1
        yield 2

    waiting = threading.Event()
    for _ in two():
        waiting.wait(0.05)
    largest = budgets.results()["gen"].largest
    assert largest is not None and largest < 50


def test_coroutines(budgets: Budgets, nest: bool) -> None:
    @budgets.measure(name="ask", nest=nest)
    async def ask(number: int) -> int:
        await asyncio.sleep(0.01)
        if number == 2:
            raise ConnectionError
        return number

    async def main() -> list[object]:
        return list(await asyncio.gather(*(ask(number) for number in range(4)), return_exceptions=True))

    assert inspect.iscoroutinefunction(ask)
    found = asyncio.run(main())
    assert found[0] == 0 and isinstance(found[2], ConnectionError)
    line = budgets.results()["ask"]
    assert (line.n, line.failed) == (4, 1) and line.smallest is not None and line.smallest >= 10


def test_a_cancelled_coroutine_is_counted(budgets: Budgets) -> None:
    @budgets.measure(name="wait", nest=True)
    async def wait() -> None:
        await asyncio.sleep(60)

    async def main() -> None:
        task = asyncio.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert budgets.results()["wait"].errors == {"CancelledError": 1}


def test_asynchronous_generators(budgets: Budgets, nest: bool) -> None:
    @budgets.measure(name="stream", nest=nest)
    async def stream(most: int) -> AsyncIterator[int]:
        for number in range(most):
            await asyncio.sleep(0)
            yield number
        if most == 5:
            raise OSError

    async def main() -> None:
        assert [each async for each in stream(3)] == [0, 1, 2]
        with pytest.raises(OSError):
            [each async for each in stream(5)]
        early = stream(9)
        assert await anext(early) == 0
        await early.aclose()  # type: ignore[attr-defined]

    assert inspect.isasyncgenfunction(stream)
    asyncio.run(main())
    line = budgets.results()["stream"]
    assert (line.n, line.failed) == (3, 1)
