"""Timed on this host: reading the clock, and waking up from paced sleeps as the harness's sender does."""

from __future__ import annotations

import math
import random
import threading
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from harness.clock import HostClock
from harness.config.schema import Host
from harness.realtime import QuietHost

SHORTEST_NS, LONGEST_NS = 1_000_000, 3_000_000
"""Sleeps are drawn between these: a strict period would lock onto whatever else is periodic here."""
_READINGS = 10_000


@dataclass(frozen=True)
class Timing:
    """What was timed, in milliseconds: order statistics of ``n`` values, the ``lost`` among them infinite.

    ``note`` says why there is none, or under which conditions it was taken.
    """

    name: str
    n: int = 0
    lost: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    p99_9_ms: float | None = None
    max_ms: float | None = None
    note: str = ""

    def as_dict(self) -> dict[str, Any]:
        """For JSON, which knows no infinity: a quantile that falls among the lost is null."""
        return {key: _finite(value) for key, value in asdict(self).items()}

    def __str__(self) -> str:
        if not self.n:
            return self.note or "nothing measured"
        figures = ", ".join(
            f"{label} {value:.3g}"
            for label, value in (
                ("p50", self.p50_ms),
                ("p99", self.p99_ms),
                ("p99.9", self.p99_9_ms),
                ("max", self.max_ms),
            )
        )
        return f"{figures} ms (n {self.n}" + (f", {self.lost} lost)" if self.lost else ")")


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def quantile(ordered: Sequence[float], q: float) -> float:
    """The order statistic of rank ceil(q n) of ascending values; at least one."""
    return ordered[max(0, math.ceil(q * len(ordered) - 1e-9) - 1)]


def timing(name: str, delays_ns: Sequence[float], *, lost: int = 0, note: str = "") -> Timing:
    """Summarise delays in nanoseconds; ``lost`` further ones never came."""
    ordered = sorted(delays_ns) + [math.inf] * lost
    if not ordered:
        return Timing(name, note=note)
    p50, p99, p99_9 = (quantile(ordered, q) / 1e6 for q in (0.5, 0.99, 0.999))
    return Timing(name, len(ordered), lost, p50, p99, p99_9, ordered[-1] / 1e6, note)


def clock_reading(clock: HostClock | None = None, readings: int = _READINGS) -> Timing:
    """How long it takes to read CLOCK_MONOTONIC: the distance of two readings in a row."""
    clock = clock or HostClock()
    stamps = [clock.monotonic_ns() for _ in range(readings + 1)]
    return timing("clock reading", [after - before for before, after in pairwise(stamps)])


def wake_ups(
    seconds: float, *, realtime: bool, clock: HostClock | None = None, quiet: QuietHost | None = None
) -> Timing:
    """Lateness of wake-ups from sleeps to absolute deadlines, 1 to 3 ms ahead, for ``seconds``.

    On a thread of its own, with all that the harness does to be on time
    (:class:`harness.realtime.QuietHost`); ``realtime`` adds priority, locked memory and shallow idle states.
    Where the priority cannot be had there is no timing, and ``note`` says why.
    """
    name = f"wake-ups, {'real-time' if realtime else 'ordinary'} priority"
    clock = clock or HostClock()
    quiet = quiet or QuietHost(Host(realtime=realtime))
    stop = threading.Event()
    delays: list[int] = []
    refused: list[str] = []

    def sleep_and_look() -> None:
        quiet.promote_thread()
        state = quiet.report().get("real-time priority", "")
        if realtime and not state.startswith("on"):
            refused.append(state)
            return
        draw = random.Random(1).randint
        due = clock.monotonic_ns()
        end = due + round(seconds * 1e9)
        while not stop.is_set() and due < end:
            due += draw(SHORTEST_NS, LONGEST_NS)
            clock.sleep_until(due)
            now = clock.monotonic_ns()
            delays.append(now - due)
            # After a stall the next sleep starts from now: lateness of one wake-up is not that of the next.
            due = max(due, now)

    with quiet:
        thread = threading.Thread(target=sleep_and_look, name="harness-doctor-wake-ups", daemon=True)
        thread.start()
        try:
            thread.join()
        finally:
            stop.set()
            thread.join()
    return timing(name, delays, note=refused[0] if refused else "")
