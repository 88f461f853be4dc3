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
        self._parts: list[Batch] = []
        self._known = False
        self.learned_from = LEAST
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
        latency_ms = np.where(lost, np.inf, latency_ms)
        while len(time_s):
            room = len(time_s) if self._known else self._wanted - self._held
            part = Batch(time_s[:room], latency_ms[:room], lost[:room], np.empty(0))
            time_s, latency_ms, lost = time_s[room:], latency_ms[room:], lost[room:]
            if self.reference is not None:
                part = self._mark(part)
            if not self._known:
                self._parts.append(part)
                self._held += len(part.time)
                if self._held == self._wanted:
                    self._calibrate()
            else:
                for each in (self._level, *self._tails):
                    if each is not None:
                        each.feed(part)

    def _mark(self, part: Batch) -> Batch:
        """With what is slow, which bursts and periods are found from."""
        assert self.reference is not None
        part = part._replace(slow=self.reference.slowness(part.latency, part.lost))
        self._burst.feed(part)
        self._period.feed(part)
        return part

    def _calibrate(self) -> None:
        time, latency, lost, _ = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        lost = lost.astype(np.bool_)
        whole = Batch(time, latency, lost, np.empty(0))
        reference = Reference.learn(latency, lost)
        if self.reference is None:
            # What is slow is known by now: bursts and periods are found from the first sample on.
            self.reference = reference
            self._burst = BurstWatch(_QUARTER, reference.slowness(latency, lost))
            self._period = PeriodWatch(reference, _QUARTER)
            self._mark(whole)
        self._parts = []
        if reference.enough:
            self._level = LevelWatch(reference, _QUARTER)
            self._level.calibrate(time, latency)
            self._tails = [TailWatch(reference, _QUARTER / len(TAILS), *each) for each in TAILS]
        elif self._wanted < MOST:
            self._parts, self._wanted = [whole], 2 * self._wanted
            return
        self._known = True
        self.learned_from = self._held

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
