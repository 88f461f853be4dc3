"""What the counts of a decision are worth: how many exceedances pass, how many fail, where the bounds lie.

With independent samples these are the numbers of :mod:`harness.analysis.rule`. With dependent ones n and K
shrink by the same factor n*/n, so a raw count k passes when P(Bin(n*, p0) <= k n*/n) <= alpha.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.analysis.dependence import Decision, Side, few, many
from harness.analysis.rule import largest
from harness.model import Verdict


@dataclass(frozen=True)
class Counts:
    """A decision and the raw counts that would have decided otherwise."""

    decision: Decision

    @classmethod
    def of(cls, decision: Decision) -> Counts:
        """The counts of that decision."""
        return cls(decision)

    @property
    def verdict(self) -> Verdict:
        """Of the rule alone, before any check of the bench."""
        return self.decision.verdict

    @property
    def n(self) -> int:
        """Samples that count."""
        return self.decision.passing.n

    @property
    def p0(self) -> float:
        """The rate that PASS is tested against."""
        return self.decision.passing.rate

    @property
    def alpha(self) -> float:
        """The error that is allowed."""
        return self.decision.alpha

    @property
    def exceedances_pass(self) -> int:
        """Over the PASS threshold."""
        return self.decision.passing.exceedances

    @property
    def exceedances_fail(self) -> int:
        """Over the FAIL threshold."""
        return self.decision.failing.exceedances

    @property
    def fails(self) -> bool:
        """Whether the counts prove the item over the limit."""
        return self.n > 0 and self.decision.failing.probability <= self.alpha

    @property
    def obstacles(self) -> tuple[str, ...]:
        """What rules PASS out whatever the counts say."""
        return self.decision.obstacles

    @property
    def worth(self) -> str:
        """A half-sentence for reasons: what n is worth where samples depend on each other."""
        side = self.decision.passing
        if not side.dependent:
            return ""
        return f" (samples come in bursts: {side.n} are worth {side.n_effective:.0f} independent ones)"

    @cached_property
    def _most_passing(self) -> int | None:
        """Largest raw count that passes the test of counts; None when not even 0 does."""
        side = self.decision.passing
        return largest(side.n, lambda k: _few(side, k) <= self.alpha) if side.n else None

    @property
    def pass_up_to(self) -> int | None:
        """Largest raw count that passes; None when none does, or when something else rules PASS out."""
        return None if self.obstacles else self._most_passing

    @cached_property
    def fail_from(self) -> int | None:
        """Smallest raw count that fails; None when not even n does."""
        side = self.decision.failing
        if side.n == 0:
            return None
        most = largest(side.n, lambda k: _many(side, k) > self.alpha)
        if most is None:
            return 0
        return most + 1 if most < side.n else None

    @property
    def upper_position(self) -> int | None:
        """Rank (from 1) of the order statistic that is the upper bound of the quantile; None where n is too
        small. PASS is the same as its being within the threshold, but for the obstacles."""
        return None if self._most_passing is None else self.n - self._most_passing

    @property
    def lower_position(self) -> int | None:
        """Rank (from 1) of the lower bound; FAIL is the same as its being over the threshold."""
        return None if self.fail_from is None else self.n - self.fail_from + 1


def bound(ascending: NDArray[np.float64], position: int | None) -> float | None:
    """The order statistic at that rank; None where there is none."""
    return None if position is None or not 1 <= position <= len(ascending) else float(ascending[position - 1])


def _few(side: Side, k: int) -> float:
    return few(side.n_effective, k * side.n_effective / side.n, side.rate)


def _many(side: Side, k: int) -> float:
    return many(side.n_effective, k * side.n_effective / side.n, side.rate)
