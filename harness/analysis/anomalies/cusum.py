"""A two-sided cumulative sum of standardised block values that needs no known level or spread.

Self-starting (Hawkins 1987, J. Quality Technology 19): each value is held against the mean and spread of
those before it, and the t statistic turned into a normal score, which makes the scores independent and
standard normal while nothing changes. Values are clipped, so that one block alone is never a change.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field

import numpy as np
from scipy.special import ndtri, stdtr

from harness.analysis.anomalies.model import share_of_budget

SLACK = 0.5
"""k: half the change, in standard deviations of a block, that is found quickest."""
CLIP = 3.0
SUSPICIOUS = 4.0
LONGEST = 512
"""Scores of an excursion that are kept."""
BLOCKS_FIRST = 32
"""Up to here every value is learned from at once; later, while a sum is over SUSPICIOUS, only once it is
no longer."""


@dataclass
class Excursion:
    """Since the sum of one side left zero, with the value ``left`` (from 0). ``begun``: where the change most
    likely began; ``peak``: the last value at which the sum was at its ``height``; ``found``: the value with
    which it became an alarm, None for none. ``scores``: of that side, until then."""

    left: int
    begun: int
    peak: int
    height: float
    found: int | None = None
    scores: deque[float] = field(default_factory=lambda: deque(maxlen=LONGEST))

    def alarm(self, at: int) -> None:
        """It is one, with that value: estimate where it began, as the largest of all likelihood ratios."""
        self.found = at
        backwards = np.cumsum(np.array(self.scores)[::-1])
        length = int(np.argmax(backwards / np.sqrt(np.arange(1, len(backwards) + 1)))) + 1
        self.begun = at - length + 1
        self.scores.clear()


def tail_of(height: float, values: int) -> float:
    """Probability that one of ``values`` clean values takes a side as high (Siegmund 1985, eq. 2.58)."""
    reach = height + 1.166
    return min(1.0, values * 4 * SLACK**2 / (math.expm1(2 * SLACK * reach) - 2 * SLACK * reach))


def threshold(alpha: float, step: int) -> float:
    """How high the sum has to be at that value to be an alarm, with a budget of ``alpha`` over all values."""
    return math.log(4 * SLACK**2 / share_of_budget(alpha, step) + 20) / (2 * SLACK) - 1.166


class Cusum:
    """The sums of both sides over scores that are independent and standard normal while nothing changes."""

    def __init__(self, alpha: float) -> None:
        self._alpha = alpha
        self.count = 0
        self._sums = [0.0, 0.0]
        self._open: list[Excursion | None] = [None, None]

    def feed(self, score: float) -> list[tuple[int, Excursion]]:
        """Test the next score; excursions that have ended with it, each with its side (0: up, 1: down)."""
        score = min(max(score, -CLIP), CLIP)
        ended: list[tuple[int, Excursion]] = []
        limit = threshold(self._alpha, self.count + 1)
        for side, signed in enumerate((score, -score)):
            # An alarm does not pile up without end: it is over soon after its cause is.
            total = min(max(0.0, self._sums[side] + signed - SLACK), 1.5 * limit)
            excursion = self._open[side]
            if total > 0 and excursion is None:
                excursion = self._open[side] = Excursion(self.count, self.count, self.count, total)
            if excursion is not None:
                if total >= min(excursion.height, 1.5 * limit - CLIP):
                    excursion.peak, excursion.height = self.count, max(total, excursion.height)
                if excursion.found is None:
                    excursion.scores.append(signed)
                    if total > limit:
                        excursion.alarm(self.count)
                if total == 0 or (excursion.found is not None and total < limit / 2):
                    ended.append((side, excursion))
                    self._open[side], total = None, 0.0
            self._sums[side] = total
        self.count += 1
        return ended

    @property
    def suspicious(self) -> bool:
        """Whether what came last may be the beginning of a change."""
        return max(self._sums) > SUSPICIOUS

    def alarms(self) -> list[tuple[int, Excursion]]:
        """Alarms that have not ended, each with its side."""
        return [
            (side, each)
            for side, each in enumerate(self._open)
            if each is not None and each.found is not None
        ]

    def first_needed(self) -> int:
        """The first value that an excursion refers to, or the newest."""
        return min([each.left for each in self._open if each is not None] + [self.count - 1])


class Usual:
    """Mean and spread of what is usual, learned from values while no change is suspected."""

    def __init__(self) -> None:
        self.n, self.mean, self._square = 0, 0.0, 0.0
        self._waiting: list[float] = []

    def learn(self, value: float) -> None:
        """Take a value in at once."""
        self.n += 1
        step = value - self.mean
        self.mean += step / self.n
        self._square += step * (value - self.mean)

    def take(self, value: float, sums: Cusum, *, alarmed: bool) -> None:
        """Take a tested value in, or wait until the suspicion it falls under has gone; ``alarmed``: an alarm
        ended with it."""
        if alarmed or sums.alarms():
            self._waiting.clear()  # what an alarm spoke of is not usual
        elif self.n < BLOCKS_FIRST:
            self.learn(value)
        else:
            self._waiting.append(value)
            if not sums.suspicious or len(self._waiting) >= 4 * BLOCKS_FIRST:
                for each in self._waiting:
                    self.learn(each)
                self._waiting.clear()

    def score(self, value: float, inflate: float) -> float:
        """Normal score of the next value among those before it; ``inflate``: factor on the spread."""
        if self.n < 3:
            return 0.0
        spread = math.sqrt(self._square / (self.n - 1)) * inflate
        if spread <= 0:
            return 0.0 if value == self.mean else math.copysign(CLIP, value - self.mean)
        t = math.sqrt(self.n / (self.n + 1)) * (value - self.mean) / spread
        if self.n >= 200:
            return t
        return float(ndtri(min(max(float(stdtr(self.n - 1, t)), 1e-6), 1 - 1e-6)))
