"""The host's clocks, injected everywhere so that tests can bring their own."""

from __future__ import annotations

import time


class HostClock:
    """CLOCK_MONOTONIC and CLOCK_REALTIME of this host, in integer nanoseconds."""

    def monotonic_ns(self) -> int:
        """CLOCK_MONOTONIC; every interval and deadline is measured on it."""
        return time.monotonic_ns()

    def realtime_ns(self) -> int:
        """CLOCK_REALTIME; what other programs stamp with. It may be set at any time."""
        return time.time_ns()

    def sleep_until(self, deadline_ns: int) -> None:
        """Return at or after ``deadline_ns`` (CLOCK_MONOTONIC). Since Python 3.11 the sleep is absolute."""
        remaining = deadline_ns - self.monotonic_ns()
        if remaining > 0:
            time.sleep(remaining * 1e-9)

    def read_realtime(self, tries: int = 5) -> tuple[int, int, int]:
        """CLOCK_REALTIME between two readings of CLOCK_MONOTONIC, the tightest of ``tries``.

        Returns (before_ns, realtime_ns, after_ns).
        """
        best: tuple[int, int, int] | None = None
        for _ in range(tries):
            before = self.monotonic_ns()
            real = self.realtime_ns()
            after = self.monotonic_ns()
            if best is None or after - before < best[2] - best[0]:
                best = (before, real, after)
        assert best is not None
        return best
