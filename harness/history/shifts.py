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
from statistics import median

from harness.history.comparable import comparable_to, what_changed
from harness.history.past import PastRequirement, PastRun
from harness.model import Verdict

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
    def asked(self) -> PastRequirement:
        """The requirement as the newest run decided it."""
        return self.newest.requirements[self.id]


def shifts(runs: Sequence[PastRun], start: datetime) -> list[Shift]:
    """Every requirement of ``runs`` (of any rigs, the oldest first) that has a run at ``start`` or later.

    Aborted runs and those without an estimate are left out.
    """
    by_rig: dict[str, list[PastRun]] = {}
    for run in runs:
        if not run.aborted:
            by_rig.setdefault(run.rig, []).append(run)
    found = [
        shift
        for members in by_rig.values()
        for name in dict.fromkeys(name for run in reversed(members) for name in run.requirements)
        if (shift := _shift(members, name, start)) is not None
    ]
    return _announced(found)


def _shift(runs: Sequence[PastRun], name: str, start: datetime) -> Shift | None:
    having = [run for run in runs if name in run.requirements and run.requirements[name].estimate is not None]
    if not having or having[-1].started < start:
        return None
    newest = having[-1]
    asked = newest.requirements[name]
    alike = [
        run
        for run in [*comparable_to(newest, having, asked.scenario), newest]
        if _same_figure(run.requirements[name], asked)
    ]
    earlier = [run for run in alike if run.started < start][-MOST_BEFORE:]
    before = _estimates(earlier, name)
    now = _estimates([run for run in alike if run.started >= start], name)
    change = None
    if before and now and median(before) > 0:
        change = median(now) / median(before) - 1
        change = -change if asked.limit_is == "lower" else change
    last = earlier[-1] if earlier else None
    return Shift(
        rig=newest.rig,
        id=name,
        newest=newest,
        before=before,
        now=now,
        change=change,
        p=_p(before, now),
        shown=last is not None and min(len(before), len(now)) < FEWEST and _apart(last, newest, name),
        was=None if last is None else last.requirements[name].verdict,
        changed=() if last is None else tuple(what_changed(last, newest)),
    )


def _same_figure(a: PastRequirement, b: PastRequirement) -> bool:
    """A limit may be tightened between two runs; what is held to it must be the same."""
    return (a.quantity, a.statistic, a.quantile, a.jitter, a.within_ms, a.unit, a.limit_is) == (
        b.quantity, b.statistic, b.quantile, b.jitter, b.within_ms, b.unit, b.limit_is,
    )  # fmt: skip


def _estimates(runs: Sequence[PastRun], name: str) -> tuple[float, ...]:
    values = (run.requirements[name].estimate for run in runs)
    return tuple(value for value in values if value is not None)


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
