"""Changes that last: of the level, and of the tail, each a cumulative sum over blocks of samples."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator

import numpy as np
from scipy.special import bdtr, ndtri

from harness.analysis.anomalies.cusum import Cusum, Excursion, Usual, tail_of
from harness.analysis.anomalies.model import Anomaly, Batch, Floats, Kind
from harness.analysis.anomalies.reference import Reference

LEAST_DRIFT = 0.05
"""A change of the level by a smaller share of the median is none to speak of."""
LEAST_FACTOR = 1.5
"""A share of slow samples that changes by less than this factor is none to speak of."""
KEPT = 64
"""Anomalies that are remembered; older ones make way."""
PRIOR_SCORES = 16
"""As how many scores counts what the reference says of their spread."""
LONGEST_WAIT = 128
"""Blocks that wait at most to be learned from."""
HISTORY = 1024
"""Blocks that are remembered for the size of a change; of more, every other one."""


class _Blocks:
    """Cuts samples into blocks of a fixed length, whatever the lengths they come in."""

    def __init__(self, length: int) -> None:
        self.length = length
        self._time, self._latency = np.empty(0), np.empty(0)

    def cut(self, time: Floats, latency: Floats) -> tuple[Floats, Floats]:
        """All whole blocks, shape (blocks, length) each."""
        self._time = np.concatenate([self._time, time])
        self._latency = np.concatenate([self._latency, latency])
        whole = len(self._time) // self.length * self.length
        found = (self._time[:whole].reshape(-1, self.length), self._latency[:whole].reshape(-1, self.length))
        self._time, self._latency = self._time[whole:], self._latency[whole:]
        return found


class _Past:
    """What blocks were like: begin, end, and one figure each. Bounded: when full, every other one goes."""

    def __init__(self) -> None:
        self.rows: list[tuple[float, float, float]] = []
        self._stride, self._seen = 1, 0

    def add(self, begin: float, end: float, figure: float) -> None:
        """Remember a block."""
        if self._seen % self._stride == 0:
            self.rows.append((begin, end, figure))
        self._seen += 1
        if len(self.rows) >= HISTORY:
            self.rows, self._stride = self.rows[::2], 2 * self._stride

    def within(self, begin_s: float, end_s: float) -> list[float]:
        """The figures of blocks within that stretch."""
        return [figure for begin, end, figure in self.rows if begin >= begin_s and end <= end_s]


class _Shift:
    """What both have in common: blocks, their cumulative sum, and anomalies that open and close."""

    kind = Kind.DRIFT
    neutral = 0.0
    threshold_ms: float | None = None

    def __init__(self, reference: Reference, alpha: float, block: int) -> None:
        self.reference = reference
        self.blocks = _Blocks(block)
        self.sum = Cusum(alpha)
        self.past = _Past()
        self._spans: dict[int, tuple[float, float]] = {}
        self._closed: deque[Anomaly] = deque(maxlen=KEPT)

    def feed(self, batch: Batch) -> None:
        """Take samples, in order."""
        time, latency = self.blocks.cut(batch.time, batch.latency)
        if not len(time):
            return
        values, figures = self.values(latency)
        rows = zip(values.tolist(), figures.tolist(), time[:, 0].tolist(), time[:, -1].tolist(), strict=True)
        for value, figure, begin, end in rows:
            self._spans[self.sum.count] = (begin, end)
            self.past.add(begin, end, figure)
            ended = self.sum.feed(self.score(value))
            alarms = [(side, each) for side, each in ended if each.found is not None]
            for side, excursion in alarms:
                self._closed.extend(self._anomaly(side, excursion, still=False))
            self.take(value, alarmed=bool(alarms))
            self._forget()

    def values(self, latency: Floats) -> tuple[Floats, Floats]:
        """Of blocks, shape (blocks, length): what is tested, and the figure that a size is made of."""
        raise NotImplementedError

    def score(self, value: float) -> float:
        """Of the next block's value: standard normal while nothing changes."""
        raise NotImplementedError

    def take(self, value: float, *, alarmed: bool) -> None:
        """Learn from a value that was tested; ``alarmed``: an alarm ended with it."""
        raise NotImplementedError

    def size(self, begin_s: float, end_s: float) -> float | None:
        """Of the change in that stretch; None where it is none to speak of."""
        raise NotImplementedError

    def found(self) -> Iterator[Anomaly]:
        """All that are remembered, those that have not ended last."""
        yield from self._closed
        for side, excursion in self.sum.alarms():
            yield from self._anomaly(side, excursion, still=True)

    def _anomaly(self, side: int, excursion: Excursion, *, still: bool) -> Iterator[Anomaly]:
        begin = self._spans[excursion.begun][0]
        ongoing = still and self.sum.count - 1 - excursion.peak < 4
        end = self._spans[self.sum.count - 1 if ongoing else excursion.peak][1]
        assert excursion.found is not None
        size = self.size(begin, end)
        if size is not None and (size > self.neutral) == (side == 0):
            yield Anomaly(
                self.kind,
                begin,
                end,
                self._spans[excursion.found][1],
                size,
                1 - tail_of(excursion.height, self.sum.count),
                open=ongoing,
                threshold_ms=self.threshold_ms,
            )

    def _forget(self) -> None:
        """Instants of blocks that no excursion refers to any more."""
        needed = self.sum.first_needed()
        # They are in order: to look at all of them after each block was a tenth of the time of a long run.
        while (oldest := next(iter(self._spans))) < needed:
            del self._spans[oldest]


