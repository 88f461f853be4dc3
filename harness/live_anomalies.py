"""Anomalies of a run that goes on, told once each: for whoever follows its journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from harness.model import SampleFlag

if TYPE_CHECKING:
    from harness.analysis.anomalies import Anomaly, Stream

NEAR_S = 2.0
"""A finding that begins this near to, or within, a told one of its kind is the same, seen better."""


@dataclass
class Unusual:
    """Feeds each sample once, as soon as its outcome is known, and in order. Memory is bounded."""

    scenario: str = ""
    _stream: Stream | None = None
    _start: int = 0
    _last: int = -1
    _told: list[Anomaly] = field(default_factory=list)

    def look(self, scenario: str, samples: NDArray[Any]) -> list[str]:
        """What is new, in words. ``samples``: SAMPLE_DTYPE, the newest of the scenario, by key; those that
        were fed before are passed over. A scenario that is another than before begins anew."""
        from harness.analysis.anomalies import Stream
        from harness.analysis.samples import counted, has, latency_ms, tried

        if scenario != self.scenario or self._stream is None:
            self.scenario, self._stream, self._last, self._told = scenario, Stream(), -1, []
        rows = samples[counted(samples)]
        unknown = np.flatnonzero(has(rows, SampleFlag.OPEN))
        rows = rows[: unknown[0]] if len(unknown) else rows
        rows = rows[rows["intended_ns"] > self._last] if self._last >= 0 else rows
        if not len(rows):
            return []
        self._last = int(rows["intended_ns"][-1])
        rows = rows[tried(rows)]
        if len(rows):
            self._start = self._start if self._stream.count else int(rows["intended_ns"][0])
            self._stream.feed(
                (rows["intended_ns"] - self._start) * 1e-9,
                latency_ms(rows, "intended_ns"),
                has(rows, SampleFlag.LOST),
            )
        return self._news()

    @property
    def found(self) -> list[Anomaly]:
        """What is known by now of the scenario."""
        return self._stream.findings() if self._stream is not None else []

    def _news(self) -> list[str]:
        from harness.analysis.anomalies.words import line

        assert self._stream is not None
        reference = self._stream.reference
        said = []
        for one in self.found:
            if reference is not None and not any(_same(one, told) for told in self._told):
                said.append(f"anomaly in {self.scenario}: {line(one, reference.median)}")
                self._told = [*self._told[-255:], one]
        return said


def _same(one: Anomaly, told: Anomaly) -> bool:
    return one.kind is told.kind and told.begin_s - NEAR_S <= one.begin_s <= told.end_s + NEAR_S
