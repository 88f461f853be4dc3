"""The signal of a loopback robot that echoes nothing: a speed, say, that follows commands after a dead time.

First order: after the dead time the signal approaches the commanded value exponentially, with the given time
constant; exact at every instant, whatever the instants it is sampled at.
"""

from __future__ import annotations

import math
import random
from collections import deque


class Signal:
    """``value`` at an instant (CLOCK_MONOTONIC, ns), and the samples of it that are due.

    ``tau_ms`` 0: it steps. ``noise``: standard deviation of what is added to each sample. ``sway``: amplitude
    of an oscillation at 3 Hz that never ends, as of a robot that hovers.
    """

    SWAY_HZ = 3.0

    def __init__(self, rate_hz: float, tau_ms: float, noise: float, sway: float, seed: int) -> None:
        self._period_ns = round(1e9 / rate_hz)
        self._tau_ns = tau_ms * 1e6
        self._noise, self._sway = noise, sway
        self._random = random.Random(seed)
        self._from = self._target = 0.0
        self._since_ns = 0
        self._coming: deque[tuple[int, float]] = deque()
        self.due_ns = 0
        """When the next sample is to be taken."""

    def command(self, value: float, departs_ns: int) -> None:
        """From ``departs_ns`` on, not before an earlier command's, the signal goes to ``value``."""
        if self._coming:
            departs_ns = max(departs_ns, self._coming[-1][0])
        self._coming.append((departs_ns, value))

    def value(self, now_ns: int) -> float:
        """Without noise. Instants must not go back."""
        while self._coming and self._coming[0][0] <= now_ns:
            departs_ns, target = self._coming.popleft()
            self._from = self._approach(departs_ns)
            self._since_ns, self._target = departs_ns, target
        return self._approach(now_ns) + self._sway * math.sin(math.tau * self.SWAY_HZ * now_ns * 1e-9)

    def _approach(self, now_ns: int) -> float:
        left = math.exp(-(now_ns - self._since_ns) / self._tau_ns) if self._tau_ns else 0.0
        return self._target + (self._from - self._target) * left

    def sample(self, now_ns: int) -> float | None:
        """The sample that is due, with noise; None before its time. Late samples do not come in a burst."""
        if now_ns < self.due_ns:
            return None
        self.due_ns = max(self.due_ns + self._period_ns, now_ns + self._period_ns // 2)
        return self.value(now_ns) + (self._random.gauss(0.0, self._noise) if self._noise else 0.0)
