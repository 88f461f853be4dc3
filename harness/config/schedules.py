"""When stimuli are due: what a rig file may say of schedules."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from harness.config.strict import Strict

Samples = Annotated[int, Field(gt=0, le=10_000_000)]


Stages = list[PositiveInt]
STAGES: Any = Field(
    default=[],
    description="numbers of samples, ascending up to `samples`, after which the run may end: declared looks",
)


def _check_stages(stages: list[int], samples: int) -> None:
    if stages and (stages[-1] != samples or any(a >= b for a, b in pairwise(stages))):
        raise ValueError(f"stages {stages} have to ascend and to end with samples = {samples}")


class Paced(Strict):
    """Stimuli at their own times, whatever the answers do (open loop)."""

    kind: Literal["paced"]
    rate_hz: PositiveFloat
    samples: Samples = Field(description="measured stimuli; fixed before the run")
    warmup_s: Annotated[float, Field(ge=0)] = 2.0
    periodic: bool = Field(
        default=False,
        description="strictly periodic instead of jittered; needs robot_period_ms, see docs/design.md",
    )
    robot_period_ms: PositiveFloat | None = Field(default=None, description="period of the robot's own loop")
    seed: int | None = Field(default=None, description="of the jitter; drawn and recorded if not given")
    stages: Stages = STAGES

    @model_validator(mode="after")
    def _stages_end(self) -> Paced:
        _check_stages(self.stages, self.samples)
        return self


class Trials(Strict):
    """One stimulus at a time, from rest."""

    kind: Literal["trials"]
    samples: Samples = Field(description="trials at most; with `stopping: fixed` exactly so many")
    stopping: Literal["sequential", "fixed"] = Field(
        default="sequential",
        description="sequential: a probability ratio test ends the trials as soon as it can decide;"
        " with `stages` they decide instead",
    )
    warmup: Annotated[int, Field(ge=0)] = Field(default=3, description="trials before measuring")
    quiet_ms: PositiveFloat = Field(
        default=20.0,
        description="no answer for this long counts as rest; with onset: the signal within its band",
    )
    rest: Literal["still", "none"] = Field(
        default="still",
        description="`none`, with onset: a trial begins after the dwell without waiting for stillness, for a"
        " robot that is never at rest",
    )
    rest_timeout_s: PositiveFloat = 10.0
    dwell_ms: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(10.0, 50.0),
        strict=False,  # a list in the file
        description="random wait at rest, from and to",
    )
    follow_ms: Annotated[float, Field(ge=0)] = Field(
        default=50.0,
        description="with onset: how long a trial goes on after its onset was seen, so that a report can be"
        " made again with a wider band",
    )
    seed: int | None = None
    stages: Stages = STAGES

    @model_validator(mode="after")
    def _stages_end(self) -> Trials:
        _check_stages(self.stages, self.samples)
        if self.stages and self.stopping == "fixed":
            raise ValueError(
                "stopping: fixed measures all samples, `stages` may end before: leave one of the two out"
            )
        return self


class Probing(Strict):
    """Measuring starts when the device answers, not after a fixed wait."""

    consecutive: PositiveInt = Field(default=20, description="probes answered in a row")
    rate_hz: PositiveFloat = 20.0
    timeout_s: PositiveFloat = 40.0
