"""How benchmarks/regressions.py counts: runs of the history, reruns beside them, and what was promised."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import regressions
from benchmarks.regressions import BEFORE, CELLS, SERIES, Cell, Found, begin, figures, measure, row, steps
from harness.regressions import Dropped, Watched


def test_reruns_do_not_count_as_runs_of_the_history() -> None:
    dropped = (Dropped(50, 55, True, 4), Dropped(60, 64, True, 8), Dropped(80, 90, False, 4))
    watched = Watched(120, (), dropped, None, 120)
    # From place 60: 5 runs raise the first; 31 runs, 8 of them reruns of the first, raise the second.
    assert [each[:2] for each in steps(watched, 60)] == [(5, 8), (23, 4)]


@pytest.mark.parametrize("name", list(SERIES))
def test_noise_has_the_variance_that_it_says(name: str) -> None:
    values = SERIES[name](np.random.default_rng(1), 200_000)
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.var() == pytest.approx(1, abs=0.1)
    near = float(np.corrcoef(values[1:], values[:-1])[0, 1])
    assert near == pytest.approx(0.3 if "AR" in name else 0.0, abs=0.02)


def test_a_bad_history_begins_when_no_suspicion_waits() -> None:
    cell = CELLS[0]
    for seed in range(30):
        values = np.exp(0.03 * np.random.default_rng(seed).normal(size=BEFORE + 40))
        first = begin(values, cell)
        assert first >= BEFORE
        assert regressions.watch(values[:first]).suspicion is None


def test_a_shift_that_nobody_could_miss_is_found_and_none_where_there_is_none() -> None:
    found = measure(Cell("normal", shift=0.3), seed=3, series=2, repetitions=12)
    assert found.found == 1.0 and found.near == 1.0 and found.size == pytest.approx(0.3, abs=0.05)
    assert row(found).count("|") == 14
    missed = measure(Cell("normal", shift=0.002), seed=3, series=1, repetitions=12)
    assert missed.found < 0.5


def test_a_promise_that_is_not_kept_is_seen() -> None:
    bad = Found(CELLS[0], 10, 0.5, 0.1, 9, 60, 10, 0.9, 0.01, 0.2, 4, 10, 0.6, 0.1, 0.4, 0.9, 5, 0.05, 0.95)
    assert [each.met for each in figures(bad)] == [False, False, False]
    lenient = Found(Cell("AR(0.3)", slack=2.0), *list(vars(bad).values())[1:])
    assert [each.met for each in figures(lenient)] == [False, True, True]
