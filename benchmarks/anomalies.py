"""Anomalies: how often clean runs show any, and how many labelled faults are found, by whom.

Synthetic runs of 6000 samples at 200 Hz, jittered; on some bases one stimulus in 500 is lost. Faults, each
once in a run, between a third and nine tenths of it: *drift* a step by 30 % or a ramp to 60 %; *tail* 4 % of
samples 4 to 6 times as slow; *burst* a stall of 150 ms; *periodic* a stall of 12 ms in every 100 ms. A fault
counts as found when a finding of whatever kind overlaps it; a finding is right when it overlaps the fault.
Precision is over as many clean runs as runs with faults.

Peers: a threshold on single samples, the mean and three standard deviations of the first 1024 samples (*3
sigma*); the same with the best threshold for 5 % of clean runs of the same kind with an alarm (*threshold*),
which nobody has in practice; and a learned detector, scikit-learn's IsolationForest (Liu, Ting & Zhou 2008)
on windows of 64 samples (median, quantiles, share of slow ones, autocorrelation, longest row of slow ones),
trained on 40 clean runs of the same kind, its alarm set on 60 others to 5 % (*forest*).
"""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

from benchmarks.anomalies_real import real_runs
from benchmarks.figures import Figure, Outcome, load
from harness.analysis.anomalies import FALSE_ALARM, LEAST, Anomaly, Stream, find

Floats = NDArray[np.float64]
Rng = np.random.Generator
Stretch = tuple[float, float]
STEP_S = 0.005
SAMPLES = 6000
WINDOW, STRIDE = 64, 16
GAP_S = 1.0


def correlated(rng: Rng, n: int, phi: float, sigma: float) -> Floats:
    """Lognormal of an AR(1) series, median 3."""
    x = lfilter([1.0], [1.0, -phi], rng.standard_normal(n + 500) * np.sqrt(1 - phi**2))[500:]
    return np.asarray(3 * np.exp(sigma * x))


BASES: dict[str, Callable[[Rng, int], Floats]] = {
    "lognormal": lambda rng, n: 3 * rng.lognormal(0, 0.3, n),
    "exponential": lambda rng, n: 1 + 2 * rng.standard_exponential(n),
    "Pareto 1.5": lambda rng, n: 2 + rng.pareto(1.5, n),
    "AR(1) 0.5": partial(correlated, phi=0.5, sigma=0.3),
    "AR(1) 0.9": partial(correlated, phi=0.9, sigma=0.3),
    "AR(1) 0.9, heavy": partial(correlated, phi=0.9, sigma=1.2),
    "loop of 10 ms": lambda rng, n: rng.uniform(1, 11, n),
    "coarse clock": lambda rng, n: np.rint(1 + 3 * rng.standard_exponential(n)),
}
LOSSY = ("lognormal", "AR(1) 0.5")
FAULTS = ("drift", "tail", "burst", "periodic")


def clean(name: str, seed: int, n: int = SAMPLES) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    rng = np.random.default_rng((seed, n, list(BASES).index(name)))
    instants = np.cumsum(rng.uniform(0.5, 1.5, n) * STEP_S)
    return instants, BASES[name](rng, n), rng.random(n) < (0.002 if name in LOSSY else 0)


