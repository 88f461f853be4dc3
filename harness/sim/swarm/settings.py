"""What the election is given: times of the protocol, what a robot must remember, and what it reports."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from harness.sim.swarm.detector import Margins
from harness.sim.swarm.messages import NO_SLOT, Message

MS = 1_000_000


EVENTS = {
    "suspects": "the leader (other) has been silent for too long",
    "asks": "asks all for pre-votes",
    "stands": "is a candidate, in a new term",
    "votes": "gives its vote of this term to other",
    "elected": "has a majority",
    "assigned": "as the leader, sends a new assignment of slots, and holds slot 0",
    "follows": "hears the leader of this term",
    "holds": "takes the slot of a newer assignment",
    "agreed": "as the leader, knows that all hold the newest assignment",
    "lost": "as the leader, drops other, which was silent",
    "resigns": "stops being the leader: no majority, or a newer term",
    "may vote": "was without memory, and takes part again",
    "hands over": "as the leader that leaves, asks other to stand at once",
    "left": "has left",
}
"""What an event means."""


class State(enum.IntEnum):
    """What a robot is doing; the number is what its status topic carries."""

    JOINING = 0
    """No leader known, or not yet allowed to vote."""
    FOLLOWING = 1
    SUSPECTING = 2
    """The leader is silent for too long: waits for its turn, or asks for pre-votes."""
    CANDIDATE = 3
    LEADING = 4
    LEFT = 5


@dataclass(frozen=True)
class Settings:
    """Times in ns. ``shape``: the formation. See docs/sim-swarm.md for how the defaults were found."""

    period_ns: int = 5 * MS
    """Between two heartbeats of the leader."""
    margins: Margins = field(default_factory=Margins)
    stagger_ns: int = 4 * MS
    """A robot in slot s waits (s - 1) times this after it began to suspect, so that one comes first."""
    spread_ns: int = 2 * MS
    """And a random time up to this: Raft's randomised timeout."""
    retry_ns: int = 15 * MS
    """A round without a majority is given up after this to twice this, at random."""
    repeat_ns: int = 3 * MS
    """Within a round, what was asked is asked again after this."""
    absent_ns: int = 150 * MS
    """A follower that is silent for this long loses its slot; a leader that hears no majority resigns."""
    startup_ns: int = 200 * MS
    """How long a robot listens for a leader before it proposes itself."""
    quarantine_ns: int = 1_000 * MS
    """How long a robot that lost its memory does not vote. Longer than any candidacy or message lives."""
    shape: str = "wedge"


@dataclass(frozen=True)
class Memory:
    """What must survive a restart: the current term and who got this robot's vote in it (0: nobody)."""

    term: int = 0
    voted_for: int = 0


@dataclass(frozen=True)
class Event:
    """A change worth logging. ``name`` is one of those in EVENTS; ``other`` a robot, 0 where none."""

    name: str
    at_ns: int
    term: int
    leader: int = 0
    slot: int = NO_SLOT
    version: int = 0
    other: int = 0
    heard_ns: int = 0
    """When the leader was last heard."""


@dataclass
class Output:
    """What one input led to. ``memory``, where there is one, must be kept before anything is sent."""

    sends: list[Message] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    memory: Memory | None = None
