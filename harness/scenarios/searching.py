"""Which rate or size a search tries next: up in steps of a half, then between what held and what did not."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from harness.config.searching import Search

GROWTH = 1.5


@dataclass
class Ladder:
    """The values of one search, each chosen by the outcomes of those before it.

    ``sustained`` moves the lower end up, ``not sustained`` the upper end down. What is undecided is tried
    once more, and then counts as not sustained.
    """

    search: Search
    _held: float | None = None
    _failed: float | None = None
    _tried: set[float] = field(default_factory=set)
    _again: float | None = None
    _unsure: set[float] = field(default_factory=set)

    def next(self) -> float | None:
        """The next value, None when the search is over."""
        if self._again is not None:
            return self._again
        low, high = self.search.ends
        if self._held is None:
            value = low if self._failed is None else None
        elif self._failed is None:
            value = min(self._held * GROWTH, high) if self._held < high else None
        elif self._failed / self._held <= 1 + self.search.resolution:
            value = None
        else:
            value = math.sqrt(self._held * self._failed)
        if value is None:
            return None
        value = self._rounded(value)
        # Between neighbouring whole numbers there is nothing left to try.
        return None if value in self._tried else value

    def outcome(self, value: float, outcome: str) -> None:
        """What became of ``value``."""
        self._again = None
        if outcome == "undecided" and value not in self._unsure:
            self._unsure.add(value)
            self._again = value
            return
        self._tried.add(value)
        if outcome == "sustained":
            self._held = value
        else:
            self._failed = value

    def _rounded(self, value: float) -> float:
        return float(round(value)) if self.search.elements is not None else float(f"{value:.4g}")
