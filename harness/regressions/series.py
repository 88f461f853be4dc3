"""From the history of a rig to series: for each requirement one figure per comparable run, in time order."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from harness.errors import ConfigurationError
from harness.history import PastRequirement, PastRun, why_not
from harness.model import Verdict
from harness.regressions.shift import Floats

_SAME = ("scenario", "quantity", "statistic", "quantile", "limit_is", "unit")
"""What two requirements of one name must have in common to be one figure. Limits may differ."""


@dataclass(frozen=True)
class Series:
    """One requirement over time. ``values``, one per run of ``runs``, in its unit; infinite where the
    quantile fell among the lost. ``left_out``: why runs are not in it, and how many for each reason."""

    requirement: PastRequirement
    runs: tuple[PastRun, ...]
    values: Floats
    left_out: tuple[tuple[str, int], ...]

    @property
    def higher_is_worse(self) -> bool:
        """Whether a larger figure is nearer to, or further beyond, the limit."""
        return self.requirement.limit_is == "upper"


def series_of(runs: Sequence[PastRun], wanted: Sequence[str] = ()) -> list[Series]:
    """The series of each requirement of the newest run that ended by itself, or of the ``wanted`` ones.

    ``runs``: of one rig, the oldest first. What is comparable with the newest run that measured the
    requirement is in its series. Raises ConfigurationError for a requirement that no run has.
    """
    ended = [each for each in runs if not each.aborted]
    known = {name: None for each in reversed(ended) for name in each.requirements}
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f"no run of this rig has a requirement {name!r}",
                hint=f"there are: {', '.join(known)}" if known else "no run has ended by itself yet",
            )
    newest = list(ended[-1].requirements) if ended else []
    aborted = len(runs) - len(ended)
    return [_series(ended, name, aborted) for name in wanted or newest]


def _series(runs: Sequence[PastRun], name: str, aborted: int) -> Series:
    reference = next(each for each in reversed(runs) if name in each.requirements)
    asked = reference.requirements[name]
    kept: list[PastRun] = []
    values: list[float] = []
    why: Counter[str] = Counter()
    if aborted:
        why["cut short"] = aborted
    for run in runs:
        reason = _why_left_out(run, reference, name)
        if reason is None:
            kept.append(run)
            values.append(_figure(run.requirements[name]))
        else:
            why[reason] += 1
    return Series(asked, tuple(kept), np.array(values, dtype=float), tuple(why.most_common()))


def _why_left_out(run: PastRun, reference: PastRun, name: str) -> str | None:
    asked, wanted = run.requirements.get(name), reference.requirements[name]
    if asked is None:
        return "without this requirement"
    for field in _SAME:
        mine, other = getattr(asked, field), getattr(wanted, field)
        if mine != other:
            return f"{field.replace('_', ' ')}: {mine} against {other}"
    if reasons := why_not(run, reference, wanted.scenario):
        return reasons[0]
    if asked.n == 0:
        return "nothing measured"
    if asked.verdict is Verdict.ERROR:
        return "ERROR: the bench or the harness broke"
    return None


def _figure(asked: PastRequirement) -> float:
    """The estimate; one that is not there fell among the lost."""
    if asked.estimate is not None:
        return asked.estimate
    return math.inf if asked.limit_is == "upper" else -math.inf
