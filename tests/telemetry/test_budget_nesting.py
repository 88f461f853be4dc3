"""Operations within operations: whose time it was."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from harness.telemetry.budget import Budgets, Overrun


@pytest.fixture
def budgets() -> Budgets:
    return Budgets(reports=None)


def spin(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


def test_an_overrun_is_attributed_to_the_part_that_took_it(budgets: Budgets) -> None:
    seen: list[Overrun] = []

    @budgets.measure(name="read", nest=True)
    def read() -> None:
        spin(0.002)

    @budgets.measure(name="check", nest=True)
    def check() -> None:
        spin(0.02)

    @budgets.measure(max_time_ms=5, name="whole", on_overrun=seen.append, nest=True)
    def whole() -> None:
        read()
        read()
        check()

    whole()
    (overrun,) = seen
    assert set(overrun.parts) == {"read", "check", "own code"}
    assert overrun.parts["check"] >= 20 and overrun.parts["read"] >= 4
    assert sum(overrun.parts.values()) == pytest.approx(overrun.value)
    assert "in check" in str(overrun) or overrun.parts["check"] < max(overrun.parts.values())
    line = budgets.results()["whole"]
    assert line.attributed == 1 and line.blame["check"].seconds >= 0.02
    assert sum(each.times for each in line.blame.values()) == 1
    assert budgets.results()["read"].n == 2 and budgets.results()["check"].attributed == 0


def test_parts_of_parts_belong_to_the_part(budgets: Budgets) -> None:
    seen: list[Overrun] = []

    @budgets.measure(name="inner", nest=True)
    def inner() -> None:
        spin(0.004)

    @budgets.measure(name="middle", nest=True)
    def middle() -> None:
        inner()

    @budgets.measure(max_time_ms=1, name="outer", on_overrun=seen.append, nest=True)
    def outer() -> None:
        middle()

    outer()
    assert set(seen[0].parts) == {"middle", "own code"}


def test_own_code_gets_the_rest_and_a_failure_does_not_lose_the_place(budgets: Budgets) -> None:
    @budgets.measure(name="part", nest=True)
    def part(fail: bool) -> None:
        spin(0.001)
        if fail:
            raise ValueError

    @budgets.measure(max_time_ms=1, name="outer", nest=True)
    def outer(fail: bool) -> None:
        part(False)
        try:
            part(fail)
        except ValueError:
            pass
        spin(0.03)

    for fail in (True, False):
        outer(fail)
    with pytest.raises(ValueError):
        part(True)
    line = budgets.results()["outer"]
    assert set(line.blame) == {"part", "own code"} and line.attributed == 2
    assert line.blame["own code"].seconds >= 0.06 and line.blame["part"].seconds >= 0.004


def test_blocks_and_generators_are_parts(budgets: Budgets) -> None:
    @budgets.measure(name="numbers", nest=True)
    def numbers() -> Iterator[int]:
        for number in range(3):
            with budgets.span("step"):
                spin(0.001)
            yield number

    with budgets.span("whole", max_time_ms=0.001):
        for _ in numbers():
            spin(0.001)
    line = budgets.results()["whole"]
    # What a generator's own parts took is in the generator; between its steps its user is at work.
    assert set(line.blame) == {"numbers", "own code"}
    assert line.blame["numbers"].seconds >= 0.003 and line.blame["own code"].seconds >= 0.003
    assert budgets.results()["step"].n == 3


def test_tasks_that_run_at_once_keep_their_parts_apart(budgets: Budgets) -> None:
    @budgets.measure(name="part", nest=True)
    async def part(seconds: float) -> None:
        await asyncio.sleep(seconds)

    @budgets.measure(name="sync", nest=True)
    def sync() -> None:
        spin(0.001)

    @budgets.measure(max_time_ms=1, name="slow", nest=True)
    async def slow() -> None:
        await part(0.05)
        sync()

    @budgets.measure(max_time_ms=1, name="plain", nest=True)
    async def plain() -> None:
        await asyncio.sleep(0.03)

    async def main() -> None:
        await asyncio.gather(slow(), plain(), slow(), plain())

    asyncio.run(main())
    found = budgets.results()
    assert set(found["slow"].blame) == {"part", "sync", "own code"} and found["slow"].attributed == 2
    assert found["plain"].blame == {} and found["plain"].over == 2
    assert found["slow"].blame["part"].seconds >= 0.1


def test_what_a_task_awaits_for_its_creator_is_its_part(budgets: Budgets) -> None:
    @budgets.measure(name="part", nest=True)
    async def part() -> None:
        await asyncio.sleep(0.01)

    @budgets.measure(name="stream", nest=True)
    async def stream() -> AsyncIterator[int]:
        await part()
        yield 1

    @budgets.measure(max_time_ms=1, name="whole", nest=True)
    async def whole() -> None:
        await asyncio.gather(part(), part())
        async for _ in stream():
            pass

    asyncio.run(whole())
    blame = budgets.results()["whole"].blame
    assert set(blame) == {"part", "stream", "own code"}


def test_another_thread_is_no_part(budgets: Budgets) -> None:
    @budgets.measure(name="elsewhere", nest=True)
    def elsewhere() -> None:
        spin(0.002)

    async def main() -> None:
        with budgets.span("whole", max_time_ms=0.001):
            await asyncio.to_thread(elsewhere)
            thread = threading.Thread(target=elsewhere)
            thread.start()
            thread.join()

    asyncio.run(main())
    line = budgets.results()["whole"]
    assert line.over == 1 and "elsewhere" not in line.blame
    assert budgets.results()["elsewhere"].n == 2


def test_the_number_of_names_that_are_blamed_is_bounded(budgets: Budgets) -> None:
    parts = [budgets.measure(name=f"part{number}", nest=True)(lambda: None) for number in range(200)]
    with budgets.span("whole", max_time_ms=1e-6):
        for part in parts:
            part()
    line = budgets.results()["whole"]
    assert len(line.blame) <= 65 and "others" in line.blame