def faulty(name: str, fault: str, seed: int) -> tuple[Floats, Floats, NDArray[np.bool_], Stretch]:
    instants, latency, lost = clean(name, 1_000_000 + seed)
    rng = np.random.default_rng((seed, FAULTS.index(fault)))
    begin = int(rng.integers(SAMPLES // 3, SAMPLES // 2))
    end = begin + (30 if fault == "burst" else int(rng.integers(SAMPLES // 4, 2 * SAMPLES // 5)))
    part = slice(begin, end)
    if fault == "drift":
        latency[part] *= 1.3 if seed % 2 else 1 + 0.6 * np.linspace(0, 1, end - begin)
    elif fault == "tail":
        slow = rng.random(end - begin) < 0.04
        latency[part] = np.where(slow, latency[part] * rng.uniform(4, 6, end - begin), latency[part])
    elif fault == "burst":
        latency[part] += (instants[end] - instants[part]) * 1e3
    else:
        phase = (instants[part] + rng.uniform(0, 0.1)) % 0.1
        latency[part] += np.maximum(0.012 - phase, 0) * 1e3
    return instants, latency, lost, (float(instants[begin]), float(instants[end]))


def merged(instants: Floats, flagged: NDArray[np.bool_]) -> list[Stretch]:
    """Flagged instants as stretches; those within a second are one."""
    at = instants[flagged]
    if not len(at):
        return []
    cuts = np.flatnonzero(np.diff(at) > GAP_S)
    return list(zip(at[np.r_[0, cuts + 1]].tolist(), at[np.r_[cuts, len(at) - 1]].tolist(), strict=True))


class Sigmas:
    """Mean and three standard deviations of the first 1024 samples."""

    def __init__(self, name: str) -> None:
        del name

    def __call__(self, instants: Floats, latency: Floats, lost: NDArray[np.bool_]) -> list[Stretch]:
        first = latency[:LEAST][~lost[:LEAST]]
        return merged(instants, lost | (latency > first.mean() + 3 * first.std()))


class Threshold:
    """The lowest that 95 % of clean runs stay below."""

    def __init__(self, name: str) -> None:
        runs = [clean(name, 2_000_000 + seed) for seed in range(100)]
        self._limit = float(np.quantile([latency[~lost].max() for _, latency, lost in runs], 1 - FALSE_ALARM))

    def __call__(self, instants: Floats, latency: Floats, lost: NDArray[np.bool_]) -> list[Stretch]:
        return merged(instants, ~lost & (latency > self._limit))


def features(latency: Floats, lost: NDArray[np.bool_]) -> Floats:
    """Of windows of 64 samples, every 16: shape (windows, 8); ranks among the first 1024 samples."""
    first = np.sort(np.where(lost, np.inf, latency)[:LEAST])
    ranks = np.searchsorted(first, np.where(lost, np.inf, latency)) / LEAST
    rows = np.lib.stride_tricks.sliding_window_view(ranks, WINDOW)[::STRIDE]
    slow = rows > 0.95
    row, longest = np.zeros(len(rows)), np.zeros(len(rows))
    for column in slow.T:
        row = np.where(column, row + 1, 0)
        longest = np.maximum(longest, row)
    centred = rows - rows.mean(axis=1, keepdims=True)
    lagged = (centred[:, 1:] * centred[:, :-1]).mean(axis=1)
    quantiles = np.quantile(rows, (0.25, 0.5, 0.75, 0.9), axis=1)
    return np.column_stack([*quantiles, slow.mean(axis=1), (rows >= 0.999).mean(axis=1), lagged, longest])


class Forest:
    """IsolationForest on windows."""

    def __init__(self, name: str) -> None:
        from sklearn.ensemble import IsolationForest

        learned = [features(*clean(name, 3_000_000 + seed)[1:]) for seed in range(40)]
        self._forest = IsolationForest(n_estimators=100, max_samples=1024, random_state=1)
        self._forest.fit(np.concatenate(learned))
        lowest = [
            self._forest.score_samples(features(*clean(name, 4_000_000 + seed)[1:])).min()
            for seed in range(60)
        ]
        self._limit = float(np.quantile(lowest, FALSE_ALARM))

    def __call__(self, instants: Floats, latency: Floats, lost: NDArray[np.bool_]) -> list[Stretch]:
        odd = self._forest.score_samples(features(latency, lost)) < self._limit
        windows = np.flatnonzero(odd) * STRIDE
        flagged = np.zeros(len(instants), bool)
        for begin in windows:
            flagged[begin : begin + WINDOW] = True
        return merged(instants, flagged)


def stretches(found: list[Anomaly]) -> list[Stretch]:
    return [(one.begin_s, one.end_s) for one in found]


def overlap(one: Stretch, other: Stretch) -> bool:
    return one[0] <= other[1] and other[0] <= one[1]


def scored(detect: Callable[..., list[Stretch]], name: str, turns: int) -> dict[str, Any]:
    """Found faults by kind, right and wrong findings, clean runs with any."""
    found = dict.fromkeys(FAULTS, 0)
    right = wrong = alarmed = 0
    for fault in FAULTS:
        for seed in range(turns):
            instants, latency, lost, truth = faulty(name, fault, seed)
            hits = [overlap(each, truth) for each in detect(instants, latency, lost)]
            found[fault] += any(hits)
            right += sum(hits)
            wrong += len(hits) - sum(hits)
            quiet = detect(*clean(name, 5_000_000 + seed + turns * FAULTS.index(fault)))
            wrong += len(quiet)
            alarmed += bool(quiet)
    return {"found": found, "right": right, "wrong": wrong, "alarmed": alarmed, "clean": turns * len(FAULTS)}


def kinds(name: str, turns: int) -> dict[str, int]:
    """Faults for which a finding of the right kind was among those that overlap it."""
    named = dict.fromkeys(FAULTS, 0)
    for fault in FAULTS:
        for seed in range(turns):
            *series, truth = faulty(name, fault, seed)
            named[fault] += any(
                one.kind.value == fault and overlap((one.begin_s, one.end_s), truth) for one in find(*series)
            )
    return named


def _false_alarms(turns: int, quick: bool) -> tuple[list[Figure], dict[str, Any]]:
    figures, raw = [], {}
    for n in (SAMPLES,) if quick else (SAMPLES, 30_000):
        for name in BASES:
            before = load()
            runs = turns if n == SAMPLES else turns // 4
            noisy = sum(bool(find(*clean(name, seed, n))) for seed in range(runs))
            raw[f"{name}, {n}"] = [noisy, runs]
            # Three standard errors of a rate that is just kept.
            allowed = FALSE_ALARM + 3 * np.sqrt(FALSE_ALARM * (1 - FALSE_ALARM) / runs)
            what = f"clean runs with any finding, {name}, {n:,}"
            figures.append(
                Figure(what, noisy / runs, "", round(float(allowed), 3), before, f"{noisy} of {runs}")
            )
    return figures, raw


def _arms(quick: bool) -> tuple[dict[str, Any], list[str]]:
    arms: dict[str, Any] = {
        "harness": lambda _: lambda *series: stretches(find(*series)),
        "3 sigma": Sigmas,
        "threshold": Threshold,
    }
    try:
        import sklearn  # noqa: F401
    except ImportError:
        return arms, ["forest: scikit-learn is not installed (extra bench)"]
    return arms | {"forest": Forest}, []


def _speed(samples: int) -> list[Figure]:
    before, series = load(), clean("exponential", 1, samples)
    start = time.process_time()
    stream = Stream()
    for at in range(0, samples, 5000):
        part = slice(at, at + 5000)
        stream.feed(*(each[part] for each in series))
        stream.findings()
    seconds = time.process_time() - start
    start = time.process_time()
    find(*series)
    whole = time.process_time() - start
    tracemalloc.start()
    stream = Stream()
    sizes = []
    for at in range(0, min(samples, 200_000), 5000):
        stream.feed(*(each[at : at + 5000] for each in series))
        sizes.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    target = None if samples < 1_000_000 else 10.0
    return [
        Figure(f"{samples:,} samples at once, CPU", whole, "s", target, before),
        Figure(f"{samples:,} samples in pieces of 5000, asked each time, CPU", seconds, "s", None, before),
        Figure("memory of a stream", max(sizes) / 1e6, "MB", 5.0, before),
    ]


def run(quick: bool) -> Outcome:
    figures, false_alarms = _false_alarms(20 if quick else 200, quick)
    turns = 3 if quick else 20
    arms, missing = _arms(quick)
    raw: dict[str, Any] = {"false alarms": false_alarms}
    for label, make in arms.items():
        before = load()
        parts = {name: scored(make(name), name, turns) for name in BASES}
        raw[label] = parts
        right, wrong = (sum(part[key] for part in parts.values()) for key in ("right", "wrong"))
        for fault in FAULTS:
            recall = sum(part["found"][fault] for part in parts.values()) / (turns * len(BASES))
            figures.append(Figure(f"{label}: recall, {fault}", recall, "", None, before))
        figures.append(Figure(f"{label}: precision", right / max(right + wrong, 1), "", None, before))
        alarmed = sum(part["alarmed"] for part in parts.values())
        runs = sum(part["clean"] for part in parts.values())
        figures.append(Figure(f"{label}: clean runs with an alarm", alarmed / runs, "", None, before))
    raw["kinds"] = {name: kinds(name, turns) for name in BASES}
    for fault in FAULTS:
        share = sum(part[fault] for part in raw["kinds"].values()) / (turns * len(BASES))
        figures.append(Figure(f"harness: named as {fault}", share, "", None, load()))
    figures += _speed(100_000 if quick else 1_000_000)
    real, lines = real_runs(1 if quick else 2)
    raw["real"] = lines
    return Outcome("anomalies", [*figures, *real], missing, raw)
