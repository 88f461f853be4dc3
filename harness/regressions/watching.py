"""Watching a series of one figure per run: suspicion, confirmation by the runs that follow, change points.

The procedure, run by run, is one and the same for runs that came in the course of work and for reruns made
at once; so it can be repeated from the history at any time, and its error rates hold for both:

1. *Suspicion.* The last WINDOW runs since the last change are split where two levels fit best; if the parts
   differ at p < SUSPECT (two-sided t-test of normal scores), the newest part is suspect. The split was
   chosen for its difference, so this p-value promises nothing: on clean series it happens some 10 times in
   500 runs.
2. *Confirmation.* The runs after it, which had no part in the choice, are held against the part before, with
   the correlation of neighbouring runs taken into account. Looks after 4, 8 and 16 of them: each may let the
   suspicion drop, the second and third may confirm it, the third decides.
3. *Change point.* It is placed anew from all runs, those of the confirmation included; the runs from there
   on are the next baseline.

The error rates are measured: docs/regressions.md, ``python -m benchmarks regressions``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from harness.regressions.placing import Effect, Place, effect, first_bad
from harness.regressions.shift import (
    SMALLEST,
    Floats,
    best_split,
    compare_parts,
    inflation,
    lag_one,
    normal_scores,
)

WINDOW = 100
"""As many of the newest runs are looked at."""
BASELINE = 20
"""Runs before a change, at least."""
FULL_BASELINE = 60
"""Runs before a change for which the error rates are stated."""
SUSPECT = 0.005


@dataclass(frozen=True)
class Look:
    """After ``runs`` runs of confirmation: confirmed at a two-sided p below ``confirm``, dropped at a
    one-sided p, in the direction of the suspicion, over ``drop``."""

    runs: int
    confirm: float
    drop: float


LOOKS = (Look(4, 0.0, 0.3), Look(8, 0.001, 0.1), Look(16, 0.002, 0.0))
MOST_RERUNS = LOOKS[-1].runs


@dataclass(frozen=True)
class Suspicion:
    """The runs from place ``first`` on may be of another level; raised at place ``raised`` of the series.

    ``so_far``: runs after it that there are; ``next_look`` and ``last_look``: runs that are missing until the
    next look, which may decide, and until the last one, which does.
    """

    first: int
    raised: int
    up: bool
    so_far: int
    next_look: int
    last_look: int


@dataclass(frozen=True)
class Dropped:
    """A suspicion that the ``runs`` runs after it did not confirm."""

    first: int
    raised: int
    up: bool
    runs: int


@dataclass(frozen=True)
class Change:
    """A confirmed change point.

    ``first``: place of the most likely first run of the new level; ``earliest`` .. ``latest``: the interval
    that holds it; ``raised``, ``confirmed``: places of the runs that raised and confirmed the suspicion;
    ``since``: where the level before began; ``until``: one after the last run of the new level.
    """

    first: int
    earliest: int
    latest: int
    raised: int
    confirmed: int
    up: bool
    p: float
    since: int
    until: int
    effect: Effect


@dataclass(frozen=True)
class Watched:
    """What a series of ``n`` runs shows: changes, oldest first, and the suspicion that waits for runs.

    ``baseline``: runs since the last change, those that a later one would be held against.
    """

    n: int
    changes: tuple[Change, ...]
    dropped: tuple[Dropped, ...]
    suspicion: Suspicion | None
    baseline: int

    @property
    def missing(self) -> int:
        """Comparable runs without which no change after the last one can be suspected."""
        return max(0, BASELINE + SMALLEST - self.baseline)

    @property
    def missing_for_rates(self) -> int:
        """Comparable runs until the baseline is as long as the error rates ask for."""
        return max(0, FULL_BASELINE - self.baseline)


@dataclass(frozen=True)
class _Decided:
    confirmed: bool
    runs: int
    p: float


def watch(values: Floats, family: int = 1) -> Watched:
    """Changes in ``values``, one per run in the order of time; infinite ones are allowed, NaN is not.

    ``family``: series of the same rig that are watched together; the levels of confirmation are shared
    among them, so that the stated rate of false alarms is that of the rig. Raises ValueError for NaN,
    UnavailableError without ruptures.
    """
    if np.isnan(values).any():
        raise ValueError("a run without a figure has no place in the series")
    n = len(values)
    found: list[_Found] = []
    dropped: list[Dropped] = []
    waiting: Suspicion | None = None
    since = at = 0
    while at < n and waiting is None:
        at += 1
        suspected = _suspect(values[since:at])
        if suspected is None:
            continue
        first, up = since + suspected[0], suspected[1]
        decided = _confirm(values, since, first, at, up, family)
        if decided is None:
            so_far = n - at
            next_look = next(look.runs for look in LOOKS if look.runs > so_far)
            waiting = Suspicion(first, at - 1, up, so_far, next_look - so_far, MOST_RERUNS - so_far)
        elif decided.confirmed:
            raised, at = at - 1, at + decided.runs
            begin = max(since, at - WINDOW)
            place = first_bad(values[begin:at]).moved(begin)
            found.append(_Found(place, raised, at - 1, up, decided.p, since))
            since = place.first
        else:
            dropped.append(Dropped(first, at - 1, up, decided.runs))
            at += decided.runs
    ends = [*(each.place.first for each in found[1:]), n]
    changes = tuple(_change(values, *each) for each in zip(found, ends, strict=False))
    return Watched(n, changes, tuple(dropped), waiting, n - since)


@dataclass(frozen=True)
class _Found:
    place: Place
    raised: int
    confirmed: int
    up: bool
    p: float
    since: int


def _change(values: Floats, found: _Found, until: int) -> Change:
    """With the effect over all runs of the new level, those after the confirmation as well."""
    place = found.place
    size = effect(values[found.since : place.first], values[place.first : until])
    return Change(
        first=place.first,
        earliest=place.earliest,
        latest=place.latest,
        raised=found.raised,
        confirmed=found.confirmed,
        up=found.up,
        p=found.p,
        since=found.since,
        until=until,
        effect=size,
    )


def _suspect(values: Floats) -> tuple[int, bool] | None:
    """Where the newest part of ``values`` begins, and whether it is larger; None where nothing is suspect."""
    skipped = max(0, len(values) - WINDOW)
    if len(values) < BASELINE + SMALLEST:
        return None
    scores = normal_scores(values[skipped:])
    first = best_split(scores)
    if first < BASELINE:
        return None
    shift = compare_parts(scores[:first], scores[first:])
    return (skipped + first, shift.up) if shift.p < SUSPECT else None


def _confirm(values: Floats, since: int, first: int, at: int, up: bool, family: int) -> _Decided | None:
    """What the runs from place ``at`` on decide about the suspicion; None where there are too few."""
    before = values[max(since, first - WINDOW) : first]
    for look in LOOKS:
        after = values[at : at + look.runs]
        if len(after) < look.runs:
            return None
        scores = normal_scores(np.concatenate([before, after]))
        old, new = scores[: len(before)], scores[len(before) :]
        shift = compare_parts(old, new, inflation(lag_one(old), len(new)))
        p = shift.p_up if up else shift.p_down
        if 2 * p < look.confirm / family:
            return _Decided(True, look.runs, 2 * p)
        if p > look.drop:
            return _Decided(False, look.runs, p)
    raise AssertionError("the last look decides")
