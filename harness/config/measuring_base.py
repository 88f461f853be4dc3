"""What every kind of scenario of a rig file has."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from harness.config.schedules import Probing, Schedule
from harness.config.strict import PortRef, Strict


class DeclaredUncertainty(Strict):
    """A contribution to the uncertainty that only the user knows. Printed as declared."""

    name: str = Field(min_length=1)
    half_width_ms: PositiveFloat
    divisor: PositiveFloat = Field(
        default=1.0, description="1: a standard uncertainty; 2: an expanded one, k = 2; 1.732: hard limits"
    )
    source: str = Field(min_length=1, description="where the figure is from: a data sheet, a calibration")


class Background(Strict):
    """A sensor that goes on publishing between stimuli."""

    rate_hz: Annotated[float, Field(gt=0, le=10_000)]


class ScenarioBase(Strict):
    """What every kind of scenario has that sends stimuli and waits for what answers them."""

    kind: str
    stimulus: PortRef
    response: PortRef
    timeout_ms: PositiveFloat
    schedule: Annotated[Schedule, Field(discriminator="kind")]
    probing: Probing = Probing()
    max_unanswered: PositiveInt = Field(
        default=100, description="unanswered in a row: the run ends in the safe stop"
    )
    longest_disturbance_ms: PositiveFloat | None = Field(
        default=None,
        description="longest disturbance that may occur; PASS then needs a run long enough to meet it",
    )
    arrival: Literal["received", "stamp"] = Field(
        default="received",
        description="what counts as arrival: the answer received here, or the device's own stamp in it,"
        " converted by the exchanges with its clock",
    )
    sampling_period_ms: PositiveFloat | None = Field(
        default=None, description="period at which the response is sampled; part of the uncertainty"
    )
    uncertainty: list[DeclaredUncertainty] = Field(
        default=[], description="further two-sided contributions, e.g. of a sensor in the way"
    )
    stages: list[PortRef] = Field(
        default=[],
        description="response ports that the command passes between stimulus and response, in that order;"
        " each carries the stimulus's key: the report shows where the time goes, see docs/hops.md",
    )

    @property
    def returns(self) -> bool:
        """Whether something is sent after each trial to bring the robot back."""
        return False
