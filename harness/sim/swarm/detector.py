"""Says from when on a leader that is silent is suspected, from how regularly it was heard so far.

Chen, Toueg and Aguilera, "On the quality of service of failure detectors", IEEE Trans. Computers 51 (2002),
section 6 (NFD-E): the next heartbeat is expected at the mean over a window of (arrival - sequence * period)
plus its own sequence * period; suspicion begins a safety margin after that. The margin follows the observed
spread, as Bertier, Marin and Sens (DSN 2002) do with Jacobson's estimator; here it is a number of standard
deviations over the same window.
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass

WINDOW = 100


@dataclass(frozen=True)
class Margins:
    """``misses`` heartbeats may stay out; then ``deviations`` standard deviations, from least to most."""

    misses: int = 2
    deviations: float = 4.0
    least_ns: int = 3_000_000
    most_ns: int = 40_000_000


class Detector:
    """Hears one leader. Its sequence numbers count periods of its clock, so that a stall shows as a gap."""

    def __init__(self, margins: Margins, period_ns: int) -> None:
        self._margins = margins
        self._period_ns = period_ns
        self._offsets: deque[int] = deque(maxlen=WINDOW)
        self._base = 0
        self._sum = self._squares = 0
        self._sequence = -1
        self.heard_ns = 0
        self.deadline_ns = 0

    def heard(self, sequence: int, now_ns: int, period_ns: int) -> bool:
        """A heartbeat arrived; whether it was a new one. An older one changes nothing."""
        if sequence <= self._sequence:
            return False
        self._period_ns = period_ns
        offset = now_ns - sequence * period_ns
        if not self._offsets:
            self._base = offset
        offset -= self._base  # small numbers, so that the sums stay exact and short
        if len(self._offsets) == WINDOW:
            oldest = self._offsets[0]
            self._sum -= oldest
            self._squares -= oldest * oldest
        self._offsets.append(offset)
        self._sum += offset
        self._squares += offset * offset
        self._sequence = sequence
        self.heard_ns = now_ns
        expected = self._base + self._sum // len(self._offsets) + (sequence + 1) * period_ns
        late = expected + self._margins.misses * period_ns + self.margin_ns
        self.deadline_ns = max(late, now_ns + period_ns)
        return True

    @property
    def margin_ns(self) -> int:
        """The safety margin in ns."""
        count = len(self._offsets)
        if count < 2:
            return 2 * self._margins.least_ns
        variance = max(0, self._squares * count - self._sum * self._sum) / (count * (count - 1))
        spread = round(self._margins.deviations * math.sqrt(variance))
        return min(max(self._margins.least_ns, spread), self._margins.most_ns)
