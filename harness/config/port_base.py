"""What every port of a rig file is: one way in or out of a device."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import model_validator

from harness.config.strict import Strict

if TYPE_CHECKING:
    from typing_extensions import Self

DIRECTIONS = ("stimulus", "response", "fault")
"""What a port can be; it is a mapping with exactly one of these keys."""


class PortBase(Strict):
    """Exactly one of what its adapter has: ``stimulus``, ``response``, ``fault``."""

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        ways = [way for way in DIRECTIONS if way in type(self).model_fields]
        if sum(getattr(self, way) is not None for way in ways) != 1:
            *first, last = (f"`{way}`" for way in ways)
            raise ValueError(f"a port is exactly one of {', '.join(first)} and {last}")
        return self
