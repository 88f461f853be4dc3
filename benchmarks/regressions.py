"""How often a change of a p99 is found, and how often one that is none: ``python -m benchmarks regressions``.

One figure per run: a level times the noise between runs, which has a standard deviation of 3 %. A clean
history has 60 runs and then 500 more; in a bad one the level shifts by 5 % after the 60th. What is applied is
:func:`harness.regressions.watch`, whole. The runs that confirm a suspicion are reruns: they do not count as
runs of the history, but are counted beside them. Seeds are fixed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import nan, sqrt

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.figures import Figure, Outcome, load
from harness.regressions import Change, Watched, watch
from harness.regressions.watching import MOST_RERUNS

Floats = NDArray[np.float64]

NOISE, SHIFT = 0.03, 0.05
BEFORE, CLEAN, WITHIN = 60, 500, 10
AR = 0.3


def _correlated(rng: np.random.Generator, n: int) -> Floats:
    settled = 50
    steps = rng.normal(size=n + settled) * sqrt(1 - AR**2)
    return lfilter([1.0], [1.0, -AR], steps)[settled:]  # type: ignore[no-any-return]


SERIES: Mapping[str, Callable[[np.random.Generator, int], Floats]] = {
    "normal": lambda rng, n: rng.normal(size=n),
    "skewed": lambda rng, n: rng.exponential(size=n) - 1,
    "heavy-tailed": lambda rng, n: rng.standard_t(3, size=n) / sqrt(3),
    "AR(0.3)": _correlated,
}
"""Noise of variance 1: normal, exponential (skewness 2), Student's t with 3 degrees of freedom, AR(1)."""


@dataclass(frozen=True)
class Cell:
    """One setting and what is promised of it; ``family``: requirements of the rig that are watched."""

    series: str
    shift: float = SHIFT
    before: int = BEFORE
    family: int = 1
    slack: float | None = 1.0

    @property
    def name(self) -> str:
        """In words."""
        words = [f"{self.series} noise", f"shift {self.shift:+.0%}"]
        words += [f"{self.before} runs before"] if self.before != BEFORE else []
        words += [f"1 of {self.family} requirements"] if self.family > 1 else []
        return ", ".join(words)


CELLS = (
    Cell("normal"),
    Cell("skewed", slack=2.0),
    Cell("heavy-tailed", slack=2.0),
    Cell("AR(0.3)", slack=2.0),
    # For information.
    Cell("normal", shift=-SHIFT, slack=None),
    Cell("normal", before=30, slack=None),
    Cell("normal", family=5, slack=None),
    Cell("normal", shift=0.03, slack=None),
)


@dataclass(frozen=True)
class Found:
    """Averages of one cell. Errors are standard errors; ``None`` where nothing was measured.

    ``false_alarms``, ``suspicions``, ``reruns``: per 500 clean runs; ``found``: share found within 10 runs,
    reruns not among them, ``found_all``: reruns among them; ``delay``, ``reruns_bad``: runs and reruns until
    found; ``near``, ``exact``: share with the first bad run within +-2, or named; ``held``: share of the
    intervals of first bad runs that hold it, ``width`` their mean length; ``size_held``: the same of the
    interval of the size, ``size`` its mean.
    """

    cell: Cell
    series: int
    false_alarms: float
    false_alarms_error: float
    suspicions: float
    reruns: float
    repetitions: int
    found: float
    found_error: float
    found_all: float
    delay: float
    reruns_bad: float
    near: float
    near_error: float
    exact: float
    held: float
    width: float
    size: float
    size_held: float


def steps(watched: Watched, begin: int) -> list[tuple[int, int, Change | None]]:
    """Each suspicion from place ``begin`` on that was decided, in the order of time: how many runs after
    ``begin`` raised it, reruns not counted; its reruns; the change it became."""
    decided: list[tuple[int, int, Change | None]] = [(d.raised, d.runs, None) for d in watched.dropped]
    decided += [(c.raised, c.confirmed - c.raised, c) for c in watched.changes]
    counted, before = [], 0
    for raised, reruns, change in sorted(decided, key=lambda each: each[0]):
        if raised >= begin:
            counted.append((raised - begin - before + 1, reruns, change))
            before += reruns
    return counted


def begin(values: Floats, cell: Cell) -> int:
    """Where the runs that are looked at begin: after the first ones, and after the reruns of a suspicion that
    the last of these raised, if it did."""
    place = cell.before
    while (waiting := watch(values[:place], cell.family).suspicion) is not None:
        place += waiting.next_look
    return place


