"""Budgets that runs of rigs decide: the verdicts of their requirements, as they stand in results.json.

A budget takes over a verdict only where it follows: PASS from a requirement that is at least as strict, FAIL
from one that is at most as strict, and INCONCLUSIVE otherwise, with what to change. Of each rig the newest
run that ended counts; earlier ones are history.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from harness.history.past import PastRequirement, PastRun
from harness.history.reading import RESULTS, read_run, run_folders
from harness.model import Verdict
from harness.telemetry.budget.limits import SECONDS_PER, Limits

_log = logging.getLogger("harness.budget")


@dataclass(frozen=True)
class FromRun:
    """What one requirement of one run says of a budget. Values in the budget's unit, None where there is
    none.

    ``average``: of the scenario's latencies from sent, where the budget is one of latency. ``quantile``: the
    requirement's, that ``estimate`` and ``bound`` are of; None of a mean or a share.
    """

    budget: str
    rig: str
    run: str
    simulated: bool
    requirement: str
    verdict: Verdict
    reason: str
    n: int
    average: float | None
    estimate: float | None
    bound: float | None
    folder: str
    quantile: float | None = None


def from_runs(limits: Iterable[Limits], reports: Path) -> list[FromRun]:
    """What the newest runs under ``reports`` (RIG/RUN/results.json) say of budgets that have ``rig``."""
    wanted = [each for each in limits if each.rig is not None]
    if not wanted:
        return []
    return [found for run in _newest(reports) for found in _of_run(wanted, run)]


def _newest(reports: Path) -> Iterator[PastRun]:
    for _, runs in groupby(run_folders(reports), lambda folder: folder.parent):
        for folder in reversed(list(runs)):
            try:
                run = read_run(folder)
            except FileNotFoundError:
                continue
            except (OSError, ValueError) as error:
                _log.warning("%s cannot be read: %s", folder / RESULTS, error)
                continue
            if run.ended is not None and not run.aborted:
                yield run
                break


def _of_run(wanted: Sequence[Limits], run: PastRun) -> Iterator[FromRun]:
    for asked in run.requirements.values():
        scenario = run.scenarios.get(asked.scenario)
        if scenario is None:
            continue
        for limits in wanted:
            factor = _factor(asked.unit, limits.unit)
            if limits.rig != (scenario.kind, asked.quantity) or factor is None:
                continue
            verdict, reason = _follows(limits, asked, factor)
            mean = scenario.mean_ms if asked.quantity == "latency" else None
            per_ms = _factor("ms", limits.unit)
            bound = asked.upper_bound if limits.upper is not None else asked.lower_bound
            yield FromRun(
                budget=limits.name,
                rig=run.rig,
                run=run.run_id,
                simulated=run.simulated,
                requirement=asked.id,
                verdict=verdict,
                reason=reason,
                n=asked.n,
                average=None if per_ms is None else _times(mean, per_ms),
                estimate=_times(asked.estimate, factor),
                bound=_times(bound, factor),
                folder=str(run.path),
                quantile=asked.quantile,
            )


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _factor(unit: str, other: str) -> float | None:
    """What a value in ``unit`` is multiplied by to be in ``other``; None where it cannot be."""
    if unit == other:
        return 1.0
    if unit in SECONDS_PER and other in SECONDS_PER:
        return SECONDS_PER[unit] / SECONDS_PER[other]
    return None


def _follows(limits: Limits, asked: PastRequirement, factor: float) -> tuple[Verdict, str]:
    """The verdict on the budget that follows from that of the requirement, and why."""
    verdict = asked.verdict
    which = asked.limit_is
    budget = limits.upper if which == "upper" else limits.lower
    said = f"{asked.id}: {verdict.value}"
    if budget is None:
        return Verdict.INCONCLUSIVE, f"{said}, of a limit on the other side"
    limit = asked.limit * factor
    # Of a mean or a share there is no quantile; such a requirement is compared by its limit.
    quantile = limits.quantile if asked.quantile is None else asked.quantile
    tighter = limit <= budget if which == "upper" else limit >= budget
    looser = limit >= budget if which == "upper" else limit <= budget
    sure = asked.confidence >= limits.confidence
    if verdict is Verdict.PASS and tighter and quantile >= limits.quantile and sure:
        return verdict, said
    if verdict is Verdict.FAIL and looser and quantile <= limits.quantile and sure:
        return verdict, said
    if verdict in (Verdict.ERROR, Verdict.INCONCLUSIVE):
        return verdict, said
    return (
        Verdict.INCONCLUSIVE,
        f"{said}, which does not decide this budget ({limits.words}): require that in the rig file",
    )
