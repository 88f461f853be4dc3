"""What happens when one observation exceeds its limit, beside being counted."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.errors import ConfigurationError, OperationError

_log = logging.getLogger("harness.budget")


@dataclass(frozen=True)
class Overrun:
    """One observation beyond a limit, in the budget's unit. ``parts``: of a nested operation, what each
    operation within it took, the rest as ``own code``."""

    name: str
    value: float
    limit: float
    unit: str
    parts: Mapping[str, float] = field(default_factory=dict)

    def __str__(self) -> str:
        side = "more" if self.value > self.limit else "less"
        unit = "" if self.unit == "1" else f" {self.unit}"
        said = f"{self.name}: {self.value:.6g}{unit}, {side} than its budget of {self.limit:g}{unit}"
        if len(self.parts) > 1:
            name, part = max(self.parts.items(), key=lambda entry: entry[1])
            said += f", {part:.6g}{unit} of it in {name}"
        return said


class BudgetExceededError(OperationError):
    """An operation took more than its budget, and its policy is to raise. ``overrun`` has the figures."""

    def __init__(self, overrun: Overrun) -> None:
        super().__init__(str(overrun), hint="PerformanceBudget.report() shows how often that happens")
        self.overrun = overrun


class BudgetWarning(UserWarning):
    """An operation took more than its budget, and its policy is to warn."""


Policy = Literal["record", "warn", "raise"] | Callable[[Overrun], object]


def checked(policy: Policy) -> Policy:
    """The policy, or ConfigurationError for what is none."""
    if callable(policy) or policy in ("record", "warn", "raise"):
        return policy
    raise ConfigurationError(
        f"on_overrun={policy!r} is no policy",
        hint="'record', 'warn', 'raise', or a function that takes an Overrun",
    )


def act(policy: Policy, overrun: Overrun, stacklevel: int = 3) -> None:
    """Do what the policy says. Raises BudgetExceededError if it is to raise; what a function raises is
    logged, for a budget must not break what it measures."""
    if policy == "raise":
        raise BudgetExceededError(overrun)
    if policy == "warn":
        warnings.warn(str(overrun), BudgetWarning, stacklevel=stacklevel)
    elif callable(policy):
        try:
            policy(overrun)
        except Exception:
            _log.exception("the function that is called on an overrun of %s failed", overrun.name)
