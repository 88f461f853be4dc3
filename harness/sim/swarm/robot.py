"""The robot's loop: hear, think, tell, move."""

from __future__ import annotations

import gc
import heapq
import math
import os
import random
import time
from collections.abc import Callable

from harness.sim.swarm import status
from harness.sim.swarm.election import Election
from harness.sim.swarm.formation import assign
from harness.sim.swarm.messages import Message, Place
from harness.sim.swarm.node import RobotNode
from harness.sim.swarm.options import Options
from harness.sim.swarm.settings import MS, Output, State
from harness.sim.swarm.store import Store
from harness.sim.swarm.truth import TruthLog

SPEED_MPS = 1.0
LOOK_NS = 50 * MS
LEAVE_NS = 200 * MS


class Robot:
    """One robot of the swarm, put together."""

    def __init__(self, options: Options, node: RobotNode, truth: TruthLog, store: Store) -> None:
        self._options, self._node, self._truth, self._store = options, node, truth, store
        me, count = options.robot, len(options.names)
        self._random = random.Random(f"{options.seed} {me} links")
        life = time.monotonic_ns() if not options.first else 0  # another life, other draws
        seed = random.Random(f"{options.seed} {me} {life}").randrange(1 << 62)
        memory = store.load(first=options.first)
        now = time.monotonic_ns()
        self._election = Election(me, count, options.settings, seed, memory, now)
        self._place: Place = self._election.goals[me - 1]
        self._election.place = self._place
        self._yaw = 0.0
        lie = options.misbehave.get(me, "")
        self._silent, self._restless = lie == "silent", lie == "restless"
        self._liar = status.Liar(lie, me, count)
        self._said: status.Status | None = None
        self._changed_ns = self._status_due_ns = self._pose_due_ns = 0
        self._disturb_ns = now + 3_000 * MS
        self._late: list[tuple[int, int, Message]] = []
        self._number = 0
        self._meet_ns = now + options.meet_ns
        assign(1, range(1, count + 1), {}, self._election.goals)  # the first call is slow
        name = options.names[me - 1]
        truth.line(
            "started", now, called=name, pid=os.getpid(), term=self._election.term, memory=memory is not None
        )

    def run(self, stopped: Callable[[], bool], leaving: Callable[[], bool]) -> None:
        """Until ``stopped()``, or until it has left in good order after ``leaving()``."""
        self._meet(stopped)
        election = self._election
        leave_until = 0
        gc.collect()
        gc.freeze()
        while not stopped():
            due = min(election.deadline_ns, self._status_due_ns, self._pose_due_ns)
            if self._late:
                due = min(due, self._late[0][0])
            self._node.wait(min(due - time.monotonic_ns(), LOOK_NS))
            self._hear()
            now = time.monotonic_ns()
            if now >= election.deadline_ns:
                self._tell(election.tick(now))
            if self._restless and now >= self._disturb_ns:
                self._disturb_ns = now + 1_000 * MS
                self._tell(election.disturb(now))
            if leaving() and not leave_until:
                leave_until = now + LEAVE_NS
                self._tell(election.leave(now))
            self._say(now)
            if leave_until and (election.state is State.LEFT or now >= leave_until):
                break
        self._truth.line("stopped", time.monotonic_ns())

    def _meet(self, stopped: Callable[[], bool]) -> None:
        """Take no part before all are found: what arrives meanwhile is thrown away."""
        started = time.monotonic_ns()
        while not stopped() and not self._node.met() and time.monotonic_ns() < self._meet_ns:
            self._node.wait(LOOK_NS // 5)
            for _ in self._node.take():
                pass
            self._say(time.monotonic_ns())
        now = time.monotonic_ns()
        self._truth.line("met" if self._node.met() else "missed", now)
        self._election.begin(now - started, now)

    def _hear(self) -> None:
        options = self._options
        slow = options.link_delay_ns or options.link_jitter_ns or options.link_loss
        for message in self._node.take():
            now = time.monotonic_ns()
            if not slow:
                self._tell(self._election.receive(message, now))
            elif self._random.random() >= options.link_loss:
                self._number += 1
                due = now + options.link_delay_ns + round(self._random.random() * options.link_jitter_ns)
                heapq.heappush(self._late, (due, self._number, message))
        while self._late and self._late[0][0] <= time.monotonic_ns():
            message = heapq.heappop(self._late)[2]
            self._tell(self._election.receive(message, time.monotonic_ns()))

    def _tell(self, output: Output) -> None:
        if output.memory is not None:
            self._store.keep(output.memory)
        for message in output.sends:
            self._node.send(message)
        if output.events:
            self._say(time.monotonic_ns())
            for event in output.events:
                self._truth.event(event)

    def _say(self, now_ns: int) -> None:
        """Publish the status where it has changed or is due, and the pose where it is."""
        says = self._liar.says(status.of(self._election), now_ns)
        changed = says != self._said
        if (changed or now_ns >= self._status_due_ns) and not self._silent:
            stamp = time.time_ns()
            if changed:
                self._changed_ns, self._said = stamp, says
            self._node.publish_status(
                (
                    stamp,
                    self._options.robot,
                    says.leader,
                    says.term,
                    says.slot,
                    says.slot_term,
                    says.version,
                    says.state,
                    says.agreed,
                    os.getpid(),
                    self._changed_ns,
                )
            )
        if now_ns >= self._status_due_ns:
            self._status_due_ns = _next(self._status_due_ns, now_ns, self._options.status_hz)
        if now_ns >= self._pose_due_ns:
            self._move(1.0 / self._options.pose_hz)
            self._node.publish_pose(time.time_ns(), self._place, self._yaw)
            self._pose_due_ns = _next(self._pose_due_ns, now_ns, self._options.pose_hz)

    def _move(self, seconds: float) -> None:
        """Straight towards its slot, at most SPEED_MPS."""
        slot = self._election.slot
        if slot < 0:
            return
        goal = self._election.goals[slot]
        away = math.dist(goal, self._place)
        if away > 1e-6:
            part = min(1.0, SPEED_MPS * seconds / away)
            x, y = self._place
            self._yaw = math.atan2(goal[1] - y, goal[0] - x)
            self._place = (x + part * (goal[0] - x), y + part * (goal[1] - y))
        self._election.place = self._place


def _next(due_ns: int, now_ns: int, rate_hz: float) -> int:
    """The next deadline on the same grid; what was slept through is left out."""
    period = round(1e9 / rate_hz)
    return due_ns + max(1, (now_ns - due_ns) // period + 1) * period
