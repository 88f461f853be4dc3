"""Where a field lies in a serialised message, without deserialising it.

Messages travel as CDR, version 1 (OMG DDSI-RTPS 10.2, "PLAIN_CDR"): four bytes of encapsulation, whose second
byte is 1 for little and 0 for big endian, then the fields in order, each primitive aligned to its own size
counted from the end of the encapsulation. Strings and sequences start with a 32-bit length. A path becomes a
short list of steps; where everything before the field has a fixed size, it is one constant offset.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.adapters.ros2 import paths
from harness.adapters.ros2.paths import PRIMITIVES, TIME, FieldType

ENCAPSULATION = 4
Operation = tuple[str, int, int]


class NotLocatableError(Exception):
    """The field's place cannot be computed; deserialise instead."""


@dataclass(frozen=True)
class Locator:
    """Finds one field. ``constant`` is its offset where that never changes, else None."""

    kind: FieldType
    operations: tuple[Operation, ...]
    constant: int | None

    def offset(self, data: bytes) -> int:
        """Offset of the field in ``data``. Raises LookupError for an element that is not there."""
        if self.constant is not None:
            return self.constant
        order = "<I" if data[1] & 1 else ">I"
        at = ENCAPSULATION
        for what, one, two in self.operations:
            if what == "align":
                at += -(at - ENCAPSULATION) % one
            elif what == "skip":
                at += one
            else:
                at += -(at - ENCAPSULATION) % 4
                (count,) = struct.unpack_from(order, data, at)
                at += 4
                if what == "string":
                    at += count
                elif what == "strings":
                    for _ in range(count):
                        at += -(at - ENCAPSULATION) % 4
                        at += 4 + struct.unpack_from(order, data, at)[0]
                elif what == "sequence":
                    if count:
                        at += -(at - ENCAPSULATION) % one
                        at += count * one
                else:  # "element": number `two`, of size `one`
                    if two >= count:
                        raise LookupError(f"element {two} of {count}")
                    at += -(at - ENCAPSULATION) % one
                    at += two * one
        return at


def locate(message: type, path: str) -> Locator:
    """The locator of ``path``, whose last field is a number, a boolean or a time.

    Raises NotLocatableError where only deserialising helps, ConfigurationError for a wrong path.
    """
    kind = paths.resolve(message, path)
    operations: list[Operation] = []
    _walk(message, list(paths.parse(path)), operations)
    at: int | None = ENCAPSULATION
    for what, one, _ in operations:
        if what not in ("align", "skip"):
            at = None
            break
        assert at is not None
        at += -(at - ENCAPSULATION) % one if what == "align" else one
    return Locator(kind, tuple(operations), at)


def _walk(message: type, steps: list[paths.Step], out: list[Operation]) -> None:
    name = steps[0]
    for field, kind in paths.fields(message).items():
        if field != name:
            _skip(kind, out)
            continue
        rest = steps[1:]
        if kind.plural:
            index = rest[0] if rest else None
            if not isinstance(index, int):
                raise NotLocatableError(f"{field} is a list")
            rest = rest[1:]
            if kind.sequence:
                if kind.base not in PRIMITIVES:
                    raise NotLocatableError(f"{field} is a sequence of {kind.base}")
                out.append(("element", PRIMITIVES[kind.base][1], index))
                return
            for _ in range(index):
                _skip(kind.element, out)
        if kind.nested and rest:
            _walk(paths.nested_class(kind.base), rest, out)
        elif kind.base == TIME:
            out.append(("align", 4, 0))
        elif kind.base in PRIMITIVES:
            out.append(("align", PRIMITIVES[kind.base][1], 0))
        else:
            raise NotLocatableError(f"{field} is a {kind.base}")
        return
    raise NotLocatableError(f"no field {name!r}")


def _skip(kind: FieldType, out: list[Operation]) -> None:
    if kind.sequence:
        if kind.base in PRIMITIVES:
            out.append(("sequence", PRIMITIVES[kind.base][1], 0))
        elif kind.base == "string":
            out.append(("strings", 0, 0))
        else:
            raise NotLocatableError(f"a sequence of {kind.base} comes before it")
        return
    if kind.base in PRIMITIVES:
        size = PRIMITIVES[kind.base][1]
        out.append(("align", size, 0))
        out.append(("skip", size * (1 if kind.size is None else kind.size), 0))
        return
    for _ in range(1 if kind.size is None else kind.size):
        if kind.base == "string":
            out.append(("string", 0, 0))
        elif kind.nested:
            inner = paths.fields(paths.nested_class(kind.base))
            if not inner:
                raise NotLocatableError(f"{kind.base} is empty")
            for one in inner.values():
                _skip(one, out)
        else:
            raise NotLocatableError(f"a {kind.base} comes before it")


def plain(data: bytes) -> bool:
    """Whether ``data`` is PLAIN_CDR of version 1, in either byte order."""
    return len(data) >= ENCAPSULATION and data[0] == 0 and data[1] in (0, 1)


def reader(kind: FieldType) -> Callable[[bytes, int], Any]:
    """Reads a field of that type at an offset: int of nanoseconds for a time, else the number.

    Raises ``struct.error`` when the data ends before the field does.
    """
    code = "iI" if kind.base == TIME else PRIMITIVES[kind.base][0]
    little, big = struct.Struct("<" + code).unpack_from, struct.Struct(">" + code).unpack_from
    if kind.base == TIME:

        def read_time(data: bytes, at: int) -> int:
            seconds, nanoseconds = (little if data[1] else big)(data, at)
            return int(seconds) * 1_000_000_000 + int(nanoseconds)

        return read_time

    def read_number(data: bytes, at: int) -> Any:
        return (little if data[1] else big)(data, at)[0]

    return read_number
