"""What moved, and what only seems to."""

from __future__ import annotations

import random
from datetime import timedelta
from pathlib import Path
from typing import Any

import history_data as data
import pytest

from harness.history import PastRun
from harness.history.reading import read_run
from harness.history.shifts import Shift, shifts
from harness.model import Verdict

START = data.FIRST + timedelta(hours=100)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> PastRun:
    return read_run(data.written(tmp_path_factory.mktemp("one"), 1))


def series(
    template: PastRun, before: list[float], now: list[float], rig: str = "sim", **changes: Any
) -> list[PastRun]:
    """Runs of those estimates, an hour apart, before and after START; ``changes`` of those after."""
    from dataclasses import replace

    found = []
    for number, value in enumerate([*before, *now]):
        late = number >= len(before)
        asked = replace(
            template.requirements["CMD-RTT"], estimate=value, lower_bound=0.97 * value,
            upper_bound=1.03 * value, verdict=Verdict.PASS if value < 9 else Verdict.FAIL,
        )  # fmt: skip
        started = START + timedelta(hours=number - len(before) + (0 if late else -1))
        found.append(
            replace(
                template,
                rig=rig,
                run_id=f"{rig}-{number}",
                path=Path(rig) / str(number),
                started=started,
                requirements={"CMD-RTT": asked},
                **(changes if late else {}),
            )
        )
    return found


def one(runs: list[PastRun]) -> Shift:
    (found,) = shifts(runs, START)
    return found


def noisy(level: float, count: int, seed: int, noise: float = 0.03) -> list[float]:
    rng = random.Random(seed)
    return [level * rng.lognormvariate(0, noise) for _ in range(count)]


def test_a_slower_period_is_worse_and_a_faster_one_better(template: PastRun) -> None:
    found = one(series(template, noisy(5, 20, 1), noisy(6, 10, 2)))
    assert found.shown and found.p is not None and found.p < 1e-4 and found.worse
    assert found.change == pytest.approx(0.2, abs=0.05)
    assert len(found.before) == 20 and len(found.now) == 10
    found = one(series(template, noisy(5, 20, 3), noisy(4, 10, 4)))
    assert found.shown and found.change == pytest.approx(-0.2, abs=0.05)


def test_a_lower_limit_turns_the_direction_round(template: PastRun) -> None:
    from dataclasses import replace

    runs = [
        replace(run, requirements={"R": replace(run.requirements["CMD-RTT"], id="R", limit_is="lower")})
        for run in series(template, noisy(5, 10, 1), noisy(4, 10, 2))
    ]
    found = one(runs)
    assert found.shown and found.change is not None and found.change > 0.1


def test_false_announcements_are_as_rare_as_promised(template: PastRun) -> None:
    """60 digests of 8 rigs without any change: about 3 announce something, standard error 1.7."""
    announced = 0
    rng = random.Random(11)
    for _ in range(60):
        runs = []
        for rig in range(8):
            runs += series(
                template, noisy(5, 12, rng.randrange(10**9)), noisy(5, 8, rng.randrange(10**9)), f"r{rig}"
            )
        announced += any(each.shown for each in shifts(runs, START))
    assert announced <= 8


def test_what_is_not_comparable_is_no_baseline(template: PastRun) -> None:
    found = one(series(template, noisy(5, 20, 1), noisy(9, 10, 2), host_class="another"))
    assert found.before == () and found.change is None and found.p is None and not found.shown
    assert len(found.now) == 10 and found.was is None


def test_few_runs_are_told_only_where_intervals_do_not_touch(template: PastRun) -> None:
    found = one(series(template, [5.0], [5.2]))
    assert found.p is None and not found.shown and found.was is Verdict.PASS
    found = one(series(template, [5.0], [6.0], commit="f" * 40, circumstances={"commit": "f" * 40}))
    assert found.p is None and found.shown and "commit" in found.changed


def test_the_direction_of_few_runs_is_that_of_the_two_that_were_set_against_each_other(
    template: PastRun,
) -> None:
    found = one(series(template, [10.0, 10.0, 1.0], [5.0]))
    assert found.p is None and found.shown
    assert found.worse is True and found.change == pytest.approx(4.0)


def test_aborted_runs_are_left_out_and_a_quantile_among_the_lost_is_worse(template: PastRun) -> None:
    from dataclasses import replace

    runs = series(template, noisy(5, 10, 1), noisy(5, 10, 2))
    aborted = [replace(run, aborted=run.started >= START) for run in runs]
    assert shifts(aborted, START) == []
    empty = [
        replace(run, requirements={"CMD-RTT": replace(run.requirements["CMD-RTT"], estimate=None)})
        if run.started >= START
        else run
        for run in runs
    ]
    found = one(empty)
    assert found.shown and found.worse and found.change is None, "the quantile is among the lost now"
    assert shifts([], START) == []


def test_another_quantile_is_another_figure_and_another_limit_is_not(template: PastRun) -> None:
    from dataclasses import replace

    runs = series(template, noisy(5, 10, 1), noisy(5, 10, 2))

    def changed(**fields: Any) -> list[PastRun]:
        return [
            replace(run, requirements={"CMD-RTT": replace(run.requirements["CMD-RTT"], **fields)})
            if run.started < START
            else run
            for run in runs
        ]

    assert one(changed(quantile=0.999)).before == ()
    assert len(one(changed(limit=20.0)).before) == 10
