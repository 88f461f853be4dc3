"""How often the verdict is wrong when the measurement is: ``python -m benchmarks.guarded_rates``.

The item's true p99 sits exactly at the limit, as in :mod:`benchmarks.error_rates`, but what is measured is
not the truth: a fixed bias of the whole uncertainty U, in either direction, and the harness's own delay,
which only adds, on top. It is drawn apart from the item's, or so that it is largest exactly where the item
is slowest, which is the worst that it can do. The whole verdict is asked for, with U and loopback samples
given to it as a run gives them, and, as the contrast, with neither (U = J = 0).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks.error_rates import ALPHA, P0, REQUIREMENT, by_judge, table_of
from benchmarks.series import GENERATORS
from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.uncertainty import clock_offset, combine
from harness.analysis.verdicts import judge
from harness.config.schema import Trials
from harness.model import Verdict

Floats = NDArray[np.float64]
Hang = Literal["", "apart", "worst"]

U_MS = 0.2
FLOOR_MS, FLOOR_SPREAD = 0.1, 0.5
"""Median in ms and logarithmic spread of the harness's own delay: 0.47 ms at its 99.9 % quantile."""


@dataclass(frozen=True)
class Cell:
    """``bias``: of all that is measured, in units of U. ``floor``: none, or how it hangs together with the
    item's delay. ``loopback``: how many loopback samples J is taken from."""

    series: str
    n: int
    repetitions: int
    wrong_at_most: float
    bias: int = 0
    floor: Hang = ""
    loopback: int = 12_000

    @property
    def name(self) -> str:
        """In words, for the table."""
        bias = f"{self.bias:+d} U" if self.bias else "none"
        floor = {"": "none", "apart": "by itself", "worst": "largest where the item is slowest"}[self.floor]
        few = "" if not self.floor or self.loopback >= 10 / P0 else f", {self.loopback} loopback samples"
        return f"{self.series} | {self.n} | {bias} | {floor}{few}"


@dataclass(frozen=True)
class Found:
    """Shares of PASS and FAIL with the guard, and without it."""

    cell: Cell
    passed: float
    failed: float
    passed_bare: float
    failed_bare: float

    @property
    def kept(self) -> bool:
        """Whether both errors are within what is promised."""
        return max(self.passed, self.failed) <= self.cell.wrong_at_most


def _cells() -> tuple[Cell, ...]:
    found = []
    for series, n, times, most in (
        ("independent", 1000, 10_000, 0.055),
        ("independent", 10_000, 10_000, 0.055),
        ("independent", 60_000, 10_000, 0.055),
        ("AR(1) 0.9", 10_000, 3000, 0.075),
        ("AR(1) 0.9", 60_000, 3000, 0.075),
    ):
        for bias in (1, -1):
            found.append(Cell(series, n, times, most, bias=bias))
        floors: tuple[Hang, Hang] = ("apart", "worst")
        found += [Cell(series, n, times, most, floor=floor) for floor in floors]
        found.append(Cell(series, n, times, most, bias=1, floor="worst"))
    found.append(Cell("independent", 10_000, 10_000, 0.055, bias=1, floor="worst", loopback=300))
    return tuple(found)


CELLS = _cells()


def own_delay(rng: np.random.Generator, n: int) -> Floats:
    """What the harness adds, in ms."""
    return rng.lognormal(np.log(FLOOR_MS), FLOOR_SPREAD, n)


def measured(rng: np.random.Generator, cell: Cell, truth: Floats) -> Floats:
    """What a bench with that bias and that floor makes of the item's true latencies, in ms."""
    values = truth + cell.bias * U_MS
    if not cell.floor:
        return values
    added = own_delay(rng, len(truth))
    if cell.floor == "worst":
        sorted_, added = np.sort(added), np.empty_like(added)
        added[np.argsort(truth)] = sorted_
    return values + added


def guarded(rng: np.random.Generator, cell: Cell, values: Floats) -> Verdict:
    """The whole verdict, given U and the loopback samples of this run."""
    measuring = Measuring(
        ALPHA,
        Trials(kind="trials", samples=cell.n, stopping="fixed"),
        budget=combine([clock_offset(U_MS)]),
        loopback=own_delay(rng, cell.loopback) if cell.floor else None,
    )
    return judge(REQUIREMENT, table_of(values), Circumstances(cell.n), measuring).verdict


def measure(cell: Cell, seed: int = 1, repetitions: int | None = None) -> Found:
    """Repeat one cell, with the guard and without it on the same values."""
    rng = np.random.default_rng((seed, CELLS.index(cell)))
    times = repetitions or cell.repetitions
    with_, bare = dict.fromkeys(Verdict, 0), dict.fromkeys(Verdict, 0)
    for _ in range(times):
        values = measured(rng, cell, GENERATORS[cell.series](rng, cell.n, P0))
        with_[guarded(rng, cell, values)] += 1
        bare[by_judge(values)] += 1
    shares = (each[said] / times for each in (with_, bare) for said in (Verdict.PASS, Verdict.FAIL))
    return Found(cell, *shares)


HEADER = (
    "| series | n | bias | the harness adds | repetitions | PASS | FAIL | promised | | without guard: PASS | "
    "FAIL |\n|---|---|---|---|---|---|---|---|---|---|---|"
)


def line(found: Found, times: int) -> str:
    """One row of the table in docs/statistics.md."""
    return (
        f"| {found.cell.name} | {times} | {found.passed:.2%} | {found.failed:.2%} | each at most "
        f"{found.cell.wrong_at_most:.1%} | {'kept' if found.kept else 'MISSED'} | {found.passed_bare:.1%} | "
        f"{found.failed_bare:.1%} |"
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a promise is not kept, by more than three standard errors where ``--repetitions`` is
    given."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.guarded_rates", description=__doc__)
    parser.add_argument("--repetitions", type=int, help="in every cell, instead of its own number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--n", type=int, action="append", help="cells of this length only; repeatable")
    options = parser.parse_args(arguments)
    print(HEADER, flush=True)
    kept = True
    for cell in CELLS:
        if options.n and cell.n not in options.n:
            continue
        times = options.repetitions or cell.repetitions
        found = measure(cell, options.seed, times)
        print(line(found, times), flush=True)
        most = cell.wrong_at_most
        slack = 3 * sqrt(most * (1 - most) / times) if options.repetitions else 0.0
        kept = kept and max(found.passed, found.failed) <= most + slack
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
