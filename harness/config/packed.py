"""Arrays of bytes that hold records: points of a cloud, pixels of an image."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt, model_validator

from harness.config.strict import Strict

MAX_BYTES = 8_000_000
"""Of one array, as many as any other array may have elements."""
_CODES = "xbBhHiIqQefd0123456789"


class Across(Strict):
    """A number that goes in equal steps from the first record to the last one."""

    first: FiniteFloat
    last: FiniteFloat

    def __repr__(self) -> str:
        return f"{self.first:g} to {self.last:g}"


Component = Annotated[FiniteFloat | Across, Field(union_mode="left_to_right")]
"""One field of a record: the same in all, or going from one value to another."""


class Records(Strict):
    """So many records of the same layout."""

    format: str = Field(
        description="layout of a record as Python's struct writes it, without padding: `fff` three 32-bit"
        " floats, `B` a byte, `x` a byte of 0; little-endian, or big-endian after `>`"
    )
    count: Annotated[int, Field(gt=0, le=MAX_BYTES)]
    record: list[Component] = Field(
        min_length=1, description="value of each field; `{first, last}`: in equal steps over the records"
    )

    @property
    def layout(self) -> struct.Struct:
        """As written, never padded."""
        return struct.Struct(self.format if self.format[:1] in "<>" else "<" + self.format)

    @model_validator(mode="after")
    def _fits(self) -> Records:
        codes = self.format.lstrip("<>")
        if not codes or set(codes) - set(_CODES) or len(self.format) - len(codes) > 1:
            raise ValueError(f"format: {self.format!r} is not made of {' '.join(_CODES[:12])} and counts")
        try:
            size = self.layout.size
        except struct.error as error:
            raise ValueError(f"format: {self.format!r}: {error}") from None
        if size * self.count > MAX_BYTES:
            raise ValueError(f"count: {self.count} records of {size} bytes are more than {MAX_BYTES} bytes")
        return self


class RecordWindow(Strict):
    """Records that differ from the rest, counted from 0, both ends included."""

    first: NonNegativeInt
    last: NonNegativeInt
    record: list[Component] = Field(min_length=1)
    every: PositiveInt | None = Field(
        default=None,
        description="with `times`: the window again so many records on, as in each row of pixels",
    )
    times: Annotated[int, Field(ge=1, le=MAX_BYTES)] = Field(default=1, description="windows in all")

    @model_validator(mode="after")
    def _ascends(self) -> RecordWindow:
        if self.last < self.first:
            raise ValueError(f"last: {self.last} lies before first, {self.first}")
        if (self.every is None) != (self.times == 1):
            raise ValueError("`every` and `times` (2 or more) need each other")
        if self.every is not None and self.every <= self.last - self.first:
            raise ValueError(f"every: {self.every} makes windows of {self.last - self.first + 1} overlap")
        return self

    @property
    def starts(self) -> range:
        """The first record of each window."""
        step = self.every or 1
        return range(self.first, self.first + step * self.times, step)


class Packed(Strict):
    """Bytes that hold equal records, but for a window of them: an obstacle in a cloud of points."""

    packed: Records
    window: RecordWindow | None = Field(default=None, description="records that differ")

    @model_validator(mode="after")
    def _inside(self) -> Packed:
        window, count = self.window, self.packed.count
        if window is not None and (end := window.starts[-1] + window.last - window.first) >= count:
            raise ValueError(f"window: record {end} is beyond the last one, {count - 1}")
        try:
            self._head()
        except struct.error as error:
            raise ValueError(f"record: does not fit the format {self.packed.format!r}: {error}") from None
        return self

    def _head(self) -> None:
        """Pack the ends of what is described, between which everything else lies."""
        for components in (self.packed.record, *([self.window.record] if self.window else ())):
            for _ in _packed(self.packed.layout, components, 2):
                pass

    def brief(self) -> str:
        """In few words, for people."""
        window = self.window
        many = (
            f", {window.times} x {window.last - window.first + 1} of them {window.record}" if window else ""
        )
        return f"{self.packed.count} records {self.packed.format!r}{many}"

    def elements(self) -> list[int]:
        """The bytes, one number each."""
        layout, size = self.packed.layout, self.packed.layout.size
        made = bytearray().join(_packed(layout, self.packed.record, self.packed.count))
        if self.window is not None:
            wide = self.window.last - self.window.first + 1
            part = b"".join(_packed(layout, self.window.record, wide))
            for start in self.window.starts:
                made[start * size : (start + wide) * size] = part
        return list(made)


def _packed(layout: struct.Struct, record: list[Component], count: int) -> Iterator[bytes]:
    whole = {at for at, code in enumerate(_codes(layout)) if code not in "efd"}
    if not any(isinstance(each, Across) for each in record):
        yield from [layout.pack(*_numbers(record, whole, 0, 1))] * count
        return
    for index in range(count):
        yield layout.pack(*_numbers(record, whole, index, max(1, count - 1)))


def _numbers(record: list[Component], whole: set[int], index: int, steps: int) -> list[Any]:
    values = [
        (each.first * (steps - index) + each.last * index) / steps if isinstance(each, Across) else each
        for each in record
    ]
    return [_integer(value, record[at]) if at in whole else value for at, value in enumerate(values)]


def _integer(value: float, given: Component) -> int:
    """Of a field that takes whole numbers: on the way from one end to the other, the nearest one."""
    if not isinstance(given, Across) and not given.is_integer():
        raise struct.error(f"{given:g} is not a whole number")
    return round(value)


def _codes(layout: struct.Struct) -> str:
    """One letter for each value of a record."""
    codes, times = "", ""
    for letter in layout.format.lstrip("<>"):
        if letter.isdigit():
            times += letter
            continue
        codes += letter * (int(times) if times else 1) if letter != "x" else ""
        times = ""
    return codes
