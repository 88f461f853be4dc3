"""All detectors over one series, fed sample by sample or in any pieces; what they find is the same."""

from __future__ import annotations

import numpy as np

from harness.analysis.anomalies.bursts import BurstWatch
from harness.analysis.anomalies.model import Anomaly, Batch, Bools, Floats
from harness.analysis.anomalies.periodic import PeriodWatch
from harness.analysis.anomalies.reference import Reference
from harness.analysis.anomalies.shift import LevelWatch, TailWatch

FALSE_ALARM = 0.05
"""Of clean runs, at most this share shows any anomaly, whatever their length."""
LEAST = 1024
"""Samples before anything is said."""
MOST = 65_536
"""Samples that are used to learn what is usual, where they depend on each other so much."""
_QUARTER = FALSE_ALARM / 4
TAILS = ((0.95, 64), (0.99, 128))
"""Quantiles beyond which samples are counted, and the samples of a block."""


class Stream:
    """Feed samples in the order of sending; ask at any time. Memory does not grow with the series."""

    def __init__(self) -> None:
        self._parts: list[tuple[Floats, Floats, Bools]] = []
        self._held = 0
        self._wanted = LEAST
        self.count = 0
        self.reference: Reference | None = None
        self._level: LevelWatch | None = None
        self._tails: list[TailWatch] = []

    def feed(self, time_s: Floats, latency_ms: Floats, lost: Bools) -> None:
        """Arrays of shape (n,): seconds, ascending; milliseconds (whatever where lost); which were lost."""
        time_s, latency_ms = np.asarray(time_s, np.float64), np.asarray(latency_ms, np.float64)
        lost = np.asarray(lost, np.bool_)
        self.count += len(time_s)
        while len(time_s):
            if self.reference is not None:
                self._test(time_s, np.where(lost, np.inf, latency_ms), lost)
                return
            room = self._wanted - self._held
            self._parts.append((time_s[:room], latency_ms[:room], lost[:room]))
            self._held += len(time_s[:room])
            time_s, latency_ms, lost = time_s[room:], latency_ms[room:], lost[room:]
            if self._held == self._wanted:
                self._calibrate()

    def _calibrate(self) -> None:
        time, latency, lost = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        latency = np.where(lost, np.inf, latency)
        reference = Reference.learn(latency, lost)
        if not reference.enough and self._wanted < MOST:
            self._parts, self._wanted = [(time, latency, lost)], 2 * self._wanted
            return
        self._parts = []
        self.reference = reference
        slow = reference.slowness(latency, lost)
        self._burst = BurstWatch(_QUARTER, slow)
        self._period = PeriodWatch(reference, _QUARTER)
        if reference.enough:
            self._level = LevelWatch(reference, _QUARTER)
            self._level.calibrate(time, latency)
            self._tails = [TailWatch(reference, _QUARTER / len(TAILS), *each) for each in TAILS]
        # What is slow is known by now: bursts and periods are found from the first sample on.
        batch = Batch(time, latency, lost, slow)
        self._burst.feed(batch)
        self._period.feed(batch)

    def _test(self, time: Floats, latency: Floats, lost: Bools) -> None:
        assert self.reference is not None
        batch = Batch(time, latency, lost, self.reference.slowness(latency, lost))
        self._burst.feed(batch)
        self._period.feed(batch)
        for each in (self._level, *self._tails):
            if each is not None:
                each.feed(batch)

    def findings(self, *, ended: bool = False) -> list[Anomaly]:
        """What is known by now, in order of time; ``ended``: no more samples come, so that the last ones
        are searched for a period, too. What a stronger cause explains is not said a second time."""
        if self.reference is None:
            return []
        if ended:
            self._period.look()
        periodic, bursts = list(self._period.found()), list(self._burst.found())
        kept = list(periodic)
        kept += [each for each in bursts if not _explained(each, periodic)]
        level = list(self._level.found()) if self._level is not None else []
        kept += [each for each in level if not _explained(each, kept)]
        causes = list(kept)
        for watch in self._tails[::-1]:
            tails = [each for each in watch.found() if not _explained(each, causes)]
            kept += tails
            causes += tails
        return sorted(kept, key=lambda each: (each.begin_s, each.kind.value))


def _explained(one: Anomaly, by: list[Anomaly]) -> bool:
    """Whether half of its stretch is that of another finding."""
    length = max(one.end_s - one.begin_s, 1e-9)
    return any(
        other.overlaps(one)
        and min(other.end_s, one.end_s) - max(other.begin_s, one.begin_s) >= 0.5 * length - 1e-9
        for other in by
    )


def find(time_s: Floats, latency_ms: Floats, lost: Bools) -> list[Anomaly]:
    """The findings of a whole series, shape (n,) each: what a :class:`Stream` says after its last sample."""
    stream = Stream()
    stream.feed(time_s, latency_ms, lost)
    return stream.findings(ended=True)
