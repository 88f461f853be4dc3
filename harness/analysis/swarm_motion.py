"""A swarm whose robots report nothing but their motion: reorganised once the last survivor has begun to move.

The instant of each robot is its onset, by the rule of its port (docs/onset.md). The first one stands for the
detection, the last one ends the trial. Leaders, terms and roles are not seen, so that nothing can be said of
them, and no violation be found; a robot that was not at rest before the fault leaves its trial undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.matching import Matched, arrivals
from harness.analysis.onset import Onsets, find
from harness.analysis.swarm import Done, SwarmSampled, begun, remarks_of, result_of, trial_of
from harness.analysis.swarm_trial import Outcome, Rules
from harness.analysis.timebase import Timebase
from harness.config.match import Match
from harness.config.swarm import SwarmReorganization
from harness.model import NO_STAMP, NOT_COUNTED, SampleFlag
from harness.results import SwarmTrial

UNKNOWN = SampleFlag.FALSE_ONSET | SampleFlag.NO_SIGNAL | SampleFlag.OPEN


@dataclass(frozen=True)
class Moved:
    """One trial: when each robot that was expected to began to move, ns; who did not, or was not at rest."""

    at_ns: Mapping[str, int]
    why: list[str] = field(default_factory=list)


def sample_motion(
    name: str,
    spec: SwarmReorganization,
    rule: Match,
    stimuli: NDArray[Any],
    observed: Callable[[str], NDArray[Any]],
    timebase: Timebase,
    events: Iterable[Mapping[str, Any]],
    until_ns: int | None,
) -> SwarmSampled:
    """The trials of scenario ``name``. A sample's arrival is the onset of the last robot that was expected to
    move; a robot that did not move in time makes the trial an exceedance."""
    done = Done([event for event in events if event.get("scenario") == name])
    rules = Rules(spec.robots, round(spec.settle_ms * 1e6), round(spec.timeout_ms * 1e6), spec.flaps)
    broken = {key: {str(each["target"]) for each in faults} for key, faults in done.faults.items()}
    moved, onsets = motions(spec, rule, stimuli, observed, timebase, broken)
    out, trials, by_stamp = begun(stimuli), [], 0
    for place, row in enumerate(out):
        key = int(row["key"])
        if row["sent_ns"] == NO_STAMP:
            row["flags"] = SampleFlag.NOT_SENT
            continue
        if key not in done.faults:
            row["flags"] = SampleFlag.OPEN
            continue
        matched = onsets.matched
        row["flags"] = matched.flags[place]
        row["arrived_ns"], row["seen_ns"] = matched.arrived_ns[place], matched.seen_ns[place]
        row["answers"] = matched.answers[place]
        by_stamp += int(row["arrived_ns"] != NO_STAMP and row["stimulus_flags"] & NOT_COUNTED == 0)
        trials.append(_swarm_trial(row, done, moved[place], rules, until_ns))
    result = result_of(spec, trials, period_ms=None, gap_ms=None, timelines=[])
    return SwarmSampled(
        samples=out,
        unmatched=0,
        rejected=0,
        duplicates=0,
        by_stamp=by_stamp,
        onsets=onsets,
        swarm=result,
        remarks=remarks_of(result),
    )


def _swarm_trial(row: Any, done: Done, moved: Moved, rules: Rules, until_ns: int | None) -> SwarmTrial:
    key = int(row["key"])
    injury = done.injury(key, None, until_ns if until_ns is not None else int(row["sent_ns"]))
    order = sorted(moved.at_ns, key=moved.at_ns.__getitem__)
    whole = row["arrived_ns"] != NO_STAMP
    number = {robot: place for place, robot in enumerate(rules.robots, 1)}
    found = Outcome(why=moved.why)
    if order:
        found.noticed_ns, found.noticed_by = moved.at_ns[order[0]], number[order[0]]
    if whole and order:
        # Election and agreement are not seen: all between the first and the last is re-forming.
        found.first_follows_ns = found.last_follows_ns = found.noticed_ns
        found.held_ns, found.last_holds = moved.at_ns[order[-1]], number[order[-1]]
    return trial_of(row, done.faults[key], found, injury, rules, done.waited(key))


def motions(
    spec: SwarmReorganization,
    rule: Match,
    stimuli: NDArray[Any],
    observed: Callable[[str], NDArray[Any]],
    timebase: Timebase,
    broken: Mapping[int, set[str]],
) -> tuple[list[Moved], Onsets]:
    """The motions of every trial, a row of ``stimuli`` each, and the onset that ended it, with what is known
    of its instant. ``broken``: who was broken, by the trial's key; they are not expected to move."""
    assert spec.moves is not None
    timeout_ns = round(spec.timeout_ms * 1e6)
    found: dict[str, Onsets] = {}
    for robot in spec.movers or spec.robots:
        table = observed(spec.port("moves", robot))
        sent = stimuli["sent_ns"].astype(np.int64)
        found[robot] = find(sent, table, arrivals(table, timebase), timeout_ns, rule, still=True)
    trials, last = [], []
    for place, key in enumerate(stimuli["key"].tolist()):
        expected = [robot for robot in found if robot not in broken.get(int(key), set())]
        trials.append(_trial(found, expected, place))
        last.append(_deciding(found, expected, place))
    return trials, _of(found, last, len(stimuli))


def _trial(found: Mapping[str, Onsets], expected: list[str], place: int) -> Moved:
    at_ns, why = {}, []
    for robot in expected:
        each = found[robot].matched
        if each.arrived_ns[place] != NO_STAMP:
            at_ns[robot] = int(each.arrived_ns[place])
        elif each.flags[place] & SampleFlag.FALSE_ONSET:
            why.append(f"{robot} was not at rest before the fault")
        elif each.flags[place] & SampleFlag.NO_SIGNAL:
            why.append(f"{robot} said too little before the fault")
        else:
            why.append(f"{robot} did not begin to move")
    return Moved(at_ns, why)


def _deciding(found: Mapping[str, Onsets], expected: list[str], place: int) -> str | None:
    """Whose row tells how the trial ended: who cannot be judged, else who did not move, else the last one."""

    def rank(robot: str) -> tuple[int, int]:
        each = found[robot].matched
        flags = int(each.flags[place])
        if flags & UNKNOWN:
            return 2, 0
        return (1, 0) if flags & SampleFlag.LOST else (0, int(each.arrived_ns[place]))

    return max(expected, key=rank, default=None)


def _of(found: Mapping[str, Onsets], last: list[str | None], count: int) -> Onsets:
    """The rows of the robots that decide, put together; nothing of the observations of several ports."""

    def column(pick: Callable[[Onsets], NDArray[Any]], empty: Any) -> NDArray[Any]:
        values = [
            pick(found[robot])[place] if robot is not None else empty for place, robot in enumerate(last)
        ]
        return np.array(values, dtype=pick(next(iter(found.values()))).dtype)

    matched = Matched(
        first=column(lambda each: each.matched.first, -1),
        arrived_ns=column(lambda each: each.matched.arrived_ns, NO_STAMP),
        seen_ns=column(lambda each: each.matched.seen_ns, NO_STAMP),
        answers=column(lambda each: each.matched.answers, 0),
        flags=column(lambda each: each.matched.flags, 0),
        used=np.zeros(0, bool),
    )
    assert len(last) == count
    names = ("gap_ms", "crossing_ms", "level", "noise", "band")
    rest = {name: column(lambda each, name=name: getattr(each, name), np.nan) for name in names}  # type: ignore[misc]
    return Onsets(matched, **rest, sampled=all(each.sampled for each in found.values()))
