"""What is kept of a run that ended: enough to put runs side by side without opening their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from harness.model import Verdict


@dataclass(frozen=True)
class PastRequirement:
    """One requirement of a run and what was decided, as in results.json. ``limit``, ``estimate`` and bounds
    are in ``unit``; None where there is no value."""

    id: str
    scenario: str
    verdict: Verdict
    quantity: str
    statistic: str | None
    quantile: float | None
    jitter: str | None
    within_ms: float | None
    limit: float
    limit_is: str
    unit: str
    confidence: float
    n: int
    exceedances: int
    estimate: float | None
    lower_bound: float | None
    upper_bound: float | None
    uncertainty: float | None
    pass_threshold: float | None
    headroom: float | None
    time: str = "wall"

    @property
    def bound(self) -> float | None:
        """The bound on the side of the limit: what the run has shown of the quantile, in ``unit``."""
        return self.upper_bound if self.limit_is == "upper" else self.lower_bound

    @property
    def used(self) -> float | None:
        """Share of the limit that the bound, or where there is none the estimate, has used up: 1 is at the
        limit, more is beyond it. None where there is no value, or a limit of 0."""
        value = self.estimate if self.bound is None else self.bound
        if value is None or self.limit <= 0 or (self.limit_is == "lower" and value <= 0):
            return None
        return value / self.limit if self.limit_is == "upper" else self.limit / value


@dataclass(frozen=True)
class PastScenario:
    """One scenario of a run: the conditions of its figures, and quantiles of its latency from sent, in ms.

    ``schedule``: its kind and what decides when stimuli are due, in words (``paced at 200 Hz``); ``message``
    and ``answer``: message types of its two ports, of devices without such types their adapter;
    ``message_bytes``: how large a command was, None where it is not known. Quantiles are None where they fall
    among the lost.
    """

    name: str
    kind: str
    stimulus: str
    response: str
    match: str
    arrival_is: str
    schedule: str
    rate_hz: float | None
    message: str
    answer: str
    message_bytes: int | None
    sent: int
    answered: int
    lost: int
    skipped: int
    n: int
    mean_ms: float | None
    sd_ms: float | None
    min_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    p99_9_ms: float | None
    max_ms: float | None
    lateness_p99_ms: float | None


@dataclass(frozen=True)
class PastRun:
    """One run that ended. ``path`` is its folder, ``started`` in UTC.

    ``rig_hash``: SHA-256 of the rig file; ``overrides``: of ``--set``. ``commit`` of the project that the rig
    file lies in, ``""`` where there is none. ``host_class``: the hardware, in words. ``circumstances``: what
    may explain a change from one run to another, flat (``kernel``, ``versions.numpy``, ``robot.software``).
    """

    path: Path
    run_id: str
    rig: str
    rig_hash: str
    overrides: tuple[str, ...]
    started: datetime
    ended: datetime | None
    verdict: Verdict
    aborted: bool
    simulated: bool
    version: str
    commit: str
    branch: str
    dirty: bool
    hostname: str
    host_class: str
    circumstances: Mapping[str, str]
    requirements: Mapping[str, PastRequirement]
    scenarios: Mapping[str, PastScenario]

    @property
    def commit_words(self) -> str:
        """The commit as people write it, with ``+`` where files were changed; ``-`` without one."""
        return f"{self.commit[:9]}{'+' if self.dirty else ''}" if self.commit else "-"


@dataclass(frozen=True)
class Broken:
    """A folder whose results cannot be read, and why."""

    path: Path
    why: str
