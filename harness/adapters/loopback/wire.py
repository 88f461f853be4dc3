"""Frames between the loopback device and its robot, over a Unix stream socket. Imports no sibling.

A stream socket loses nothing, tells both ends when the other dies, and lets a second process (the guardian)
reach the same robot. Its send buffer is deep enough that a robot that is slow to read never blocks a sender.
"""

from __future__ import annotations

import enum
import hashlib
import socket
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MAGIC = b"HLB1"
HEADER = struct.Struct("<4sBBxxIqqqd")
"""magic, kind, port, length of the frame with header, key, stamp_ns, extra_ns, value."""
KEY_OFFSET = 12
NO_KEY = -1
MAX_FRAME = 60_000
BUFFER_BYTES = 1 << 20
ADDRESS_VARIABLE = "HARNESS_LOOPBACK_SOCKET"
"""Environment variable through which a robot that the rig file starts learns its address."""


class Kind(enum.IntEnum):
    """What a frame is."""

    COMMAND = 1
    ANSWER = 2
    STOP = 3
    HELLO = 4
    HELLO_REPLY = 5
    EXCHANGE = 6
    EXCHANGE_REPLY = 7
    SIGNAL = 8


class Frame(NamedTuple):
    """One frame, unpacked. ``stamp_ns`` and ``extra_ns`` are on the robot's own clock, 0 if unused."""

    kind: int
    port: int
    length: int
    key: int
    stamp_ns: int
    extra_ns: int
    value: float

    def pack(self) -> bytearray:
        """The frame as it goes over the wire, padded with zeros to ``length``."""
        raw = bytearray(max(self.length, HEADER.size))
        HEADER.pack_into(raw, 0, MAGIC, self.kind, self.port, len(raw), *self[3:])
        return raw


class Splitter:
    """Cuts the byte stream of one connection into frames."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Frame]:
        """The frames that ``data`` completes. Raises ValueError when the stream is not ours."""
        data = self._rest + data if self._rest else data
        at = 0
        while len(data) - at >= HEADER.size:
            magic, kind, port, length, key, stamp_ns, extra_ns, value = HEADER.unpack_from(data, at)
            if magic != MAGIC or length < HEADER.size:
                raise ValueError(f"not a loopback frame: {data[at : at + 8]!r}")
            if len(data) - at < length:
                break
            at += length
            yield Frame(kind, port, length, key, stamp_ns, extra_ns, value)
        self._rest = data[at:]


def default_address(run_id: str, device: str) -> str:
    """An address that the harness and its guardian derive alike, in the abstract namespace: no file stays."""
    name = f"@harness-loopback-{run_id}-{device}"
    if len(name) > 100:
        name = f"@harness-loopback-{hashlib.sha256(name.encode()).hexdigest()[:32]}"
    return name


def socket_address(address: str) -> str:
    """``@name`` as the abstract name it means; anything else is a path."""
    return "\0" + address[1:] if address.startswith("@") else address


def widen(connection: socket.socket) -> socket.socket:
    """Ask for deep buffers; the system caps what it grants."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, BUFFER_BYTES)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
    return connection


def listen(address: str) -> socket.socket:
    """A listening socket at ``address``; a socket file that nobody serves is replaced. Raises OSError."""
    if not address.startswith("@") and Path(address).is_socket():
        try:
            connect(address).close()
        except ConnectionRefusedError:
            Path(address).unlink()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(socket_address(address))
        listener.listen(16)
    except OSError:
        listener.close()
        raise
    return listener


def connect(address: str) -> socket.socket:
    """A connection to the robot at ``address``. Raises OSError when nobody listens there."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        widen(connection).connect(socket_address(address))
    except OSError:
        connection.close()
        raise
    return connection
