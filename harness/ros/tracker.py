"""The samples of a run while it grows, each once, as soon as its outcome is known."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.clocks import Clocks
from harness.analysis.onset import directions
from harness.analysis.samples import build, counted, has, latency_ms, lateness_ms
from harness.config import rig_from_resolved
from harness.config.schema import Match, RigFile
from harness.errors import HarnessError
from harness.folder import SAMPLES, RunFolder
from harness.model import FLOOR_SCENARIOS, NO_STAMP, OBSERVATION_DTYPE, SAMPLE_DTYPE, SampleFlag
from harness.parquet import read_records

WINDOW = 20_000
"""Running percentiles are of this many newest samples."""
BEHIND_NS = 200_000_000
"""A sample counts as lost this long after its timeout: an answer may be on its way to the journal."""


@dataclass(frozen=True)
class Known:
    """One sample. ``at_ns``: when it was sent, or was due if it never was (CLOCK_MONOTONIC). NaN where there
    is no such figure: a latency of what was lost, a lateness of what was not sent."""

    scenario: str
    at_ns: int
    latency_ms: float
    lateness_ms: float
    from_intent_ms: float


@dataclass(frozen=True)
class Figures:
    """Running figures of one scenario. Quantiles are order statistics in ms of the newest ``WINDOW`` samples,
    the lost ones at infinity, as in the report; None before there is anything."""

    scenario: str = ""
    done: int = 0
    planned: int = 0
    lost: int = 0
    skipped: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    lateness_p99_ms: float | None = None


def _quantile(values: deque[float], q: float) -> float | None:
    return float(np.quantile(np.asarray(values), q, method="higher")) if values else None


class Tracker:
    """Reads a run folder again and again; memory is bounded by ``WINDOW`` and the ``limit`` of a look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rig: RigFile | None = None
        self._index = 0
        self._row = 0
        self._latencies: deque[float] = deque(maxlen=WINDOW)
        self._latenesses: deque[float] = deque(maxlen=WINDOW)
        self.figures = Figures()

    def look(self, limit: int) -> list[Known]:
        """The next samples that are known by now, at most ``limit``, in the order of the stimuli."""
        until_ns = time.monotonic_ns() - BEHIND_NS
        try:
            folder = RunFolder.open(self._path)
            stimuli = folder.stimuli()
            if self._rig is None:
                self._rig = rig_from_resolved(folder.run["rig"]["resolved"])
            later = (stimuli["scenario"] > self._index) & (stimuli["scenario"] < FLOOR_SCENARIOS)
            rows = stimuli[stimuli["scenario"] == self._index]
            if self._row >= len(rows):
                if later.any():
                    self._index, self._row = self._index + 1, 0
                return []
            samples = self._build(folder, rows, until_ns)
        except (HarnessError, OSError, KeyError, IndexError, json.JSONDecodeError):
            # A table that is just being made, or was just turned into Parquet: next time.
            return []
        if not later.any():
            unknown = np.flatnonzero(has(samples, SampleFlag.OPEN))
            samples = samples[: unknown[0]] if len(unknown) else samples
        return self._take(samples[:limit], self._index)

    def rest(self, limit: int) -> Iterator[list[Known]]:
        """What is left, of a run that has ended, from its samples.parquet; lists of at most ``limit``."""
        try:
            samples = read_records(self._path / SAMPLES, SAMPLE_DTYPE)[0]
            folder = RunFolder.open(self._path)
            if self._rig is None:
                self._rig = rig_from_resolved(folder.run["rig"]["resolved"])
        except (HarnessError, OSError, KeyError):
            return  # killed before it had any
        for index in range(self._index, len(folder.run.get("scenarios") or ())):
            if index != self._index:
                self._index, self._row = index, 0
            rows = samples[samples["scenario"] == index]
            while self._row < len(rows):
                yield self._take(rows[self._row : self._row + limit], index)

    def _build(self, folder: RunFolder, rows: NDArray[Any], until_ns: int) -> NDArray[Any]:
        """Samples from the first row on that was not taken yet."""
        assert self._rig is not None
        name = folder.run["scenarios"][self._index]["name"]
        spec = self._rig.scenarios[name]
        device, _, port = spec.response.partition(".")
        rule: Match = self._rig.devices[device].ports[port].response.match
        # Without identity an answer may belong to any earlier row, and an onset needs the rest before it.
        begin = self._row if rule.keyed else 0
        ways = None
        if rule.direction == "with_command":
            variants = folder.run["scenarios"][self._index]["variants"]
            ways = directions(rows["variant"], rows["sent_ns"], variants, rule.field)[begin:]
        rows = rows[begin:]
        observed = folder.observations().get(spec.response, np.empty(0, OBSERVATION_DTYPE))
        sampled = build(
            rows,
            observed[observed["seen_ns"] >= rows["intended_ns"].min()],
            Clocks(folder.run, self._rig, folder.clocks()).timebase,
            rule,
            round(spec.timeout_ms * 1e6),
            arrival=spec.arrival,
            recorded_until_ns=until_ns,
            directions=ways,
        )
        return sampled.samples[self._row - begin :]

    def _take(self, samples: NDArray[Any], index: int) -> list[Known]:
        assert self._rig is not None
        name = list(self._rig.scenarios)[index]
        if self.figures.scenario != name:
            self.figures = Figures(name, planned=self._rig.scenarios[name].schedule.samples)
            self._latencies.clear()
            self._latenesses.clear()
        self._row += len(samples)
        samples = samples[counted(samples)]
        self._count(samples)
        sent = samples["sent_ns"] != NO_STAMP
        at = np.where(sent, samples["sent_ns"], samples["intended_ns"])
        latency, intent = latency_ms(samples), latency_ms(samples, "intended_ns")
        late = lateness_ms(samples)
        columns = [np.where(np.isfinite(each), each, np.nan) for each in (latency, late, intent)]
        return [
            Known(name, int(moment), *(float(each) for each in figures))
            for moment, *figures in zip(at, *columns, strict=True)
        ]

    def _count(self, samples: NDArray[Any]) -> None:
        if not len(samples):
            return
        latency, late = latency_ms(samples), lateness_ms(samples)
        self._latencies.extend(latency[~np.isnan(latency)].tolist())
        self._latenesses.extend(late[np.isfinite(late)].tolist())
        before = self.figures
        self.figures = replace(
            before,
            done=before.done + len(samples),
            lost=before.lost + int(has(samples, SampleFlag.LOST).sum()),
            skipped=before.skipped + int(np.isinf(late).sum()),
            p50_ms=_quantile(self._latencies, 0.5),
            p99_ms=_quantile(self._latencies, 0.99),
            lateness_p99_ms=_quantile(self._latenesses, 0.99),
        )
