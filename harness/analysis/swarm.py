"""A swarm's trials from the tables of a run: one sample each, and what it is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.checks import ERROR
from harness.analysis.samples import Sampled
from harness.analysis.statistics import distribution
from harness.analysis.swarm_lines import Line, gap_ms, line, period_ms
from harness.analysis.swarm_state import ENDED, FAULT, RETURNED
from harness.analysis.swarm_timeline import timelines
from harness.analysis.swarm_trial import Hurt, Injury, Outcome, Rules, judge_trial
from harness.analysis.timebase import Timebase
from harness.config.faults import DONE
from harness.config.match import Match
from harness.config.swarm import SwarmReorganization
from harness.model import NO_STAMP, NOT_COUNTED, SAMPLE_DTYPE, SampleFlag, StimulusFlag
from harness.results import Check, SwarmFault, SwarmResult, SwarmTrial

ORDER = Match(kind="order")
"""How the new order finds its fault: it is the first one after it."""
PHASES = ("detection", "election", "agreement", "re_forming")
PERIOD_SOURCE = "median time between two messages of the robot that speaks least often, measured"
NAMED = 12
"""Violations that are named one by one in the reasons."""


class Done:
    """What was done in each trial, from the events of a run; by the trial's key."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self.faults: dict[int, list[Mapping[str, Any]]] = {}
        self._back: dict[tuple[int, str], int] = {}
        self._ended: dict[int, Mapping[str, Any]] = {}
        for event in events:
            kind, key = event.get("event"), int(event.get("key", -1))
            if kind == FAULT:
                self.faults.setdefault(key, []).append(event)
            elif kind == RETURNED:
                self._back[(key, str(event["target"]))] = int(event["after_ns"])
            elif kind == ENDED:
                self._ended[key] = event

    def waited(self, key: int) -> tuple[str | None, float | None]:
        """Which survivor waited longest for a CPU in that trial, and how long, in ms."""
        waits = self._ended.get(key, {}).get("waited_ns") or {}
        if not waits:
            return None, None
        robot = max(waits, key=waits.__getitem__)
        return robot, waits[robot] / 1e6

    def injury(self, key: int, begin_ns: int | None, last_ns: int) -> Injury:
        """The trial of that key. ``begin_ns``: the end of the trial before, ``last_ns``: of the recording."""
        faults, over = self.faults[key], self._ended.get(key)
        return Injury(
            [
                Hurt(
                    int(each["robot"]),
                    str(each["kind"]),
                    int(each["before_ns"]),
                    self._back.get((key, str(each["target"]))),
                )
                for each in faults
            ],
            int(faults[0]["begun_ns"]) if begin_ns is None else begin_ns,
            last_ns if over is None else int(over["observed_ns"]),
            last_ns if over is None else int(over["ended_ns"]),
            whole=over is not None,
        )


@dataclass(frozen=True, kw_only=True)
class SwarmSampled(Sampled):
    """Samples of a swarm scenario, and its trials. ``remarks``: what the reasons have to name."""

    swarm: SwarmResult
    remarks: list[str] = field(default_factory=list)


