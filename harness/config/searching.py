"""What a rig file may say of a search for the highest rate or size that a robot sustains."""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from harness.config.elements import Scalar
from harness.config.strict import Strict


class Search(Strict):
    """A search for the highest rate, or the largest array, that the robot sustains; bounded in time.

    It comes after what is judged, and judges nothing. See docs/throughput.md.
    """

    rate_hz: tuple[PositiveFloat, PositiveFloat] | None = Field(
        default=None,
        strict=False,  # a list in the file
        description="lowest and highest rate to try; or `elements`",
    )
    elements: tuple[PositiveInt, PositiveInt] | None = Field(
        default=None,
        strict=False,
        description="smallest and largest length of the array at `path` to try, at the rate of the schedule",
    )
    path: str | None = Field(default=None, description="the array field, with `elements`")
    element: Scalar = Field(default=0, description="what its elements are, with `elements`")
    within_ms: PositiveFloat = Field(
        description="sustained: nothing is lost, and `quantile` of the latencies is within this"
    )
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.99
    step_s: PositiveFloat = Field(default=3.0, description="how long each rate or size is sent")
    resolution: Annotated[float, Field(ge=0.01, le=1)] = Field(
        default=0.1, description="the search ends when what is not sustained is no more than this share above"
    )
    at_most_s: PositiveFloat = Field(default=120.0, description="the search ends after this time in any case")

    @model_validator(mode="after")
    def _fits(self) -> Search:
        if (self.rate_hz is None) == (self.elements is None):
            raise ValueError("a search takes one of `rate_hz: [from, to]` and `elements: [from, to]`")
        if (self.path is None) != (self.elements is None):
            raise ValueError("`elements` and `path` need each other")
        low, high = self.ends
        if low >= high:
            raise ValueError(f"[{low:g}, {high:g}] does not ascend")
        if self.at_most_s < 2 * self.step_s:
            raise ValueError(f"at_most_s: {self.at_most_s:g} s is less than two steps of {self.step_s:g} s")
        return self

    @property
    def ends(self) -> tuple[float, float]:
        """The smallest and the largest value to try."""
        ends = self.rate_hz or self.elements
        assert ends is not None
        return float(ends[0]), float(ends[1])

    @property
    def unit(self) -> str:
        """Unit of what is varied."""
        return "Hz" if self.rate_hz is not None else "elements"

    def most_stimuli(self, rate_hz: float) -> int:
        """Stimuli that the search may send at most; ``rate_hz``: that of the schedule."""
        highest = self.rate_hz[1] if self.rate_hz is not None else rate_hz
        return round(self.at_most_s * highest)

    @property
    def least_samples(self) -> int:
        """Stimuli that a step needs for its quantile to be more than its maximum."""
        return math.ceil(round(1 / (1 - self.quantile), 6))
