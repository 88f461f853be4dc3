"""Frames of the bench board's line: COBS between zeros, CRC-32 at the end. See ``firmware/PROTOCOL.md``.

Nothing here knows what a frame means. Whatever is damaged is counted and dropped.
"""

from __future__ import annotations

import importlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import ModuleType

from harness.errors import UnavailableError

VERSION = 1
HEADER = struct.Struct("<BBH")
CRC = struct.Struct("<I")
MAX_PAYLOAD = 60
"""Of protocol version 1: header, body and CRC. A board says in its hello what it takes."""
MAX_ENCODED = MAX_PAYLOAD + 1


@dataclass(frozen=True)
class Frame:
    """One whole frame: ``sequence`` pairs an answer with its request, and counts a board's events."""

    type: int
    sequence: int
    body: bytes = b""
    version: int = VERSION


def encode(frame: Frame) -> bytes:
    """As it goes over the line, delimiter included. Raises ValueError for a body that is too long."""
    payload = HEADER.pack(frame.version, frame.type, frame.sequence) + frame.body
    payload += CRC.pack(zlib.crc32(payload))
    if len(payload) > MAX_PAYLOAD:
        raise ValueError(f"a frame of {len(payload)} bytes; at most {MAX_PAYLOAD} fit")
    encoded: bytes = _cobs().encode(payload)
    return encoded + b"\0"


def decode(encoded: bytes) -> Frame | None:
    """What stood between two zeros, or None where it is damaged."""
    cobs = _cobs()
    if len(encoded) > MAX_ENCODED:
        return None
    try:
        payload: bytes = cobs.decode(encoded)
    except cobs.DecodeError:
        return None
    if len(payload) < HEADER.size + CRC.size:
        return None
    body = payload[: -CRC.size]
    if CRC.unpack(payload[-CRC.size :])[0] != zlib.crc32(body):
        return None
    version, kind, sequence = HEADER.unpack_from(body)
    return Frame(kind, sequence, body[HEADER.size :], version)


@dataclass
class Decoder:
    """Takes bytes as they come, gives whole frames. ``damaged`` counts what was dropped."""

    damaged: int = 0
    whole: int = 0
    _rest: bytearray = field(default_factory=bytearray)
    _skipping: bool = False

    def take(self, data: bytes) -> Iterator[Frame]:
        """The frames that these bytes bring to an end."""
        *ended, rest = data.split(b"\0")
        for part in ended:
            encoded = bytes(self._rest) + part
            self._rest.clear()
            skipped, self._skipping = self._skipping, False
            if not encoded and not skipped:
                continue  # two zeros in a row: nothing between them
            frame = None if skipped else decode(encoded)
            if frame is None:
                self.damaged += 1
            else:
                self.whole += 1
                yield frame
        if len(self._rest) + len(rest) > MAX_ENCODED:
            # No frame is that long: forget it now, so that a line that never sends a zero costs no memory.
            self._skipping = True
            self._rest.clear()
        elif not self._skipping:
            self._rest += rest


def _cobs() -> ModuleType:
    try:
        return importlib.import_module("cobs.cobs")
    except ImportError as error:
        raise UnavailableError(
            "the library cobs is missing", hint="install the extra: pip install hil-latency-harness[serial]"
        ) from error
