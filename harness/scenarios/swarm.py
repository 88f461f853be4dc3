"""A swarm loses its leader: wait until it is stable, break a robot, observe, restore, wait again.

What is looked at here controls the trials, and nothing else: every instant and every violation is found
afterwards, in the tables, by :mod:`harness.analysis.swarm`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.analysis.swarm_state import ENDED, Order
from harness.config.schema import SwarmReorganization, Trials
from harness.errors import OperationError
from harness.live import Tracker
from harness.model import NO_STAMP, FaultRecord, StimulusFlag
from harness.planned import Planned
from harness.procload import Waits
from harness.scenarios.sender import send_from_a_thread
from harness.scenarios.swarm_breaking import Breaking
from harness.scenarios.swarm_moments import Moments
from harness.scenarios.swarm_motion_watch import MotionWatch
from harness.scenarios.swarm_watch import Watch
from harness.schedule import KeyMaker, Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench

POLL_NS = 2_000_000


def _watch(bench: Bench, name: str, spec: SwarmReorganization) -> Watch:
    if spec.moves is None:
        return Watch(bench, name, spec)
    device, _, port = spec.response.partition(".")
    return MotionWatch(bench, name, spec, bench.rig.devices[device].ports[port].response.match)


@dataclass
class _Trial:
    """``before``: the order that was broken; ``broken``: by name; ``waited``: for a CPU, to the new order,
    or to the end without one."""

    key: int
    before: Order
    begun_ns: int
    broken: dict[str, FaultRecord]
    waits: Waits
    waited: dict[str, int] = field(default_factory=dict)


class SwarmDriver:
    """Drives one swarm scenario of an open bench. See :class:`.CommandRoundTripDriver` for the order of
    calls."""

    def __init__(
        self, bench: Bench, index: int, name: str, spec: SwarmReorganization, keys: KeyMaker
    ) -> None:
        self._bench, self._index, self._name, self._spec, self._keys = bench, index, name, spec, keys
        assert isinstance(spec.schedule, Trials)
        self._schedule = spec.schedule
        self._breaking = Breaking(bench, name, spec)
        self._watch = _watch(bench, name, spec)
        self._moments = Moments(bench, name, spec, self._watch)
        self._planned = Planned(bench, name)
        self._append = bench.stimuli.append
        self._amend = bench.stimuli.amender("sent_ns", "handed_ns")
        self._amend_flags = bench.stimuli.amender("sent_ns", "handed_ns", "flags")
        self._lost_in_a_row = 0
        self.tracker = Tracker(keyed=False)
        """Nothing that it sees matters: a swarm has no answers."""
        self.recorded: list[dict[str, Any]] = [{"fault": self._breaking.kind(spec.stimulus)}]

    @contextmanager
    def background(self) -> Iterator[None]:
        """Nothing is sent between faults."""
        yield

    def probe(self) -> int:
        """Wait for the first stable order; nothing is sent. Raises DeadlineError, and OperationError where a
        robot could not be broken."""
        self._watch.stable(lambda: False, keeps_house=True)
        for port in self._spec.fault_ports:
            for robot in self._spec.robots:
                self._breaking.aim(port, robot)
        self._breaking.forget()
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
            before = self._bench.done.get(self._name, 0)
            for number in range(schedule.warmup + schedule.samples - before):
                done = before + number - schedule.warmup
                if done > 0 and number >= schedule.warmup and self._planned.enough(done):
                    return
                warm_up = int(StimulusFlag.WARM_UP) if number < schedule.warmup else 0
                if not self._trial(rng, warm_up, stopped):
                    return

        try:
            send_from_a_thread(self._bench, loop, self.check)
        finally:
            self._breaking.undo()

    # -- one trial -------------------------------------------------------------------------------------------

    def _trial(self, rng: np.random.Generator, flags: int, stopped: Stopped) -> bool:
        """One fault, those that belong to it, and what follows; False when it has to end."""
        clock = self._bench.clock
        begun_ns: int | None = None
        while True:
            found = self._watch.stable(stopped)
            if found is None:
                return False
            begun_ns = begun_ns or clock.monotonic_ns()
            victims = self._victims(found, rng)
            due = clock.monotonic_ns() + int(rng.uniform(*self._schedule.dwell_ms) * 1e6)
            self._aim(victims)
            waits = self._breaking.waits()
            if not sleep_until(clock, due, stopped):
                return False
            if self._watch.order(self._watch.everybody) == found:
                break
            # Whom to break has changed in between: the analysis will find the election that nobody caused.
            self._breaking.forget()
            self._bench.folder.event("swarm_unsettled", scenario=self._name, leader=found.leader)
        assert victims[0] is not None
        key, record = self._break_first(victims[0], begun_ns, due, flags)
        waits.begin()
        trial = _Trial(key, found, begun_ns, {victims[0]: record}, waits)
        if not self._break_later(trial, victims[1:], stopped):
            return False
        reorganised = self._observe(trial, stopped)
        observed_ns = clock.monotonic_ns()
        if reorganised is None:
            return False
        if not flags:
            self._lost_in_a_row = 0 if reorganised else self._lost_in_a_row + 1
        ended: dict[str, Any] = {"observed_ns": observed_ns, "restored_ns": observed_ns, "evidence": ""}
        ended["waited_ns"] = {robot: ns for robot, ns in trial.waited.items() if robot not in trial.broken}
        try:
            restored = self._breaking.restore(stopped)
            if restored is None:
                return False
            if restored:
                ended["restored_ns"] = restored[0].before_ns
                ended["evidence"] = "; ".join(f"{each.target}: {each.evidence}" for each in restored)
            return self._watch.stable(stopped) is not None
        finally:
            self._breaking.over()
            self._bench.folder.event(
                ENDED, scenario=self._name, key=key, **ended, ended_ns=clock.monotonic_ns()
            )

    def _victims(self, found: Order, rng: np.random.Generator) -> list[str | None]:
        """Whom each fault of the trial will break; None where that shows only in the trial."""
        robots = self._spec.robots
        chosen: list[str | None] = []
        for wanted in (self._spec.robot, *(each.robot for each in self._spec.also)):
            if wanted == "next":
                chosen.append(None)
                continue
            if wanted == "follower":
                free = [each for each in robots if each not in (*chosen, robots[found.leader - 1])]
                chosen.append(free[int(rng.integers(len(free)))])
            else:
                chosen.append(robots[found.leader - 1] if wanted == "leader" else wanted)
        return chosen

    def _aim(self, victims: list[str | None]) -> None:
        ports = [self._spec.stimulus, *(each.stimulus for each in self._spec.also)]
        for port, victim in zip(ports, victims, strict=True):
            for robot in self._spec.robots if victim is None else [victim]:
                self._breaking.aim(port, robot)

    def _break_first(self, robot: str, begun_ns: int, due_ns: int, flags: int) -> tuple[int, FaultRecord]:
        """Break the first robot, with a row in the table. Raises OperationError where that did not work."""
        key, now = self._keys.next_key(), self._bench.clock.monotonic_ns()
        self._bench.require_housekeeping(now)
        self._append(key, due_ns, now, NO_STAMP, flags, self._index, 0)
        sent: list[FaultRecord] = []

        def write(record: FaultRecord) -> None:
            sent.append(record)
            self._amend(record.before_ns, record.after_ns)

        try:
            self._breaking.inject(self._spec.stimulus, robot, key, 0, begun_ns, then=write)
        except Exception:
            if not sent:
                self._amend_flags(NO_STAMP, NO_STAMP, flags | StimulusFlag.UNSENT)
            raise
        return key, sent[0]

    def _break_later(self, trial: _Trial, victims: list[str | None], stopped: Stopped) -> bool:
        """Break the others, each at its moment. False when stopped."""
        broken, fault_ns = trial.broken, next(iter(trial.broken.values())).before_ns
        for number, (further, victim) in enumerate(zip(self._spec.also, victims, strict=True), 1):
            robot = self._moments.wait(further, victim, trial.before, fault_ns, list(broken), stopped)
            if robot is None:
                return False
            broken[robot] = self._breaking.inject(further.stimulus, robot, trial.key, number, trial.begun_ns)
        return True

    def _observe(self, trial: _Trial, stopped: Stopped) -> bool | None:
        """Whether a new order has lasted for the settling time; it ends when none can begin in time any more,
        at the soonest once the robot that is to return has. None when stopped."""
        broken = trial.broken
        clock, settle_ns = self._bench.clock, int(self._spec.settle_ms * 1e6)
        robots, first = self._spec.robots, next(iter(broken.values()))
        survivors = [n for n, robot in enumerate(robots, 1) if robot not in broken]
        alive = [n for n in self._watch.everybody if n in survivors or broken[robots[n - 1]].kind == "slow"]
        slow = len(alive) > len(survivors)
        latest = max(each.before_ns for each in broken.values()) + int(self._spec.timeout_ms * 1e6)
        due_ns = None if self._spec.returns_ms is None else first.before_ns + int(self._spec.returns_ms * 1e6)
        since, held = 0, None
        while True:
            now = clock.monotonic_ns()
            if due_ns is not None and now >= due_ns:
                self._breaking.restore_one(self._spec.stimulus, first.target, trial.key)
                alive, due_ns = sorted({*alive, robots.index(first.target) + 1}), None
            found = self._new(trial.before, survivors, alive)
            if found is None or found != held:
                held, since = found, now
                if found is not None:
                    trial.waited = trial.waits.since()
            over, settled = now > latest + settle_ns, held is not None and now - since > settle_ns
            # A robot that is merely slow may still be given up as long as it is slow.
            if due_ns is None and settled and (over or not slow):
                return True
            if due_ns is None and over and held is None:
                trial.waited = trial.waits.since()
                return False
            if not sleep_until(clock, now + POLL_NS, stopped):
                return None

    def _new(self, before: Order, survivors: list[int], alive: list[int]) -> Order | None:
        """The order after the fault: a newer one of the survivors, or one with those that are alive too."""
        found = self._watch.order(survivors)
        if found is not None and found.newer(before):
            return found
        return self._watch.order(alive) if len(alive) > len(survivors) else None
