"""Where the observations of one name go: a list that any thread may append to, emptied into the tally."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Callable
from dataclasses import dataclass
from math import inf, isfinite
from typing import Protocol
from weakref import WeakSet

import numpy as np

from harness.errors import ConfigurationError
from harness.telemetry.budget.guarding import edges_of
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.overrun import Policy
from harness.telemetry.budget.tally import Tally

LONGEST_S = 0.25
"""Observations wait at most so long before they are counted, as long as more come."""
BATCH = 16_384
"""Values that are worth being counted at once, where they come that fast."""
NAMES = 64

Put = Callable[[float], object]


class Store(Protocol):
    """Where values go that another process reports."""

    def agreed(self) -> None:
        """The limits have changed."""

    def flush(self) -> None:
        """Write what is kept beside the values."""


@dataclass
class Blame:
    """What part a nested operation had in the overruns of another: ``times`` it was the largest part of one,
    and ``seconds`` in all of them."""

    times: int = 0
    seconds: float = 0.0


class Cell:
    """One name. ``put`` takes one value in what it is kept in; of a timed function that raised, the value
    below zero.

    ``put`` is `list.append`, which is one step for the interpreter: no observation is lost between threads
    and no lock is taken. Whoever measures and sees that ``drain`` is due calls it; it never waits.
    """

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.users: WeakSet[Callable[[], None]] = WeakSet()
        self.timed = False
        self.policy: Policy = "record"
        self.share: Callable[[Cell], Put] | None = None
        self.renew()

    def renew(self) -> None:
        """Begin anew: with nothing observed, and with locks that nobody holds."""
        self._lock = threading.Lock()
        self._notes = threading.Lock()
        self._pending: list[float] = []
        self._last = time.perf_counter()
        self.tally = Tally(edges_of(self.limits))
        self.errors: dict[str, int] = {}
        self.blame: dict[str, Blame] = {}
        self.attributed = 0
        self.store: Store | None = None
        self.put: Put = self._pending.append
        self.due = 0.0
        if self.share is not None:
            self.put, self.due = self.share(self), inf
        self.tell()

    def times(self) -> None:
        """From now on values come from timed functions, which put what raised below zero."""
        if not self.timed:
            self.timed = True
            if self.store is not None:
                self.store.flush()

    def tell(self) -> None:
        """Let all users take what has changed."""
        for user in list(self.users):
            user()

    @property
    def alarm(self) -> float:
        """The upper limit in what is kept, +inf where there is none."""
        return inf if self.limits.upper is None else self.limits.upper * self.limits.factor

    def agree(self, limits: Limits) -> None:
        """Hold what is observed to these limits, too. Raises ConfigurationError where others were agreed."""
        whole = self.limits.together(limits)
        if whole == self.limits:
            return
        with self._lock:
            new = whole.agreed != self.limits.agreed
            if new and self.limits.factor != whole.factor and (self.tally.n or self._pending):
                raise ConfigurationError(
                    f"budget {whole.name!r}: {self.tally.n} observations were in {self.limits.unit}, and the "
                    f"limit is in {whole.unit}",
                    hint="give observe() the unit of the budget, or load the budgets before observing",
                )
            self.limits = whole
            if new:
                self._take(time.perf_counter())
                self.tally.limited(edges_of(whole))
        if self.store is not None:
            self.store.agreed()
        self.tell()

    def drain(self, now: float) -> float:
        """Count what is waiting, unless somebody else is at it; the instant at which it is due again."""
        if not self._lock.acquire(blocking=False):
            return now + 0.001
        try:
            n, since = self._take(now), now - self._last
            self._last = now
        finally:
            self._lock.release()
        # A batch is worth its cost from some thousand values on; until then a list holds what comes.
        return now + (min(LONGEST_S, BATCH * since / n) if n else LONGEST_S)

    def counted(self) -> Tally:
        """A copy of the tally with all that was observed until now."""
        with self._lock:
            self._take(time.perf_counter())
            return Tally.of_arrays(self.tally.arrays())

    def _take(self, now: float) -> int:
        pending = self._pending
        chunk = pending[:]
        # Others append meanwhile, behind what was copied.
        del pending[: len(chunk)]
        if chunk:
            self.count(self.tally, np.frombuffer(array("d", chunk)), now)
        return len(chunk)

    def count(self, tally: Tally, values: np.ndarray[tuple[int], np.dtype[np.float64]], now: float) -> None:
        """Add values, as they were put, to a tally."""
        if len(values) == 0:
            return
        if self.timed and values.min() <= 0:
            failed = np.signbit(values)
            tally.failed += int(failed.sum())
            values = np.abs(values)
        if not isfinite(values.sum()):
            known = np.isfinite(values)
            tally.invalid += len(values) - int(known.sum())
            values = values[known]
        tally.add(values, now)

    def failed(self, error: BaseException) -> None:
        """Count a kind of exception."""
        name = type(error).__qualname__
        with self._notes:
            if name not in self.errors and len(self.errors) >= NAMES:
                name = "others"
            new = name not in self.errors
            self.errors[name] = self.errors.get(name, 0) + 1
        if new and self.store is not None:
            self.store.flush()

    def attribute(self, whole: float, parts: dict[Cell, float]) -> dict[str, float]:
        """Lay an overrun of ``whole`` seconds at the door of its parts; seconds by name, the own ones too."""
        found = {cell.limits.name: seconds for cell, seconds in parts.items()}
        found["own code"] = max(0.0, whole - sum(found.values()))
        largest = max(found, key=lambda name: found[name])
        with self._notes:
            self.attributed += 1
            for name, seconds in found.items():
                if name not in self.blame and len(self.blame) >= NAMES:
                    name = "others"  # noqa: PLW2901
                entry = self.blame.setdefault(name, Blame())
                entry.seconds += seconds
                entry.times += name == largest
        if self.attributed == 1 and self.store is not None:
            self.store.flush()
        return found
