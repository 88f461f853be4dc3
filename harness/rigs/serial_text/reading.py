"""What is received: bytes with the instant at which they were read, cut into lines or found by a pattern."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from harness.rigs.serial_text.template import CHECKSUM, Rule

LONGEST = 4096
"""Bytes that are kept while a message is not complete."""


@dataclass(frozen=True)
class Piece:
    """Some bytes; CLOCK_MONOTONIC in ns at which the first and the last of them were read."""

    data: bytes
    first_ns: int
    last_ns: int


class Buffer:
    """The newest bytes, and when each was read."""

    def __init__(self) -> None:
        self.data = b""
        self.thrown = 0
        self._read: list[tuple[int, int]] = []

    def add(self, chunk: bytes, now_ns: int) -> None:
        """Bytes that were read together. The oldest go where it becomes too much, and are counted."""
        self.data += chunk
        self._read.append((len(self.data), now_ns))
        if len(self.data) > LONGEST:
            self.thrown += len(self.data) - LONGEST
            self.take(len(self.data) - LONGEST)

    def take(self, end: int, begin: int = 0) -> Piece:
        """Cut off all up to ``end``, and give what stood behind ``begin`` of it; not empty."""
        piece = Piece(self.data[begin:end], self._when(begin), self._when(end - 1))
        self.data = self.data[end:]
        self._read = [(stop - end, at) for stop, at in self._read if stop > end]
        return piece

    def _when(self, index: int) -> int:
        return next(at for stop, at in self._read if stop > index)


class Lines:
    """Cuts at ``end``; an empty line is none. A carriage return before a newline belongs to the end."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self.buffer = Buffer()

    def take(self, chunk: bytes, now_ns: int) -> Iterator[Piece]:
        """Every line that is whole now, without its end; its last byte is that of the end."""
        self.buffer.add(chunk, now_ns)
        while (place := self.buffer.data.find(self._end)) >= 0:
            piece = self.buffer.take(place + len(self._end))
            text = piece.data[: -len(self._end)]
            if self._end == b"\n":
                text = text.removesuffix(b"\r")
            if text:
                yield Piece(text, piece.first_ns, piece.last_ns)


@dataclass(frozen=True)
class Found:
    """One message: what its named groups are as numbers, and whether its checksum is right."""

    piece: Piece
    numbers: dict[str, float]
    whole: bool


class Reader:
    """Finds one kind of message. ``groups``: named groups that are read as numbers, and how they are packed
    where they are no text."""

    def __init__(self, pattern: re.Pattern[bytes], groups: dict[str, str], rule: Rule | None) -> None:
        self._pattern, self._groups, self._rule = pattern, groups, rule
        self._buffer = Buffer()

    def line(self, piece: Piece) -> Found | None:
        """Whether a whole line is such a message."""
        match = self._pattern.fullmatch(piece.data)
        return None if match is None else self._read(match, piece, 0)

    def stream(self, chunk: bytes, now_ns: int) -> Iterator[Found]:
        """Every such message in bytes that are not cut into lines."""
        self._buffer.add(chunk, now_ns)
        while (match := self._pattern.search(self._buffer.data)) is not None and match.end():
            yield self._read(match, self._buffer.take(match.end(), match.start()), match.start())

    def _read(self, match: re.Match[bytes], piece: Piece, offset: int) -> Found:
        whole = True
        numbers = {}
        if self._rule is not None:
            head = piece.data[: match.start(CHECKSUM) - offset]
            try:
                whole = self._rule.fits(head, match[CHECKSUM])
            except ValueError:
                whole = False
        for name, form in self._groups.items():
            try:
                numbers[name] = number(match[name], form)
            except (ValueError, TypeError, struct.error):
                whole = False
        return Found(piece, numbers, whole)


def number(data: bytes, form: str) -> float:
    """A group as a number: text, or packed as the module struct calls it. An integer stays one.

    Raises ValueError, TypeError, struct.error for what is none.
    """
    if form:
        unpacked: float = struct.unpack(form, data)[0]
        return unpacked
    try:
        return int(data)
    except ValueError:
        return float(data)
