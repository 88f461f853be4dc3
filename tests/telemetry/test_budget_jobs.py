"""A job that is watched: what is foretold, and when the alarm is raised."""

from __future__ import annotations

import random
import threading
import warnings

import pytest

from harness.errors import ConfigurationError
from harness.telemetry.budget import BudgetExceededError, Budgets, BudgetWarning
from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.jobs import POINTS, Forecast, Job
from harness.telemetry.budget.limits import Limits

TRAINING = Limits("training", unit="min", upper=30)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(seconds_of_step: list[float], policy: object = "record") -> list[Forecast]:
    """What is foretold at each step of a training, by a clock of its own."""
    clock = Clock()
    found = []
    with Job(Cell(TRAINING), len(seconds_of_step), policy, None, clock) as job:  # type: ignore[arg-type]
        for done, seconds in enumerate(seconds_of_step, 1):
            clock.now += seconds
            found.append(job.progress(done))
    return found


def test_a_steady_job_is_foretold_exactly() -> None:
    found = run([18.0] * 80)  # 24 minutes
    assert {each.outlook for each in found[:6]} == {"unknown"}
    assert {each.outlook for each in found[7:]} == {"holds"}
    assert all(each.value == pytest.approx(24) for each in found[7:])
    assert found[39].done == 0.5 and found[39].elapsed == pytest.approx(12)


def test_a_job_that_is_too_slow_is_told_long_before_the_limit() -> None:
    found = run([30.0] * 80)  # 40 minutes
    first = next(each for each in found if each.outlook == "will not hold")
    assert first.elapsed <= 5 and first.value == pytest.approx(40)
    assert "will not hold" in str(first) and "expected to take 40 min" in str(first)


def test_noise_and_pauses_raise_no_false_alarm_and_the_end_is_within_the_interval() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        steps = [rng.expovariate(1 / 16.0) + (60.0 if number % 25 == 24 else 0.0) for number in range(80)]
        total = sum(steps) / 60
        found = run(steps)
        wrong = "will not hold" if total <= 30 else "holds"
        late = [each for each in found if each.done > 0.8]
        # Points hang together, so the 95 % are no promise; near the end it has to be right.
        assert all(each.outlook != wrong for each in late[-4:]), seed


def test_a_job_that_slows_down_is_seen_to() -> None:
    found = run([10.0] * 40 + [60.0] * 40)  # 6.7 and 40 minutes
    assert found[39].outlook == "holds"
    first = next(each for each in found if each.outlook == "will not hold")
    assert first.elapsed < 20


def test_a_job_that_stands_still_is_told_without_progress() -> None:
    clock = Clock()
    with Job(Cell(TRAINING), 100, "record", None, clock) as job:
        for done in range(1, 51):
            clock.now += 10
            job.progress(done)
        assert job.forecast().outlook == "holds"
        clock.now += 21.6 * 60
        assert job.forecast().outlook in ("open", "will not hold")
        clock.now += 60 * 5
        assert job.forecast().outlook == "will not hold"


def test_memory_is_bounded_however_often_progress_is_told() -> None:
    clock = Clock()
    with Job(Cell(TRAINING), 100_000, "record", None, clock) as job:
        for done in range(1, 100_001):
            clock.now += 0.01
            if done % 100 == 0 or done < 2000:
                job.progress(done)
            assert len(job._points) <= 2 * POINTS + 10
    assert job.forecast().value == pytest.approx(1000 / 60, rel=0.01)


def test_the_alarm_is_raised_once_by_its_policy() -> None:
    got: list[object] = []
    run([30.0] * 80, got.append)
    assert len(got) == 1 and isinstance(got[0], Forecast)
    with pytest.warns(BudgetWarning, match="will not hold") as caught:
        run([30.0] * 80, "warn")
    assert len(caught) == 1
    with pytest.raises(BudgetExceededError, match="will not hold"):
        run([30.0] * 80, "raise")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        run([18.0] * 80, "warn")


def test_the_job_is_an_observation_of_its_budget() -> None:
    budgets = Budgets(reports=None)
    with budgets.watch_job("training", 3, limit=30, every_s=None) as job:
        assert job.progress(1).outlook == "unknown"
    with pytest.raises(ValueError), budgets.watch_job("training", every_s=None):
        raise ValueError
    line = budgets.results()["training"]
    assert (line.n, line.failed, line.over, line.limits.unit) == (2, 1, 0, "min")
    with pytest.raises(ConfigurationError, match="a job of 0 steps"):
        budgets.watch_job("training", 0)


@pytest.mark.slow
def test_a_thread_looks_where_no_progress_comes() -> None:
    budgets, alarmed = Budgets(reports=None), threading.Event()
    with budgets.watch_job("stuck", limit=0.05, unit="s", on_alarm=lambda _: alarmed.set(), every_s=0.01):
        assert alarmed.wait(20)
    assert not any(each.name == "harness-budget-job" for each in threading.enumerate())
    assert budgets.results()["stuck"].over == 1
