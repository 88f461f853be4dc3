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


class OpenLoop(Strict):
    """What schedules have in common whose stimuli go at their own times, whatever the answers do."""

    kind: str
    rate_hz: PositiveFloat
    samples: Samples = Field(description="measured stimuli; fixed before the run")
    warmup_s: Annotated[float, Field(ge=0)] = 2.0
    stages: Stages = STAGES


class Paced(OpenLoop):
    """Stimuli at their own times, whatever the answers do (open loop)."""

    kind: Literal["paced"]
    periodic: bool = Field(
        default=False,
        description="strictly periodic instead of jittered; needs robot_period_ms, see docs/design.md",
    )
    robot_period_ms: PositiveFloat | None = Field(default=None, description="period of the robot's own loop")
    seed: int | None = Field(default=None, description="of the jitter; drawn and recorded if not given")

    @model_validator(mode="after")
    def _stages_end(self) -> Paced:
        _check_stages(self.stages, self.samples)
        return self


class Replay(OpenLoop):
    """Recorded messages at the times they were recorded at, or scaled ones. See docs/bags.md."""

    kind: Literal["replay"]
    bag: str = Field(min_length=1, description="a bag of ROS 2 (folder, .mcap or .db3), from the rig file on")
    topic: str = Field(min_length=1, description="the topic of the bag whose messages are sent")
    speed: PositiveFloat = Field(default=1.0, description="2: twice as fast as recorded")
    from_s: Annotated[float, Field(ge=0)] = Field(default=0.0, description="counted from when the bag began")
    to_s: PositiveFloat | None = Field(default=None, description="the same; default: to its end")
    samples: Samples = Field(
        default=0,  # filled in, as the rate is: harness.config.replays
        description="measured stimuli: the first so many after the warm-up; left out: all that are recorded",
    )
    rate_hz: PositiveFloat = Field(default=0.0, description="not to be given: the mean rate of the messages")
    warmup_s: Annotated[float, Field(ge=0)] = Field(
        default=0.0, description="what is due within it is sent and does not count"
    )
    robot_period_ms: PositiveFloat | None = Field(
        default=None, description="period of the robot's own loop: whether its phases are covered is checked"
    )

    @property
    def seed(self) -> None:
        """Nothing is drawn."""
        return

    @model_validator(mode="after")
    def _in_one_go(self) -> Replay:
        if self.stages:
            raise ValueError("a replay is not interrupted by looks: leave `stages` out")
        if self.to_s is not None and self.to_s <= self.from_s:
            raise ValueError(f"to_s = {self.to_s:g} is not after from_s = {self.from_s:g}")
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


Schedule = Paced | Replay | Trials
"""When the stimuli of a scenario are due."""


class Probing(Strict):
    """Measuring starts when the device answers, not after a fixed wait."""

    consecutive: PositiveInt = Field(default=20, description="probes answered in a row")
    rate_hz: PositiveFloat = 20.0
    timeout_s: PositiveFloat = 40.0
