"""May this scenario end here? What its plan says of the samples so far, asked while it runs.

Only at instants that the plan declared: after each trial of a sequential test, at each stage. The answer
comes from the tables of the journal, through the very code that judges the run at its end. What is known of U
and J then is less than at the end (the floor has only been measured before, the last exchanges are missing),
and so is which late answer still arrives: should the whole evidence not confirm what ended the run, the
verdict is INCONCLUSIVE. The promised error is that of the judgement at the end, and is kept.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.analysis.by_looks import DECIDED
from harness.analysis.by_plan import allowed_share, counts_events, designs, ends_by_plan
from harness.analysis.derive import look
from harness.analysis.parts import part_of
from harness.analysis.rule import complement
from harness.config.schema import Requirement, Trials
from harness.results import RequirementResult

if TYPE_CHECKING:
    from harness.bench import Bench

NEVER = 1 << 62


class Planned:
    """The plan of one scenario: ``stages`` at which to drain and ask (none: every trial), and
    :meth:`enough`."""

    def __init__(self, bench: Bench, name: str) -> None:
        self._bench, self._name = bench, name
        self._rig = bench.rig
        self._schedule = bench.rig.scenarios[name].schedule
        self.stages: tuple[int, ...] = tuple(self._schedule.stages[:-1])
        # A maximum is descriptive and never passes: it keeps nobody waiting.
        self._open = {
            each.id: each
            for each in bench.rig.requirements
            if each.scenario == name and each.statistic != "max"
        }
        self._parts = [part_of(each) for each in bench.folder.parts()]
        self._next = 1 if self._open and ends_by_plan(self._schedule) else NEVER
        if self.stages:
            self._next = self.stages[0] if self._open else NEVER

    def enough(self, done: int) -> bool:
        """Whether every requirement is decided by the ``done`` samples measured so far.

        To be called at rest, when no answer is outstanding. Most calls cost nothing: the designs tell how
        soon they can end. A look that fails is recorded and ends nothing.
        """
        if done < self._next:
            return False
        try:
            results, judged = self._look()
            left = {key: each for key, each in self._open.items() if not self._over(results[key], judged)}
            self._next = min(
                (self._soonest(each, results[key], done, judged) for key, each in left.items()), default=0
            )
        except Exception as failure:
            self._bench.folder.event("look_failed", scenario=self._name, n=done, reason=str(failure))
            self._next = next((stage for stage in self.stages if stage > done), NEVER)
            return False
        self._open = left
        self._bench.folder.event("looked", scenario=self._name, n=done, decided=not left)
        return not left

    def _look(self) -> tuple[dict[str, RequirementResult], int]:
        """What is decided, and how many samples count: trials that told nothing are none."""
        folder = self._bench.folder
        findings = [{**asdict(each), "severity": each.severity.value} for each in self._bench.findings]
        found, judged = look(
            {**folder.run, "findings": findings},
            self._rig,
            folder.stimuli(),
            folder.observations(),
            folder.clocks(),
            folder.events(),
            self._name,
            self._parts,
        )
        return {each.id: each for each in found}, judged

    @staticmethod
    def _over(result: RequirementResult, judged: int) -> bool:
        """Decided; or ended without a verdict that further samples, which are not looked at, could bring."""
        return result.verdict in DECIDED or (result.n < judged and all(check.ok for check in result.checks))

    def _soonest(self, requirement: Requirement, result: RequirementResult, done: int, judged: int) -> int:
        """How many samples have to be there before another look can decide anything new."""
        schedule = self._schedule
        if schedule.stages:
            return schedule.stages[min(bisect_right(schedule.stages, done), len(schedule.stages) - 1)]
        if not isinstance(schedule, Trials) or not counts_events(requirement):
            return NEVER
        if result.n < judged:
            # Only its checks may still come right. Each look reads all that was recorded, which a simulation
            # on the same host feels: an eighth more trials between two of them.
            return done + max(1, done // 8)
        share = len(self._rig.requirements) if self._rig.family_wise else 1
        p0, alpha = allowed_share(requirement), complement(requirement.confidence) / share
        # With the rate p0 instead of the guarded one: at worst too early.
        to_pass, to_fail = designs(schedule, p0, p0, alpha)
        ends = (
            to_pass.soonest(result.n, result.exceedances),
            to_fail.soonest(result.n, result.exceedances_sent),
        )
        return min((each for each in ends if each is not None), default=NEVER)
