"""How often the verdict is wrong, and how often it is one: ``python -m benchmarks.error_rates``.

The true p99 sits exactly at the limit (or, for power, at a stated distance from it), the series is one that
robots produce, and the verdict is asked for: a PASS or a FAIL at the limit is an error, and each may happen
in at most 5 % of runs. Seeds are fixed; a cell can be repeated alone.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.figures import Figure, Outcome, load
from benchmarks.series import GENERATORS, LIMIT_MS
from harness.analysis.checks import Circumstances
from harness.analysis.dependence import decide
from harness.analysis.verdicts import judge
from harness.config.schema import Requirement
from harness.model import NO_STAMP, SAMPLE_DTYPE, SampleFlag, Verdict

Floats = NDArray[np.float64]
Path_ = Callable[[Floats], Verdict]

P0, ALPHA = 0.01, 0.05


@dataclass(frozen=True)
class Cell:
    """One setting: the series, its length and true rate, how often, and what is promised.

    ``wrong_at_most``: largest share of false PASS and of false FAIL; ``pass_at_least``: smallest share of
    PASS.
    """

    series: str
    n: int
    rate: float
    repetitions: int
    wrong_at_most: float | None = None
    pass_at_least: float | None = None


@dataclass(frozen=True)
class Found:
    """Shares of PASS and FAIL in one cell, with the standard error of the larger one."""

    cell: Cell
    passed: float
    failed: float
    standard_error: float
    seconds: float

    @property
    def kept(self) -> bool:
        """Whether the cell keeps its promise."""
        cell = self.cell
        wrong = cell.wrong_at_most is None or max(self.passed, self.failed) <= cell.wrong_at_most
        return wrong and (cell.pass_at_least is None or self.passed >= cell.pass_at_least)


DEPENDENT = ("AR(1) 0.5", "AR(1) 0.9", "AR(1) 0.97", "stalls of 20", "Markov, mean 20", "weak windows")

CELLS = (
    *(Cell("independent", n, P0, 10_000, wrong_at_most=0.055) for n in (1000, 10_000, 60_000)),
    *(Cell(name, 60_000, P0, 3000, wrong_at_most=0.075) for name in DEPENDENT),
    Cell("AR(1) 0.9", 10_000, P0, 3000, wrong_at_most=0.075),
    Cell("periodic stall of 20", 60_000, P0, 3000, wrong_at_most=0.0),
    Cell("periodic stall of 20", 10_000, P0, 3000, wrong_at_most=0.0),
    Cell("periodic, every 100th", 60_000, P0, 3000, wrong_at_most=0.0),
    Cell("independent", 2560, 0.005, 10_000, pass_at_least=0.88),
    Cell("AR(1) 0.9", 60_000, 0.008, 3000, pass_at_least=0.55),
    # For information: what to expect of short runs under bursts.
    Cell("AR(1) 0.9", 3000, P0, 3000),
    Cell("AR(1) 0.9", 3000, 0.005, 3000),
    Cell("stalls of 20", 10_000, P0, 3000),
    Cell("independent", 60_000, 0.008, 3000),
    Cell("independent", 60_000, 0.012, 3000),
    Cell("AR(1) 0.9", 60_000, 0.015, 3000),
)


def by_decision(values: Floats) -> Verdict:
    """The decision as it is applied to the latencies of a scenario."""
    return decide(values, LIMIT_MS, LIMIT_MS, P0, ALPHA).verdict


REQUIREMENT = Requirement(id="P99", scenario="command", quantile=0.99, limit=LIMIT_MS, confidence=0.95)


def table_of(values: Floats) -> NDArray[np.void]:
    """Table of samples (SAMPLE_DTYPE) with these latencies in ms, +inf where lost: 1000 stimuli a second,
    sent on time."""
    n = len(values)
    samples = np.zeros(n, dtype=SAMPLE_DTYPE)
    due = np.arange(1, n + 1, dtype=np.int64) * 1_000_000
    answered = np.isfinite(values)
    arrived = due + np.rint(np.where(answered, values, 0.0) * 1e6).astype(np.int64)
    samples["key"] = np.arange(n)
    samples["intended_ns"] = samples["sent_ns"] = samples["handed_ns"] = due
    samples["arrived_ns"] = samples["seen_ns"] = np.where(answered, arrived, NO_STAMP)
    samples["answers"] = answered
    samples["flags"] = np.where(answered, 0, int(SampleFlag.LOST))
    return samples


def by_judge(values: Floats) -> Verdict:
    """The whole verdict of a requirement, from the table of samples."""
    return judge(REQUIREMENT, table_of(values), Circumstances(len(values))).verdict


PATHS = {"judge": by_judge, "decide": by_decision}


def measure(cell: Cell, seed: int, path: Path_ = by_judge, repetitions: int | None = None) -> Found:
    """Repeat one cell; the verdicts of its repetitions, counted."""
    generate = GENERATORS[cell.series]
    rng = np.random.default_rng((seed, cell.n, round(cell.rate * 1e6), list(GENERATORS).index(cell.series)))
    counts = dict.fromkeys(Verdict, 0)
    times = repetitions or cell.repetitions
    began = time.monotonic()
    for _ in range(times):
        counts[path(generate(rng, cell.n, cell.rate))] += 1
    passed, failed = counts[Verdict.PASS] / times, counts[Verdict.FAIL] / times
    larger = max(passed, failed)
    return Found(cell, passed, failed, sqrt(larger * (1 - larger) / times), time.monotonic() - began)


def line(found: Found) -> str:
    """One row of the table in docs/statistics.md."""
    cell = found.cell
    promise = ""
    if cell.wrong_at_most is not None:
        promise = f"each at most {cell.wrong_at_most:.1%}"
    if cell.pass_at_least is not None:
        promise = f"PASS at least {cell.pass_at_least:.0%}"
    kept = "" if not promise else "kept" if found.kept else "MISSED"
    return (
        f"| {cell.series} | {cell.n} | {cell.rate:.1%} | {cell.repetitions} | {found.passed:.2%} | "
        f"{found.failed:.2%} | {1 - found.passed - found.failed:.1%} | {promise} | {kept} |"
    )


HEADER = (
    "| series | n | true rate | repetitions | PASS | FAIL | INCONCLUSIVE | promised | |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def run(quick: bool = False, seed: int = 1) -> Outcome:
    """All cells as figures of :mod:`benchmarks`."""
    figures, raw = [], []
    for cell in CELLS:
        found = measure(cell, seed, repetitions=200 if quick else None)
        name = f"{cell.series}, n = {cell.n}, true rate {cell.rate:.1%}"
        bound = None if cell.wrong_at_most is None else cell.wrong_at_most * 100
        figures.append(
            Figure(
                f"false PASS: {name}" if bound is not None else f"PASS: {name}",
                found.passed * 100,
                "%",
                bound,
                load(),
            )
        )
        figures.append(
            Figure(
                f"false FAIL: {name}" if bound is not None else f"FAIL: {name}",
                found.failed * 100,
                "%",
                bound,
                load(),
            )
        )
        raw.append({**asdict(found), "kept": found.kept})
    return Outcome("error rates of the verdict", figures, raw={"cells": raw})


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 when a promise is not kept."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.error_rates", description=__doc__)
    parser.add_argument("--repetitions", type=int, help="in every cell, instead of its own number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cells whose series contains this")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument(
        "--path", choices=PATHS, default="judge", help="the whole verdict, or the decision on latencies alone"
    )
    options = parser.parse_args(arguments)
    print(HEADER, flush=True)
    measure_ = partial(measure, seed=options.seed, path=PATHS[options.path], repetitions=options.repetitions)
    found = []
    for cell in CELLS:
        if options.only in cell.series:
            found.append(measure_(cell))
            print(line(found[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", "utf-8")
    return 0 if all(each.kept for each in found) else 1


if __name__ == "__main__":
    sys.exit(main())
