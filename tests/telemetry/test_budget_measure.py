"""What can be measured, and that measuring changes nothing of it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading

import pytest

from harness.errors import ConfigurationError
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.registry import name_of


def test_a_function_keeps_its_name_signature_and_result(budgets: Budgets, nest: bool) -> None:
    @budgets.measure(max_time_ms=5, nest=nest)
    def area(width: float, *, height: float = 2.0) -> float:
        """Of a rectangle."""
        return width * height

    assert area(3.0, height=4.0) == 12.0 and area(3.0) == 6.0
    assert area.__name__ == "area" and area.__doc__ == "Of a rectangle."
    assert list(inspect.signature(area).parameters) == ["width", "height"]
    found = budgets.of(area)
    assert found is not None and found.upper == 5
    line = budgets.results()[found.name]
    assert line.n == 2 and line.limits.name.endswith(
        "test_a_function_keeps_its_name_signature_and_result.area"
    )


SIGNATURES = [
    "a, b",
    "a, b=2",
    "a, /, b=3, *, c, d=4",
    "a=1, /, *, c=5",
    "*args",
    "a, **kwargs",
    "a, *args, c=1, **kwargs",
    "",
    "_hb_put=1, b=2",
    "put, due=7, clock=8",
]
CALLS: list[tuple[tuple[int, ...], dict[str, int]]] = [
    ((), {}),
    ((1,), {}),
    ((1, 2), {}),
    ((1, 2, 3), {}),
    ((1,), {"b": 9}),
    ((1,), {"c": 9}),
    ((), {"a": 1}),
    ((1,), {"c": 3, "d": 6}),
    ((1,), {"clock": 3}),
    ((), {"nothing": 3}),
]


@pytest.mark.parametrize("signature", SIGNATURES)
def test_any_signature_takes_and_refuses_what_it_did(budgets: Budgets, signature: str, nest: bool) -> None:
    space: dict[str, object] = {}
    exec(f"def f({signature}):\n    return sorted(locals().items(), key=repr)\n", space)
    plain = space["f"]
    measured = budgets.measure(nest=nest)(plain)  # type: ignore[type-var]
    assert inspect.signature(measured) == inspect.signature(plain)  # type: ignore[arg-type]
    for args, kwargs in CALLS:
        try:
            wanted: object = plain(*args, **kwargs)  # type: ignore[operator]
        except TypeError as error:
            with pytest.raises(TypeError) as caught:
                measured(*args, **kwargs)  # type: ignore[operator]
            assert str(caught.value) == str(error)
        else:
            assert measured(*args, **kwargs) == wanted  # type: ignore[operator]


def test_defaults_are_the_very_ones(budgets: Budgets) -> None:
    shared: list[int] = []

    @budgets.measure(name="f")
    def keep(value: int, into: list[int] = shared, *, also: list[int] = shared) -> list[int]:
        into.append(value)
        assert into is also
        return into

    assert keep(1) is shared and keep(2) == [1, 2]


def test_without_parentheses(budgets: Budgets) -> None:
    @budgets.measure
    def plain() -> int:
        return 7

    assert plain() == 7
    assert [line.n for line in budgets.results().lines] == [1]


def test_methods_of_all_kinds_and_subclasses(budgets: Budgets, nest: bool) -> None:
    class Robot:
        def __init__(self, name: str) -> None:
            self.name = name

        @budgets.measure(name="move", nest=nest)
        def move(self, to: int) -> str:
            return f"{self.name} {to}"

        @classmethod
        @budgets.measure(name="inner class method", nest=nest)
        def make(cls, name: str) -> Robot:
            return cls(name)

        @budgets.measure(name="outer class method", nest=nest)
        @classmethod
        def kind(cls) -> str:
            return cls.__name__

        @budgets.measure(name="static", nest=nest)
        @staticmethod
        def twice(value: int) -> int:
            return 2 * value

        @property
        @budgets.measure(name="property", nest=nest)
        def size(self) -> int:
            return 5

    class Arm(Robot):
        pass

    arm = Arm.make("arm")
    assert isinstance(arm, Arm) and arm.move(3) == "arm 3" and Arm.kind() == "Arm"
    assert arm.twice(4) == 8 and arm.size == 5
    assert {line.limits.name: line.n for line in budgets.results().lines} == {
        "move": 1,
        "inner class method": 1,
        "outer class method": 1,
        "static": 1,
        "property": 1,
    }


def test_a_call_that_raises_is_timed_and_counted_by_its_kind(budgets: Budgets, nest: bool) -> None:
    @budgets.measure(max_time_ms=1000, name="check", nest=nest)
    def check(number: int) -> int:
        if number % 3 == 0:
            raise ValueError(number)
        if number == 10:
            raise KeyError(number)
        return number

    for number in range(12):
        try:
            assert check(number) == number
        except (ValueError, KeyError) as error:
            assert error.args == (number,)
    line = budgets.results()["check"]
    assert (line.n, line.failed, line.errors) == (12, 5, {"ValueError": 4, "KeyError": 1})
    assert line.smallest is not None and line.smallest > 0


def test_a_failure_that_came_late_exceeds_the_limit_like_any_other(budgets: Budgets) -> None:
    @budgets.measure(max_time_ms=1e-9, name="late")
    def late() -> None:
        raise TimeoutError

    for _ in range(5):
        with pytest.raises(TimeoutError):
            late()
    assert budgets.results()["late"].over == 5


def test_blocks(budgets: Budgets) -> None:
    with budgets.span("block", max_time_ms=1000):
        pass
    with pytest.raises(ZeroDivisionError), budgets.span("block"):
        raise ZeroDivisionError

    async def main() -> None:
        async with budgets.span("block"):
            await asyncio.sleep(0)

    asyncio.run(main())
    line = budgets.results()["block"]
    assert (line.n, line.failed, line.limits.upper) == (3, 1, 1000)


def test_ten_threads_lose_nothing(budgets: Budgets, nest: bool) -> None:
    @budgets.measure(max_time_ms=1000, name="busy", nest=nest)
    def busy(number: int) -> None:
        if number % 100 == 0:
            raise ValueError

    def work() -> None:
        for number in range(3000):
            try:
                busy(number)
            except ValueError:
                pass

    threads = [threading.Thread(target=work) for _ in range(10)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        budgets.results()  # reporting meanwhile takes nothing away
    for thread in threads:
        thread.join()
    line = budgets.results()["busy"]
    assert (line.n, line.failed, line.errors) == (30_000, 300, {"ValueError": 300})
    assert line.tally.n == line.tally.buckets.total


def test_manual_observations_of_any_unit(budgets: Budgets) -> None:
    budgets.observe("compression.ratio", 0.52)
    budgets.observe("frames", 12, unit="frames/s")
    budgets.define("sync", upper=2.0, unit="s")
    budgets.observe("sync", 1500, unit="ms")
    budgets.observe("sync", 1)
    found = budgets.results()
    assert found["compression.ratio"].mean == 0.52 and found["compression.ratio"].limits.unit == "1"
    assert found["frames"].limits.unit == "frames/s"
    assert found["sync"].largest == 1.5 and found["sync"].mean == 1.25
    with pytest.raises(ConfigurationError, match="observed in Hz, and its budget is in frames/s"):
        budgets.observe("frames", 12, unit="Hz")


def test_no_number_is_counted_apart_and_never_passes(budgets: Budgets) -> None:
    budgets.define("ratio", upper=1.0, unit="1")
    for number in range(400):
        budgets.observe("ratio", (number * 37 % 400) / 1000)
    assert budgets.results()["ratio"].verdict == "PASS"
    for value in (float("nan"), float("inf")):
        budgets.observe("ratio", value)
    line = budgets.results()["ratio"]
    assert (line.n, line.invalid, line.verdict) == (400, 2, "INCONCLUSIVE")
    assert "2 values are no latency" in line.judged[0].reason


def test_switched_off_the_decorator_returns_the_function_itself() -> None:
    budgets = Budgets(enabled=False)

    def function() -> int:
        return 3

    assert budgets.measure(max_time_ms=5)(function) is function
    assert budgets.measure(function) is function
    budgets.define("x", upper=1)
    budgets.observe("x", 3)
    with budgets.span("y"):
        pass
    assert budgets.instrument(__name__) == [] and budgets.results().lines == []
    budgets.on()
    assert budgets.measure(function) is not function


def test_several_functions_of_one_name_share_its_budget(budgets: Budgets) -> None:
    first = budgets.measure(max_time_ms=5, name="shared")(lambda: 1)
    second = budgets.measure(name="shared")(lambda: 2)
    assert (first(), second()) == (1, 2)
    line = budgets.results()["shared"]
    assert line.n == 2 and line.limits.upper == 5
    with pytest.raises(ConfigurationError, match=r"'shared' is at most 5 ms.*cannot be at most 6 ms"):
        budgets.measure(max_time_ms=6, name="shared")(lambda: 3)


def test_names() -> None:
    assert name_of(test_names) == f"{__name__}.test_names"
    assert name_of(functools.partial(test_names)) == f"{__name__}.test_names"
    assert name_of(len) == "len"


def test_reset_forgets_what_was_observed_and_nothing_else(budgets: Budgets) -> None:
    measured = budgets.measure(max_time_ms=5, name="f")(lambda: None)
    for _ in range(10):
        measured()
    budgets.reset()
    measured()
    assert budgets.results()["f"].n == 1
