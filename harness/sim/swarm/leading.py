"""What only the leader does: heartbeats, who is there, who has which slot."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from harness.sim.swarm.formation import assign
from harness.sim.swarm.messages import EVERYBODY, Kind, Message, Place
from harness.sim.swarm.settings import Settings


class Leadership:
    """One robot's time as the leader, in one term. ``members`` count as heard at ``now_ns``."""

    def __init__(
        self,
        me: int,
        members: Iterable[int],
        settings: Settings,
        goals: tuple[Place, ...],
        places: Mapping[int, Place],
        now_ns: int,
    ) -> None:
        self._me, self._settings, self._goals = me, settings, goals
        self._heard = {robot: now_ns for robot in members if robot != me}
        self._holds: dict[int, int] = {}
        self._new = False
        self._began_ns = now_ns
        self.version = 0
        self.beat_ns = now_ns
        self.slots: tuple[int, ...] = ()
        self._reassign(places)

    def _reassign(self, places: Mapping[int, Place]) -> None:
        self.version += 1
        self._new = False
        self.slots = assign(self._me, self._heard, places, self._goals)

    @property
    def agreed(self) -> bool:
        """Whether every member has acknowledged the newest assignment."""
        return not self._new and all(self._holds.get(robot) == self.version for robot in self._heard)

    def heartbeat(self, term: int, place: Place, places: Mapping[int, Place], now_ns: int) -> Message:
        """The heartbeat to send now. Its sequence counts periods since the term began, sent or not."""
        period = self._settings.period_ns
        sequence = (now_ns - self._began_ns) // period
        self.beat_ns = self._began_ns + (sequence + 1) * period
        everyone = range(1, len(self._goals) + 1)
        return Message(
            Kind.HEARTBEAT,
            self._me,
            EVERYBODY,
            term,
            sequence=sequence,
            version=self.version,
            period_ns=period,
            place=place,
            slots=self.slots,
            places=tuple(places.get(robot, (0.0, 0.0)) for robot in everyone),
        )

    def acknowledged(self, robot: int, version: int, now_ns: int) -> None:
        """A robot was heard. One that has no slot gets one with the next heartbeat that is due.

        Not at once: when many come together, an assignment for each, acknowledged by all, would keep the
        leader from its heartbeats.
        """
        if robot in self._heard:
            self._holds[robot] = version
        else:
            self._new = True
        self._heard[robot] = now_ns

    def heard_within(self, now_ns: int) -> int:
        """How many robots, this one among them, were heard lately."""
        limit = now_ns - self._settings.absent_ns
        return 1 + sum(heard >= limit for heard in self._heard.values())

    def silent(self, now_ns: int) -> list[int]:
        """The members that were not heard for too long."""
        limit = now_ns - self._settings.absent_ns
        return [robot for robot, heard in self._heard.items() if heard < limit]

    def without(self, robot: int, places: Mapping[int, Place]) -> bool:
        """Drop a member; whether there is a new assignment."""
        return self.without_all([robot], places)

    def without_all(self, robots: Iterable[int], places: Mapping[int, Place]) -> bool:
        """Drop members, admit those that are new; whether there is a new assignment."""
        gone = [robot for robot in robots if self._heard.pop(robot, None) is not None]
        changed = bool(gone) or self._new
        if changed:
            self._reassign(places)
        return changed

    def successor(self) -> int:
        """The member of the lowest slot that holds the newest assignment; 0 where nobody does."""
        ready = [robot for robot in self._heard if self._holds.get(robot) == self.version]
        return min(ready, key=lambda robot: self.slots[robot - 1], default=0)
