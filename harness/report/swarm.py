"""A swarm that loses its leader: phases, violations, and every trial."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, heading, paragraph, table
from harness.results import Distribution, ScenarioResult, SwarmResult, SwarmTrial

PHASES = {
    "detection": "fault to the first survivor that noticed",
    "election": "until the first one follows the new leader",
    "agreement": "until the last one follows it",
    "re_forming": "until all hold their roles",
    "total": "reorganisation",
}
TRIALS = 150
"""Rows of the list of trials at most; the slowest are kept."""


def reorganised(scenario: ScenarioResult) -> Iterator[Block]:
    """Blocks of a swarm scenario, none of any other."""
    swarm = scenario.swarm
    if swarm is None:
        return
    yield heading("Losing the leader, phase by phase", 2)
    if swarm.phases_ms["total"].n:
        yield paragraph(largest_phase(swarm))
        yield _phases(swarm)
    yield heading("Violations", 2)
    if swarm.violations:
        yield bullets(swarm.violations)
    else:
        yield paragraph(
            "None: no two leaders in one term, nobody who followed the lost leader at the end, no flapping,"
            " no role held twice, no election without a fault."
        )
    if swarm.trials:
        yield heading("Trials", 2)
        yield _trials(swarm)


def largest_phase(swarm: SwarmResult) -> str:
    """Which phase the time goes into, in words."""
    parts = {name: swarm.phases_ms[name].mean or 0.0 for name in PHASES if name != "total"}
    name = max(parts, key=parts.__getitem__)
    whole = sum(parts.values())
    share = f", {parts[name] / whole:.0%} of the whole" if whole else ""
    return (
        f"The longest phase is {t.words(name).replace('re forming', 're-forming')} ({PHASES[name]}):"
        f" {t.number(parts[name], 2)} ms on average{share}. To be quicker, begin there."
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
