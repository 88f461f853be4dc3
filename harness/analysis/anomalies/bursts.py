"""Slow samples in a row: a sum that each slow sample raises and each other one lowers.

How high it goes by itself is learned. The highest points of such a sum over its excursions from zero have an
exponential tail, also where samples depend on each other (Asmussen, Applied Probability and Queues, XIII.5);
its mean is estimated from the excursions that were no alarm, with a margin for how few there were.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.analysis.anomalies.model import Anomaly, Batch, Floats, Kind, share_of_budget
from harness.analysis.anomalies.reference import HEAVIEST, inflation

FADE = 0.5
"""How much each sample lowers the sum."""
FIRST_MEAN, FIRST_WEIGHT = 1.2, 3.0
"""What is taken as the mean excess before there was any excursion, and as how many excursions it counts."""
LEAST_SLOW = 4
KEPT = 64


@dataclass
class _Excursion:
    begin: float
    end: float
    height: float = 0.0
    slow: int = 0
    lost: int = 0
    longest: float = 0.0
    slow_at_end: int = 0
    lost_at_end: int = 0
    found: float | None = None
    chance: float = 1.0


class BurstWatch:
    """``alpha``: false-alarm budget over the whole series; ``slow``: slowness of the samples of the
    reference, in order."""

    def __init__(self, alpha: float, slow: Floats) -> None:
        # Where many samples are slow as a rule the sum has to fall all the same.
        self._fade = max(FADE, 4 * float((slow > 0).mean()))
        # Slow samples that come in clusters take the sum higher: as many times as they count for one.
        self._first = FIRST_MEAN * inflation(slow)
        self._base = HEAVIEST - self._fade
        self._alpha = alpha
        self._sum = 0.0
        self._index = 0
        self._last = -1
        self._open: _Excursion | None = None
        self._excursions = 0
        self._over, self._excess = 0, 0.0
        self._closed: deque[Anomaly] = deque(maxlen=KEPT)

    def feed(self, batch: Batch) -> None:
        """Take samples, in order."""
        places = np.flatnonzero(batch.slow > 0)
        rows = zip(
            (places + self._index).tolist(),
            batch.slow[places].tolist(),
            batch.time[places].tolist(),
            batch.latency[places].tolist(),
            batch.lost[places].tolist(),
            strict=True,
        )
        for place, weight, time, latency, lost in rows:
            self._fall(place - self._last - 1)
            self._last = place
            self._rise(weight, time, latency, lost)
        self._index += len(batch.time)
        self._fall(self._index - 1 - self._last)
        self._last = self._index - 1

    def _fall(self, samples: int) -> None:
        self._sum = max(0.0, self._sum - self._fade * samples)
        if self._sum <= 0:
            self._close()

    def _rise(self, weight: float, time: float, latency: float, lost: bool) -> None:
        now = self._open
        if now is None:
            now = self._open = _Excursion(time, time)
            self._excursions += 1
        limit, mean = self._limit()
        # Held at twice the limit: an outage is over soon after its end.
        self._sum = min(self._sum + max(weight - self._fade, 0.0), 2 * limit)
        now.slow += 1
        now.lost += lost
        if not lost:
            now.longest = max(now.longest, latency)
        if self._sum >= now.height or weight >= HEAVIEST:
            now.height, now.end = max(now.height, self._sum), time
            now.slow_at_end, now.lost_at_end = now.slow, now.lost
        if self._sum > limit and now.slow >= LEAST_SLOW and now.found is None:
            now.found = time
        if now.found is not None:
            now.chance = min(1.0, self._excursions * math.exp(-(now.height - self._base) / mean))

    def _limit(self) -> tuple[float, float]:
        n = self._over + FIRST_WEIGHT
        mean = (self._excess + FIRST_WEIGHT * self._first) / n * (1 + 1.5 / math.sqrt(n))
        return self._base - mean * math.log(share_of_budget(self._alpha, self._excursions)), mean

    def _close(self) -> None:
        done, self._open = self._open, None
        if done is None:
            return
        if done.found is not None:
            self._closed.append(self._anomaly(done, still=False))
        elif done.height > self._base:
            self._over += 1
            self._excess += done.height - self._base

    def _anomaly(self, done: _Excursion, *, still: bool) -> Anomaly:
        assert done.found is not None
        longest = done.longest if done.lost < done.slow else math.inf
        return Anomaly(
            Kind.BURST,
            done.begin,
            done.end,
            done.found,
            longest,
            1 - done.chance,
            open=still,
            slow=done.slow_at_end,
            lost=done.lost_at_end,
        )

    def found(self) -> Iterator[Anomaly]:
        """All that are remembered, one that has not ended last."""
        yield from self._closed
        if self._open is not None and self._open.found is not None:
            yield self._anomaly(self._open, still=True)
