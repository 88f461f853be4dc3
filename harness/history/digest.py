"""What is put on the one page of a review: better, worse, near its budget, never measured."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from math import inf
from pathlib import Path

from harness.config import list_rigs, load_rig
from harness.errors import HarnessError
from harness.history.index import History
from harness.history.past import Broken, PastRun
from harness.history.shifts import Shift, shifts
from harness.model import Verdict
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.limits import Limits

NEAR = 0.8
"""From this share of a limit on something is near it."""


@dataclass(frozen=True)
class Used:
    """How much of one limit is used up. ``name``: of a requirement with its rig, or of a budget; ``what``:
    simulated or real, or budget; ``share``: 1 is at the limit; ``at``: when it was measured, None where that
    is not known."""

    name: str
    what: str
    verdict: str
    share: float
    at: datetime | None


@dataclass(frozen=True)
class Digest:
    """Everything of the page. ``runs``: those of the period, the oldest first; ``used``: every limit that
    something is known of, the fullest first; ``stale``: rigs whose newest run is older than the period, with
    it; ``without``: rigs of rig_configs/ that have no run; ``unobserved``: budgets that nothing was observed
    of; ``unreadable``: rig files."""

    start: datetime
    end: datetime
    runs: tuple[PastRun, ...]
    rigs: tuple[str, ...]
    shifts: tuple[Shift, ...]
    used: tuple[Used, ...]
    stale: tuple[PastRun, ...]
    without: tuple[str, ...]
    unobserved: tuple[Limits, ...]
    broken: tuple[Broken, ...]
    unreadable: tuple[str, ...]

    @property
    def worse(self) -> list[Shift]:
        """What is shown to be worse, the most first; and what was PASS and is FAIL now."""
        found = [each for each in self.shifts if (each.shown and each.worse) or _fell(each)]
        return sorted(found, key=lambda each: -inf if each.change is None else -each.change)

    @property
    def better(self) -> list[Shift]:
        """What is shown to be better, the most first; and what was FAIL and is PASS now."""
        worse = self.worse
        found = [
            each
            for each in self.shifts
            if each not in worse and ((each.shown and each.worse is False) or _rose(each))
        ]
        return sorted(found, key=lambda each: -inf if each.change is None else each.change)

    @property
    def near(self) -> list[Used]:
        """What has used up most of its limit, or more than all of it."""
        return [each for each in self.used if each.share >= NEAR]


def _fell(shift: Shift) -> bool:
    return shift.was is Verdict.PASS and shift.asked.verdict is Verdict.FAIL


def _rose(shift: Shift) -> bool:
    return shift.was is Verdict.FAIL and shift.asked.verdict is Verdict.PASS


def gather(
    reports: Path,
    start: datetime,
    *,
    budgets: Path | None = None,
    folder: Path | None = None,
    now: datetime | None = None,
) -> Digest:
    """The digest of the runs under ``reports`` since ``start``, and of what programs have observed in
    ``folder``; ``budgets``: a file or folder of them, None for the catalogue.

    Raises ConfigurationError for a mistake in a file of budgets.
    """
    with History.open(reports) as history:
        runs, broken = history.runs(), history.broken
    newest = {run.rig: run for run in runs}
    ended = {run.rig: run for run in runs if not run.aborted}
    named, unreadable = _rig_names()
    used, unobserved = _budgets(reports, budgets, folder)
    used += [each for run in ended.values() for each in _requirements(run)]
    return Digest(
        start=start,
        end=now or datetime.now(timezone.utc),
        runs=tuple(run for run in runs if run.started >= start),
        rigs=tuple(sorted(newest)),
        shifts=tuple(shifts(runs, start)),
        used=tuple(sorted(used, key=lambda each: -each.share)),
        stale=tuple(sorted((r for r in newest.values() if r.started < start), key=lambda r: r.started)),
        without=tuple(name for name in named if name not in newest),
        unobserved=unobserved,
        broken=broken,
        unreadable=unreadable,
    )


def item(run: PastRun) -> str:
    """``simulated`` or ``real``."""
    return "simulated" if run.simulated else "real"


def _requirements(run: PastRun) -> list[Used]:
    return [
        Used(f"{run.rig} {each.id}", item(run), each.verdict.value, each.used, run.started)
        for each in run.requirements.values()
        if each.used is not None
    ]


def _budgets(reports: Path, path: Path | None, folder: Path | None) -> tuple[list[Used], tuple[Limits, ...]]:
    book = Budgets(gather=False if folder is None else folder, reports=reports)
    book.load(path)
    report = book.results()
    used = [
        Used(line.limits.name, "budget", each.verdict.value, share, None)
        for line in report.lines
        for each in line.judged
        if line.n and (share := _share(each.which, each.limit, _known(each.bound, each.estimate))) is not None
    ]
    return used, tuple(line.limits for line in report.unobserved())


def _known(bound: float | None, estimate: float | None) -> float | None:
    return estimate if bound is None else bound


def _share(which: str, limit: float, value: float | None) -> float | None:
    if value is None or limit <= 0 or (which == "lower" and value <= 0):
        return None
    return value / limit if which == "upper" else limit / value


def _rig_names() -> tuple[list[str], tuple[str, ...]]:
    """Names of the rigs of rig_configs/, and rig files that cannot be read."""
    names: list[str] = []
    unreadable: list[str] = []
    for path in list_rigs():
        try:
            names.append(load_rig(path).rig.rig.name)
        except HarnessError:
            unreadable.append(str(path.name))
    return names, tuple(unreadable)


def counted(runs: Sequence[PastRun]) -> dict[str, int]:
    """Runs by verdict, in the order in which verdicts are told."""
    found = {verdict.value: sum(run.verdict is verdict for run in runs) for verdict in Verdict}
    return {name: count for name, count in found.items() if count}
