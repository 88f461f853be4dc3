"""What a field of a stimulus may be set to: a constant, the elements of an array, values that change."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, Discriminator, Field, NonNegativeInt, Tag, model_validator

from harness.config.elements import Element, Item, Relative, Scalar, element_kind
from harness.config.in_time import RampOver
from harness.config.packed import Packed
from harness.config.strict import Strict

MAX_ELEMENTS = 8_000_000
"""Of one array: as bytes, twice the largest image that a robot is likely to take."""

LONG = 1000
"""Elements of an array from which on it is named by its length."""

Count = Annotated[int, Field(gt=0, le=MAX_ELEMENTS)]


class Alternate(Strict):
    """One value after the other, again and again."""

    alternate: list[Element] = Field(min_length=2)


class Sequence(Strict):
    """Values in this order; the last one stays."""

    sequence: list[Element] = Field(min_length=1)


class Filled(Strict):
    """So many elements of the same value."""

    value: Scalar
    count: Count


class Window(Strict):
    """Elements that differ from the rest, counted from 0, both ends included."""

    first: NonNegativeInt
    last: NonNegativeInt
    value: Scalar

    @model_validator(mode="after")
    def _ascends(self) -> Window:
        if self.last < self.first:
            raise ValueError(f"last: {self.last} lies before first, {self.first}")
        return self


class Fill(Strict):
    """An array of equal elements, but for a window of it: an obstacle in a scan."""

    fill: Filled
    window: Window | None = Field(default=None, description="elements that differ")

    @model_validator(mode="after")
    def _inside(self) -> Fill:
        if self.window is not None and self.window.last >= self.fill.count:
            raise ValueError(
                f"window.last: {self.window.last} is beyond the array, whose last element is"
                f" {self.fill.count - 1}"
            )
        return self

    def elements(self) -> list[Any]:
        """The whole array."""
        made: list[Any] = [self.fill.value] * self.fill.count
        if self.window is not None:
            width = self.window.last - self.window.first + 1
            made[self.window.first : self.window.last + 1] = [self.window.value] * width
        return made


class Line(Strict):
    """So many elements on a straight line."""

    first: float
    last: float
    count: Annotated[int, Field(ge=2, le=MAX_ELEMENTS)]


class Ramp(Strict):
    """An array whose elements go from one value to another in equal steps."""

    ramp: Line

    def elements(self) -> list[Any]:
        """The whole array; its ends are exactly ``first`` and ``last``."""
        first, last, steps = self.ramp.first, self.ramp.last, self.ramp.count - 1
        return [(first * (steps - i) + last * i) / steps for i in range(steps + 1)]


DESCRIBED = (Fill, Ramp, Packed)
"""Arrays that a rig file describes in few words; ``elements()`` makes them."""


def by_key(*keys: tuple[str, type[BaseModel]]) -> Callable[[Any], str | None]:
    """A discriminator: the member of the union whose distinguishing key the mapping has."""

    def choose(value: Any) -> str | None:
        for key, model in keys:
            if isinstance(value, model) or (isinstance(value, dict) and key in value):
                return model.__name__
        return None

    return choose


VALUE_KEYS = ("alternate", "sequence", "fill", "ramp", "packed", "ramp_over", "relative_to")
_of_mapping = by_key(
    ("alternate", Alternate),
    ("sequence", Sequence),
    ("fill", Fill),
    ("ramp", Ramp),
    ("packed", Packed),
    ("ramp_over", RampOver),
    ("relative_to", Relative),
)


def _value_kind(value: Any) -> str | None:
    return _of_mapping(value) if isinstance(value, (dict, BaseModel)) else element_kind(value)


Value = Annotated[
    Annotated[Scalar, Tag("value")]
    | Annotated[list[Item], Tag("list")]
    | Annotated[Relative, Tag("Relative")]
    | Annotated[Alternate, Tag("Alternate")]
    | Annotated[Sequence, Tag("Sequence")]
    | Annotated[Fill, Tag("Fill")]
    | Annotated[Ramp, Tag("Ramp")]
    | Annotated[Packed, Tag("Packed")]
    | Annotated[RampOver, Tag("RampOver")],
    Discriminator(
        _value_kind,
        custom_error_type="value_kind",
        custom_error_message="must be a value, a list, `alternate: [...]`, `sequence: [...]`, `fill: {...}`,"
        " `ramp: {...}`, `packed: {...}`, `ramp_over: {...}` or `relative_to: PORT`",
    ),
]
"""What a field of a stimulus is set to: a constant, an array, or values that change from send to send."""


def plain(value: Any) -> Any:
    """A constant as it is sent: arrays that are described in few words, in full; of a ramp over time its
    end."""
    if isinstance(value, RampOver):
        return value.ramp_over.last
    if isinstance(value, DESCRIBED):
        return value.elements()
    return list(value) if isinstance(value, tuple) else value


def plain_or_length(value: Any) -> Any:
    """A value as it is sent, of a long array only how long it is."""
    return f"{len(value)} elements" if isinstance(value, list) and len(value) > LONG else value


def brief(value: Any) -> str:
    """A value in few words, for people: a long array by its ends and its length."""
    if isinstance(value, Fill):
        window = value.window
        where = f", {window.value} from {window.first} to {window.last}" if window else ""
        return f"{value.fill.count} x {value.fill.value}{where}"
    if isinstance(value, Ramp):
        return f"{value.ramp.count} elements from {value.ramp.first:g} to {value.ramp.last:g}"
    if isinstance(value, Packed):
        return value.brief()
    if isinstance(value, RampOver):
        return f"to {value.ramp_over.last:g} over {value.ramp_over.messages} messages"
    for kind in ("alternate", "sequence"):
        steps = getattr(value, kind, None)
        if steps is not None:
            return f"{kind} {list(steps)}"
    return str(value)


def in_words(values: Mapping[str, Any]) -> str:
    """Values of a message for people: ``linear.x = 0.15, angular.z = alternate [0.2, -0.2]``."""
    return ", ".join(f"{path} = {brief(value)}" for path, value in values.items())
