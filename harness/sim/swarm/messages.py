"""What robots tell each other, and its form on the wire.

Little-endian: kind, flag, sender, addressee (u16 each), term, sequence (i64 each), version (i32), period in
us (u32), x and y in metres (f32 each), then the number of robots (u16) and, for each, its slot (i16) and its
place (two f32).
"""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

_HEAD = struct.Struct("<HHHHqqiIffH")
EVERYBODY = 0
NO_SLOT = -1
Place = tuple[float, float]


class Kind(enum.IntEnum):
    """The messages of the election: Raft's, and what the formation needs."""

    HEARTBEAT = 1
    """From the leader to all: it lives, and who has which slot."""
    ACK = 2
    """From a follower: heard, with the version of the assignment that it holds."""
    PRE_VOTE = 3
    PRE_VOTE_REPLY = 4
    VOTE = 5
    VOTE_REPLY = 6
    TIMEOUT_NOW = 7
    """From a leader that leaves to its successor."""
    LEAVE = 8


@dataclass(frozen=True)
class Message:
    """One message. Robots are numbered from 1; ``to`` 0 is everybody.

    ``slots`` and ``places`` (metres) have one entry per robot, by number, and are empty but in heartbeats.
    """

    kind: Kind
    sender: int
    to: int
    term: int
    granted: bool = False
    sequence: int = 0
    version: int = 0
    period_ns: int = 0
    place: Place = (0.0, 0.0)
    slots: tuple[int, ...] = ()
    places: tuple[Place, ...] = ()


def encode(message: Message) -> bytes:
    """The message on the wire."""
    count = len(message.slots)
    head = _HEAD.pack(
        message.kind,
        message.granted,
        message.sender,
        message.to,
        message.term,
        message.sequence,
        message.version,
        message.period_ns // 1000,
        *message.place,
        count,
    )
    flat = [value for place in message.places for value in place]
    return head + struct.pack(f"<{count}h{2 * count}f", *message.slots, *flat)


def decode(raw: bytes) -> Message:
    """The message of these bytes. Raises ValueError where they are none."""
    try:
        kind, granted, sender, to, term, sequence, version, period, x, y, count = _HEAD.unpack_from(raw)
        rest = struct.unpack_from(f"<{count}h{2 * count}f", raw, _HEAD.size)
    except struct.error as error:
        raise ValueError(f"{len(raw)} bytes are no message of the swarm: {error}") from error
    flat = rest[count:]
    places = tuple((flat[i], flat[i + 1]) for i in range(0, 2 * count, 2))
    return Message(
        Kind(kind),
        sender,
        to,
        term,
        bool(granted),
        sequence,
        version,
        period * 1000,
        (x, y),
        rest[:count],
        places,
    )
