"""How each requirement of a rig moved from before an instant to after it.

Runs after the instant are held against comparable runs before it, one figure a run. Where there are enough of
both, the Mann-Whitney test on the estimates decides (two-sided, exact for small numbers without ties; Mann &
Whitney 1947), and the p-values of all requirements that are looked at together are corrected by Holm's
method (1979), so that a page of fifty lines does not announce a change a week by chance. Where there are too
few, only confidence intervals that do not touch are told, as what one run against one run is worth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from math import isfinite
from statistics import median

from harness.history.comparable import what_changed
from harness.history.past import PastRequirement, PastRun
from harness.model import Verdict
from harness.regressions.series import Series, series_of

ALPHA = 0.05
"""Chance of any false announcement in one digest, where runs of one rig are exchangeable."""
MOST_BEFORE = 60
"""As many of the newest runs before the instant are the baseline."""
FEWEST = 4
"""Below so many runs on either side no test can decide at levels worth having."""


@dataclass(frozen=True)
class Shift:
    """One requirement of one rig. ``newest``: its newest run that may be compared; ``before``, ``now``:
    estimates of the runs on either side, oldest first, in the unit of the limit.

    ``change``: of the median, relative, positive where it is worse; None where one side has no run. ``p`` is
    None where there were too few runs; ``shown``: more than chance. ``was``: verdict of the newest run
    before. ``changed``: names of what is another in the newest run than in the last one before.
    """

    rig: str
    id: str
    newest: PastRun
    before: tuple[float, ...]
    now: tuple[float, ...]
    change: float | None
    p: float | None
    shown: bool
    was: Verdict | None
    changed: tuple[str, ...]

    @property
    def worse(self) -> bool | None:
        """Whether it moved for the worse; None where it did not move, or one side has no run."""
        if not self.before or not self.now:
            return None
        one, other = _levels(self.before, self.now)
        return None if one == other else (other > one) == (self.asked.limit_is == "upper")

    @property
    def asked(self) -> PastRequirement:
        """The requirement as the newest run decided it."""
        return self.newest.requirements[self.id]


def shifts(runs: Sequence[PastRun], start: datetime) -> list[Shift]:
    """Every requirement of ``runs`` (of any rigs, the oldest first) that has a run at ``start`` or later.

    Aborted runs and those that ended in ERROR are left out; a quantile among the lost is infinite.
    """
    by_rig: dict[str, list[PastRun]] = {}
    for run in runs:
        by_rig.setdefault(run.rig, []).append(run)
    found = [
        shift
        for members in by_rig.values()
        for series in series_of(members)
        if (shift := _shift(series, start)) is not None
    ]
    return _announced(found)


def _shift(series: Series, start: datetime) -> Shift | None:
    runs, values = series.runs, [float(each) for each in series.values]
    if not runs or runs[-1].started < start:
        return None
    asked, newest = series.requirement, runs[-1]
    split = sum(run.started < start for run in runs)
    first = max(0, split - MOST_BEFORE)
    before, now = values[first:split], values[split:]
    change = None
    one, other = _levels(before, now) if before else (0.0, 0.0)
    if isfinite(one) and isfinite(other) and one > 0:
        change = other / one - 1
        change = -change if asked.limit_is == "lower" else change
    last = runs[split - 1] if split else None
    return Shift(
        rig=newest.rig,
        id=asked.id,
        newest=newest,
        before=tuple(before),
        now=tuple(now),
        change=change,
        p=_p(before, now),
        shown=last is not None and min(len(before), len(now)) < FEWEST and _apart(last, newest, asked.id),
        was=None if last is None else last.requirements[asked.id].verdict,
        changed=() if last is None else tuple(what_changed(last, newest)),
    )


def _levels(before: Sequence[float], now: Sequence[float]) -> tuple[float, float]:
    """What is set against each other: medians, or where there are too few runs for a test, the newest run and
    the one before the period."""
    if min(len(before), len(now)) < FEWEST:
        return before[-1], now[-1]
    return median(before), median(now)


def _p(before: Sequence[float], now: Sequence[float]) -> float | None:
    if min(len(before), len(now)) < FEWEST:
        return None
    from scipy.stats import mannwhitneyu

    return float(mannwhitneyu(now, before, alternative="two-sided").pvalue)


def _apart(a: PastRun, b: PastRun, name: str) -> bool:
    one, other = a.requirements[name], b.requirements[name]
    if None in (one.lower_bound, one.upper_bound, other.lower_bound, other.upper_bound):
        return False
    assert one.lower_bound is not None and one.upper_bound is not None
    assert other.lower_bound is not None and other.upper_bound is not None
    return one.upper_bound < other.lower_bound or other.upper_bound < one.lower_bound


def _announced(found: Sequence[Shift]) -> list[Shift]:
    """With ``shown`` decided for those that were tested: Holm, over all of them."""
    tested = sorted((each.p, number) for number, each in enumerate(found) if each.p is not None)
    shown: set[int] = set()
    for place, (p, number) in enumerate(tested):
        if p > ALPHA / (len(tested) - place):
            break
        shown.add(number)
    return [replace(each, shown=each.shown or number in shown) for number, each in enumerate(found)]