class LevelWatch(_Shift):
    """Mean normal score of a block: what moves it is the middle of the distribution, never a few samples."""

    def __init__(self, reference: Reference, alpha: float) -> None:
        super().__init__(reference, alpha, reference.block)
        self._usual = Usual()
        # What dependence remains between the means of neighbouring blocks.
        self._inflate = math.sqrt(1 + reference.inflation / reference.block)

    def calibrate(self, time: Floats, latency: Floats) -> None:
        """Learn from the samples the reference was made of, without testing them."""
        _, cut = self.blocks.cut(time, latency)
        for value in self.values(cut)[0].tolist():
            self._usual.learn(value)

    def values(self, latency: Floats) -> tuple[Floats, Floats]:
        """Mean score, and median, of each block."""
        scores = self.reference.scores(latency.ravel()).reshape(latency.shape)
        return scores.mean(axis=1), np.median(latency, axis=1)

    def score(self, value: float) -> float:
        """Against the mean and the spread of the blocks before."""
        return self._usual.score(value, self._inflate)

    def take(self, value: float, *, alarmed: bool) -> None:
        """Learn from a tested value, unless it is part of a change."""
        self._usual.take(value, self.sum, alarmed=alarmed)

    def size(self, begin_s: float, end_s: float) -> float | None:
        """Of the median, in ms."""
        levels = self.past.within(begin_s, end_s)
        if not levels:
            return None
        # Of their medians the middle one: a block that was lost for the most part has none.
        change = float(np.sort(levels)[(len(levels) - 1) // 2]) - self.reference.median
        return change if abs(change) >= LEAST_DRIFT * abs(self.reference.median) else None


class TailWatch(_Shift):
    """Counts of samples beyond a quantile of the reference, block by block.

    Given how many of all samples so far and of this block are beyond it, the block's count is binomial, which
    needs no known share (Hawkins & Olwell 1998, 7.3); its mid-p-value is turned into a normal score. Scores
    are divided by their own spread, for samples that are slow in clusters.
    """

    kind = Kind.TAIL
    neutral = 1.0

    def __init__(self, reference: Reference, alpha: float, quantile: float, block: int) -> None:
        super().__init__(reference, alpha, max(block, 2 * reference.block))
        self.threshold_ms: float = reference.quantile(quantile)
        self._samples = len(reference.ascending)
        self._beyond = int((reference.ascending > self.threshold_ms).sum())
        self._scores = 0
        self._square = 0.0
        self._spread = reference.clusters
        self._waiting: list[float] = []

    def values(self, latency: Floats) -> tuple[Floats, Floats]:
        """How many of each block are beyond the quantile."""
        counts = (latency > self.threshold_ms).sum(axis=1).astype(np.float64)
        return counts, counts

    def score(self, value: float) -> float:
        """By the binomial law of that count, given all counts so far."""
        both, share = round(value) + self._beyond, self.blocks.length / (self.blocks.length + self._samples)
        below, up_to = (float(bdtr(each, both, share)) if each >= 0 else 0.0 for each in (value - 1, value))
        raw = float(ndtri(min(max((below + up_to) / 2, 1e-9), 1 - 1e-9)))
        spread = (PRIOR_SCORES * self._spread + self._square) / (PRIOR_SCORES + self._scores)
        self._raw = raw
        return raw / math.sqrt(max(1.0, spread))

    def take(self, value: float, *, alarmed: bool) -> None:
        """Learn from a tested count, unless it is part of a change."""
        if alarmed or self.sum.alarms():
            self._waiting.clear()
            return
        self._scores += 1
        self._square += min(self._raw**2, 9.0)
        self._waiting.append(value)
        if not self.sum.suspicious or len(self._waiting) >= LONGEST_WAIT:
            self._beyond += int(sum(self._waiting))
            self._samples += len(self._waiting) * self.blocks.length
            self._waiting.clear()

    def size(self, begin_s: float, end_s: float) -> float | None:
        """The factor on the share beyond the quantile."""
        counts = self.past.within(begin_s, end_s)
        if not counts:
            return None
        factor = (float(np.mean(counts)) + 0.1) / (self._beyond / self._samples * self.blocks.length + 0.1)
        return factor if factor >= LEAST_FACTOR or factor <= 1 / LEAST_FACTOR else None
