"""Latencies by time: what the distribution and the heat map of a rig are drawn from."""

from __future__ import annotations

from collections import deque
from pathlib import Path

import numpy as np

from harness.config import rig_from_resolved
from harness.errors import HarnessError
from harness.folder import RunFolder
from harness.model import NO_STAMP
from harness.telemetry.bench.live import watched_of
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.export.periodic import Periodic

COLUMNS = 60
Key = tuple[str, str]
"""Rig and scenario."""


class Columns(Periodic):
    """For each rig and scenario with a limit on its latency, up to 60 columns of latencies from intent, in
    seconds: of the newest run that ended, or of what was followed while the page is served. Every
    ``every_s`` seconds is a column."""

    def __init__(self, watch: BenchWatch, reports: Path, every_s: float = 2.0) -> None:
        self.of: dict[Key, tuple[float, list[Buckets]]] = {}
        self._watch, self._reports = watch, reports
        self._seen: dict[Key, Buckets] = {}
        self._live: dict[Key, deque[Buckets]] = {}
        self._read: dict[str, str] = {}
        self.look()
        super().__init__(self.look, every_s, "dashboard")

    def look(self) -> None:
        """Take what is new."""
        for name, rig in list(self._watch.past.rigs.items()):
            if name in self._watch.live:
                self._follow(name)
            elif rig.newest is not None and self._read.get(name) != rig.newest.run:
                self._read[name] = rig.newest.run
                self._take_ended(name, rig.newest.run)

    def _follow(self, name: str) -> None:
        for watched, found in self._watch.ever[name].observed():
            key = (name, watched.scenario)
            newest = found.tally.buckets.copy()
            more = newest.since(self._seen.get(key, Buckets()))
            self._seen[key] = newest
            columns = self._live.setdefault(key, deque(maxlen=COLUMNS))
            if more.total:
                columns.append(more)
                self.of[key] = (watched.limit_s, list(columns))

    def _take_ended(self, name: str, run: str) -> None:
        try:
            folder = RunFolder.open(self._reports / name / run)
            rig, samples = rig_from_resolved(folder.run["rig"]["resolved"]), folder.samples()
            order = [str(each["name"]) for each in folder.run["scenarios"]]
        except (HarnessError, KeyError, TypeError):
            return
        for watched in watched_of(rig):
            if watched.scenario not in order:
                continue
            own = samples[samples["scenario"] == order.index(watched.scenario)]
            own = own[own["intended_ns"] != NO_STAMP]
            lost = own["arrived_ns"] == NO_STAMP
            values = np.where(lost, watched.lost_s, (own["arrived_ns"] - own["intended_ns"]) * 1e-9)
            columns = [_counted(part) for part in np.array_split(values, COLUMNS) if len(part)]
            if columns:
                self.of[name, watched.scenario] = (watched.limit_s, columns)


def _counted(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Buckets:
    made = Buckets()
    made.add(values)
    return made
