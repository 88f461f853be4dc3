"""Looks at the runs of a bench again and again, in a thread of its own, for whoever asks for their
metrics."""

from __future__ import annotations

import time
from pathlib import Path

from harness.model import Verdict
from harness.telemetry.bench.live import Counted, LiveRun
from harness.telemetry.bench.past import Past
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.budget.report import Report
from harness.telemetry.budget.verdict import worst
from harness.telemetry.export.periodic import Periodic

VERDICTS_EVERY_S = 10.0


class BenchWatch(Periodic):
    """The runs under ``reports`` and the verdicts on ``budgets``, every ``every_s`` seconds until it is
    closed."""

    def __init__(self, budgets: Budgets, reports: Path, every_s: float = 1.0) -> None:
        self.past = Past(reports)
        self.live: dict[str, LiveRun] = {}
        self.ever: dict[str, Counted] = {}
        self.verdicts: dict[tuple[str, str], Verdict] = {}
        self.report: Report | None = None
        """On all budgets, at most ten seconds old."""
        self._budgets = budgets
        self._due = 0.0
        self.look()
        super().__init__(self.look, every_s, "bench-watch")

    def paths(self) -> dict[str, str]:
        """By RIG.DEVICE, where the devices of the rigs that run now are on the network."""
        return {
            f"{rig}.{device}": address
            for rig, run in list(self.live.items())
            for device, address in run.addresses.items()
        }

    def look(self) -> None:
        """Take what is new."""
        self.past.look()
        for name, rig in list(self.past.rigs.items()):
            newest = max(rig.open, default=None)
            if newest is not None and rig.newest is not None and newest.name <= rig.newest.run:
                newest = None  # it was killed: a later one has ended
            followed = self.live.get(name)
            if followed is not None and followed.folder != newest:
                followed.end()
                del self.live[name]
            if newest is not None:
                if name not in self.live:
                    counted = self.ever.setdefault(name, Counted(from_intent=True))
                    self.live[name] = LiveRun(newest, counted)
                self.live[name].look()
        if time.monotonic() >= self._due:
            self._judge()
            self._due = time.monotonic() + VERDICTS_EVERY_S

    def _judge(self) -> None:
        report = self.report = self._budgets.results()
        found: dict[tuple[str, str], list[Verdict]] = {}
        pillars = {line.limits.name: line.limits.pillar for line in report.lines}
        for line in report.lines:
            if line.verdict is not None and line.n:
                found.setdefault((line.limits.name, line.limits.pillar), []).append(line.verdict)
        for run in report.runs:
            found.setdefault((run.budget, pillars[run.budget]), []).append(run.verdict)
        self.verdicts = {key: verdict for key, each in found.items() if (verdict := worst(each)) is not None}
