"""A series that was interrupted and resumed: its earlier parts, and the whole.

Each part has tables and a time of its own: a restart of the host sets CLOCK_MONOTONIC back, so that instants
of different parts are never compared. What each part measured is put one after the other, in order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from harness.analysis.budget import bounded
from harness.analysis.checks import Circumstances
from harness.analysis.evidence import Measuring
from harness.analysis.run_data import RunData
from harness.analysis.samples import Sampled
from harness.analysis.statistics import distribution
from harness.analysis.swarm import PHASES, SwarmSampled, remarks_of
from harness.analysis.uncertainty import Budget
from harness.config import rig_from_resolved
from harness.config.schema import Requirement
from harness.results import Check, SwarmResult

if TYPE_CHECKING:
    from harness.folder import RunFolder

OF_THE_WHOLE = ("starved robots", "faults")
"""Checks that are made on the whole series at once."""


def part_of(folder: RunFolder) -> RunData:
    """An earlier part, from its own folder."""
    changed = folder.verify_raw() if folder.run.get("raw_sha256") else []
    return RunData(
        folder.run,
        rig_from_resolved(folder.run["rig"]["resolved"]),
        folder.stimuli(),
        folder.observations(),
        folder.clocks(),
        list(folder.events()),
        changed,
    )


def whole(parts: Sequence[Sampled], own: Sampled) -> Sampled:
    """Everything that was measured, the earliest part first; ``own`` as it is without earlier parts."""
    if not parts:
        return own
    every = [*parts, own]
    sums = {
        name: sum(getattr(each, name) for each in every)
        for name in ("unmatched", "rejected", "duplicates", "by_stamp")
    }
    merged = replace(own, samples=np.concatenate([each.samples for each in every]), **sums)
    if isinstance(merged, SwarmSampled):
        swarm = _swarm([each.swarm for each in every if isinstance(each, SwarmSampled)])
        merged = replace(merged, swarm=swarm, remarks=remarks_of(swarm))
    return merged


def _swarm(every: Sequence[SwarmResult]) -> SwarmResult:
    trials, lines, before = [], [], 0
    for each in every:  # keys begin anew in each part
        trials += [one.model_copy(update={"trial": one.trial + before}) for one in each.trials]
        lines += [one.model_copy(update={"trial": one.trial + before}) for one in each.timelines]
        before += 1 + max((one.trial for one in each.trials), default=-1)
    counting = [each for each in trials if not each.warm_up and each.total_ms is not None]
    return every[-1].model_copy(
        update={
            "trials": trials,
            "violations": [
                f"part {number}, {words}" if len(every) > 1 else words
                for number, each in enumerate(every, 1)
                for words in each.violations
            ],
            "timelines": lines,
            "period_ms": max((each.period_ms for each in every if each.period_ms is not None), default=None),
            "gap_ms": max((each.gap_ms for each in every if each.gap_ms is not None), default=None),
            "phases_ms": {
                phase: distribution(np.array([getattr(each, f"{phase}_ms") for each in counting], float), ())
                for phase in (*PHASES, "total")
            },
        }
    )


def with_earlier(own: Circumstances, parts: Iterable[Circumstances]) -> Circumstances:
    """The circumstances of the last part, and whatever was wrong in an earlier one."""
    broken, checks, wall = list(own.broken), list(own.checks), list(own.wall_checks)
    for number, each in enumerate(parts, 1):
        broken += _failed(each.broken, number)
        checks += _failed(each.checks, number)
        wall += _failed(each.wall_checks, number)
    return replace(own, broken=broken, checks=checks, wall_checks=wall)


class Series:
    """One scenario over all parts of a series: ``own`` is what the last part measured, ``whole`` all."""

    def __init__(self, data: RunData, parts: Sequence[RunData], name: str, own: Sampled) -> None:
        self._data, self._name, self.own = data, name, own
        # A part that broke before the scenario began has nothing of it.
        self._parts = [(each, each.sample(name, place)) for each in parts for place in each.places(name)]
        self.whole = whole([sampled for _, sampled in self._parts], own)

    def circumstances(self, monitor_checks: list[Check]) -> tuple[Circumstances, list[Check]]:
        """See :meth:`.RunData.circumstances`; what was wrong in an earlier part is wrong in the whole."""
        found, facts = self._data.circumstances(self._name, self.whole, monitor_checks, self.own)
        earlier = [each.circumstances(self._name, sampled, [])[0] for each, sampled in self._parts]
        return with_earlier(found, earlier), facts

    def budget(self, requirement: Requirement) -> Budget:
        """The largest U of all parts."""
        every = [*self._parts, (self._data, self.own)]
        return max(
            (each.budget(requirement, sampled) for each, sampled in every), key=lambda one: one.expanded_ms
        )

    def measuring(self, requirement: Requirement) -> Measuring:
        """See :meth:`.RunData.measuring`: with the largest U, and the floors of all parts together."""
        found = self._data.measuring(requirement, self.own)
        if not self._parts:
            return found
        others = [each.measuring(requirement, sampled) for each, sampled in self._parts]
        floors = [each.loopback for each in (found, *others) if each.loopback is not None]
        loopback = np.concatenate(floors) if floors else None
        return replace(found, budget=bounded(self.budget(requirement)), loopback=loopback)


def _failed(checks: Iterable[Check], number: int) -> list[Check]:
    return [
        each.model_copy(update={"name": f"{each.name} (part {number})"})
        for each in checks
        if not each.ok and each.name not in OF_THE_WHOLE
    ]
