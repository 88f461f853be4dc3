"""What every section of the rig file is, and the names that occur in several of them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="letters, digits, underscore")]
RigName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="letters, digits, hyphen")]
PortRef = Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$", description="device.port")]


class Strict(BaseModel):
    """A section of the rig file: unknown keys are mistakes, nothing changes after reading.

    Types are strict: ``simulated: no`` is text in YAML 1.2 and must not pass for false, nor ``true`` for 1.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, strict=True
    )