def sample_said(
    name: str,
    spec: SwarmReorganization,
    stimuli: NDArray[Any],
    observed: Callable[[str], NDArray[Any]],
    timebase: Timebase,
    events: Iterable[Mapping[str, Any]],
    until_ns: int | None,
) -> SwarmSampled:
    """The trials of scenario ``name``, whose robots tell whom they follow: ``stimuli`` are its rows,
    ``observed`` gives the rows of a port by its name, ``until_ns`` is the last instant that was recorded.

    A sample's arrival is the start of the window in which all survivors followed one new leader of one term
    and held roles of their own for the settling time. A trial without it within the timeout, or with a
    violation, is lost: an exceedance of every limit.
    """
    lines = {number: line(spec, robot, observed, timebase) for number, robot in enumerate(spec.robots, 1)}
    mine = [event for event in events if event.get("scenario") == name]
    done = Done(mine)
    rules = Rules(
        spec.robots,
        round(spec.settle_ms * 1e6),
        round(spec.timeout_ms * 1e6),
        spec.flaps,
        spec.candidate_state,
    )
    out = begun(stimuli)
    trials: list[SwarmTrial] = []
    by_stamp, begin_ns = 0, None
    hurt: list[tuple[int, int, int]] = []
    for row in out:
        key = int(row["key"])
        if row["sent_ns"] == NO_STAMP:
            row["flags"] = SampleFlag.NOT_SENT
            continue
        if key not in done.faults:
            row["flags"] = SampleFlag.OPEN
            continue
        injury = done.injury(key, begin_ns, until_ns if until_ns is not None else int(row["sent_ns"]))
        begin_ns = injury.end_ns
        hurt += [(each.robot, each.before_ns, injury.end_ns) for each in injury.hurts]
        found = judge_trial(lines, injury, rules)
        by_stamp += _decide(row, found, injury, rules, lines)
        trials.append(trial_of(row, done.faults[key], found, injury, rules, done.waited(key)))
    window = (trials[0].fault_ns, until_ns or trials[-1].fault_ns) if trials else (0, 0)
    result = result_of(
        spec,
        trials,
        period_ms=period_ms(lines, *window),
        gap_ms=gap_ms(lines, hurt, *window),
        timelines=timelines(lines, trials, spec.robots),
    )
    return SwarmSampled(
        samples=out,
        unmatched=0,
        rejected=0,
        duplicates=0,
        by_stamp=by_stamp,
        swarm=result,
        remarks=remarks_of(result),
    )


def result_of(spec: SwarmReorganization, trials: list[SwarmTrial], **more: Any) -> SwarmResult:
    """Phases and violations of all trials; ``more``: what else is known."""
    counting = [each for each in trials if not each.warm_up and each.total_ms is not None]
    return SwarmResult(
        robots=list(spec.robots),
        settle_ms=spec.settle_ms,
        detection_timeout_ms=spec.detection_timeout_ms,
        phases_ms={
            phase: distribution(np.array([getattr(each, f"{phase}_ms") for each in counting], float), ())
            for phase in (*PHASES, "total")
        },
        trials=trials,
        violations=[
            f"trial {place} ({_whom(each)}): {words}"
            for place, each in enumerate(trials)
            for words in each.violations
        ],
        **more,
    )


def begun(stimuli: NDArray[Any]) -> NDArray[Any]:
    """Samples of the trials (SAMPLE_DTYPE) without an outcome yet."""
    out = np.zeros(len(stimuli), dtype=SAMPLE_DTYPE)
    for column in ("key", "intended_ns", "sent_ns", "handed_ns", "scenario", "variant"):
        out[column] = stimuli[column]
    out["stimulus_flags"] = stimuli["flags"]
    out["arrived_ns"] = out["seen_ns"] = NO_STAMP
    out["sim_sent_ns"] = out["sim_arrived_ns"] = NO_STAMP
    return out


def _decide(row: Any, found: Outcome, injury: Injury, rules: Rules, lines: Mapping[int, Line]) -> int:
    """Arrival and flags of the trial's row; 1 where its arrival is a receive stamp and the trial counts."""
    held = found.held_ns
    if held is not None:
        row["arrived_ns"], row["answers"] = held, 1
        row["seen_ns"], stamped = _seen(held, lines)
        if found.violations:  # whenever it came, it is no answer
            row["flags"], row["answers"] = SampleFlag.LOST, 0
            row["arrived_ns"] = row["seen_ns"] = NO_STAMP
            return 0
        if held - injury.before_ns > rules.timeout_ns:
            row["flags"] = SampleFlag.LOST | SampleFlag.LATE
        return int(stamped and row["stimulus_flags"] & NOT_COUNTED == 0)
    # Cut off before it could have been over: nobody knows.
    cut = not injury.whole and not found.violations
    row["flags"] = SampleFlag.OPEN if cut else SampleFlag.LOST
    return 0


def _seen(at_ns: int, lines: Mapping[int, Line]) -> tuple[int, bool]:
    """When the harness saw the message that arrived then, and whether its arrival is a stamp."""
    for each in lines.values():
        place = int(np.searchsorted(each.at_ns, at_ns))
        if place < len(each.at_ns) and each.at_ns[place] == at_ns:
            return int(each.seen_ns[place]), bool(each.stamped[place])
    return at_ns, False


