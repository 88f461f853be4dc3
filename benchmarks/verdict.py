"""The verdict on a million samples: how long it takes, beside the naive rule on the same table.

``judge`` is all that stands between the table of samples and the verdict of one requirement: latencies,
gate, pair counts, bounds, the arithmetic in words. It is timed on series that are easy and hard for it
(independent, AR(1) 0.9, a twentieth lost, heavy ties at the limit), at p99 and p99.9, with uncertainty and a
measured floor. Caches that a first call fills are emptied before each call: a report is a process of its own.

The peer is what a careful person writes in its place, on the same table: subtract, take the percentile with
numpy, count, and ask scipy.stats.binomtest; no dependence, no second series, no words. By turns with it.

``analyse`` is everything right of the raw tables but files: matching, samples, summaries, verdict.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from benchmarks import synthetic
from benchmarks.error_rates import ALPHA, table_of
from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from benchmarks.series import LIMIT_MS, autoregressive, independent
from harness.analysis import pairs
from harness.analysis.checks import Circumstances
from harness.analysis.derive import analyse
from harness.analysis.evidence import Measuring
from harness.analysis.uncertainty import clock_reading, combine
from harness.analysis.verdicts import judge
from harness.config import rig_from_resolved
from harness.config.schema import Requirement, Trials
from harness.folder import RunFolder

SAMPLES = 1_000_000
SECONDS = 2.0
RATE_SHARE = 0.8
"""True rate as a share of what is allowed: near the limit, where everything has to be looked at."""

Floats = NDArray[np.float64]


def lossy(rng: np.random.Generator, n: int, rate: float) -> Floats:
    """Independent, and a twentieth lost in between."""
    values = independent(rng, n, rate)
    values[rng.random(n) < 0.05] = np.inf
    return values


def tied(rng: np.random.Generator, n: int, rate: float) -> Floats:
    """Independent in whole milliseconds: some 1 % of all are equal to the limit."""
    return np.rint(independent(rng, n, rate))


SERIES: dict[str, Callable[[np.random.Generator, int, float], Floats]] = {
    "independent": independent,
    "AR(1) 0.9": partial(autoregressive, phi=0.9),
    "5 % lost": lossy,
    "heavy ties": tied,
}


def requirement(quantile: float) -> Requirement:
    """Of latency, 10 ms, 95 %."""
    return Requirement(id="P", scenario="command", quantile=quantile, limit=LIMIT_MS, confidence=1 - ALPHA)


def forget() -> None:
    """Empty what earlier calls have filled."""
    for each in vars(pairs).values():
        if isinstance(each, type(lru_cache(maxsize=1)(len))):
            each.cache_clear()


def ours(samples: NDArray[Any], asked: Requirement, measuring: Measuring) -> float:
    """Seconds of one verdict."""
    forget()
    start = time.monotonic()
    judge(asked, samples, Circumstances(len(samples)), measuring)
    return time.monotonic() - start


def naive(samples: NDArray[Any], quantile: float) -> float:
    """Seconds of the percentile and the binomial test that a person would write."""
    start = time.monotonic()
    lost = samples["answers"] == 0
    latency = np.where(lost, np.inf, (samples["arrived_ns"] - samples["intended_ns"]) * 1e-6)
    np.percentile(latency[~lost], 100 * quantile)
    over = int((latency > LIMIT_MS).sum())
    binomtest(over, len(latency), 1 - quantile, alternative="less")
    return time.monotonic() - start


def measuring_of(rng: np.random.Generator, n: int) -> Measuring:
    """A run whose U and floor are known: 0.05 ms and some 0.1 ms."""
    return Measuring(
        ALPHA,
        Trials(kind="trials", samples=n, stopping="fixed"),
        budget=combine([clock_reading(0.05)]),
        loopback=0.05 + rng.gamma(2.0, 0.02, 12_000),
    )


def run(quick: bool) -> Outcome:
    samples, turns = (100_000, 1) if quick else (SAMPLES, 5)
    target = None if quick else SECONDS
    figures, raw = [], {}
    for name, generate in SERIES.items():
        for quantile in (0.99, 0.999):
            rng = np.random.default_rng((1, samples, list(SERIES).index(name), round(quantile * 1000)))
            table = table_of(generate(rng, samples, (1 - quantile) * RATE_SHARE))
            arms: dict[str, Callable[[], Any]] = {
                "ours": partial(ours, table, requirement(quantile), measuring_of(rng, samples)),
                "naive": partial(naive, table, quantile),
            }
            before = load()
            found = interleave(arms, turns)
            what = f"{name}, p{100 * quantile:g}"
            note = f"{min(found['ours']):.3g} to {max(found['ours']):.3g} s"
            seconds = middle(found["ours"])
            figures.append(Figure(f"verdict on {samples:,}, {what}", seconds, "s", target, before, note))
            note = f"naive rule {middle(found['naive']):.3g} s"
            times = ratio(found["ours"], found["naive"])
            figures.append(Figure(f"  over numpy and binomtest, {what}", times, "times", None, before, note))
            raw[what] = found
    before = load()
    whole = [_analyse_once(samples) for _ in range(1 if quick else 3)]
    figures.append(Figure(f"all of analyse, {samples:,}", middle(whole), "s", None, before))
    return Outcome("verdict", figures, raw={"seconds": raw, "analyse": whole})


def _analyse_once(samples: int) -> float:
    with tempfile.TemporaryDirectory(prefix="harness-bench-") as place:
        folder = RunFolder.open(_drawn(Path(place), samples))
        tables = (folder.stimuli(), folder.observations(), folder.clocks(), list(folder.events()))
        rig = rig_from_resolved(folder.run["rig"]["resolved"])
        forget()
        start = time.monotonic()
        analyse(folder.run, rig, *tables, run_id=folder.run_id, changed=[])
        return time.monotonic() - start


def _drawn(out: Path, samples: int) -> Path:
    return synthetic.folder(out, synthetic.real_run(out), samples)
