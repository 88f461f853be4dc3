"""What frames mean: the tables of ``firmware/PROTOCOL.md`` as numbers and small records. Times are ticks."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass

from harness.errors import OperationError

ANSWER = 0x80
CLOCK_PAD = bytes(16)
"""A question about the clock is as long as its answer, so that both take equally long."""


class Request(enum.IntEnum):
    """Types of requests; answers have ANSWER added."""

    HELLO = 0x01
    CLOCK = 0x02
    ECHO = 0x03
    SET = 0x04
    PULSE = 0x05
    SCHEDULE = 0x06
    HOLD = 0x07
    CONFIG = 0x08
    ARM = 0x09
    ANALOG = 0x0A
    SAFE = 0x0B
    DEADMAN = 0x0C
    STATS = 0x0D
    SELFTEST = 0x0E


class Event(enum.IntEnum):
    """Types of what comes of itself, and of refusals."""

    EDGE = 0xC1
    OUTPUT = 0xC2
    BOOT = 0xC3
    SAFE = 0xC4
    ANALOG = 0xC5
    ERROR = 0xFF


ERRORS = {
    1: "it speaks another version of the protocol",
    2: "its firmware does not know this request",
    3: "the request is too short",
    4: "it has no such output, input or channel",
    5: "a value is out of range",
    6: "busy: an earlier pulse or schedule of that output, or another analogue channel",
    7: "too many changes are pending",
    8: "the instant has passed, or is too far ahead",
    9: "no edge came in time",
}
INEXACT, SETTLED = 0x02, 0x04
"""Flags of an edge beside its level."""
SCHEDULED, PULSE_END, HOLD_LAPSED = 0, 1, 2
"""Why an output changed."""

LEVEL = struct.Struct("<BB")
TIMED = struct.Struct("<BBI")
SCHEDULED_AT = struct.Struct("<BBQI")
ARMED = struct.Struct("<BBBI")
THRESHOLD = struct.Struct("<BBHH")
MILLISECONDS = struct.Struct("<H")
_INSTANT = struct.Struct("<Q")
_CLOCK = struct.Struct("<QQ")
_ARM_ANSWER = struct.Struct("<BQ")
_HELLO = struct.Struct("<B3BBBBBBBBBBI")
_HAPPENED = struct.Struct("<BBQ")
_COUNTED = struct.Struct("<BBQHH")
_OUTPUT = struct.Struct("<BBQH")
_STATS = struct.Struct("<QIIIHHIH")
_COUNTS = struct.Struct("<HHH")


def _unpack(what: struct.Struct, body: bytes) -> tuple[int, ...]:
    """Fields that a later version has added are left alone. Raises OperationError for too few."""
    if len(body) < what.size:
        raise OperationError(
            f"the board sent {len(body)} bytes where {what.size} are due",
            hint="flash this version's firmware",
        )
    return what.unpack_from(body)


def instant(body: bytes) -> int:
    """When an output had its level."""
    return _unpack(_INSTANT, body)[0]


def clock(body: bytes) -> tuple[int, int]:
    """When a question had arrived, and when its answer left."""
    taken, leaves = _unpack(_CLOCK, body)
    return taken, leaves


def armed(body: bytes) -> tuple[int, int]:
    """Level of an input, and when that was."""
    level, at = _unpack(_ARM_ANSWER, body)
    return level, at


@dataclass(frozen=True)
class Hello:
    """Who is there. ``exact_inputs``: bit i, input i is stamped by hardware; ``receive_bytes``: how many
    bytes of requests may be unanswered."""

    version: int
    firmware: str
    board: int
    outputs: int
    inputs: int
    analogs: int
    exact_inputs: int
    max_payload: int
    receive_bytes: int
    slots: int
    reset_cause: int
    tick_hz: int
    name: str

    @classmethod
    def read(cls, body: bytes) -> Hello:
        """Raises OperationError for a body that is too short."""
        version, major, minor, patch, *numbers = _unpack(_HELLO, body)
        board, outputs, inputs, analogs, exact, payload, receive, slots, cause, tick_hz = numbers
        name = body[_HELLO.size :].decode("ascii", "replace")
        firmware = f"{major}.{minor}.{patch}"
        return cls(
            version,
            firmware,
            board,
            outputs,
            inputs,
            analogs,
            exact,
            payload,
            receive,
            slots,
            cause,
            tick_hz,
            name,
        )


@dataclass(frozen=True)
class Edge:
    """An input or a channel changed. ``number`` counts the edges of that input, or is a reading;
    ``dropped`` counts all events the board had no room for. Both modulo 2**16."""

    index: int
    flags: int
    at: int
    number: int
    dropped: int

    @classmethod
    def read(cls, body: bytes) -> Edge:
        """Raises OperationError for a body that is too short."""
        return cls(*_unpack(_COUNTED, body))


@dataclass(frozen=True)
class Output:
    """An output changed of itself; ``sequence`` is that of the request which asked for it."""

    index: int
    level: int
    cause: int
    at: int
    sequence: int

    @classmethod
    def read(cls, body: bytes) -> Output:
        """Raises OperationError for a body that is too short."""
        index, flags, at, sequence = _unpack(_OUTPUT, body)
        return cls(index, flags & 1, flags >> 1 & 3, at, sequence)


def went_safe(body: bytes) -> tuple[int, int]:
    """Why the board went to its safe levels, and when."""
    cause, _, at = _unpack(_HAPPENED, body)
    return cause, at


@dataclass(frozen=True)
class Statistics:
    """What the board has counted since its start; ``edges``, ``overtaken`` and ``bounces`` by input."""

    now: int
    frames: int
    damaged: int
    refused: int
    receive_dropped: int
    receive_overruns: int
    dead_man_trips: int
    events_dropped: int
    edges: tuple[int, ...]
    overtaken: tuple[int, ...]
    bounces: tuple[int, ...]

    @classmethod
    def read(cls, body: bytes, inputs: int) -> Statistics:
        """Raises OperationError for a body that is too short."""
        now, frames, damaged, refused, dropped, overruns, trips, events = _unpack(_STATS, body)
        counts = [_unpack(_COUNTS, body[_STATS.size + i * _COUNTS.size :]) for i in range(inputs)]
        edges, overtaken, bounces = zip(*counts, strict=True)
        return cls(now, frames, damaged, refused, dropped, overruns, trips, events, edges, overtaken, bounces)
