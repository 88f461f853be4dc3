"""What the parts of ``results.json`` have in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """No key is unknown, none changes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Interval(Frozen):
    """A quantile with its exact order-statistic confidence interval; a bound is None where n is too small."""

    quantile: float
    estimate: float | None
    lower: float | None
    upper: float | None
    confidence: float


class Distribution(Frozen):
    """Summary in milliseconds. ``n``, ``mean``, ``sd``, ``min`` and ``max`` are of the finite values;
    quantiles are
    order statistics of all values, the lost ones at +infinity: None where they fall among the lost."""

    n: int
    mean: float | None = None
    sd: float | None = None
    min: float | None = None
    p50: float | None = None
    p90: float | None = None
    p99: float | None = None
    p99_9: float | None = None
    max: float | None = None
    intervals: list[Interval] = []
