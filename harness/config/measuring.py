"""What a rig file may say of measuring: scenarios, requirements."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from harness.config.changing import Value
from harness.config.elements import Element
from harness.config.measuring_base import Background, DeclaredUncertainty, ScenarioBase
from harness.config.schedules import Paced, Trials
from harness.config.searching import Search
from harness.config.strict import Name, Strict
from harness.config.swarm import SwarmReorganization

__all__ = [
    "Background",
    "CommandRoundTrip",
    "DeclaredUncertainty",
    "Requirement",
    "Scenario",
    "ScenarioBase",
    "SensorToAction",
    "SwarmReorganization",
    "Throughput",
]


class CommandRoundTrip(ScenarioBase):
    """A command goes in, the robot's answer to it comes out."""

    kind: Literal["command_round_trip"]
    return_values: dict[str, Element] = Field(
        default={},
        description="with trials: what is sent after each trial to bring the robot back, beside the values"
        " that do not change; recorded, and never counted",
    )

    @property
    def returns(self) -> bool:
        """Whether something is sent after each trial to bring the robot back."""
        return bool(self.return_values)


class SensorToAction(ScenarioBase):
    """The robot is shown something by a sensor message, and acts on it. See docs/sensor-to-action.md."""

    kind: Literal["sensor_to_action"]
    stimulus_values: dict[str, Value] = Field(
        min_length=1,
        description="what the sensor shows from the stimulus on until the trial is over, beside the `values`"
        " of its port, which it shows at rest and after each trial",
    )

    @property
    def returns(self) -> bool:
        """Whether something is sent after each trial to bring the robot back: what the sensor shows at
        rest."""
        return isinstance(self.schedule, Trials)


class Throughput(ScenarioBase):
    """A command round trip at an agreed rate, and then the search for the highest that the robot sustains."""

    kind: Literal["throughput"]
    search: Search

    @model_validator(mode="after")
    def _paced(self) -> Throughput:
        if not isinstance(self.schedule, Paced):
            raise ValueError("schedule.kind has to be paced: throughput is of commands that do not wait")
        rate = self.search.ends[0] if self.search.rate_hz is not None else self.schedule.rate_hz
        if round(rate * self.search.step_s) < self.search.least_samples:
            raise ValueError(
                f"search.step_s: {self.search.step_s:g} s at {rate:g} Hz are"
                f" {round(rate * self.search.step_s)} stimuli; the quantile {self.search.quantile:g} needs"
                f" {self.search.least_samples}"
            )
        return self


Scenario = Annotated[
    CommandRoundTrip | SensorToAction | Throughput | SwarmReorganization, Field(discriminator="kind")
]
"""One of the kinds."""


TIME_UNITS = ("us", "ms", "s")
SHARE_UNITS = ("1", "%")
_UNITS = {"loss_rate": SHARE_UNITS, "ratio": SHARE_UNITS, "rate_hz": ("Hz",)}
_LOWER = ("ratio", "rate_hz")


class Requirement(Strict):
    """What was agreed before the test."""

    id: str = Field(min_length=1)
    text: str = ""
    scenario: Name
    quantity: Literal["latency", "jitter", "loss_rate", "ratio", "rate_hz"] = Field(
        default="latency",
        description="jitter: variation of latency; loss_rate: share of unanswered stimuli; ratio: share of"
        " stimuli answered within `within_ms`; rate_hz: answers per second",
    )
    statistic: Literal["quantile", "mean", "max"] | None = Field(
        default=None, description="of latency and jitter; default quantile. max is descriptive: never PASS"
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] | None = Field(
        default=None, description="with statistic quantile; default 0.99"
    )
    jitter: Literal["pdv", "ipdv"] | None = Field(
        default=None,
        description="pdv (default): less the smallest latency (RFC 5481); ipdv: change since the answer"
        " before (RFC 3393)",
    )
    within_ms: PositiveFloat | None = Field(default=None, description="of ratio: answered within this")
    limit: PositiveFloat
    limit_is: Literal["upper", "lower"] = Field(
        default="upper", description="default: lower for ratio and rate_hz, else upper"
    )
    unit: Literal["us", "ms", "s", "1", "%", "Hz"] = Field(
        default="ms", description="default: ms for times, 1 for shares, Hz for rates"
    )
    time: Literal["wall", "simulated"] = Field(
        default="wall",
        description="of latency and jitter: by the wall clock, or by the simulation's own clock, for which"
        " the response port gives a `stamp` of simulated time",
    )
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95

    @model_validator(mode="before")
    @classmethod
    def _defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        quantity = given.get("quantity", "latency")
        made: dict[str, Any] = dict(given)
        if quantity in ("latency", "jitter"):
            if made.get("statistic") is None:
                made["statistic"] = "quantile"
            if made["statistic"] == "quantile" and made.get("quantile") is None:
                made["quantile"] = 0.99
        if quantity == "jitter" and made.get("jitter") is None:
            made["jitter"] = "pdv"
        if quantity in _LOWER:
            made.setdefault("limit_is", "lower")
        if quantity in _UNITS:
            made.setdefault("unit", _UNITS[quantity][0])
        if made.get("unit") == 1 and isinstance(made["unit"], int) and not isinstance(made["unit"], bool):
            made["unit"] = "1"  # as YAML reads a 1 without quotes
        return made

    @model_validator(mode="after")
    def _fits(self) -> Requirement:
        timed = self.quantity in ("latency", "jitter")
        if self.time == "simulated" and not timed:
            raise ValueError(f"time: simulated is of latency and jitter, not of {self.quantity}")
        if self.statistic is not None and not timed:
            raise ValueError(f"statistic is of latency and jitter; {self.quantity} takes none")
        if self.quantile is not None and self.statistic != "quantile":
            raise ValueError(
                f"quantile goes with statistic quantile, not with {self.statistic or self.quantity}"
            )
        if self.jitter is not None and self.quantity != "jitter":
            raise ValueError(f"jitter: {self.jitter} goes with quantity jitter, not {self.quantity}")
        if (self.within_ms is not None) != (self.quantity == "ratio"):
            raise ValueError("within_ms and quantity ratio need each other")
        units = _UNITS.get(self.quantity, TIME_UNITS)
        if self.unit not in units:
            raise ValueError(f"{self.quantity} is in {' or '.join(units)}, not in {self.unit}")
        if self.unit in SHARE_UNITS and self.limit >= (1 if self.unit == "1" else 100):
            meant = (
                f'; for {self.limit:g} % write `unit: "%"` beside it (the default is 1)'
                if self.unit == "1" and 1 < self.limit < 100
                else ""
            )
            bound = "1" if self.unit == "1" else "100 %"
            raise ValueError(f"limit: a share of {self.limit:g} is not below {bound}{meant}")
        return self
