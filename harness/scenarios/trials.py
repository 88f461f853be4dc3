"""One stimulus at a time: wait for rest, dwell, send, wait for the outcome, bring the robot back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from harness.clock import HostClock
from harness.config.schema import ScenarioBase, Trials
from harness.errors import DeadlineError
from harness.live import Tracker
from harness.live_signal import SignalTracker
from harness.schedule import NANO, Stopped, sleep_until

LEARNING_NS = 4_000_000
"""Before a stimulus is due: time to learn the band that the live view of the trial uses."""
LOOKS_AT_REST = 10
"""How often the signal is looked at in the time that it has to keep quiet."""


class Send(Protocol):
    """Sends the next stimulus, or the one that brings the robot back; returns its key."""

    def __call__(self, intended_ns: int, flags: int) -> int:
        """Send it now."""


@dataclass(frozen=True)
class TrialSteps:
    """The steps of one trial, for probes and for measured ones. ``bring_back`` None: the robot stays where
    the stimulus left it. ``side``: which way the next stimulus commands the signal, +1, -1 or 0."""

    name: str
    spec: ScenarioBase
    schedule: Trials
    tracker: Tracker
    clock: HostClock
    send: Send
    bring_back: Send | None
    side: Callable[[], int]

    def rest(self, stopped: Stopped) -> bool:
        """Wait until the robot is at rest; False when the sending has to end. Raises DeadlineError."""
        schedule, clock = self.schedule, self.clock
        if schedule.rest == "none":
            return not stopped()
        quiet_ns = int(schedule.quiet_ms * 1e6)
        deadline = clock.monotonic_ns() + int(schedule.rest_timeout_s * NANO)
        while True:
            now = clock.monotonic_ns()
            why, again = self._unrest(now, quiet_ns)
            if not why:
                return True
            if now > deadline:
                raise DeadlineError(
                    f"scenario {self.name!r}: {self.spec.response} never kept quiet "
                    f"for {schedule.quiet_ms:g} ms within {schedule.rest_timeout_s:g} s; no trial can start"
                    + (f" ({why})" if isinstance(self.tracker, SignalTracker) else ""),
                    hint=self._hint(),
                )
            if not sleep_until(clock, again, stopped):
                return False

    def _unrest(self, now_ns: int, quiet_ns: int) -> tuple[str, int]:
        """What speaks against rest, empty for nothing, and when to look again."""
        if isinstance(self.tracker, SignalTracker):
            return self.tracker.why_not_at_rest(now_ns, quiet_ns), now_ns + quiet_ns // LOOKS_AT_REST
        still = self.tracker.last_seen_ns + quiet_ns
        return ("it goes on talking" if still > now_ns else ""), still

    def _hint(self) -> str:
        if isinstance(self.tracker, SignalTracker):
            return (
                "widen the band (threshold, or sigma and at_least), bring the robot back with return_values,"
                " or give the schedule `rest: none` for a robot that is never at rest"
            )
        return "find out what keeps the port talking, or raise rest_timeout_s"

    def stimulate(self, due_ns: int, flags: int, stopped: Stopped) -> bool | None:
        """Send at ``due_ns``, wait for the outcome and bring the robot back.

        Returns whether it was answered, None when the sending has to end.
        """
        clock, tracker = self.clock, self.tracker
        follows = isinstance(tracker, SignalTracker)
        if isinstance(tracker, SignalTracker):
            if not sleep_until(clock, due_ns - LEARNING_NS, stopped):
                return None
            tracker.arm(clock.monotonic_ns(), self.side())
        if not sleep_until(clock, due_ns, stopped):
            return None
        key = self.send(due_ns, flags)
        answered = tracker.wait_answer(key, self.spec.timeout_ms * 1e-3)
        if answered and follows:
            more = clock.monotonic_ns() + int(self.schedule.follow_ms * 1e6)
            if not sleep_until(clock, more, stopped):
                return None
        if self.bring_back is not None and not stopped():
            self.bring_back(clock.monotonic_ns(), flags)
        return answered
