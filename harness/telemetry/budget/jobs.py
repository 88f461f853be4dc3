"""A long job that is watched while it runs: its expected end, and an alarm once its limit will not hold.

Speed is the slope of progress over time by Theil (1950) and Sen (1968), the median of the slopes of all pairs
of points, which a third of wild points cannot move; its interval is that of Sen, from the distribution of
Kendall's statistic. It is taken over the latter half of the time that has passed, so that a job which slows
down is seen to, and pauses that come again and again are part of it. The end that follows from either end of
the interval is the latest and the earliest; the alarm is raised when even the earliest is beyond the limit.
Points are taken as independent, and the speed as going on as it is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from types import TracebackType
from typing import Literal

from harness.errors import ConfigurationError
from harness.telemetry.budget.cell import Cell
from harness.telemetry.budget.overrun import Overrun, Policy, act, checked

POINTS = 64
"""In the time that the speed is taken over; what comes faster is thinned."""
FEWEST = 8
"""Points below which nothing is foretold."""
CONFIDENCE = 0.95

Outlook = Literal["unknown", "holds", "open", "will not hold"]


@dataclass(frozen=True)
class Forecast(Overrun):
    """What is to be expected of a job, in the unit of its budget. ``value``: expected duration, within
    ``earliest`` and ``latest`` at 95 %; infinite where the job stands still. ``done``: share that is done
    after ``elapsed``. ``outlook``: whether the limit holds, even at the latest end, or will not, even at the
    earliest.
    """

    earliest: float = inf
    latest: float = inf
    done: float = 0.0
    elapsed: float = 0.0
    outlook: Outlook = "unknown"

    def __str__(self) -> str:
        begun = f"{self.name}: {100 * self.done:.3g} % done after {self.elapsed:.3g} {self.unit}"
        if self.outlook == "unknown":
            return f"{begun}, too little to foretell its end"
        end = (
            "and does not get on"
            if self.value == inf
            else f"expected to take {self.value:.3g} {self.unit} ({self.earliest:.3g} to {self.latest:.3g})"
        )
        return f"{begun}, {end}: its budget of {self.limit:g} {self.unit} {_SAID[self.outlook]}"


_SAID = {"holds": "holds", "open": "is open", "will not hold": "will not hold"}


class Job:
    """One run of a long job; a context manager, whose end is its observation. Safe for threads."""

    def __init__(
        self,
        cell: Cell,
        total: float,
        policy: Policy,
        every_s: float | None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        if not total > 0:
            raise ConfigurationError(f"a job of {total} steps: total is the number of steps, epochs or bytes")
        self._cell, self._total, self._policy, self._clock = cell, total, checked(policy), clock
        self._every_s = every_s
        self._lock = threading.Lock()
        self._points: list[tuple[float, float]] = [(0.0, 0.0)]
        self._alarmed = False
        self._begun = clock()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Job:
        self._begun = self._clock()
        if self._every_s is not None:
            self._thread = threading.Thread(target=self._watch, name="harness-budget-job", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        took = self._clock() - self._begun
        self._ended.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
        if error is not None:
            self._cell.failed(error)
        self._cell.put(took if error is None else -took)

    def progress(self, done: float) -> Forecast:
        """So many of the total are done; what is to be expected. Raises BudgetExceededError once, where that
        is the policy and the limit will not hold."""
        with self._lock:
            now = self._clock() - self._begun
            points = self._points
            if len(points) > FEWEST and now - points[-2][0] < now / (2 * POINTS):
                points.pop()
            points.append((now, done / self._total))
            while len(points) > FEWEST and points[1][0] < now / 2:
                points.pop(0)
        forecast = self.forecast()
        self._alarm(forecast, 4)
        return forecast

    def forecast(self) -> Forecast:
        """What is to be expected now; that nothing came since the last progress counts, too."""
        limits = self._cell.limits
        now = self._clock() - self._begun
        with self._lock:
            points = list(self._points)
        done = points[-1][1]
        if now > points[-1][0]:
            points.append((now, done))
        limit = inf if limits.upper is None else limits.upper
        expected, earliest, latest = inf, now, inf
        outlook: Outlook = "unknown"
        found = None
        if len(points) >= FEWEST:
            from scipy.stats import theilslopes

            instants, shares = zip(*points, strict=True)
            found = theilslopes(shares, instants, CONFIDENCE)
            remaining = max(0.0, 1.0 - done)
            slope, _, low, high = (float(each) for each in found)
            expected, latest, earliest = (_end(now, remaining, each) for each in (slope, low, high))
            outlook = "open"
        factor = limits.factor
        if found is not None and latest <= limit * factor:
            outlook = "holds"
        if now > limit * factor or (found is not None and earliest > limit * factor):
            outlook = "will not hold"
        return Forecast(
            limits.name,
            expected / factor,
            limit,
            limits.unit,
            earliest=earliest / factor,
            latest=latest / factor,
            done=done,
            elapsed=now / factor,
            outlook=outlook,
        )

    def _alarm(self, forecast: Forecast, level: int) -> None:
        with self._lock:
            if forecast.outlook != "will not hold" or self._alarmed:
                return
            self._alarmed = True
        act(self._policy, forecast, level)

    def _watch(self) -> None:
        """Look also when no progress comes. Raising is for the thread that works, at its next progress."""
        while not self._ended.wait(self._every_s):
            if self._policy != "raise":
                self._alarm(self.forecast(), 2)


def _end(now: float, remaining: float, speed: float) -> float:
    return now if remaining == 0 else now + remaining / speed if speed > 0 else inf