def trial_of(
    row: Any,
    faults: list[Mapping[str, Any]],
    found: Outcome,
    injury: Injury,
    rules: Rules,
    waited: tuple[str | None, float | None],
) -> SwarmTrial:
    """One trial as the results have it. ``waited``: who waited longest for a CPU, and how long, in ms."""
    marks = [injury.before_ns, found.noticed_ns, found.first_follows_ns, found.last_follows_ns, found.held_ns]
    durations: dict[str, float | None] = {}
    for phase, start, end in zip(PHASES, marks, marks[1:], strict=False):
        known = found.held_ns is not None and start is not None and end is not None
        durations[f"{phase}_ms"] = (end - start) / 1e6 if known and end and start else None

    def since(at_ns: int | None) -> float | None:
        return None if at_ns is None else (at_ns - injury.before_ns) / 1e6

    def called(number: int | None) -> str | None:
        return rules.called(number) if number else None

    first = faults[0]
    return SwarmTrial(
        trial=int(row["key"]),
        fault_ns=injury.before_ns,
        robot=rules.called(int(first["robot"])),
        kind=str(first["kind"]),
        verified=all(bool(each["verified"]) for each in faults),
        evidence=str(first["evidence"]),
        warm_up=bool(row["stimulus_flags"] & StimulusFlag.WARM_UP),
        leader=called(found.leader),
        term=found.term,
        total_ms=since(found.held_ns),
        since_last_ms=None if found.held_ns is None else (found.held_ns - injury.last_ns) / 1e6,
        handed_ms=since(int(first["after_ns"])),
        proven_ms=since(_proven(first)),
        last_sign_ms=since(found.last_sign_ns),
        noticed_ms=since(found.noticed_ns),
        noticed_by=called(found.noticed_by),
        stood_ms=since(found.stood_ns),
        stood=called(found.stood),
        first_follows_ms=since(found.first_follows_ns),
        first_follows=called(found.first_follows),
        last_follows_ms=since(found.last_follows_ns),
        last_follows=called(found.last_follows),
        last_holds=called(found.last_holds),
        faults=[_fault(each, injury, rules) for each in faults],
        observed_ms=since(injury.observed_ns),
        waited_by=waited[0],
        waited_ms=waited[1],
        violations=list(found.violations),
        why=list(found.why),
        **durations,
    )


def _fault(fault: Mapping[str, Any], injury: Injury, rules: Rules) -> SwarmFault:
    return SwarmFault(
        robot=rules.called(int(fault["robot"])),
        kind=str(fault["kind"]),
        at_ms=(int(fault["before_ns"]) - injury.before_ns) / 1e6,
        verified=bool(fault["verified"]),
        evidence=str(fault["evidence"]),
    )


def _proven(fault: Mapping[str, Any]) -> int | None:
    told = fault.get("details", {}).get("proven_ns")
    return None if told is None else int(told)


def _whom(trial: SwarmTrial) -> str:
    """Who was broken, in words."""
    return ", ".join(f"{each.robot} {DONE[each.kind]}" for each in trial.faults)


def remarks_of(result: SwarmResult) -> list[str]:
    """Violations, and swarms that did not reorganise, for the reasons of a verdict."""
    lines = [f"violation in {words}" for words in result.violations[:NAMED]]
    if len(result.violations) > NAMED:
        lines.append(f"and {len(result.violations) - NAMED} violations more")
    stuck = [each for each in result.trials if each.total_ms is None and each.why and not each.warm_up]
    lines += [f"{_whom(each)}, and then: {'; '.join(each.why)}" for each in stuck[:3]]
    return lines


def swarm_faults(result: SwarmResult) -> Check:
    """Whether every fault took hold: what was not broken has shown nothing."""
    done = [fault for each in result.trials for fault in each.faults]
    failed = [each for each in done if not each.verified]
    return Check(
        name="faults",
        ok=not failed,
        value="; ".join(f"{each.kind} of {each.robot}: {each.evidence}" for each in failed)
        or f"{len(result.trials)} verified",
        bound="every fault took hold",
        consequence=ERROR if failed else "",
        remedy="correct `process` of the fault port" if failed else "",
    )
