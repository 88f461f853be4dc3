"""All that is kept of what one process observed under one name: bounded, however much that was."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.budget.extremes import KEPT, Extremes

MARKS = 512

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Edges:
    """Thresholds of one limit, mirrored for a lower one (``sign`` -1), so that what is larger exceeds it.

    In the unit that values are kept in. ``passing``: PASS counts what is above it, and it is the smallest of
    the three; ``failing``: FAIL counts what is above that one.
    """

    sign: int
    passing: float
    limit: float
    failing: float

    def same_limit(self, other: Edges) -> bool:
        """Whether it is the same limit, if guarded by what another process found that measuring adds."""
        return (self.sign, self.limit) == (other.sign, other.limit)


@dataclass
class Over:
    """How many values were above each edge of a limit, and the largest of all values."""

    edges: Edges
    above_passing: int = 0
    above_limit: int = 0
    above_failing: int = 0
    extremes: Extremes = field(default_factory=Extremes)

    def add(self, values: Floats, first: int) -> None:
        """Count values that were observed at positions ``first``, ``first`` + 1, ..."""
        towards = values if self.edges.sign > 0 else -values
        if float(towards.max()) > self.edges.passing:
            self.above_passing += int((towards > self.edges.passing).sum())
            self.above_limit += int((towards > self.edges.limit).sum())
            self.above_failing += int((towards > self.edges.failing).sum())
        self.extremes.add(towards, first)


class Tally:
    """Number, mean, spread, extremes, buckets, and counts over the limits. Not safe for threads: its owner
    has the lock.

    ``failed``: observations that ended in an exception, among ``n``; ``invalid``: values that were no finite
    number, apart from ``n``. ``since``: observations before the limits were known, which no limit counts.
    """

    def __init__(self, edges: Sequence[Edges] = (), since: int = 0) -> None:
        self.n = 0
        self.failed = 0
        self.invalid = 0
        self.mean = 0.0
        self.squares = 0.0
        self.smallest = np.inf
        self.largest = -np.inf
        self.buckets = Buckets()
        self.overs = [Over(each) for each in edges]
        self.since = since
        self._first: list[Floats] | None = []
        self._marks: list[tuple[int, float]] = []

    def add(self, values: Floats, now: float) -> None:
        """Take finite values, shape (n,), that were observed up to ``now`` (CLOCK_MONOTONIC, seconds)."""
        n = len(values)
        if n == 0:
            return
        mean = float(values.sum()) / n
        about = values - mean
        # Not about @ about: BLAS would start threads for it.
        about *= about
        self._moments(n, mean, float(about.sum()), float(values.min()), float(values.max()))
        self.buckets.add(values)
        for over in self.overs:
            over.add(values, self.n - n - self.since)
        if self._first is not None:
            self._first = [*self._first, values] if self.n <= KEPT else None
        self._marks.append((self.n, now))
        if len(self._marks) > MARKS:
            self._marks = self._marks[1::2]

    def _moments(self, n: int, mean: float, squares: float, smallest: float, largest: float) -> None:
        """Pairwise update of mean and sum of squares (Chan, Golub & LeVeque 1979)."""
        total = self.n + n
        apart = mean - self.mean
        self.squares += squares + apart * apart * self.n * n / total
        self.mean += apart * n / total
        self.n = total
        self.smallest, self.largest = min(self.smallest, smallest), max(self.largest, largest)

    def first(self) -> Floats | None:
        """All values in their order, as long as there are at most 16 384; else None."""
        return None if self._first is None else np.concatenate([np.zeros(0), *self._first])

    def holds(self, edges: Sequence[Edges]) -> bool:
        """Whether it counts over these limits."""
        return len(edges) == len(self.overs) and all(
            over.edges.same_limit(each) for over, each in zip(self.overs, edges, strict=True)
        )

    def limited(self, edges: Sequence[Edges]) -> None:
        """Count over these limits from now on; over what was observed already, where all of it is kept."""
        known = self.first()
        self.overs = [Over(each) for each in edges]
        self.since = self.n if known is None else 0
        if known is not None and len(known):
            for over in self.overs:
                over.add(known, 0)

    @property
    def judged(self) -> int:
        """Observations that the limits were counted over."""
        return self.n - self.since

    @property
    def deviation(self) -> float | None:
        """Standard deviation; None for fewer than two."""
        return float(np.sqrt(self.squares / (self.n - 1))) if self.n > 1 else None

    def marks(self) -> tuple[Floats, Floats]:
        """Numbers of observations and the instants at which there were so many, both ascending."""
        numbers = np.array([0, *(n for n, _ in self._marks)], dtype=np.float64)
        if not self._marks:
            return numbers, np.zeros(1)
        return numbers, np.array([self._marks[0][1], *(t for _, t in self._marks)])

    def arrays(self) -> dict[str, NDArray[np.float64] | NDArray[np.int64]]:
        """Everything as arrays, for a file; :meth:`of_arrays` makes it again."""
        numbers, instants = self.marks()
        buckets = self.buckets
        above, below = (
            np.array(list(each.items()), dtype=np.int64).reshape(-1, 2)
            for each in (buckets.above, buckets.below)
        )
        found: dict[str, NDArray[np.float64] | NDArray[np.int64]] = {
            "counts": np.array([self.n, self.failed, self.invalid, self.since, buckets.scale, buckets.zeros]),
            "moments": np.array([self.mean, self.squares, self.smallest, self.largest]),
            "above": above,
            "below": below,
            "numbers": numbers[1:],
            "instants": instants[1:],
        }
        known = self.first()
        if known is not None:
            found["first"] = known
        for number, over in enumerate(self.overs):
            edges = over.edges
            values, positions, lots = over.extremes.arrays()
            found[f"edges{number}"] = np.array([edges.sign, edges.passing, edges.limit, edges.failing])
            found[f"above{number}"] = np.array(
                [over.above_passing, over.above_limit, over.above_failing, int(over.extremes.complete)]
            )
            found[f"values{number}"], found[f"positions{number}"] = values, positions
            found[f"lots{number}"] = lots
        return found

    @classmethod
    def of_arrays(cls, found: dict[str, NDArray[np.float64] | NDArray[np.int64]]) -> Tally:
        """The tally that :meth:`arrays` wrote. Raises KeyError or ValueError for anything else."""
        made = cls()
        made.n, made.failed, made.invalid, made.since, scale, zeros = (int(each) for each in found["counts"])
        made.mean, made.squares, made.smallest, made.largest = (float(each) for each in found["moments"])
        above, below = ({int(key): int(count) for key, count in found[name]} for name in ("above", "below"))
        made.buckets = Buckets.of(scale, zeros, above, below)
        pairs = zip(found["numbers"], found["instants"], strict=True)
        made._marks = [(int(n), float(t)) for n, t in pairs]
        made._first = [np.asarray(found["first"], dtype=np.float64)] if "first" in found else None
        number = 0
        while f"edges{number}" in found:
            sign, *edges = (float(each) for each in found[f"edges{number}"])
            over = Over(Edges(int(sign), *edges))
            over.above_passing, over.above_limit, over.above_failing, complete = (
                int(each) for each in found[f"above{number}"]
            )
            over.extremes = Extremes.of(
                np.asarray(found[f"values{number}"], dtype=np.float64),
                np.asarray(found[f"positions{number}"], dtype=np.int64),
                np.asarray(found[f"lots{number}"], dtype=np.float64),
                complete=bool(complete),
            )
            made.overs.append(over)
            number += 1
        return made


def together(tallies: Iterable[Tally]) -> Tally:
    """One tally of several processes that ran at the same time.

    Where a kept value lies in the whole is reckoned from the instants at which each process had observed how
    much, so that a disturbance which hits all of them at once is seen as one. Limits are those of the first.
    """
    given = list(tallies)
    parts = [each for each in given if each.n or each.invalid or each.failed] or given[:1]
    if len(parts) < 2:
        return parts[0] if parts else Tally()
    whole = Tally([over.edges for over in max(parts, key=lambda each: len(each.overs)).overs])
    for each in parts:
        whole._moments(each.n, each.mean, each.squares, each.smallest, each.largest) if each.n else None
        whole.buckets.merge(each.buckets)
        whole.failed += each.failed
        whole.invalid += each.invalid
    whole._first = None
    counting = [each for each in parts if len(each.overs) == len(whole.overs)]
    whole.since = whole.n - sum(each.judged for each in counting)
    for number, over in enumerate(whole.overs):
        same = [each for each in counting if each.overs[number].edges.same_limit(over.edges)]
        theirs = [each.overs[number] for each in same]
        over.above_passing = sum(each.above_passing for each in theirs)
        over.above_limit = sum(each.above_limit for each in theirs)
        over.above_failing = sum(each.above_failing for each in theirs)
        over.extremes = _spread(same, [each.extremes for each in theirs], whole.judged)
    return whole


def _spread(parts: Sequence[Tally], kept: Sequence[Extremes], total: int) -> Extremes:
    """What was kept of several streams, at its places in the whole of ``total``."""
    marks = [part.marks() for part in parts]
    places = []
    for number, extremes in enumerate(kept):
        _, positions, _ = extremes.arrays()
        own = positions + float(parts[number].since)
        instants = np.interp(own, *marks[number])
        place = positions.astype(np.float64)
        for other, (numbers, when) in enumerate(marks):
            if other != number:
                place += np.maximum(np.interp(instants, when, numbers) - parts[other].since, 0.0)
        places.append(place)
    values, _, lots = (
        np.concatenate(column) for column in zip(*(each.arrays() for each in kept), strict=True)
    )
    joined = np.concatenate(places)
    order = np.argsort(joined, kind="stable")
    count = np.arange(len(order))
    at = np.floor(joined[order]).astype(np.int64)
    # Two values cannot be at one place: the later of them moves on, and back from the end where it must.
    at = np.maximum.accumulate(at - count) + count
    at = np.minimum(at, total - len(order) + count)
    complete = all(each.complete for each in kept)
    if not complete:
        # Below the highest floor not everything of every stream is known.
        floor = max(each._floor[0] for each in kept)
        keep = values[order] >= floor
        order, at = order[keep], at[keep]
    return Extremes.of(values[order], at, lots[order], complete=complete)
