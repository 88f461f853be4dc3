"""The values that rules look at: quantiles of operations and values of metrics, over a window."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from harness.telemetry.alerts.files import Rule
from harness.telemetry.budget.buckets import Buckets
from harness.telemetry.budget.observed import Observed

PARTS = 32
"""A window moves on by this share of itself, so that memory is bounded whatever its length."""
MOST = 1000
"""Values of one series that are kept: the newest."""

Labels = tuple[tuple[str, str], ...]


class OperationWindow:
    """What of an operation was observed within the window; before the first look nothing counts."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._marks: deque[tuple[float, Buckets]] = deque()

    def look(self, found: Observed | None, now_s: float) -> float | None:
        """The quantile over the window in the budget's unit, at most 1.1 % too large; None: no data."""
        rule = self._rule
        newest = Buckets() if found is None else found.tally.buckets.copy()
        if self._marks and newest.total < self._marks[-1][1].total:
            self._marks = deque([(now_s, Buckets())])  # was reset
        if not self._marks or now_s - self._marks[-1][0] >= rule.window_s / PARTS:
            self._marks.append((now_s, newest))
        while len(self._marks) > 1 and self._marks[1][0] <= now_s - rule.window_s:
            self._marks.popleft()
        within = newest.since(self._marks[0][1])
        if found is None or rule.quantile is None or within.total < rule.at_least:
            return None
        value = within.quantile(rule.quantile)
        return None if value is None else value / found.limits.factor


class MetricWindow:
    """The values that a metric had at the looks within the window, for each set of labels that fits."""

    def __init__(self, rule: Rule) -> None:
        self._rule = rule
        self._values: dict[Labels, deque[tuple[float, float]]] = {}

    def look(self, families: Sequence[Any], now_s: float) -> dict[Labels, float]:
        """By labels, the last value or the quantile; what is not there now has no value."""
        rule = self._rule
        found: dict[Labels, float] = {}
        for sample in _samples(families, rule):
            kept = self._values.setdefault(tuple(sorted(sample.labels.items())), deque(maxlen=MOST))
            kept.append((now_s, float(sample.value)))
        for labels, kept in list(self._values.items()):
            while kept and kept[0][0] < now_s - rule.window_s:
                kept.popleft()
            if not kept:
                del self._values[labels]
            elif kept[-1][0] == now_s and len(kept) >= rule.at_least:
                values = [value for _, value in kept]
                found[labels] = (
                    values[-1]
                    if rule.quantile is None
                    else float(np.quantile(values, rule.quantile, method="inverted_cdf"))
                )
        return found


def _samples(families: Sequence[Any], rule: Rule) -> Iterator[Any]:
    for family in families:
        if rule.metric in names_of(family):
            for sample in family.samples:
                fits = all(sample.labels.get(key) == value for key, value in rule.labels.items())
                if sample.name == rule.metric and fits:
                    yield sample


def names_of(family: Any) -> tuple[str, ...]:
    """The names of a family's samples that a rule may look at; none of a histogram."""
    if family.type == "gauge":
        return (family.name,)
    return (f"{family.name}_total",) if family.type == "counter" else ()
