"""Stamps of other clocks converted to the host's CLOCK_MONOTONIC, from the recorded pairs of readings.

CLOCK_REALTIME is slewed together with CLOCK_MONOTONIC (clock_gettime(2)), so their distance is constant until
somebody sets the wall clock. A reading T1, T2, T4 confines the distance to [T2 - T4, T2 - T1]; between two
steps all readings have to agree, and their common part is the distance with its bound. A step shows as
readings that lie apart by more than 50 us beyond their widths; when exactly it happened between them is not
known, so stamps seen in that window are not used. A device's own clock is converted by its estimated offset
(:mod:`harness.analysis.offset`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.offset import OffsetEstimate
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_STAMP

STEP_NS = 50_000
"""Smallest change of the distance that counts as a step of the wall clock."""
AMBIGUOUS_NS = 100_000_000
"""After a backward step of d, stamps of the first d are ambiguous, up to this much: a longer stall of the
receiver right across a step is not considered."""
BEYOND_NS = 10_000_000_000
"""How far beyond the exchanges with a clock its bound is extrapolated."""
FAR = np.iinfo(np.int64).max

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]


@dataclass(frozen=True)
class Segment:
    """A span of CLOCK_MONOTONIC without a step: monotonic = stamp - ``offset_ns``, within ``bound_ns``.

    ``start_ns`` and ``end_ns`` are the last reading's T4 before and the first reading's T1 after a step
    window; the first segment starts, and the last one ends, at infinity.
    """

    start_ns: int
    end_ns: int
    offset_ns: int
    bound_ns: int


@dataclass(frozen=True)
class Converted:
    """Instants on CLOCK_MONOTONIC. ``usable``: may serve as arrival. ``stepped``: the clock was set
    nearby, or says what cannot be. ``bound_ns``: how far a usable instant can be off."""

    instant_ns: Integers
    usable: Booleans
    stepped: Booleans
    bound_ns: Integers


def segments(readings: NDArray[Any]) -> list[Segment]:
    """Split the readings (CLOCK_DTYPE rows of one clock) at the steps of that clock.

    A wide reading (the reader was preempted) that agrees with both sides of a step widens the window around
    it.
    """
    rows = readings[np.argsort(readings["t1_ns"], kind="stable")]
    lows: list[int] = (rows["t3_ns"] - rows["t4_ns"]).tolist()
    highs: list[int] = (rows["t2_ns"] - rows["t1_ns"]).tolist()

    def apart(i: int, low: int, high: int) -> bool:
        return max(lows[i] - high, low - highs[i]) > STEP_NS

    spans: list[tuple[int, int]] = []  # first and last reading of each segment
    first, low, high = 0, 0, 0
    for i in range(len(rows)):
        if i == first:
            low, high = lows[i], highs[i]
        elif apart(i, low, high):
            last = i - 1
            while last > first and not apart(last, lows[i], highs[i]):
                last -= 1
            spans.append((first, last))
            first, low, high = i, lows[i], highs[i]
        elif max(low, lows[i]) <= min(high, highs[i]):
            low, high = max(low, lows[i]), min(high, highs[i])
    if len(rows):
        spans.append((first, len(rows) - 1))

    out = []
    for first, last in spans:
        below, above = max(lows[first : last + 1]), min(highs[first : last + 1])
        if below > above:
            # Changes too small to count as steps: no constant fits, so the bound covers all of them.
            below, above = min(lows[first : last + 1]), max(highs[first : last + 1])
        out.append(
            Segment(
                start_ns=-FAR if first == 0 else int(rows["t1_ns"][first]),
                end_ns=FAR if last == len(rows) - 1 else int(rows["t4_ns"][last]),
                offset_ns=below + (above - below) // 2,
                bound_ns=(above - below + 1) // 2,
            )
        )
    return out


class Timebase:
    """Converts stamps of the run's clocks. Clock numbers index ``names``.

    ``host.monotonic`` needs no conversion, ``host.realtime`` is converted piecewise, a clock of ``estimates``
    by its offset with bounds. Any other clock is unknown: its stamps are not used for arrival.
    """

    def __init__(
        self,
        names: Sequence[str],
        readings: NDArray[Any],
        estimates: Mapping[str, OffsetEstimate] | None = None,
    ) -> None:
        self.names = list(names)
        self._estimates = dict(estimates or {})
        self._realtime: list[Segment] = []
        if HOST_REALTIME in self.names:
            self._realtime = segments(readings[readings["clock"] == self.names.index(HOST_REALTIME)])

    @classmethod
    def of_run(
        cls,
        run: Mapping[str, Any],
        readings: NDArray[Any],
        estimates: Mapping[str, OffsetEstimate] | None = None,
    ) -> Timebase:
        """From ``run.json`` and the clocks table; ``estimates`` by name of the clock, usable ones only."""
        return cls([str(clock["name"]) for clock in run["clocks"]], readings, estimates)

    @property
    def realtime(self) -> list[Segment]:
        """The spans without a step of CLOCK_REALTIME, in order; empty when it was never read."""
        return list(self._realtime)

    @property
    def steps(self) -> list[tuple[int, int, int]]:
        """Steps of CLOCK_REALTIME: window (from_ns, to_ns on CLOCK_MONOTONIC) and size_ns."""
        pairs = zip(self._realtime[:-1], self._realtime[1:], strict=True)
        return [(a.end_ns, b.start_ns, b.offset_ns - a.offset_ns) for a, b in pairs]

    @property
    def bound_ns(self) -> int:
        """Largest half-width of the conversion of CLOCK_REALTIME."""
        return max((segment.bound_ns for segment in self._realtime), default=0)

    def of_host(self, clocks: NDArray[np.uint16]) -> Booleans:
        """Which of those clock numbers are the host's own clocks."""
        hosts = [number for number, name in enumerate(self.names) if name in (HOST_MONOTONIC, HOST_REALTIME)]
        return np.isin(clocks, hosts)

    def convert(self, stamps: Integers, clocks: NDArray[np.uint16], seen_ns: Integers) -> Converted:
        """Convert ``stamps`` of ``clocks``; ``seen_ns`` (CLOCK_MONOTONIC, not before the stamped instant)
        tells in which span a stamp lies. All arrays of one length. A stamp later than ``seen_ns`` is not
        used."""
        n = len(stamps)
        out = Converted(
            seen_ns.astype(np.int64),
            np.zeros(n, dtype=bool),
            np.zeros(n, dtype=bool),
            np.zeros(n, dtype=np.int64),
        )
        given = (stamps != NO_STAMP) & (seen_ns != NO_STAMP)
        for number in np.unique(clocks[given]):
            mask = given & (clocks == number)
            name = self.names[number] if number < len(self.names) else ""
            if name == HOST_MONOTONIC:
                self._accept(out, mask, stamps, np.zeros(n, dtype=np.int64))
            elif name == HOST_REALTIME:
                self._convert_realtime(out, mask, stamps, seen_ns)
            elif name in self._estimates:
                self._convert_estimated(out, mask, stamps, self._estimates[name])
        return out

    def _convert_realtime(self, out: Converted, mask: Booleans, stamps: Integers, seen_ns: Integers) -> None:
        placed = np.zeros(len(mask), dtype=bool)
        for index, segment in enumerate(self._realtime):
            here = mask & (seen_ns >= segment.start_ns) & (seen_ns <= segment.end_ns)
            placed |= here
            instant = np.where(here, stamps, segment.offset_ns) - segment.offset_ns
            if index:
                # Stamped before the step, seen after it? Then the other offset is the right one.
                back = max(0, self._realtime[index - 1].offset_ns - segment.offset_ns)
                before = here & (instant < segment.start_ns + min(back, AMBIGUOUS_NS))
                out.stepped[before] = True
                here &= ~before
            self._accept(out, here, instant, np.full(len(mask), segment.bound_ns))
        if self._realtime:
            out.stepped[mask & ~placed] = True

    @staticmethod
    def _accept(out: Converted, mask: Booleans, instant: Integers, bound_ns: Integers) -> None:
        """Take ``instant`` where it is not later than the instant it was seen; ``instant_ns`` still holds
        that."""
        late = mask & (instant > out.instant_ns + bound_ns)
        good = mask & ~late
        out.stepped[late] = True
        out.usable[good] = True
        out.bound_ns[good] = bound_ns[good]
        out.instant_ns[good] = np.minimum(instant, out.instant_ns)[good]

    def _convert_estimated(
        self, out: Converted, mask: Booleans, stamps: Integers, clock: OffsetEstimate
    ) -> None:
        instant, bound = np.zeros(len(mask), dtype=np.int64), np.zeros(len(mask), dtype=np.int64)
        host, width = clock.to_host(stamps[mask])
        # A stamp that is nowhere near the run is wrong, not merely uncertain: the bound that grows with the
        # distance from the exchanges must not excuse it.
        near = np.clip(host, clock.first_ns - BEYOND_NS, clock.last_ns + BEYOND_NS)
        far = near != host
        if far.any():
            width[far] = clock.offset_ns(near[far])[1]
        instant[mask], bound[mask] = host, np.ceil(width).astype(np.int64)
        self._accept(out, mask, instant, bound)
