"""A swarm loses its leader: wait until it is stable, injure the leader, observe, restore, wait again.

What is looked at here controls the trials, and nothing else: every instant and every violation is found
afterwards, in the tables, by :mod:`harness.analysis.swarm`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.swarm_state import ENDED, FAULT, Said, order
from harness.config.schema import SwarmReorganization, Trials
from harness.errors import DeadlineError, OperationError
from harness.faults import ProcessFaults
from harness.live import Tracker
from harness.model import NO_STAMP, FaultRecord, StimulusFlag
from harness.planned import Planned
from harness.scenarios.sender import send_from_a_thread
from harness.schedule import KeyMaker, Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench

POLL_NS = 2_000_000
FRESH_NS = 1_000_000_000
"""A robot that has said nothing for this long is not known to be well."""


class SwarmDriver:
    """Drives one swarm scenario of an open bench. See :class:`.CommandRoundTripDriver` for the order of
    calls."""

    def __init__(
        self, bench: Bench, index: int, name: str, spec: SwarmReorganization, keys: KeyMaker
    ) -> None:
        self._bench, self._index, self._name, self._spec, self._keys = bench, index, name, spec, keys
        assert isinstance(spec.schedule, Trials)
        self._schedule = spec.schedule
        device, _, port = spec.stimulus.partition(".")
        options = bench.rig.devices[device].ports[port].fault
        fault = bench.devices[device].fault(port)
        assert isinstance(fault, ProcessFaults)
        self._fault, self._kind = fault, str(options.kind)
        self._planned = Planned(bench, name)
        self._states = {
            number: {column: bench.states[spec.port(column, robot)] for column in spec.columns}
            for number, robot in enumerate(spec.robots, 1)
        }
        self._append = bench.stimuli.append
        self._amend = bench.stimuli.amender("sent_ns", "handed_ns")
        self._amend_flags = bench.stimuli.amender("sent_ns", "handed_ns", "flags")
        self._lost_in_a_row = 0
        self.tracker = Tracker(keyed=False)
        """Nothing that it sees matters: a swarm has no answers."""
        self.recorded: list[dict[str, Any]] = [{"fault": self._kind}]

    @contextmanager
    def background(self) -> Iterator[None]:
        """Nothing is sent between faults."""
        yield

    def probe(self) -> int:
        """Wait for the first stable order; nothing is sent. Raises DeadlineError."""
        self._stable(lambda: False, keeps_house=True)
        return 0

    def drain(self) -> None:
        """Nothing is outstanding: each trial has ended by itself."""

    def check(self) -> None:
        """Raise OperationError where the swarm no longer reorganises."""
        if self._lost_in_a_row > self._spec.max_unanswered:
            raise OperationError(
                f"scenario {self._name!r}: the swarm did not reorganise {self._lost_in_a_row} times in a row"
                f" (max_unanswered is {self._spec.max_unanswered})",
                hint="look at what the robots say, and at processes/*.log",
            )

    def measure(self, seed: int) -> None:
        """All trials, from a thread of its own."""
        rng = np.random.default_rng(seed)
        schedule = self._schedule

        def loop(stopped: Stopped) -> None:
            for number in range(schedule.warmup + schedule.samples):
                done = number - schedule.warmup
                if done > 0 and self._planned.enough(done):
                    return
                warm_up = int(StimulusFlag.WARM_UP) if done < 0 else 0
                if not self._trial(rng, warm_up, stopped):
                    return

        send_from_a_thread(self._bench, loop, self.check)

    # -- one trial -------------------------------------------------------------------------------------------

    def _trial(self, rng: np.random.Generator, flags: int, stopped: Stopped) -> bool:
        """One fault and what follows; False when it has to end."""
        clock = self._bench.clock
        begun_ns: int | None = None
        while True:
            found = self._stable(stopped)
            if found is None:
                return False
            begun_ns = begun_ns or clock.monotonic_ns()
            leader = self._spec.robots[found[0] - 1]
            due = clock.monotonic_ns() + int(rng.uniform(*self._schedule.dwell_ms) * 1e6)
            self._fault.aim(leader)
            if not sleep_until(clock, due, stopped):
                return False
            if self._order(range(1, len(self._spec.robots) + 1)) == found:
                break
            # Whom to injure has changed in between: the analysis will find the election that nobody caused.
            self._bench.folder.event("swarm_unsettled", scenario=self._name, leader=leader)
        key, injured = self._injure(found[0], begun_ns, due, flags)
        survivors = [number for number in self._states if number != found[0]]
        reorganised = self._observe(survivors, found, injured, stopped)
        if not flags:
            self._lost_in_a_row = 0 if reorganised else self._lost_in_a_row + 1
        restored = self._fault.restore()
        if not restored.verified:
            raise OperationError(
                f"scenario {self._name!r}: {leader} could not be restored ({restored.evidence})",
                hint="look at processes/*.log",
            )
        try:
            return self._stable(stopped) is not None
        finally:
            self._bench.folder.event(
                ENDED,
                scenario=self._name,
                key=key,
                restored_ns=restored.before_ns,
                running_ns=restored.after_ns,
                evidence=restored.evidence,
                ended_ns=clock.monotonic_ns(),
            )

    def _injure(self, leader: int, begun_ns: int, due_ns: int, flags: int) -> tuple[int, FaultRecord]:
        """Break the leader, with a row in the table; raises OperationError where it did not take hold."""
        robot = self._spec.robots[leader - 1]
        key, now = self._keys.next_key(), self._bench.clock.monotonic_ns()
        self._bench.require_housekeeping(now)
        self._append(key, due_ns, now, NO_STAMP, flags, self._index, 0)
        try:
            record = self._fault.inject(robot, self._kind)
        except Exception:
            self._amend_flags(NO_STAMP, NO_STAMP, flags | StimulusFlag.UNSENT)
            raise
        self._amend(record.before_ns, record.after_ns)
        self._bench.folder.event(
            FAULT,
            scenario=self._name,
            key=key,
            robot=leader,
            port=self._spec.stimulus,
            begun_ns=begun_ns,
            **asdict(record),
        )
        if not record.verified:
            raise OperationError(
                f"scenario {self._name!r}: the fault {record.kind} of {robot} did not take hold"
                f" ({record.evidence})",
                hint="does the pattern of the fault port name the process that is the robot?",
            )
        return key, record

    def _observe(
        self, survivors: list[int], before: tuple[int, int], injured: FaultRecord, stopped: Stopped
    ) -> bool:
        """Until a new order has lasted for the settling time, or cannot begin in time any more."""
        clock, settle_ns = self._bench.clock, int(self._spec.settle_ms * 1e6)
        latest = injured.before_ns + int(self._spec.timeout_ms * 1e6)
        since: int | None = None
        held: tuple[int, int] | None = None
        while True:
            now, found = clock.monotonic_ns(), self._order(survivors)
            if found is None or found != held or found[1] <= before[1]:
                held, since = found, now if found is not None and found[1] > before[1] else None
            if since is not None and now - since > settle_ns:
                return True
            if since is None and now > latest + settle_ns:
                return False
            if not sleep_until(clock, now + POLL_NS, stopped):
                return False

    # -- what the robots say now -----------------------------------------------------------------------------

    def _order(self, robots: Any) -> tuple[int, int] | None:
        said = {number: one for number in robots if (one := self._said(number)) is not None}
        return order(said, robots)

    def _said(self, number: int) -> Said | None:
        """What that robot said last, None where it has said nothing for a while."""
        states = self._states[number]
        if self._bench.clock.monotonic_ns() - min(each.seen_ns for each in states.values()) > FRESH_NS:
            return None
        values = {column: each.value for column, each in states.items()}
        if not all(math.isfinite(value) for value in values.values()):
            return None
        return Said(**{column: int(value) for column, value in values.items()})

    def _stable(self, stopped: Stopped, *, keeps_house: bool = False) -> tuple[int, int] | None:
        """Wait until all robots have kept one order for the settling time; None when stopped."""
        clock, settle_ns = self._bench.clock, int(self._spec.settle_ms * 1e6)
        begun = since = clock.monotonic_ns()
        held: tuple[int, int] | None = None
        everybody = list(self._states)
        while True:
            now, found = clock.monotonic_ns(), self._order(everybody)
            if found != held or found is None:
                held, since = found, now
            if found is not None and now - since > settle_ns:
                return found
            if now - begun > int(self._spec.stable_timeout_s * 1e9):
                raise DeadlineError(
                    f"scenario {self._name!r}: the swarm was not stable for {self._spec.settle_ms:g} ms"
                    f" within {self._spec.stable_timeout_s:g} s; no trial can start ({self._words()})",
                    hint="do all robots run, and do the ports `follows`, `term` and `slot` show what is"
                    " meant? raise stable_timeout_s for a slow swarm",
                )
            if keeps_house:
                self._bench.tick()
            if not sleep_until(clock, now + 2 * POLL_NS, stopped):
                return None

    def _words(self) -> str:
        lines = []
        for number, robot in enumerate(self._spec.robots, 1):
            said = self._said(number)
            if said is None:
                lines.append(f"{robot} says nothing")
            else:
                whom = self._called(said.follows)
                lines.append(f"{robot} follows {whom} in term {said.term}, slot {said.slot}")
        return "; ".join(lines)

    def _called(self, number: int) -> str:
        robots = self._spec.robots
        return robots[number - 1] if 1 <= number <= len(robots) else "nobody"
