"""Signals of the response port after a stimulus, of a real run and a simulated one, laid over each other.

Of a match by onset every value of the signal is recorded. Each trial is put on the time since its stimulus
was sent, its level at that instant taken off, its direction turned upwards, and the trials averaged. The
instants are those at which the harness had the values, so that transport is in them as it is in the
latency.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.samples import tried
from harness.folder import RunFolder
from harness.history.past import PastRun
from harness.model import NO_STAMP

Floats = NDArray[np.float64]

POINTS = 120
MOST_TRIALS = 500
"""Of more trials these are enough for a mean, evenly chosen."""
FEWEST_VALUES = 4
FEWEST_TRIALS = 3


@dataclass(frozen=True)
class Trace:
    """Mean over ``trials`` of a run, in the signal's unit, at ``Traces.time_ms``; ``low`` and ``high``: the
    tenth and ninth decile of the trials."""

    run: str
    trials: int
    mean: Floats
    low: Floats
    high: Floats


@dataclass(frozen=True)
class Traces:
    """Both traces of ``port``. ``rms_share``: root mean square of their difference, as a share of the largest
    excursion of the real one; ``largest_share``: the largest difference, likewise."""

    port: str
    time_ms: Floats
    real: Trace
    simulated: Trace
    rms_share: float
    largest_share: float


def traces(real: PastRun, simulated: PastRun, scenario: str) -> Traces | None:
    """None where either run has no signal: another match than by onset, or too few values."""
    folders = [RunFolder.open(run.path) for run in (real, simulated)]
    port = real.scenarios[scenario].response
    if any(_match_kind(folder, port) != "onset" for folder in folders):
        return None
    span_ms = min(_span_ms(folder, scenario) for folder in folders)
    time_ms = np.linspace(0.0, span_ms, POINTS)
    found = [_trace(folder, scenario, port, time_ms) for folder in folders]
    if found[0] is None or found[1] is None:
        return None
    apart = found[1].mean - found[0].mean
    excursion = float(np.abs(found[0].mean).max()) or 1.0
    return Traces(
        port,
        time_ms,
        found[0],
        found[1],
        float(np.sqrt((apart**2).mean())) / excursion,
        float(np.abs(apart).max()) / excursion,
    )


def _match_kind(folder: RunFolder, port: str) -> str:
    device, _, name = port.partition(".")
    try:
        return str(
            folder.run["rig"]["resolved"]["devices"][device]["ports"][name]["response"]["match"]["kind"]
        )
    except (KeyError, TypeError):
        return ""


def _span_ms(folder: RunFolder, scenario: str) -> float:
    """As long as most trials lasted: until the next stimulus, which may bring the robot back, at most the
    timeout."""
    timeout_ms = float(folder.run["rig"]["resolved"]["scenarios"][scenario]["timeout_ms"])
    samples = _of_scenario(folder, scenario)
    sent = np.sort(samples["sent_ns"][samples["sent_ns"] != NO_STAMP])
    trials = np.sort(samples["sent_ns"][tried(samples)])
    after = np.searchsorted(sent, trials, side="right")
    gaps = sent[after[after < len(sent)]] - trials[after < len(sent)]
    return min(timeout_ms, float(np.quantile(gaps, 0.1)) * 1e-6) if len(gaps) else timeout_ms


def _of_scenario(folder: RunFolder, scenario: str) -> NDArray[Any]:
    names = [str(each["name"]) for each in folder.run.get("scenarios") or []]
    samples = folder.samples()
    return np.asarray(samples[samples["scenario"] == names.index(scenario)])


def _trace(folder: RunFolder, scenario: str, port: str, time_ms: Floats) -> Trace | None:
    samples = _of_scenario(folder, scenario)
    # Of a signal that was not at rest before its stimulus nothing can be told.
    sent = np.sort(samples["sent_ns"][tried(samples)])
    rows = folder.observations().get(port)
    if rows is None or not len(rows) or not len(sent):
        return None
    rows = rows[np.isfinite(rows["value"])]
    rows = rows[np.argsort(rows["seen_ns"], kind="stable")]
    if len(sent) > MOST_TRIALS:
        sent = sent[np.linspace(0, len(sent) - 1, MOST_TRIALS).astype(np.int64)]
    trials = [
        trial
        for instant in sent.tolist()
        if (trial := one_trial(rows["seen_ns"], rows["value"], instant, time_ms)) is not None
    ]
    if len(trials) < FEWEST_TRIALS:
        return None
    table = np.stack(trials)
    low, high = np.quantile(table, (0.1, 0.9), axis=0)
    return Trace(folder.run_id, len(table), table.mean(axis=0), low, high)


def one_trial(seen_ns: NDArray[np.int64], value: Floats, sent_ns: int, time_ms: Floats) -> Floats | None:
    """The signal at ``time_ms`` after ``sent_ns``, less its last value before, turned so that it departs
    upwards; each value holds until the next. None of too few values."""
    at = sent_ns + np.round(time_ms * 1e6).astype(np.int64)
    place = np.searchsorted(seen_ns, at, side="right") - 1
    if place[0] < 0 or place[-1] - place[0] < FEWEST_VALUES:
        return None
    moved = value[place] - value[place[0]]
    # Where it first is half of its way: what follows may be the way back.
    size = np.abs(moved)
    departed = moved[int((size >= 0.5 * size.max()).argmax())]
    return np.asarray(-moved if departed < 0 else moved)
