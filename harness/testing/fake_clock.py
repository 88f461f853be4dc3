"""A clock for tests: driven by hand, or following the real one with steps and stalls at known instants."""

from __future__ import annotations

import threading
import time

from harness.clock import HostClock


class FakeClock(HostClock):
    """Two clocks under the test's control, in integer nanoseconds.

    By hand (the default), CLOCK_MONOTONIC stands still until :meth:`advance` or :meth:`sleep_until` moves it,
    so that a schedule of an hour takes no time. With ``follow=True`` it is the real one, which devices with
    threads and processes need. CLOCK_REALTIME is CLOCK_MONOTONIC and an offset that :meth:`step_realtime` and
    :meth:`set_realtime` change, as an operator or NTP would; :meth:`step_realtime_at` does it later, by
    itself. :meth:`stall_at` makes the sleep that spans an instant return late, as a starved process sees it.

    Safe to use from several threads. CLOCK_MONOTONIC never goes back.
    """

    def __init__(
        self,
        monotonic_ns: int = 1_000_000_000_000,
        realtime_ns: int = 1_700_000_000_000_000_000,
        *,
        follow: bool = False,
    ) -> None:
        self._follow = follow
        # While following, CLOCK_MONOTONIC is the real one, so that instants taken elsewhere can be compared.
        self._now = 0 if follow else monotonic_ns
        self._offset = realtime_ns - (time.monotonic_ns() if follow else monotonic_ns)
        self._steps: list[tuple[int, int]] = []
        self._stalls: list[tuple[int, int]] = []
        self._lock = threading.RLock()
        self.sleeps: list[int] = []
        """Every deadline that :meth:`sleep_until` was given, in order."""

    def monotonic_ns(self) -> int:
        """The fake CLOCK_MONOTONIC."""
        with self._lock:
            return max(time.monotonic_ns(), self._now) if self._follow else self._now

    def realtime_ns(self) -> int:
        """The fake CLOCK_REALTIME: CLOCK_MONOTONIC, the offset, and the steps that are due."""
        with self._lock:
            now = self.monotonic_ns()
            return now + self._offset + sum(delta for at, delta in self._steps if at <= now)

    def sleep_until(self, deadline_ns: int) -> None:
        """Return at ``deadline_ns``, or later by the length of a stall on the way. By hand, takes no time."""
        with self._lock:
            self.sleeps.append(deadline_ns)
            start = self.monotonic_ns()
            target = max(start, deadline_ns)
            met = [stall for stall in self._stalls if stall[0] <= target]
            self._stalls = [stall for stall in self._stalls if stall[0] > target]
            target = max([target, *(max(at, start) + length for at, length in met)])
            if not self._follow:
                self._now = target
                return
        while (remaining := target - self.monotonic_ns()) > 0:
            time.sleep(remaining * 1e-9)

    def advance(self, delta_ns: int) -> None:
        """Move CLOCK_MONOTONIC forward by hand. Raises ValueError while following, or for going back."""
        if self._follow:
            raise ValueError(
                "a FakeClock that follows the real one cannot be advanced; make it with follow=False"
            )
        if delta_ns < 0:
            raise ValueError(f"CLOCK_MONOTONIC never goes back: {delta_ns} ns")
        with self._lock:
            self._now += delta_ns

    def step_realtime(self, delta_ns: int) -> None:
        """Set CLOCK_REALTIME forward or back by ``delta_ns``, now."""
        with self._lock:
            self._offset += delta_ns

    def set_realtime(self, realtime_ns: int) -> None:
        """Set CLOCK_REALTIME to ``realtime_ns``, now."""
        with self._lock:
            self._offset += realtime_ns - self.realtime_ns()

    def step_realtime_at(self, monotonic_ns: int, delta_ns: int) -> None:
        """Set CLOCK_REALTIME by ``delta_ns`` once CLOCK_MONOTONIC reaches ``monotonic_ns``."""
        with self._lock:
            self._steps.append((monotonic_ns, delta_ns))

    def stall_at(self, monotonic_ns: int, duration_ns: int) -> None:
        """Make the sleep that is under way at ``monotonic_ns`` last ``duration_ns`` from then on."""
        with self._lock:
            self._stalls.append((monotonic_ns, duration_ns))
