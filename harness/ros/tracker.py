"""The samples of a run while it grows, each once, as soon as its outcome is known."""

from __future__ import annotations

import json
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.clocks import Clocks
from harness.analysis.onset import directions
from harness.analysis.samples import build, counted, has, latency_ms, lateness_ms
from harness.analysis.swarm_sampling import sample_of_folder
from harness.config import rig_from_resolved
from harness.config.schema import Match, RigFile, SwarmReorganization
from harness.config.together import groups
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


@dataclass
class _Running:
    """How far one scenario was taken, and its newest figures. Memory is bounded by ``WINDOW``."""

    figures: Figures
    row: int = 0
    latencies: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))
    latenesses: deque[float] = field(default_factory=lambda: deque(maxlen=WINDOW))

    @classmethod
    def of(cls, rig: RigFile, index: int) -> _Running:
        """Nothing taken yet."""
        name = list(rig.scenarios)[index]
        return cls(Figures(name, planned=rig.scenarios[name].schedule.samples))

    def count(self, samples: NDArray[Any]) -> None:
        """Take counted samples into the figures."""
        if not len(samples):
            return
        latency, late = latency_ms(samples), lateness_ms(samples)
        self.latencies.extend(latency[~np.isnan(latency)].tolist())
        self.latenesses.extend(late[np.isfinite(late)].tolist())
        before = self.figures
        self.figures = replace(
            before,
            done=before.done + len(samples),
            lost=before.lost + int(has(samples, SampleFlag.LOST).sum()),
            skipped=before.skipped + int(np.isinf(late).sum()),
            p50_ms=_quantile(self.latencies, 0.5),
            p99_ms=_quantile(self.latencies, 0.99),
            lateness_p99_ms=_quantile(self.latenesses, 0.99),
        )


class Tracker:
    """Reads a run folder again and again; memory is bounded by ``WINDOW`` and the ``limit`` of a look."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._rig: RigFile | None = None
        self._group: list[int] = []
        self._running: dict[int, _Running] = {}
        self.figures = Figures()
        """Of the scenario that was looked at last."""

    def look(self, limit: int) -> list[Known]:
        """The next samples that are known by now, at most ``limit``, of one scenario, in the order of the
        stimuli. Of scenarios that are measured at the same time, each has its turn."""
        until_ns = time.monotonic_ns() - BEHIND_NS
        try:
            folder = RunFolder.open(self._path)
            stimuli = folder.stimuli()
            rig = self._loaded(folder)
            number = stimuli["scenario"]
            later = bool(((number > self._group[-1]) & (number < FLOOR_SCENARIOS)).any())
            for _ in self._group:
                index = self._group.pop(0)
                self._group.append(index)
                rows = stimuli[number == index]
                if self._running[index].row < len(rows):
                    samples = self._build(folder, rig, index, rows, until_ns)
                    if not later:
                        unknown = np.flatnonzero(has(samples, SampleFlag.OPEN))
                        samples = samples[: unknown[0]] if len(unknown) else samples
                    if len(samples):
                        return self._take(samples[:limit], rig, index)
            if later:
                self._next_group(rig)
        except (HarnessError, OSError, KeyError, IndexError, json.JSONDecodeError):
            # A table that is just being made, or was just turned into Parquet: next time.
            pass
        return []

    def rest(self, limit: int) -> Iterator[list[Known]]:
        """What is left, of a run that has ended, from its samples.parquet; lists of at most ``limit``."""
        try:
            samples = read_records(self._path / SAMPLES, SAMPLE_DTYPE)[0]
            folder = RunFolder.open(self._path)
            rig = self._loaded(folder)
        except (HarnessError, OSError, KeyError):
            return  # killed before it had any
        for index in range(min(self._group), len(folder.run.get("scenarios") or ())):
            rows = samples[samples["scenario"] == index]
            running = self._running.setdefault(index, _Running.of(rig, index))
            while running.row < len(rows):
                yield self._take(rows[running.row : running.row + limit], rig, index)

    def _loaded(self, folder: RunFolder) -> RigFile:
        if self._rig is None:
            self._rig = rig_from_resolved(folder.run["rig"]["resolved"])
            self._next_group(self._rig)
        return self._rig

    def _next_group(self, rig: RigFile) -> None:
        names = list(rig.scenarios)
        begin = max(self._group, default=-1) + 1
        group = next(each for each in groups(names, rig.together) if names[begin] in each)
        self._group = [names.index(name) for name in group]
        for index in self._group:
            self._running.setdefault(index, _Running.of(rig, index))

    def _build(
        self, folder: RunFolder, rig: RigFile, index: int, rows: NDArray[Any], until_ns: int
    ) -> NDArray[Any]:
        """Samples from the first row on that was not taken yet."""
        name = folder.run["scenarios"][index]["name"]
        spec = rig.scenarios[name]
        if isinstance(spec, SwarmReorganization):
            timebase = Clocks(folder.run, rig, folder.clocks()).timebase
            rest = rows[self._running[index].row :]
            return sample_of_folder(folder, rig, name, rest, timebase, until_ns)
        device, _, port = spec.response.partition(".")
        rule: Match = rig.devices[device].ports[port].response.match
        # Without identity an answer may belong to any earlier row, and an onset needs the rest before it.
        row = self._running[index].row
        begin = row if rule.keyed else 0
        ways = None
        if rule.direction == "with_command":
            variants = folder.run["scenarios"][index]["variants"]
            ways = directions(rows["variant"], rows["sent_ns"], variants, rule.field)[begin:]
        rows = rows[begin:]
        observed = folder.observations().get(spec.response, np.empty(0, OBSERVATION_DTYPE))
        sampled = build(
            rows,
            observed[observed["seen_ns"] >= rows["intended_ns"].min()],
            Clocks(folder.run, rig, folder.clocks()).timebase,
            rule,
            round(spec.timeout_ms * 1e6),
            arrival=spec.arrival,
            recorded_until_ns=until_ns,
            directions=ways,
            still=getattr(spec.schedule, "rest", "none") == "still",
        )
        return sampled.samples[row - begin :]

    def _take(self, samples: NDArray[Any], rig: RigFile, index: int) -> list[Known]:
        name, running = list(rig.scenarios)[index], self._running[index]
        running.row += len(samples)
        samples = samples[counted(samples)]
        running.count(samples)
        self.figures = running.figures
        sent = samples["sent_ns"] != NO_STAMP
        at = np.where(sent, samples["sent_ns"], samples["intended_ns"])
        latency, intent = latency_ms(samples), latency_ms(samples, "intended_ns")
        late = lateness_ms(samples)
        columns = [np.where(np.isfinite(each), each, np.nan) for each in (latency, late, intent)]
        return [
            Known(name, int(moment), *(float(each) for each in figures))
            for moment, *figures in zip(at, *columns, strict=True)
        ]