def clean(cell: Cell, rng: np.random.Generator) -> tuple[int, int, int]:
    """False alarms, suspicions and reruns in the CLEAN runs after the first ones of a clean history."""
    values = np.exp(NOISE * SERIES[cell.series](rng, cell.before + 2 * CLEAN))
    first = begin(values, cell)
    # Long enough for the reruns, and hardly longer: most of the time goes here.
    for spare in (CLEAN // 5, len(values) - first - CLEAN):
        decided = steps(watch(values[: first + CLEAN + spare], cell.family), first)
        seen = [each for each in decided if each[0] <= CLEAN]
        reruns = sum(made for _, made, _ in seen)
        if reruns + MOST_RERUNS <= spare:
            break
    return sum(c is not None for _, _, c in seen), len(seen), reruns


@dataclass(frozen=True)
class _Bad:
    delay: int
    reruns: int
    away: int
    change: Change


def bad(cell: Cell, rng: np.random.Generator) -> _Bad | None:
    """What is found of a change after the first runs within the WITHIN that follow; None for nothing."""
    n = cell.before + WITHIN + 6 * MOST_RERUNS
    values = np.exp(NOISE * SERIES[cell.series](rng, n))
    first = begin(values, cell)
    values[first:] *= 1 + cell.shift
    reruns = 0
    for delay, made, change in steps(watch(values, cell.family), first):
        if delay > WITHIN:
            break
        reruns += made
        if change is not None and change.up == (cell.shift > 0):
            # As it was when it was confirmed: later runs would place it better.
            seen = watch(values[: change.confirmed + 1], cell.family).changes[-1]
            return _Bad(delay, reruns, seen.first - first, seen)
    return None


def measure(cell: Cell, seed: int, series: int, repetitions: int) -> Found:
    """Repeat one cell: ``series`` clean histories, ``repetitions`` bad ones."""
    rng = np.random.default_rng((seed, CELLS.index(cell) if cell in CELLS else len(CELLS)))
    quiet = np.array([clean(cell, rng) for _ in range(series)], dtype=float)
    tries = [bad(cell, rng) for _ in range(repetitions)]
    found = [each for each in tries if each is not None]
    share = len(found) / repetitions
    near = _mean([abs(each.away) <= 2 for each in found])
    return Found(
        cell=cell,
        series=series,
        false_alarms=float(quiet[:, 0].mean()),
        # A count of rare events; never said to be exact because none was seen.
        false_alarms_error=sqrt(max(float(quiet[:, 0].mean()), 1 / series) / series),
        suspicions=float(quiet[:, 1].mean()),
        reruns=float(quiet[:, 2].mean()),
        repetitions=repetitions,
        found=share,
        found_error=sqrt(share * (1 - share) / repetitions),
        found_all=sum(each.delay + each.reruns <= WITHIN for each in found) / repetitions,
        delay=_mean([each.delay for each in found]),
        reruns_bad=_mean([each.reruns for each in found]),
        near=near,
        near_error=sqrt(near * (1 - near) / len(found)) if found else nan,
        exact=_mean([each.away == 0 for each in found]),
        held=_mean([_interval_holds(each) for each in found]),
        width=_mean([each.change.latest - each.change.earliest + 1 for each in found]),
        size=_mean([each.change.effect.change for each in found]),
        size_held=_mean([_holds(each.change, cell.shift) for each in found]),
    )


def _mean(values: Sequence[float]) -> float:
    """NaN for nothing: no change was found."""
    return float(np.mean(values)) if values else nan


def _interval_holds(found: _Bad) -> bool:
    true = found.change.first - found.away
    return found.change.earliest <= true <= found.change.latest


def _holds(change: Change, shift: float) -> bool:
    low, high = change.effect.low, change.effect.high
    return low is not None and high is not None and low <= shift <= high


def figures(found: Found) -> list[Figure]:
    """The figures of one cell with their targets, where it has any."""
    cell, slack = found.cell, found.cell.slack
    targets = (None, None, None) if slack is None else (0.2 * slack, 5.0 * slack, 25.0 * slack)
    alarms = Figure(
        f"false alarms in 500 runs: {cell.series}{'' if cell.family == 1 else f', 1 of {cell.family}'}",
        found.false_alarms,
        "",
        targets[0],
        load(),
        f"+-{found.false_alarms_error:.3f}; {found.suspicions:.1f} suspicions, {found.reruns:.0f} reruns",
    )
    missed = Figure(
        f"not found in 10 runs: {cell.name}",
        100 * (1 - found.found),
        "%",
        targets[1],
        load(),
        f"+-{100 * found.found_error:.1f}; after {found.delay:.1f} runs, {found.reruns_bad:.1f} reruns",
    )
    away = Figure(
        f"first bad run not within 2: {cell.name}",
        100 * (1 - found.near),
        "%",
        targets[2],
        load(),
        f"+-{100 * found.near_error:.1f}; interval of {found.width:.1f} runs holds it in {found.held:.0%}",
    )
    return [alarms, missed, away]


def row(found: Found) -> str:
    """One row of the table in docs/regressions.md."""
    cell, alarms = found.cell, f"{found.false_alarms:.3f} ± {found.false_alarms_error:.3f}"
    cells = [
        cell.name,
        alarms,
        f"{found.suspicions:.1f}",
        f"{found.reruns:.0f}",
        f"{found.found:.1%} ± {found.found_error:.1%}",
        f"{found.delay:.1f}",
        f"{found.reruns_bad:.1f}",
        f"{found.found_all:.0%}",
        f"{found.near:.0%} ± {found.near_error:.1%}",
        f"{found.exact:.0%}",
        f"{found.held:.0%} of {found.width:.1f}",
        f"{found.size:+.1%}",
        f"{found.size_held:.0%}",
    ]
    return f"| {' | '.join(cells)} |"


def run(quick: bool) -> Outcome:
    """All cells as figures of :mod:`benchmarks`."""
    all_figures: list[Figure] = []
    raw = []
    for cell in CELLS:
        series, repetitions = (20, 100) if quick else (300, 1000) if cell.slack else (60, 300)
        found = measure(cell, 1, series, repetitions)
        all_figures += figures(found)
        raw.append({**asdict(found), "row": row(found)})
    return Outcome("regressions over runs", all_figures, raw={"cells": raw})
