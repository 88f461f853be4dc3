"""How often the intervals of ``harness compare`` hold the truth: ``python -m benchmarks.interval_coverage``.

Two series of one law are drawn, whose quantiles do not differ, and the difference is asked for: an interval
that lies beyond zero is an error on that side, and each side may err in 2.5 % of comparisons at 95 %. Power:
how often a stated difference is shown. Seeds are fixed; a cell can be repeated alone.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from math import sqrt
from pathlib import Path

import numpy as np

from benchmarks.series import GENERATORS
from harness.compare.sides import Pair

ALPHA = 0.05
QUANTILES = (0.5, 0.9, 0.99)
RATE = 0.01
"""Of the generators: the share beyond their limit."""


@dataclass(frozen=True)
class Cell:
    """``n`` samples a side of ``series``, ``runs`` runs a side A (one on side B), whose levels scatter by
    ``scatter`` (a share). ``slower``: side B times this."""

    series: str
    n: int
    repetitions: int
    runs: int = 1
    scatter: float = 0.0
    slower: float = 1.0


@dataclass(frozen=True)
class Found:
    """Shares of comparisons that showed B larger and smaller, by quantile, of one cell."""

    cell: Cell
    larger: tuple[float, ...]
    smaller: tuple[float, ...]
    block: float

    @property
    def covered(self) -> list[float]:
        """Shares of intervals that hold 0."""
        return [1 - up - down for up, down in zip(self.larger, self.smaller, strict=True)]


NAMES = ("independent", "AR(1) 0.9", "stalls of 20")
CELLS = (
    *(Cell(name, n, 1000) for n in (1000, 3000, 10_000) for name in NAMES),
    *(Cell(name, 60_000, 400) for name in NAMES),
    Cell("independent", 1000, 400, runs=10, scatter=0.03),
    Cell("independent", 3000, 400, slower=1.05),
    Cell("AR(1) 0.9", 3000, 400, slower=1.05),
    Cell("independent", 60_000, 400, slower=1.05),
)


def measure(cell: Cell, seed: int = 1, repetitions: int | None = None) -> Found:
    """Repeat one cell."""
    generate = GENERATORS[cell.series]
    rng = np.random.default_rng((seed, cell.n, cell.runs, list(GENERATORS).index(cell.series)))
    times = repetitions or cell.repetitions
    counts = np.zeros((len(QUANTILES), 2))
    blocks = []
    for _ in range(times):
        level = np.exp(rng.normal(0, cell.scatter, cell.runs + 1))
        drawn = [generate(rng, cell.n, RATE) * each for each in level]
        drawn[-1] = drawn[-1] * cell.slower
        a = [partial(np.asarray, each) for each in drawn[:-1]]
        pair = Pair.of(a, [partial(np.asarray, drawn[-1])], QUANTILES, fine=False)
        blocks.append(pair.a.runs[0].block)
        for place, quantile in enumerate(QUANTILES):
            shift = pair.shift(quantile, ALPHA).difference
            counts[place] += shift.low > 0, shift.high < 0
    shares = counts / times
    cell = replace(cell, repetitions=times)
    return Found(cell, tuple(shares[:, 0].tolist()), tuple(shares[:, 1].tolist()), float(np.median(blocks)))


def line(found: Found) -> str:
    """One row of the table in docs/compare.md."""
    cell = found.cell
    what = f"{cell.series}{f', {cell.runs} runs against one, {cell.scatter:.0%} apart' * (cell.runs > 1)}"
    if cell.slower != 1:
        what += f", B {cell.slower - 1:.0%} slower"
        shown = " | ".join(f"shown {100 * each:.1f} %" for each in found.larger)
    else:
        shown = " | ".join(
            f"{100 * each:.1f} % ({100 * up:.1f}, {100 * down:.1f})"
            for each, up, down in zip(found.covered, found.larger, found.smaller, strict=True)
        )
    return f"| {what} | {cell.n} | {cell.repetitions} | {found.block:g} | {shown} |"


HEADER = "| series | n | repetitions | block (median) | p50 | p90 | p99 |\n|---|---|---|---|---|---|---|"


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status 1 where an interval of 95 % holds the truth in less than 90 %, three standard errors
    aside."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.interval_coverage", description=__doc__)
    parser.add_argument("--repetitions", type=int, help="in every cell, instead of its own number")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default="", help="cells whose series contains this")
    parser.add_argument("--n", type=int, help="cells of this n only")
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    print(HEADER, flush=True)
    found = []
    for cell in CELLS:
        if options.only in cell.series and options.n in (None, cell.n):
            found.append(measure(cell, options.seed, options.repetitions))
            print(line(found[-1]), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=1) + "\n", "utf-8")
    kept = all(
        share >= 0.9 - 3 * sqrt(0.09 / each.cell.repetitions)
        for each in found
        if each.cell.slower == 1
        for share in each.covered
    )
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
