"""Does the truth lie within the bounds of the clock offset? ``python -m benchmarks.clock_bounds``.

Simulated exchanges with a clock of known offset and drift: queues on both ways, paths of unequal length,
steps.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.analysis.offset import estimate
from harness.model import CLOCK_DTYPE

START, FAR = 10**13, 1_769_000_000_123_456_789


@dataclass(frozen=True)
class Setting:
    """``asymmetry``: (out - back) / (out + back) of the paths, drawn within +- that; ``declared``: A."""

    name: str
    n: int = 600
    seconds: float = 60.0
    path_us: float = 200.0
    queue_us: float = 50.0
    drift_ppm: float = 20.0
    asymmetry: float = 0.0
    declared: float | None = None
    step_us: float = 0.0
    late_from_s: float | None = None


SETTINGS = (
    Setting("symmetric"),
    Setting("symmetric, 3000 exchanges", n=3000),
    Setting("long queues", queue_us=400.0, n=3000),
    Setting("asymmetry up to 0.3", asymmetry=0.3),
    Setting("asymmetry up to 0.9", asymmetry=0.9),
    Setting("drift -80 ppm", drift_ppm=-80.0),
    Setting("before and after 300 s only", seconds=310.0, n=200, late_from_s=305.0),
    Setting("A = 0.2 declared, truth up to 0.15", asymmetry=0.15, declared=0.2),
    Setting("A = 0.5 declared, truth up to 0.45", asymmetry=0.45, declared=0.5),
    Setting("step of 0.1 ms", step_us=100.0),
    Setting("step of -0.1 ms, one exchange a second", step_us=-100.0, n=60),
    Setting("step of 0.5 ms", step_us=500.0),
    Setting("no step, 200 exchanges in 20 s", n=200, seconds=20.0),
    Setting("step of 0.1 ms, 200 exchanges in 20 s", n=200, seconds=20.0, step_us=100.0),
)


def simulate(rng: np.random.Generator, at: Setting) -> tuple[NDArray[np.void], float, float]:
    """Exchange rows, and the true drift and step; theta(t) = FAR + drift (t - START) + step, half-way."""
    if at.late_from_s is None:
        t1 = rng.uniform(0, at.seconds, at.n)
    else:
        early = rng.uniform(0, at.seconds - at.late_from_s, at.n // 2)
        t1 = np.concatenate((early, rng.uniform(at.late_from_s, at.seconds, at.n - at.n // 2)))
    t1 = np.sort(t1) * 1e9
    skew = rng.uniform(-at.asymmetry, at.asymmetry)
    t2 = t1 + at.path_us * 500 * (1 + skew) + rng.exponential(at.queue_us * 1e3, at.n)
    t3 = t2 + 20_000
    t4 = t3 + at.path_us * 500 * (1 - skew) + rng.exponential(at.queue_us * 1e3, at.n)
    rows = np.zeros(at.n, dtype=CLOCK_DTYPE)
    rows["t1_ns"], rows["t4_ns"] = START + np.floor(t1), START + np.ceil(t4)
    for name, t in (("t2_ns", t2), ("t3_ns", t3)):
        theta = at.drift_ppm * 1e-6 * t + np.where(t > at.seconds * 5e8, at.step_us * 1e3, 0.0)
        rows[name] = FAR + START + np.rint(t + theta).astype(np.int64)
    return rows, at.drift_ppm * 1e-6, at.step_us * 1e3


def row(at: Setting, repetitions: int, seed: int) -> str:
    """One row of the table in docs/statistics.md."""
    rng = np.random.default_rng((seed, SETTINGS.index(at)))
    inside, widths, alarms = 0, [], 0
    for _ in range(repetitions):
        rows, drift, step = simulate(rng, at)
        found = estimate(rows, asymmetry=at.declared)
        host = np.linspace(rows["t1_ns"].min(), rows["t4_ns"].max(), 200).astype(np.int64)
        centre, bound = found.offset_ns(host)
        since = (host - START).astype(np.float64)
        truth = drift * since + np.where(since > at.seconds * 5e8, step, 0.0)
        inside += bool((np.abs((centre - FAR) - truth) <= bound + 2).all())
        widths.append(found.largest_bound_ns() / (found.round_trip_min_ns / 2))
        alarms += not found.usable
    share = f"{inside / repetitions:.1%}" if at.step_us == 0 else ""
    width = f"{np.median(widths):.2f} ({np.quantile(widths, 0.95):.2f})" if at.step_us == 0 else ""
    return f"| {at.name} | {share} | {width} | {alarms / repetitions:.1%} |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clock_bounds", description=__doc__)
    parser.add_argument("--repetitions", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args(arguments)
    print("| exchanges | truth inside at all instants | bound / (RTTmin/2): median (95 %) | step reported |")
    print("|---|---|---|---|")
    for at in SETTINGS:
        print(row(replace(at), options.repetitions, options.seed), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
