"""Faults that a Gazebo device adds to those of processes. Importable without Gazebo's bindings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from harness.config.faults import (
    CommandFault,
    FaultBase,
    HangFault,
    KillFault,
    LeaveFault,
    ProcessPattern,
    Restart,
)


class PauseFault(FaultBase):
    """The simulation is paused, and goes on in the end: every robot stands still, in simulated time."""

    kind: Literal["pause"]


class SlowDownFault(FaultBase):
    """The simulation is held to a fraction of real time, and let go in the end."""

    kind: Literal["slow_down"]
    real_time_factor: Annotated[float, Field(gt=0, lt=1)] = 0.3


class RemoveFault(FaultBase):
    """The robot's model is taken out of the world, and its process killed where one is named; both come back
    in the end."""

    kind: Literal["remove"]
    model: str = Field(
        min_length=1, description="name of the model; {robot} and {number} (from 1) are filled in"
    )
    sdf: str = Field(
        min_length=1, description="SDF file it comes back from, from the rig file on; {robot} is filled in"
    )
    at: list[float] = Field(
        default=[0.0, 0.0, 0.0], min_length=3, max_length=3, description="where it comes back: x, y, z in m"
    )
    apart: list[float] = Field(
        default=[0.0, 0.0, 0.0],
        min_length=3,
        max_length=3,
        description="added to `at` for each further robot, in m: models that come back into one another cost"
        " the simulation its pace",
    )
    process: ProcessPattern | None = None
    restart: Restart | None = Field(default=None, description="who starts the process again")
    reply_timeout_ms: PositiveFloat = 5000.0


FaultOptions = Annotated[
    PauseFault | SlowDownFault | RemoveFault | KillFault | HangFault | LeaveFault | CommandFault,
    Field(discriminator="kind"),
]
