"""One run while it goes on: its sign of life, running percentiles, and its samples against their limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from math import isnan
from pathlib import Path

import numpy as np

from harness.config import rig_from_resolved
from harness.config.schema import RigFile
from harness.errors import HarnessError
from harness.folder import EVENTS, RunFolder
from harness.model import Verdict
from harness.ros.tracker import Figures, Known, Tracker
from harness.telemetry.bench.columns import Line, TimeColumns, lines_of, lost_s
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.limits import SECONDS_PER, Limits
from harness.telemetry.budget.observed import Observed
from harness.telemetry.budget.verdict import judge, worst
from harness.telemetry.paths import addresses_of

BATCH = 5000
"""Samples that are taken at once."""
LONGEST_S = 2.0
"""Of one look; the rest comes with the next one."""


@dataclass(frozen=True)
class Watched:
    """A requirement that single samples keep or break: on a quantile of the latency, with an upper limit, in
    seconds. ``timeout_s``: of its scenario; an unanswered stimulus counts with it, always as an overrun."""

    scenario: str
    requirement: str
    limit_s: float
    quantile: float
    confidence: float
    timeout_s: float

    @property
    def limits(self) -> Limits:
        """The same as a budget."""
        return Limits("latency", "s", self.limit_s, None, self.quantile, self.confidence)

    @property
    def lost_s(self) -> float:
        """What an unanswered stimulus counts with."""
        return max(self.timeout_s, 2 * self.limit_s)


def watched_of(rig: RigFile) -> list[Watched]:
    """The requirements of a rig that can be watched while it runs."""
    return [
        Watched(
            asked.scenario,
            asked.id,
            asked.limit * SECONDS_PER[asked.unit],
            asked.quantile,
            asked.confidence,
            rig.scenarios[asked.scenario].timeout_ms * 1e-3,
        )
        for asked in rig.requirements
        if asked.quantity == "latency" and asked.quantile is not None and asked.limit_is == "upper"
    ]


class Counted:
    """Samples counted against each watched requirement, by the latency from intent or from sent."""

    def __init__(self, *, from_intent: bool) -> None:
        self._from_intent = from_intent
        self._books: dict[Watched, Budgets] = {}

    def expect(self, watched: list[Watched]) -> None:
        """Count against these. One whose limit has changed since begins anew."""
        names = {(each.scenario, each.requirement) for each in watched}
        for old in [each for each in self._books if (each.scenario, each.requirement) in names]:
            if old not in watched:
                del self._books[old]
        for each in watched:
            if each not in self._books:
                book = self._books[each] = Budgets(reports=None)
                limits = each.limits
                book.define(
                    limits.name,
                    upper=limits.upper,
                    unit="s",
                    quantile=limits.quantile,
                    confidence=limits.confidence,
                )

    def take(self, samples: list[Known]) -> None:
        """Count samples; those that were not sent count neither way."""
        for watched, book in self._books.items():
            for sample in samples:
                if sample.scenario != watched.scenario or isnan(sample.lateness_ms):
                    continue
                value = sample.from_intent_ms if self._from_intent else sample.latency_ms
                book.observe("latency", watched.lost_s if isnan(value) else value * 1e-3)

    def observed(self) -> Iterator[tuple[Watched, Observed]]:
        """What was counted, by requirement."""
        for watched, book in list(self._books.items()):
            yield watched, book.observed()[0]


@dataclass
class Life:
    """What is known of a run that goes on. ``heartbeat_s``: its last sign of life, in seconds since 1970."""

    heartbeat_s: float = 0.0
    figures: dict[str, Figures] = field(default_factory=dict)
    verdicts: dict[Watched, Verdict] = field(default_factory=dict)


class LiveRun:
    """Follows one run; what it finds goes to ``ever``, too, which outlives it."""

    def __init__(self, folder: Path, ever: Counted) -> None:
        self.folder = folder
        self.life = Life()
        self.addresses: dict[str, str] = {}
        """Where its devices are on the network, those whose rig file says so."""
        self.lines: dict[str, list[Line]] = {}
        self.columns: dict[str, TimeColumns] = {}
        """Latencies from intent of this run alone, by scenario with a limit on its latency."""
        self._lost_s: dict[str, float] = {}
        self._ever = ever
        self._tracker: Tracker | None = None
        self._intent, self._sent = Counted(from_intent=True), Counted(from_intent=False)

    def look(self) -> None:
        """Take what has come since the last look; at most two seconds long."""
        self._sign_of_life()
        if self._tracker is None and not self._begin():
            return
        assert self._tracker is not None
        until = time.monotonic() + LONGEST_S
        while time.monotonic() < until and (samples := self._tracker.look(BATCH)):
            self._take(samples)
        self._judge()

    def end(self) -> None:
        """The run has ended: take the rest of its samples."""
        if self._tracker is not None or self._begin():
            assert self._tracker is not None
            for samples in self._tracker.rest(BATCH):
                self._take(samples)

    def _begin(self) -> bool:
        try:
            rig = rig_from_resolved(RunFolder.open(self.folder).run["rig"]["resolved"])
        except (HarnessError, KeyError):
            return False  # it has only just been made
        self.addresses = addresses_of(rig)
        watched = watched_of(rig)
        for each in (self._ever, self._intent, self._sent):
            each.expect(watched)
        lines = lines_of(rig)
        self._lost_s = {name: lost_s(rig, name, limits) for name, limits in lines.items()}
        # In this order: somebody else may go through the columns.
        self.lines = lines
        self.columns = {name: TimeColumns() for name in lines}
        self._tracker = Tracker(self.folder)
        return True

    def _take(self, samples: list[Known]) -> None:
        assert self._tracker is not None
        for each in (self._ever, self._intent, self._sent):
            each.take(samples)
        self._columns(samples)
        figures = self._tracker.figures
        self.life.figures[figures.scenario] = figures

    def _columns(self, samples: list[Known]) -> None:
        for scenario, columns in self.columns.items():
            sent = [each for each in samples if each.scenario == scenario and not isnan(each.lateness_ms)]
            values = np.array([each.from_intent_ms for each in sent], dtype=np.float64) * 1e-3
            values[np.isnan(values)] = self._lost_s[scenario]
            columns.add(np.array([each.at_ns for each in sent], dtype=np.float64) * 1e-9, values)

    def _judge(self) -> None:
        """PASS on the latency from intent, FAIL on that from sent, as in the results; without what the
        rig's clocks and floor add, and without the checks of a run that has ended."""
        by_sent = dict(self._sent.observed())
        for watched, intent in self._intent.observed():
            passing = worst([each.verdict for each in judge(watched.limits, intent.tally)])
            failing = worst([each.verdict for each in judge(watched.limits, by_sent[watched].tally)])
            if passing is Verdict.PASS or failing is Verdict.FAIL:
                self.life.verdicts[watched] = Verdict.FAIL if failing is Verdict.FAIL else Verdict.PASS
            else:
                self.life.verdicts[watched] = Verdict.INCONCLUSIVE

    def _sign_of_life(self) -> None:
        """The newest of what it has sent, and of what it has noted."""
        latest = 0.0
        with suppress(OSError):
            latest = (self.folder / EVENTS).stat().st_mtime
        with suppress(HarnessError, OSError):
            stimuli = RunFolder(self.folder, {}).stimuli()
            if len(stimuli):
                ago_ns = time.monotonic_ns() - int(np.max(stimuli["sent_ns"][-64:]))
                latest = max(latest, time.time() - ago_ns * 1e-9)
        # Not into the future: a run that was recorded before the last reboot has other readings of the clock.
        self.life.heartbeat_s = max(self.life.heartbeat_s, min(latest, time.time()))
