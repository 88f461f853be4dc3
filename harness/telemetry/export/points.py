"""One name's observations as points of a metric: counts at edges that are exact, and what is said of them."""

from __future__ import annotations

from dataclasses import dataclass

from harness.analysis.rule import complement
from harness.telemetry.budget.observed import Observed

TIMES = tuple(2.0**power for power in range(-20, 13))
"""Edges of times in seconds, 1 us to 68 minutes: powers of two, which are edges of the buckets at every
scale."""
VALUES = tuple(2.0**power for power in range(-10, 21))
"""Edges of anything else."""

UNITS = {"%": "%", "1": "1", "MB/s": "MBy/s", "GB/s": "GBy/s", "kB/s": "kBy/s", "B": "By", "MB": "MBy"}
"""Units as UCUM writes them (https://ucum.org), which OpenTelemetry asks for; times are in ``s``."""


@dataclass(frozen=True)
class Points:
    """The observations of one name: ``cumulative`` of ``count`` are at most each of ``edges``, exactly.
    ``over``: beyond each limit. ``allowed``: share that may be. ``unit`` by UCUM; values are in seconds
    where the budget is one of time."""

    name: str
    pillar: str
    text: str
    unit: str
    count: int
    total: float
    smallest: float
    largest: float
    edges: tuple[float, ...]
    cumulative: tuple[int, ...]
    failed: int
    limits: dict[str, float]
    over: dict[str, int]
    allowed: float


def points_of(found: Observed) -> Points:
    """Points with an edge at the upper limit, so that a breach is a count and no estimate."""
    limits, tally = found.limits, found.tally
    ladder = TIMES if limits.is_time else VALUES
    at = {edge: tally.buckets.at_most(edge) for edge in ladder}
    over: dict[str, int] = {}
    values: dict[str, float] = {}
    for each in tally.overs:
        which = "upper" if each.edges.sign > 0 else "lower"
        values[which] = each.edges.sign * each.edges.limit
        over[which] = each.above_limit
        # What was observed before there was a limit is not counted at it.
        if which == "upper" and tally.since == 0:
            at[each.edges.limit] = tally.n - each.above_limit
    edges = tuple(sorted(at))
    return Points(
        name=limits.name,
        pillar=limits.pillar,
        text=limits.text,
        unit="s" if limits.is_time else UNITS.get(limits.unit, "{" + limits.unit + "}"),
        count=tally.n,
        total=tally.mean * tally.n,
        smallest=tally.smallest,
        largest=tally.largest,
        edges=edges,
        cumulative=tuple(at[edge] for edge in edges),
        failed=tally.failed,
        limits=values,
        over=over,
        allowed=complement(limits.quantile),
    )
