"""The benchmark of budgets measures what it says, and misses nothing of it."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import budget


@pytest.mark.slow
def test_all_arms_are_measured_and_memory_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    counts: list[int] = []
    real = budget.block_ns

    def counting(call: Any, calls: int) -> float:
        counts.append(calls)
        return real(call, calls)

    monkeypatch.setattr(budget, "block_ns", counting)
    outcome = budget.run(quick=True)
    assert outcome.missing == []
    # Nine arms (all but the one within another), each once to warm up and five times.
    assert counts == [20_000] * 54
    by_name = {figure.name: figure for figure in outcome.figures}
    # A tenth of a million here; that it does not grow with the number is in the tests of the tally.
    memory = by_name["memory that 1,000,000 observations leave"]
    assert 0 < memory.value < 4 and memory.met
    targets = [figure.at_most for figure in outcome.figures if figure.at_most is not None]
    assert targets == [1.3, 2, 2, 0.2, 0.05, 0.05, 4]
    assert all(figure.value > 0 for figure in outcome.figures)


def test_by_hand_is_two_readings_and_one_append() -> None:
    timed, taken = budget.by_hand(lambda: 7)
    assert timed() == 7 and len(taken) == 1 and taken[0] > 0


def test_the_arms_of_a_budget_really_observe() -> None:
    arms = budget.budgets_arms(10)
    assert set(arms) == {"bare", "hand", "plain", "warn", "nested", "within", "off"}
    for arm in arms.values():
        assert arm() > 0


@pytest.mark.slow
def test_a_million_observations_leave_little_memory() -> None:
    left, peak = budget.memory_mb(1_000_000)
    assert left < 4 and peak < 32
