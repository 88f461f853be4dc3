"""What a requirement is judged on: the values that count, and what is known of how they were measured."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.guard import Floor
from harness.analysis.samples import counted, has, latency_ms, tried
from harness.analysis.uncertainty import Budget
from harness.config.schema import Requirement, Schedule
from harness.model import NO_STAMP, SampleFlag, Verdict
from harness.results import Dependence

MS_PER_UNIT = {"us": Fraction(1, 1000), "ms": Fraction(1), "s": Fraction(1000)}


@dataclass(frozen=True)
class Evidence:
    """Latencies of the samples that count, in ms, in order of sending, +inf where lost. ``set_aside``:
    unanswered ones at the end of an aborted run, which count neither way. ``rows``: these samples
    (SAMPLE_DTYPE). ``position``: which of the stimuli that were due each of them was, from 0; ``complete``:
    how many of those came before the first one whose outcome an abort has left open."""

    from_intent: NDArray[np.float64]
    from_sent: NDArray[np.float64]
    lost: int
    set_aside: int
    rows: NDArray[Any]
    position: NDArray[np.int64]
    complete: int

    def first(self, due: int) -> Evidence:
        """Of the first ``due`` stimuli that were due alone."""
        keep = int(np.searchsorted(self.position, due))
        rows = self.rows[:keep]
        return Evidence(
            from_intent=self.from_intent[:keep],
            from_sent=self.from_sent[:keep],
            lost=int(has(rows, SampleFlag.LOST).sum()),
            set_aside=0,
            rows=rows,
            position=self.position[:keep],
            complete=min(due, self.complete),
        )


def evidence(samples: NDArray[Any], *, aborted: bool = False) -> Evidence:
    """What counts for or against the item.

    Where the clock of the arrival stamp was set, the instant the harness saw the answer is an upper bound of
    the arrival, and the send a lower one: the first may cost the PASS, the second is what FAIL is tested on.
    In an aborted run the unbroken row of unanswered stimuli before the end may be what ended it, not what was
    asked.
    """
    due = samples[counted(samples)]
    position = np.flatnonzero(tried(due))
    rows = due[position]
    set_aside, complete = 0, len(due)
    if aborted:
        silent = has(rows, SampleFlag.LOST) & ~has(rows, SampleFlag.LATE)
        heard = np.flatnonzero(~silent)
        keep = int(heard[-1]) + 1 if len(heard) else 0
        set_aside = len(rows) - keep
        unknown = [*position[keep:][:1], *np.flatnonzero(has(due, SampleFlag.OPEN))[:1], complete]
        complete = int(min(unknown))
        rows, position = rows[:keep], position[:keep]
    from_sent = latency_ms(rows)
    from_sent[has(rows, SampleFlag.CLOCK_STEP) & (rows["arrived_ns"] != NO_STAMP)] = 0.0
    return Evidence(
        from_intent=latency_ms(rows, "intended_ns"),
        from_sent=from_sent,
        lost=int(has(rows, SampleFlag.LOST).sum()),
        set_aside=set_aside,
        rows=rows,
        position=position,
        complete=complete,
    )


@dataclass(frozen=True)
class Measuring:
    """How one requirement's values were measured.

    ``budget``: the two-sided uncertainty U, in ms, None where it is not known. ``loopback``: latencies, in
    ms, of the harness alone (+inf where lost), None where the floor was not measured. ``alpha``: the error
    of each decision, of which there are as many as ``looks``. ``schedule``: how many samples were agreed on,
    and when the run might end.
    """

    alpha: float
    schedule: Schedule
    budget: Budget | None = None
    loopback: NDArray[np.float64] | None = None
    longest_disturbance_ms: float | None = None
    looks: int = 1

    @property
    def uncertainty_ms(self) -> float:
        """U in ms, 0 where it is not known."""
        return 0.0 if self.budget is None else self.budget.expanded_ms


@dataclass(frozen=True)
class Case:
    """One requirement, and all that a rule decides it on.

    ``limit``: in ms for times, else in the quantity's own unit (a share as a fraction). ``disturbance``: the
    longest declared one, in samples. ``planned``: samples that were agreed on.
    """

    requirement: Requirement
    seen: Evidence
    measuring: Measuring
    limit: float
    disturbance: float
    planned: int

    def at_look(self, due: int, measuring: Measuring) -> Case:
        """After the first ``due`` stimuli that were due, as if no more had been planned."""
        return replace(self, seen=self.seen.first(due), measuring=measuring, planned=due)


@dataclass(frozen=True)
class Judged:
    """What a rule made of the evidence, before any check of the bench. Values in ms, or in the quantity's own
    unit; None where there is none.

    ``certain``: why it is a FAIL whatever the rest of an interrupted plan had brought, else empty.
    ``needed_n``: samples without which PASS is out of reach, whatever they show.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    estimate: float | None
    lower: float | None
    upper: float | None
    pass_threshold: float | None
    fail_threshold: float | None
    n: int
    exceedances: int
    exceedances_sent: int
    lines: tuple[str, ...]
    pass_up_to: int | None = None
    fail_from: int | None = None
    dependence: Dependence | None = None
    floor: Floor | None = None
    certain: str = ""
    sampling_plan: str = ""
    needed_n: int | None = None


def in_samples(duration_ms: float | None, samples: NDArray[Any]) -> float:
    """How many samples a disturbance of that duration hits, by the median distance of the stimuli; 1 if none
    is declared."""
    due = np.sort(samples["intended_ns"][counted(samples)])
    if duration_ms is None or len(due) < 2:
        return 1.0
    return max(1.0, duration_ms * 1e6 / float(np.median(np.diff(due))))
