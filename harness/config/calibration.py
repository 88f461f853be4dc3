"""The calibration record of an instrument, as a device of the rig file gives it."""

from __future__ import annotations

import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, model_validator

from harness.config.strict import Strict


def _day(text: str) -> str:
    try:
        datetime.date.fromisoformat(text)
    except ValueError as error:
        raise ValueError(f"{text!r} is no day; write it as 2026-01-31") from error
    return text


Day = Annotated[str, AfterValidator(_day), Field(description="a day, as 2026-01-31")]


class Calibration(Strict):
    """When an instrument was last compared with a better one, and how long that holds; in the report."""

    date: Day
    expires: Day
    by: str = Field(min_length=1, description="who did it: a laboratory, a person")
    record: str = Field(min_length=1, description="number or file of the record")
    found: str = Field(default="", description="what came of it, in words: offsets, tolerances")

    @model_validator(mode="after")
    def _in_order(self) -> Calibration:
        if self.days_left(datetime.date.fromisoformat(self.date)) < 0:
            raise ValueError(f"expires {self.expires} is before date {self.date}")
        return self

    def days_left(self, today: datetime.date) -> int:
        """Whole days that it still holds after ``today``; below 0 once it has expired."""
        return (datetime.date.fromisoformat(self.expires) - today).days

    @property
    def words(self) -> str:
        """For the report."""
        found = f": {self.found}" if self.found else ""
        return f"{self.date} by {self.by}, record {self.record}, valid until {self.expires}{found}"
