"""A discrete-event simulation around the election that the robots run: the same code, other surroundings."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import dataclass, replace

from harness.sim.swarm.election import Election
from harness.sim.swarm.messages import EVERYBODY, Message
from harness.sim.swarm.settings import Event, Memory, Output, Settings, State


@dataclass(frozen=True)
class Link:
    """What a message goes through. Times in ns; each direction of each pair is drawn on its own.

    Delay is ``delay_ns`` plus an exponential of mean ``jitter_ns``; ``loss`` is the probability that a
    message does not arrive. A robot works on one message at a time, ``handle_ns`` long; its timers are late
    by an exponential of mean ``wake_ns``. With probability ``stall`` it does so up to ``stall_ns`` later, as
    on a host whose cores are shared.
    """

    delay_ns: int = 300_000
    jitter_ns: int = 100_000
    loss: float = 0.0
    handle_ns: int = 60_000
    wake_ns: int = 100_000
    stall: float = 0.0
    stall_ns: int = 0


class World:
    """Robots 1 to ``count``. Same arguments and calls, same events.

    ``watch`` is called with a robot's number and each event, as it happens.
    """

    def __init__(
        self,
        count: int,
        link: Link,
        settings: Settings,
        seed: int = 0,
        *,
        watch: Callable[[int, Event], None] | None = None,
    ) -> None:
        self.count, self.link, self.settings = count, link, settings
        self.now_ns = 0
        self.events: list[tuple[int, Event]] = []
        self.robots: dict[int, Election] = {}
        self.memories: dict[int, Memory] = {}
        self.cut: set[int] = set()
        """Robots whose links are down."""
        self._seed = seed
        self._random = random.Random(seed)
        self._watch = watch
        self._heap: list[tuple[int, int, int, int, Message | None]] = []
        self._number = 0
        self._lives = dict.fromkeys(range(1, count + 1), 0)
        self._busy_ns = dict.fromkeys(range(1, count + 1), 0)
        self._wakes_ns: dict[int, int] = {}
        for robot in range(1, count + 1):
            self.start(robot, Memory())

    def start(self, robot: int, memory: Memory | None) -> None:
        """Start a robot, for the first time or again."""
        self._lives[robot] += 1
        seed = self._random.randrange(1 << 62)
        election = Election(robot, self.count, self.settings, seed, memory, self.now_ns)
        election.place = (self._random.uniform(-3.0, 3.0), self._random.uniform(-3.0, 3.0))
        self.robots[robot] = election
        self._busy_ns[robot] = self.now_ns
        self._wakes_ns.pop(robot, None)
        self._schedule(robot)

    def kill(self, robot: int) -> None:
        """End a robot at once; what it has sent is still on its way."""
        self.robots.pop(robot, None)
        self._lives[robot] += 1

    def leave(self, robot: int) -> None:
        """Ask a robot to leave in good order."""
        self._act(robot, self.robots[robot].leave(self.now_ns))

    @property
    def leader(self) -> int:
        """The robot that leads in the newest term, 0 where nobody does."""
        leading = [robot for robot in self.robots.values() if robot.state is State.LEADING]
        return max(leading, key=lambda robot: robot.term).me if leading else 0

    def stable(self) -> bool:
        """Whether all that run follow one leader of one term and hold its newest assignment."""
        leader = self.robots.get(self.leader)
        return (
            leader is not None
            and leader.agreed
            and all(
                (robot.leader, robot.term, robot.slot_term, robot.version)
                == (leader.me, leader.term, leader.term, leader.version)
                and robot.state in (State.FOLLOWING, State.LEADING)
                and robot.slot >= 0
                for robot in self.robots.values()
            )
        )

    def run(self, until_ns: int, done: Callable[[], bool] | None = None) -> bool:
        """Go on until then, or until ``done()`` after an event; whether it was."""
        while self._heap and self._heap[0][0] <= until_ns:
            at, _, robot, life, message = heapq.heappop(self._heap)
            self.now_ns = max(self.now_ns, at)
            if self._lives[robot] != life:
                continue
            election = self.robots[robot]
            if message is None:
                if self._wakes_ns.get(robot) != at:
                    continue  # an alarm that was put off
                del self._wakes_ns[robot]
                start = self._begin(robot)
                self._act(robot, election.tick(start))
            elif robot not in self.cut and message.sender not in self.cut:
                self._act(robot, election.receive(message, self._begin(robot)))
            else:
                continue
            if done is not None and done():
                return True
        self.now_ns = max(self.now_ns, until_ns)
        return False

    def _begin(self, robot: int) -> int:
        """When the robot gets to it; it is busy for a while from then on."""
        start = max(self.now_ns, self._busy_ns[robot])
        if self.link.stall and self._random.random() < self.link.stall:
            start += self._random.randrange(self.link.stall_ns + 1)
        self._busy_ns[robot] = start + self.link.handle_ns
        return start

    def _act(self, robot: int, output: Output) -> None:
        if output.memory is not None:
            self.memories[robot] = output.memory
        for event in output.events:
            self.events.append((robot, event))
            if self._watch is not None:
                self._watch(robot, event)
        for message in output.sends:
            self._transmit(robot, message)
        if robot in self.robots:
            self._schedule(robot)

    def _transmit(self, robot: int, message: Message) -> None:
        if robot in self.cut:
            return
        self._busy_ns[robot] = max(self._busy_ns[robot], self.now_ns)
        sent = self._busy_ns[robot]
        for other in range(1, self.count + 1) if message.to == EVERYBODY else (message.to,):
            if other == robot or other not in self.robots or self._random.random() < self.link.loss:
                continue
            delay = self.link.delay_ns + self._exponential(self.link.jitter_ns)
            self._push(sent + delay, other, message)

    def _schedule(self, robot: int) -> None:
        due = self.robots[robot].deadline_ns
        if due >= 1 << 61:
            self._wakes_ns.pop(robot, None)
            return
        at = max(due, self.now_ns) + self._exponential(self.link.wake_ns)
        self._wakes_ns[robot] = at
        self._push(at, robot, None)

    def _push(self, at_ns: int, robot: int, message: Message | None) -> None:
        self._number += 1
        heapq.heappush(self._heap, (at_ns, self._number, robot, self._lives[robot], message))

    def _exponential(self, mean_ns: int) -> int:
        return round(self._random.expovariate(1.0 / mean_ns)) if mean_ns else 0


def quick(settings: Settings) -> Settings:
    """The same, but without the long listening at the start, which only discovery needs."""
    return replace(settings, startup_ns=min(settings.startup_ns, 4 * settings.retry_ns))
