"""A swarm that says what a script has it say: tables and events with known instants."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.analysis.swarm import SwarmSampled, sample_said
from harness.analysis.timebase import Timebase
from harness.config.schema import SwarmReorganization, Trials
from harness.model import (
    CLOCK_DTYPE,
    HOST_MONOTONIC,
    HOST_REALTIME,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
    StimulusFlag,
)

MS = 1_000_000
ROBOTS = ["a", "b", "c", "d", "e"]
COLUMNS = ("follows", "term", "slot", "assignment", "state", "version")
PERIOD_MS = 10
START_MS, FAULT_MS, RESTORED_MS, END_MS = 1000, 1300.25, 2600, 3000


def spec(**changes: Any) -> SwarmReorganization:
    """The scenario."""
    made: dict[str, Any] = {
        "kind": "swarm_reorganization",
        "stimulus": "swarm.kill",
        **{column: "swarm.{robot}_" + column for column in COLUMNS[:-1]},
        "robots": ROBOTS,
        "timeout_ms": 500.0,
        "schedule": Trials(kind="trials", samples=120),
    }
    return SwarmReorganization(**{**made, **changes})


@dataclass
class Script:
    """Five robots that follow ``a`` in term 7 from the start on; ``say`` changes that. Times in ms."""

    said: list[tuple[float, int, tuple[int, ...]]] = field(default_factory=list)
    faults: list[dict[str, Any]] = field(default_factory=list)
    ended: dict[int, dict[str, Any]] = field(default_factory=dict)
    returned: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for number in range(1, 6):
            self.say(10 + number, number, 1, 7, number - 1)

    def say(
        self,
        at_ms: float,
        number: int,
        follows: int,
        term: int,
        slot: int,
        *,
        assigned: int = 0,
        state: int = 1,
        version: int = 1,
    ) -> None:
        """Robot ``number`` says this from that instant on, and again every PERIOD_MS."""
        self.said.append((at_ms, number, (follows, term, slot, assigned or term, state, version)))

    def fault(
        self,
        at_ms: float = FAULT_MS,
        *,
        robot: int = 1,
        verified: bool = True,
        key: int = 0,
        kind: str = "kill",
    ) -> None:
        """The leader is killed; the trial is over at END_MS."""
        self.faults.append(
            {
                "event": "swarm_fault",
                "scenario": "failover",
                "key": key,
                "robot": robot,
                "target": ROBOTS[robot - 1],
                "kind": kind,
                "begun_ns": START_MS * MS,
                "before_ns": round(at_ms * MS),
                "after_ns": round(at_ms * MS) + 5000,
                "verified": verified,
                "evidence": "pid 1 gone",
                "details": {"proven_ns": str(round(at_ms * MS) + 300_000)},
            }
        )
        self.ended[key] = {
            "event": "swarm_trial_ended",
            "scenario": "failover",
            "key": key,
            "observed_ns": RESTORED_MS * MS,
            "restored_ns": RESTORED_MS * MS,
            "ended_ns": END_MS * MS,
        }

    def returns(self, at_ms: float, *, robot: int = 1, key: int = 0) -> None:
        """That robot is whole again in the middle of its trial."""
        event = {"event": "swarm_returned", "scenario": "failover", "key": key, "target": ROBOTS[robot - 1]}
        self.returned.append({**event, "before_ns": round(at_ms * MS) - 100, "after_ns": round(at_ms * MS)})

    def reorganises(self, leader: int = 2, term: int = 8) -> None:
        """The usual course: b stands 15 ms after the fault and leads after 18; e is the last, after 22.5; all
        hold their roles after 24.75. a is back at 2700 ms."""
        self.say(FAULT_MS + 15, leader, 0, term, 1, assigned=7, state=3)
        self.say(FAULT_MS + 18, leader, leader, term, 0, state=4)
        for place, (number, after) in enumerate(((3, 19.0), (4, 21.0), (5, 22.5))):
            self.say(FAULT_MS + after, number, leader, term, place + 2, assigned=7)
        for place, (number, after) in enumerate(((3, 24.0), (4, 24.5), (5, 24.75))):
            self.say(FAULT_MS + after, number, leader, term, place + 1)
        self.say(2700, 1, leader, term, 4)

    def tables(self) -> dict[str, Any]:
        """What the ports saw; a dead robot says nothing until it comes back."""
        tables = {}
        for number, robot in enumerate(ROBOTS, 1):
            mine = sorted(change for change in self.said if change[1] == number)
            messages: list[tuple[float, tuple[int, ...]]] = []
            for place, (at_ms, _, values) in enumerate(mine):
                until = mine[place + 1][0] if place + 1 < len(mine) else END_MS + 100
                messages += [(at, values) for at in np.arange(at_ms, until, PERIOD_MS)]
            gone = [fault["before_ns"] / MS for fault in self.faults if fault["robot"] == number]
            back = [at for at, who, _ in self.said if who == number and gone and at > gone[0]]
            silent = (gone[0], min(back, default=END_MS + 100)) if gone else (0.0, 0.0)
            if any(fault["robot"] == number and fault["kind"] == "slow" for fault in self.faults):
                silent = (0.0, 0.0)
            messages = [each for each in messages if not silent[0] <= each[0] < silent[1]]
            for index, column in enumerate(COLUMNS):
                table = np.zeros(len(messages), OBSERVATION_DTYPE)
                table["received_ns"] = [round(at * MS) for at, _ in messages]
                table["seen_ns"] = table["received_ns"] + 40_000
                table["value"] = [values[index] for _, values in messages]
                table["stamp_ns"], table["received_clock"] = NO_STAMP, 0
                tables[f"swarm.{robot}_{column}"] = table
        return tables

    def sampled(self, *, warm_up: bool = False, **changes: Any) -> SwarmSampled:
        """What the analysis makes of it."""
        tables = self.tables()
        firsts = list({fault["key"]: fault for fault in reversed(self.faults)}.values())[::-1]
        stimuli = np.zeros(len(firsts), STIMULUS_DTYPE)
        for row, fault in zip(stimuli, firsts, strict=True):
            row["key"] = fault["key"]
            row["intended_ns"], row["sent_ns"] = fault["before_ns"] - 30_000, fault["before_ns"]
            row["handed_ns"], row["flags"] = fault["after_ns"], int(StimulusFlag.WARM_UP) * warm_up
        timebase = Timebase([HOST_MONOTONIC, HOST_REALTIME], np.zeros(0, CLOCK_DTYPE), {})
        events = [*self.faults, *self.returned, *self.ended.values()]
        return sample_said(
            "failover", spec(**changes), stimuli, tables.__getitem__, timebase, events, (END_MS + 100) * MS
        )
