"""From the tables of a swarm's ports to what each robot said when: one line of changes per robot."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.matching import arrivals
from harness.analysis.swarm_state import Said
from harness.analysis.timebase import Timebase
from harness.config.swarm import SwarmReorganization

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Line:
    """One robot. ``at_ns``: arrival of each message (CLOCK_MONOTONIC, ascending); ``seen_ns``: when the
    harness saw it; ``stamped``: the arrival is the middleware's receive stamp. ``changes``: where among them
    the robot says something new, and ``said`` what it is."""

    at_ns: Integers
    seen_ns: Integers
    stamped: NDArray[np.bool_]
    changes: Integers
    said: list[Said]

    def before(self, at_ns: int) -> Said | None:
        """What it said last up to that instant."""
        place = int(np.searchsorted(self.at_ns[self.changes], at_ns, side="right")) - 1
        return self.said[place] if place >= 0 else None

    def after(self, begin_ns: int, end_ns: int) -> list[tuple[int, Said]]:
        """What it said anew after ``begin_ns``, up to ``end_ns``, with the instants."""
        instants = self.at_ns[self.changes]
        first, last = np.searchsorted(instants, [begin_ns, end_ns], side="right")
        return [(int(instants[place]), self.said[place]) for place in range(first, last)]

    def last_sign(self, until_ns: int) -> int | None:
        """Arrival of its last message up to that instant."""
        place = int(np.searchsorted(self.at_ns, until_ns, side="right")) - 1
        return int(self.at_ns[place]) if place >= 0 else None


def line(
    spec: SwarmReorganization, robot: str, observed: Callable[[str], NDArray[Any]], timebase: Timebase
) -> Line:
    """What that robot said. Columns that come in the same message have the same arrival, and are taken as
    one; of others the last one known counts."""
    columns: list[tuple[str, Integers, NDArray[Any], Integers, NDArray[np.bool_]]] = []
    for column in spec.columns:
        table = observed(spec.port(column, robot))
        table = table[np.isfinite(table["value"])]
        when = arrivals(table, timebase)
        by_time = np.argsort(when.at_ns, kind="stable")
        columns.append(
            (
                column,
                when.at_ns[by_time],
                table["value"][by_time].astype(np.int64),
                when.seen_ns[by_time],
                when.stamped[by_time],
            )
        )
    at_ns = np.unique(np.concatenate([each[1] for each in columns]))
    begin = max((int(each[1][0]) if len(each[1]) else np.iinfo(np.int64).max) for each in columns)
    at_ns = at_ns[at_ns >= begin]  # before that not everything is known
    values, seen, stamped = [], np.zeros(len(at_ns), np.int64), np.ones(len(at_ns), bool)
    for _, instants, numbers, when_seen, has_stamp in columns:
        place = np.searchsorted(instants, at_ns, side="right") - 1
        values.append(numbers[place] if len(at_ns) else np.zeros(0, np.int64))
        if len(at_ns):
            seen, stamped = np.maximum(seen, when_seen[place]), stamped & has_stamp[place]
    whole = np.stack(values)
    new = np.ones(len(at_ns), bool)
    new[1:] = np.any(whole[:, 1:] != whole[:, :-1], axis=0)
    changes = np.flatnonzero(new)
    names = [each[0] for each in columns]
    said = [Said(**{n: int(v) for n, v in zip(names, whole[:, place], strict=True)}) for place in changes]
    return Line(at_ns, seen, stamped, changes, said)


def gap_ms(
    lines: dict[int, Line], hurt: list[tuple[int, int, int]], begin_ns: int, end_ns: int
) -> float | None:
    """The time between two messages of a robot that was well which one in a thousand exceeds. ``hurt``:
    number of a robot, from when to when it was not well. None with fewer than a thousand."""
    found = []
    for number, each in lines.items():
        inside = each.at_ns[(each.at_ns >= begin_ns) & (each.at_ns <= end_ns)]
        gaps, well = np.diff(inside), np.ones(max(0, len(inside) - 1), bool)
        for robot, since, until in hurt:
            if robot == number:
                well &= (inside[1:] < since) | (inside[:-1] > until)
        found.append(gaps[well])
    whole = np.concatenate(found) if found else np.zeros(0)
    return float(np.quantile(whole, 0.999, method="higher")) / 1e6 if len(whole) >= 1000 else None


def period_ms(lines: dict[int, Line], begin_ns: int, end_ns: int) -> float | None:
    """Time between two messages of a robot, the median; of the robot that speaks least often. None where
    nobody says enough."""
    found = []
    for each in lines.values():
        inside = each.at_ns[(each.at_ns >= begin_ns) & (each.at_ns <= end_ns)]
        if len(inside) > 2:
            found.append(float(np.median(np.diff(inside))) / 1e6)
    return max(found, default=None)
