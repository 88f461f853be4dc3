"""What is sent: text with places for values, for the number of the stimulus, and for a checksum."""

from __future__ import annotations

import re
import string
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from harness.config.problems import suggest
from harness.rigs.serial_text.checksums import written

KEY, CHECKSUM = "key", "checksum"
BINARY = re.compile(r"[<>][bBhHiIqQfd]")
"""A number as bytes, as in the module struct: < low byte first, > high byte first."""


@dataclass(frozen=True)
class Place:
    """``{name:form}`` in a template."""

    name: str
    form: str

    def render(self, value: Any) -> bytes:
        """Raises ValueError for a value that does not go into this form."""
        if not isinstance(value, (bool, int, float, str)):
            raise ValueError(f"{self.name} is {value!r}; a number or a text goes there")
        try:
            if BINARY.fullmatch(self.form):
                if isinstance(value, float) and self.form[1] not in "fd":
                    if not value.is_integer():
                        raise ValueError("a whole number goes there")
                    value = int(value)
                return struct.pack(self.form, value)
            return format(value, self.form).encode("latin-1")
        except (ValueError, TypeError, struct.error, OverflowError) as error:
            raise ValueError(f"{self.name} = {value!r} cannot be written as {{{self}}}: {error}") from error

    def __str__(self) -> str:
        return f"{self.name}:{self.form}" if self.form else self.name


@dataclass(frozen=True)
class Rule:
    """A checksum over what stands ``after`` and ``before`` these bytes; see the options."""

    kind: str
    after: bytes
    before: bytes
    form: str

    def over(self, head: bytes) -> bytes:
        """Of what stands before the checksum, the bytes that it covers. Raises ValueError where a mark is
        missing."""
        begin = 0
        if self.after:
            found = head.find(self.after)
            if found < 0:
                raise ValueError(f"{self.after!r}, after which the checksum begins, is not there")
            begin = found + len(self.after)
        if not head.endswith(self.before):
            raise ValueError(f"{self.before!r} does not stand right before the checksum")
        return head[begin : len(head) - len(self.before)]

    def text(self, head: bytes) -> bytes:
        """The checksum as it has to stand behind ``head``."""
        return written(self.kind, self.over(head), self.form)

    def fits(self, head: bytes, found: bytes) -> bool:
        """Whether that is the checksum of ``head``; hexadecimal digits may be of either case.

        Raises ValueError where a mark is missing.
        """
        due = self.text(head)
        return found.upper() == due.upper() if self.form in ("HEX", "hex") else found == due


def parse(text: str) -> list[bytes | Place]:
    """Text and places in turn. Raises ValueError for a text that is no template."""
    parts: list[bytes | Place] = []
    for literal, name, form, conversion in string.Formatter().parse(text):
        if literal:
            parts.append(in_bytes(literal))
        if name is None:
            continue
        if not name.isidentifier() or conversion:
            raise ValueError(
                f"{{{name}}}: write a name, and a form behind a colon if need be; {{{{ is a brace"
            )
        if name == CHECKSUM and form:
            raise ValueError("{checksum} takes no form; `checksum.write` says how it is written")
        parts.append(Place(name, form or ""))
    return parts


class Template:
    """One message. ``names``: of its values; ``keyed``: whether it carries the stimulus's number.

    Raises ValueError for a text that is none, or a checksum without a place.
    """

    def __init__(self, text: str, rule: Rule | None) -> None:
        self._rule = rule
        self._parts = parse(text)
        self._places = [part for part in self._parts if isinstance(part, Place)]
        names = [place.name for place in self._places]
        self.names = list(dict.fromkeys(name for name in names if name not in (KEY, CHECKSUM)))
        self.keyed = KEY in names
        if names.count(CHECKSUM) != (rule is not None):
            raise ValueError("`checksum` and one place {checksum} in `send` need each other")

    def check(self, name: str, value: Any) -> None:
        """Raises ValueError for a value that does not go where that name stands."""
        for place in self._places:
            if place.name == name:
                place.render(value)

    def render(self, key: int, values: Mapping[str, Any]) -> bytes:
        """The message. Raises ValueError for a value that is missing, unknown or of another kind."""
        for name in values:
            if name not in self.names:
                raise ValueError(f"no value {name!r}; {suggest(name, self.names)}")
        out = b""
        for part in self._parts:
            if isinstance(part, bytes):
                out += part
            elif part.name == CHECKSUM:
                assert self._rule is not None
                out += self._rule.text(out)
            elif part.name == KEY:
                out += part.render(key)
            elif part.name not in values:
                raise ValueError(f"{part.name} has no value")
            else:
                out += part.render(values[part.name])
        return out


def in_bytes(text: str) -> bytes:
    """One byte a character; "\\x02" in double quotes is a byte of YAML's. Raises ValueError beyond 0xFF."""
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError as error:
        raise ValueError(f"{text[error.start]!r} is no byte") from error
