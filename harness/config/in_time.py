"""Values that change in the course of a trial, from message to message of a sensor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field, FiniteFloat

from harness.config.strict import Strict


class Climb(Strict):
    """From what the sensor shows at rest to another number, in equal steps."""

    last: FiniteFloat = Field(
        description="reached with the last of the messages, and kept until the trial is over"
    )
    messages: Annotated[int, Field(ge=2, le=1000)] = Field(
        description="of the stream, at its rate; the stimulus is the first of them, a step away from rest"
    )


class RampOver(Strict):
    """A number that goes from its value at rest to another one over several messages of a sensor."""

    ramp_over: Climb


def course(
    rest: Mapping[str, Any], shown: Mapping[str, Any], variant: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """The value sets of the messages of one stimulus, the last of which is ``variant`` and stays.

    ``rest``: what the sensor shows at rest; ``shown``: the values of the stimulus, as written. A step k of n
    is rest + (last - rest) k / n. Of several ramps each takes the messages that it asks for.
    """
    ramps = {field: value.ramp_over for field, value in shown.items() if isinstance(value, RampOver)}
    steps = max((ramp.messages for ramp in ramps.values()), default=1)

    def step(field: str, k: int) -> float:
        ramp, first = ramps[field], float(rest[field])
        n = ramp.messages
        return ramp.last if k >= n else first + (ramp.last - first) * k / n

    on_the_way = [{**variant, **{field: step(field, k) for field in ramps}} for k in range(1, steps)]
    return [*on_the_way, dict(variant)]
