"""What a robot says of itself to whoever watches, and the lies that tests need."""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.sim.swarm.election import Election
from harness.sim.swarm.messages import NO_SLOT
from harness.sim.swarm.settings import MS, State

FIELDS = (
    "stamp_ns",
    "robot",
    "leader",
    "term",
    "slot",
    "slot_term",
    "version",
    "state",
    "agreed",
    "pid",
    "changed_ns",
)
"""The numbers of the status topic, by their place in ``data``."""

LIES = {
    "split-brain": "says that it leads, in the term in which another was elected",
    "dead-leader": "says for ever that it follows the leader that was lost",
    "flapping": "changes between its leader and none, every 30 ms",
    "slot-twice": "says that it holds a slot that another holds",
    "never-reforms": "follows the new leader, and keeps the slot of the old one's term",
    "silent": "publishes no status",
    "restless": "stands for election every second although nothing is wrong",
}
"""Misbehaviours; all but the last two begin with the first loss of a leader."""


SETTLED_NS = 1_000 * MS
"""A leader of whom a robot that is to lie has heard for less than this is not yet one to be lost."""


@dataclass(frozen=True)
class Status:
    """Who is followed (0: nobody) in which term; which slot is held (-1: none) by which assignment."""

    leader: int = 0
    term: int = 0
    slot: int = NO_SLOT
    slot_term: int = 0
    version: int = 0
    state: int = 0
    agreed: bool = False


def of(election: Election) -> Status:
    """The truth."""
    return Status(
        election.leader,
        election.term,
        election.slot,
        election.slot_term,
        election.version,
        int(election.state),
        election.agreed,
    )


class Liar:
    """Turns the true status into what a broken robot says. ``how``: one of LIES, or "" for none."""

    def __init__(self, how: str, me: int, count: int) -> None:
        if how and how not in LIES:
            raise ValueError(f"misbehaviour {how!r}: one of {', '.join(LIES)}")
        self._how, self._me, self._count = how, me, count
        self._first: Status | None = None
        self._since_ns = 0

    def says(self, true: Status, now_ns: int) -> Status:
        """What is published instead of ``true``."""
        if self._how not in LIES or self._how in ("silent", "restless"):
            return true
        following = true.state in (State.FOLLOWING, State.LEADING) and true.slot_term == true.term
        if following:
            new = self._first is None or self._first.term != true.term
            if new and (self._first is None or now_ns - self._since_ns < SETTLED_NS):
                # Elections while the robots find each other are no loss of a leader.
                self._first, self._since_ns = true, now_ns
            elif not new:
                self._first = true
        first = self._first
        if first is None or true.term == first.term:
            return true
        if self._how == "dead-leader":
            return replace(true, leader=first.leader, term=first.term, state=int(State.FOLLOWING))
        if not following:
            return true
        if self._how == "split-brain":
            return replace(true, leader=self._me, state=int(State.LEADING), slot=0)
        if self._how == "flapping":
            return true if now_ns // (30 * MS) % 2 else replace(true, leader=0, state=int(State.SUSPECTING))
        if self._how == "slot-twice":
            return replace(true, slot=1 if true.slot != 1 else 2)
        return replace(true, slot=first.slot, slot_term=first.slot_term, version=first.version)
