"""What happens on an overrun."""

from __future__ import annotations

import asyncio
import logging
import time

import pytest

from harness.errors import ConfigurationError, OperationError
from harness.telemetry.budget import BudgetExceededError, Budgets, BudgetWarning, Overrun


@pytest.fixture
def budgets() -> Budgets:
    return Budgets(reports=None)


def late() -> str:
    time.sleep(0.003)
    return "done"


@pytest.mark.parametrize("nest", [False, True])
def test_record_does_nothing_else(budgets: Budgets, nest: bool) -> None:
    assert budgets.measure(max_time_ms=1, name="f", nest=nest)(late)() == "done"
    assert budgets.results()["f"].over == 1


@pytest.mark.parametrize("nest", [False, True])
def test_warn_names_the_line_of_the_call(budgets: Budgets, nest: bool) -> None:
    measured = budgets.measure(max_time_ms=1, name="f", on_overrun="warn", nest=nest)(late)
    with pytest.warns(BudgetWarning, match=r"f: [\d.]+ ms, more than its budget of 1 ms") as caught:
        assert measured() == "done"
    assert caught[0].filename == __file__


@pytest.mark.parametrize("nest", [False, True])
def test_raise_has_the_figures(budgets: Budgets, nest: bool) -> None:
    measured = budgets.measure(max_time_ms=1, name="f", on_overrun="raise", nest=nest)(late)
    with pytest.raises(BudgetExceededError, match="more than its budget of 1 ms") as caught:
        measured()
    overrun = caught.value.overrun
    assert (overrun.name, overrun.limit, overrun.unit) == ("f", 1, "ms") and overrun.value >= 3
    assert isinstance(caught.value, OperationError)
    line = budgets.results()["f"]
    assert (line.n, line.failed, line.over) == (1, 0, 1)  # the operation did not fail


def test_an_exception_of_the_operation_is_not_replaced(budgets: Budgets) -> None:
    @budgets.measure(max_time_ms=1, name="f", on_overrun="raise")
    def broken() -> None:
        time.sleep(0.003)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        broken()


def test_a_function_is_called_and_may_not_break_what_is_measured(
    budgets: Budgets, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[Overrun] = []
    assert budgets.measure(max_time_ms=1, name="f", on_overrun=seen.append)(late)() == "done"
    assert [each.name for each in seen] == ["f"]

    def bad(_: Overrun) -> None:
        raise RuntimeError("mine")

    with caplog.at_level(logging.ERROR):
        assert budgets.measure(max_time_ms=1, name="g", on_overrun=bad)(late)() == "done"
    assert "on an overrun of g failed" in caplog.text


def test_within_the_limit_nothing_happens(budgets: Budgets) -> None:
    measured = budgets.measure(max_time_ms=60_000, name="f", on_overrun="raise")(late)
    assert measured() == "done"


def test_coroutines_and_blocks_have_policies_too(budgets: Budgets) -> None:
    @budgets.measure(max_time_ms=1, name="ask", on_overrun="raise")
    async def ask() -> None:
        await asyncio.sleep(0.005)

    with pytest.raises(BudgetExceededError):
        asyncio.run(ask())
    with pytest.warns(BudgetWarning), budgets.span("block", max_time_ms=1, on_overrun="warn"):
        late()


def test_manual_observations_beyond_either_limit(budgets: Budgets) -> None:
    seen: list[Overrun] = []
    budgets.define("ratio", lower=0.4, upper=0.6, unit="1", on_overrun=seen.append)
    for value in (0.3, 0.4, 0.5, 0.6, 0.7):
        budgets.observe("ratio", value)
    assert [(each.value, each.limit) for each in seen] == [(0.3, 0.4), (0.7, 0.6)]
    assert str(seen[0]) == "ratio: 0.3, less than its budget of 0.4"


def test_no_policy_is_refused_with_the_choices(budgets: Budgets) -> None:
    with pytest.raises(ConfigurationError, match=r"'rise' is no policy[\s\S]*'raise'"):
        budgets.measure(max_time_ms=1, on_overrun="rise")(late)  # type: ignore[call-overload]


def test_a_limit_that_is_loaded_later_holds_for_the_policy(budgets: Budgets) -> None:
    seen: list[Overrun] = []
    measured = budgets.measure(name="f", on_overrun=seen.append)(late)
    measured()
    budgets.define("f", upper=1)
    measured()
    assert len(seen) == 1 and budgets.results()["f"].over == 2
