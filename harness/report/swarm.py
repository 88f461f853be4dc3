"""A swarm that loses its leader: phases, violations, and every trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.analysis.evidence import MS_PER_UNIT
from harness.analysis.swarm_advice import advice
from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, figure, heading, paragraph, save, table
from harness.results import Distribution, RequirementResult, ScenarioResult, SwarmResult, SwarmTrial

PHASES = {
    "detection": "fault to the first survivor that noticed",
    "election": "until the first one follows the new leader",
    "agreement": "until the last one follows it",
    "re_forming": "until all hold their roles",
    "total": "reorganisation",
}
TRIALS = 150
"""Rows of the list of trials at most; the slowest are kept."""


def reorganised(
    stem: str, scenario: ScenarioResult, requirements: Sequence[RequirementResult], root: Path
) -> Iterator[Block]:
    """Blocks of a swarm scenario, none of any other; its pictures are written to ``root`` as SVG."""
    swarm = scenario.swarm
    if swarm is None:
        return
    asked = _asked(requirements)
    limit_ms = None if asked is None else asked[0]
    yield heading("Violations", 2)
    if swarm.violations:
        yield bullets(swarm.violations)
    else:
        yield paragraph(
            "None: no two leaders in one term, nobody who followed the lost leader at the end, no flapping,"
            " no role held twice, no election without a fault."
        )
    yield heading("Losing a robot, phase by phase", 2)
    if swarm.phases_ms["total"].n:
        yield _phases(swarm)
        yield _stacks(stem, swarm, limit_ms, root)
        if asked is not None:
            yield bullets(advice(swarm, *asked, swarm.detection_timeout_ms))
    yield from _timelines(stem, swarm, limit_ms, root)
    if swarm.trials:
        yield heading("Trials", 2)
        yield _trials(swarm)


def _asked(requirements: Sequence[RequirementResult]) -> tuple[float, float, float] | None:
    """The narrowest limit of latency in ms, its quantile and U; None without one."""
    found = [
        (
            float(each.limit * MS_PER_UNIT[each.unit]),
            each.quantile,
            float((each.uncertainty or 0.0) * MS_PER_UNIT[each.unit]),
        )
        for each in requirements
        if each.quantity == "latency" and each.quantile is not None and each.unit in MS_PER_UNIT
    ]
    return min(found, default=None)


def _stacks(stem: str, swarm: SwarmResult, limit_ms: float | None, root: Path) -> Block:
    from harness.report import swarm_figures  # matplotlib takes a second to import

    total = swarm.phases_ms["total"]
    return figure(
        save(root, f"{stem}-phases", swarm_figures.phases(swarm, limit_ms)),
        f"Stacked bars of the phases of each trial; the whole from {t.number(total.min)} to"
        f" {t.number(total.max)} ms.",
        "Each trial as a stack of its phases. Trials that did not reorganise have no bar.",
    )


def _timelines(stem: str, swarm: SwarmResult, limit_ms: float | None, root: Path) -> Iterator[Block]:
    from harness.report import swarm_figures

    trials = {each.trial: each for each in swarm.trials}
    for place, shown in enumerate(swarm.timelines):
        trial = trials[shown.trial]
        words = "; ".join(trial.violations) or (
            f"reorganised after {t.number(trial.total_ms)} ms"
            if trial.total_ms is not None
            else "not reorganised"
        )
        yield figure(
            save(root, f"{stem}-timeline-{place}", swarm_figures.timeline(shown, trial, limit_ms)),
            f"What each robot said around the fault of trial {trial.trial}: {words}.",
            f"Trial {trial.trial} ({shown.why}): whom each robot said that it follows; a line across: its"
            f" role changed. {words[:1].upper()}{words[1:]}.",
        )


def _phases(swarm: SwarmResult) -> Block:
    fields = ("mean", "min", "p50", "p90", "max")

    def row(name: str, part: Distribution) -> list[str]:
        shown = name.replace("_", "-")
        return [shown, PHASES[name], *(t.number(getattr(part, field), 2) for field in fields)]

    columns: list[Column] = [("Phase", "left"), ("From … to", "left", 1)]
    columns += [(field, "right") for field in fields]
    period = (
        f" A robot tells of itself every {t.number(swarm.period_ms, 1)} ms, which is part of the uncertainty."
        if swarm.period_ms is not None
        else ""
    )
    return table(
        columns,
        [row(name, swarm.phases_ms[name]) for name in PHASES],
        f"In ms, of {t.plural(swarm.phases_ms['total'].n, 'trial')} that count. The end is the start of the"
        f" window in which the new order lasted for {swarm.settle_ms:g} ms without a break.{period}",
    )


def _trials(swarm: SwarmResult) -> Block:
    chosen = swarm.trials
    if len(chosen) > TRIALS:
        slow = sorted(chosen, key=lambda each: -(each.total_ms or float("inf")))[:TRIALS]
        chosen = [each for each in chosen if each in slow]
    rows = [
        [
            f"{each.trial}{' (warm-up)' if each.warm_up else ''}",
            each.robot,
            each.leader or t.MISSING,
            t.MISSING if each.term is None else str(each.term),
            *(
                t.number(value, 2)
                for value in (
                    each.last_sign_ms,
                    each.detection_ms,
                    each.election_ms,
                    each.agreement_ms,
                    each.re_forming_ms,
                    each.total_ms,
                )
            ),
            _remark(each),
        ]
        for each in chosen
    ]
    columns: list[Column] = [
        ("Trial", "left"),
        ("Lost", "left"),
        ("New", "left"),
        ("Term", "right"),
        ("Last sign", "right"),
        ("Detect.", "right"),
        ("Elect.", "right"),
        ("Agree", "right"),
        ("Re-form", "right"),
        ("Total", "right"),
        ("Remarks", "left", 1),
    ]
    left = len(swarm.trials) - len(chosen)
    more = f" {left} quicker ones are in results.json." if left else ""
    return table(
        columns,
        rows,
        f"Times in ms; last sign: of the lost leader, from the fault on.{more}",
    )


def _remark(trial: SwarmTrial) -> dict[str, str]:
    if not trial.verified:
        return cell(f"the fault did not take hold: {trial.evidence}", "bad")
    if trial.violations or trial.why:
        return cell("; ".join([*trial.violations, *trial.why]), "bad")
    return cell("")
