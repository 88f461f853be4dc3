"""Constants in a rig file: one value, or the elements of an array field."""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Tag
from pydantic_core import PydanticCustomError


def _scalar(value: Any) -> Any:
    # Said once and plainly; the union below would complain once per member.
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("scalar", "must be a number, text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("scalar", "must be a finite number")
    return value


Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]


def element_kind(value: Any) -> str:
    """Tag of :data:`Element` for that value."""
    return "list" if isinstance(value, (list, tuple)) else "value"


Element = Annotated[
    Annotated[Scalar, Tag("value")] | Annotated[list[Scalar], Tag("list")], Discriminator(element_kind)
]
"""A constant: one value, or the elements of an array field."""
