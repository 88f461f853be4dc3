"""Functions that are timed: what runs at every call of them, so every line here is counted in nanoseconds.

A call costs two readings of the clock, one append and one comparison; all else is done a batch at a time. A
call that raises is timed like any other (an operation that gives up after a second did take a second) and is
counted, as a value below zero.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from time import perf_counter
from typing import Any

from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.exact import exact_nested, exact_timed
from harness.telemetry.budget.overrun import Overrun, Policy, act

MARK = "__harness_budget__"


@dataclass(frozen=True)
class Measured:
    """What a measured function carries: its cell, and what keeps its closure up to date."""

    cell: Cell
    renew: Callable[[], None]


def is_measured(function: Any) -> bool:
    """Whether that function is timed already."""
    return isinstance(getattr(function, MARK, None), Measured)


def measured(function: Any, cell: Cell, policy: Policy, *, nest: bool) -> Any:
    """The function with every call of it timed into ``cell``: functions, coroutine functions, generators of
    both kinds, and class and static methods."""
    if isinstance(function, classmethod | staticmethod):
        return type(function)(measured(function.__func__, cell, policy, nest=nest))
    cell.times()
    plain = policy == "record"
    if inspect.iscoroutinefunction(function):
        from harness.telemetry.budget.asynchronous import coroutine

        wrapper, renew = coroutine(function, cell, policy, nest=nest)
    elif inspect.isasyncgenfunction(function):
        from harness.telemetry.budget.asynchronous import async_generator

        wrapper, renew = async_generator(function, cell, policy, nest=nest)
    elif inspect.isgeneratorfunction(function):
        from harness.telemetry.budget.generators import generator

        wrapper, renew = generator(function, cell, policy, nest=nest)
    elif nest:
        wrapper, renew = exact_nested(
            function, cell, lambda took, parts: exceeded(cell, policy, took, parts, 4)
        )
    else:
        wrapper, renew = exact_timed(function, cell) if plain else _checked(function, cell, policy)
    functools.update_wrapper(wrapper, function)
    setattr(wrapper, MARK, Measured(cell, renew))
    cell.users.add(renew)
    renew()
    return wrapper


def exceeded(cell: Cell, policy: Policy, seconds: float, parts: dict[Cell, float], level: int) -> None:
    """Attribute an overrun, where there are parts, and do what the policy says."""
    by_name = cell.attribute(seconds, parts) if parts else {}
    if policy != "record":
        factor, limit = cell.limits.factor, cell.limits.upper
        assert limit is not None
        shown = {name: each / factor for name, each in by_name.items()}
        act(policy, Overrun(cell.limits.name, seconds / factor, limit, cell.limits.unit, shown), level + 1)


def _checked(
    function: Callable[..., Any], cell: Cell, policy: Policy
) -> tuple[Callable[..., Any], Callable[[], None]]:
    clock, put, due, limit = perf_counter, cell.put, cell.due, cell.alarm

    def checked(*args: Any, **kwargs: Any) -> Any:
        nonlocal due
        begun = clock()
        try:
            result = function(*args, **kwargs)
        except BaseException as error:
            put(begun - clock())
            cell.failed(error)
            raise
        ended = clock()
        put(ended - begun)
        if ended > due:
            due = cell.drain(ended)
        if ended - begun > limit:
            exceeded(cell, policy, ended - begun, {}, 3)
        return result

    def renew() -> None:
        nonlocal put, due, limit
        put, due, limit = cell.put, cell.due, cell.alarm

    return checked, renew


def finish(
    cell: Cell, policy: Policy, took: float, parts: dict[Cell, float], error: BaseException | None
) -> None:
    """Count one operation that ended, where the nanoseconds of a plain call do not matter."""
    if error is not None:
        cell.put(-took)
        cell.failed(error)
        if took > cell.alarm and parts:
            cell.attribute(took, parts)
        return
    cell.put(took)
    if cell.due < inf:
        now = perf_counter()
        if now > cell.due:
            cell.due = cell.drain(now)
    if took > cell.alarm:
        exceeded(cell, policy, took, parts, 4)
