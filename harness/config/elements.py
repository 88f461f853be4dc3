"""Constants in a rig file: one value, or the elements of an array field, which may be parts of a message."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, FiniteFloat, Tag, ValidationError
from pydantic_core import PydanticCustomError

from harness.config.strict import PortRef, Strict


def _scalar(value: Any) -> Any:
    # Said once and plainly; the union below would complain once per member.
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("scalar", "must be a number, text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("scalar", "must be a finite number")
    return value


Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]


class Relative(Strict):
    """A number that counts from what a response port last observed. It is looked up once, when the scenario
    (or the step) begins, and stays the same for all of it."""

    relative_to: PortRef = Field(description="a response port with a `value`, in the unit of this field")
    offset: FiniteFloat = Field(default=0.0, description="added to what was observed")

    def __repr__(self) -> str:
        sign = "-" if self.offset < 0 else "+"
        return f"{self.relative_to} {sign} {abs(self.offset):g}" if self.offset else self.relative_to

    __str__ = __repr__


def _part(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        raise PydanticCustomError("scalar", "must be a number, text, true or false, or a mapping of fields")
    return {str(field): _inside(inner, str(field)) for field, inner in value.items()}


def _inside(value: Any, where: str) -> Any:
    if isinstance(value, Relative):
        return value
    if isinstance(value, dict):
        if "relative_to" not in value:
            return {str(field): _inside(inner, f"{where}.{field}") for field, inner in value.items()}
        try:
            return Relative.model_validate(value)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            at = ".".join([where, *map(str, first["loc"])])
            raise PydanticCustomError("scalar", "{text}", {"text": f"{at}: {first['msg']}"}) from None
    if isinstance(value, (list, tuple)):
        return [_inside(inner, f"{where}[{index}]") for index, inner in enumerate(value)]
    try:
        return _scalar(value)
    except PydanticCustomError as error:
        raise PydanticCustomError("scalar", "{text}", {"text": f"{where}: {error.message()}"}) from None


Part = Annotated[dict[str, Any], BeforeValidator(_part)]
"""A message within an array of messages: fields by name, of constants, lists and further such mappings."""


def _item_kind(value: Any) -> str:
    if isinstance(value, Relative) or (isinstance(value, dict) and "relative_to" in value):
        return "Relative"
    return "part" if isinstance(value, dict) else "value"


Item = Annotated[
    Annotated[Scalar, Tag("value")] | Annotated[Relative, Tag("Relative")] | Annotated[Part, Tag("part")],
    Discriminator(_item_kind),
]
"""One element of an array field."""


def element_kind(value: Any) -> str:
    """Tag of :data:`Element` for that value."""
    if isinstance(value, (list, tuple)):
        return "list"
    return "Relative" if _item_kind(value) == "Relative" else "value"


Element = Annotated[
    Annotated[Scalar, Tag("value")]
    | Annotated[Relative, Tag("Relative")]
    | Annotated[list[Item], Tag("list")],
    Discriminator(element_kind),
]
"""A constant: one value, or the elements of an array field."""
