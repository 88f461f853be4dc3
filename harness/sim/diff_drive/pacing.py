"""Keeps simulated time in step with the wall clock, and says how well that went."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from pathlib import Path

SLIP_AFTER_NS = 50_000_000
MARK_EVERY_NS = 100_000_000
WINDOW_NS = 1_000_000_000


def shorten_timer_slack() -> None:
    """Let the kernel wake the main thread when asked, not up to 50 us later (its default, to save power)."""
    try:
        Path("/proc/self/timerslack_ns").write_text("1")
    except OSError:  # not every kernel or container lets a process write it; the sleep is then just coarser
        pass


class Pacer:
    """Absolute deadlines, one per step.

    A late loop catches up at twice real time at most. Lateness beyond 50 ms is given up: the deadlines move,
    simulated time has slipped for good, and :class:`RealTimeFactor` shows it.
    """

    def __init__(
        self,
        rate_hz: int,
        now_ns: Callable[[], int] = time.monotonic_ns,
        sleep_s: Callable[[float], None] = time.sleep,
    ) -> None:
        self.slipped_ns = 0
        self._period_ns = round(1e9 / rate_hz)
        self._now_ns = now_ns
        self._sleep_s = sleep_s
        self._due_ns = now_ns() + self._period_ns
        self._woke_ns = 0

    def wait(self) -> int:
        """Return when the next step is due; the instant of the return, CLOCK_MONOTONIC in ns."""
        target = max(self._due_ns, self._woke_ns + self._period_ns // 2)
        now = self._now_ns()
        if now < target:
            self._sleep_s((target - now) * 1e-9)
            now = self._now_ns()
        late = now - self._due_ns
        if late > SLIP_AFTER_NS:
            self._due_ns += late
            self.slipped_ns += late
        self._due_ns += self._period_ns
        self._woke_ns = now
        return now


class RealTimeFactor:
    """Simulated over wall time during the last second."""

    def __init__(self) -> None:
        self._marks: deque[tuple[int, float]] = deque()

    def mark(self, wall_ns: int, simulated_s: float) -> float | None:
        """Note both times; call it often. The factor, or None until a whole second has been seen."""
        marks = self._marks
        if not marks or wall_ns - marks[-1][0] >= MARK_EVERY_NS:
            marks.append((wall_ns, simulated_s))
        # The youngest mark that is a whole window old; what is older is no longer needed.
        while len(marks) > 1 and wall_ns - marks[1][0] >= WINDOW_NS:
            marks.popleft()
        then_ns, then_s = marks[0]
        if wall_ns - then_ns < WINDOW_NS:
            return None
        return (simulated_s - then_s) / ((wall_ns - then_ns) * 1e-9)
