"""What every robot said around the fault of some trials: the data of the report's timelines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.analysis.swarm_lines import Line
from harness.analysis.swarm_state import Said
from harness.results import SwarmChange, SwarmTimeline, SwarmTrial

BAD = 6
"""Trials with a violation, or that did not reorganise, of which a timeline is kept."""
MOST = 300
"""Changes of one robot that are kept."""
BEFORE_MS = 12.0
AFTER_MS = 15.0
"""Shown before the fault, and after the order held."""


def timelines(
    lines: Mapping[int, Line], trials: Sequence[SwarmTrial], robots: Sequence[str]
) -> list[SwarmTimeline]:
    """Of the slowest trial, of one in the middle, and of those that went wrong, in order of time."""
    chosen = _chosen(trials)
    return [_timeline(lines, each, chosen[each.trial], robots) for each in trials if each.trial in chosen]


def _chosen(trials: Sequence[SwarmTrial]) -> dict[int, str]:
    """Why each is shown, by key."""
    found: dict[int, str] = {}
    for each in [each for each in trials if each.violations or each.total_ms is None][:BAD]:
        found[each.trial] = "a violation" if each.violations else "it did not reorganise"
    whole = sorted(
        (each for each in trials if each.total_ms is not None and not each.warm_up),
        key=lambda each: each.total_ms or 0.0,
    )
    if whole:
        found.setdefault(whole[-1].trial, "the slowest")
        found.setdefault(whole[(len(whole) - 1) // 2].trial, "the median")
    return found


def _timeline(lines: Mapping[int, Line], trial: SwarmTrial, why: str, robots: Sequence[str]) -> SwarmTimeline:
    last = max([fault.at_ms for fault in trial.faults])
    end = trial.total_ms if trial.total_ms is not None and not trial.violations else trial.observed_ms
    begin_ns = trial.fault_ns - round(BEFORE_MS * 1e6)
    end_ms = max(last, end or 0.0) + AFTER_MS
    end_ns = trial.fault_ns + round(end_ms * 1e6)
    changes: dict[str, list[SwarmChange]] = {}
    for number, each in lines.items():
        said = each.before(begin_ns)
        told = [] if said is None else [_change(-BEFORE_MS, said, robots)]
        told += [
            _change((at_ns - trial.fault_ns) * 1e-6, one, robots)
            for at_ns, one in each.after(begin_ns, end_ns)
        ]
        changes[robots[number - 1]] = told[:MOST]
    return SwarmTimeline(trial=trial.trial, why=why, begin_ms=-BEFORE_MS, end_ms=end_ms, robots=changes)


def _change(at_ms: float, said: Said, robots: Sequence[str]) -> SwarmChange:
    follows = robots[said.follows - 1] if 1 <= said.follows <= len(robots) else None
    return SwarmChange(
        at_ms=round(at_ms, 4),
        follows=follows,
        term=said.term,
        slot=said.slot if said.holds else None,
        state=said.state,
    )
