"""The rule of security: a faster system is no better one when its security checks no longer hold.

An optimisation is accepted only when every security budget is kept in the same comparison: by what the
programs of B have observed while B ran (``HARNESS_BUDGET_FOLDER``). What was not observed was not shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from harness.errors import ConfigurationError
from harness.model import Verdict
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.budget.report import Line
from harness.telemetry.budget.words import reasons

PILLAR = "security"


@dataclass(frozen=True)
class Held:
    """One security budget: the limit in words, the verdict, how often observed, why."""

    name: str
    limit: str
    verdict: Verdict
    n: int
    why: str


@dataclass(frozen=True)
class Security:
    """All security budgets, as observed in ``folder``."""

    folder: Path
    budgets: list[Held]

    @property
    def verdict(self) -> Verdict:
        """PASS only where every one of them is kept."""
        found = {each.verdict for each in self.budgets}
        if Verdict.FAIL in found:
            return Verdict.FAIL
        return Verdict.PASS if found == {Verdict.PASS} else Verdict.INCONCLUSIVE

    @property
    def words(self) -> str:
        """The rule and what came of it, in a sentence."""
        broken = [each.name for each in self.budgets if each.verdict is Verdict.FAIL]
        open_ = [each.name for each in self.budgets if each.verdict not in (Verdict.FAIL, Verdict.PASS)]
        if broken:
            return f"not accepted: security budgets are broken ({', '.join(broken)})"
        if open_:
            return f"not accepted yet: not shown to be kept are {', '.join(open_)}"
        return f"all {len(self.budgets)} security budgets hold in this comparison"


def security(folder: Path, budgets: Path | None = None) -> Security:
    """Judge the security budgets of ``budgets`` (None: the catalogue) by what ``folder`` holds.

    Those of the pillar security, and those of other pillars whose name says so (system.security_overhead).
    Raises ConfigurationError where there is none, BudgetFileError for a mistake in a file.
    """
    book = Budgets(gather=folder, reports=None)
    book.load(budgets)
    lines = [line for line in book.results().lines if line.limits.judged and _of_security(line)]
    if not lines:
        raise ConfigurationError(
            f"{'the catalogue' if budgets is None else budgets} has no security budget",
            hint="give --budgets a file whose pillar is security",
        )
    return Security(folder, [_held(line) for line in lines])


def _of_security(line: Line) -> bool:
    limits = line.limits
    return limits.pillar == PILLAR or any(part.startswith(PILLAR) for part in limits.name.split("."))


def _held(line: Line) -> Held:
    verdict = line.verdict if line.n and line.verdict is not None else Verdict.INCONCLUSIVE
    why = "; ".join(reasons(line)) if line.n else "nothing was observed"
    return Held(line.limits.name, line.limits.words, verdict, line.n, why)
