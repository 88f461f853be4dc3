"""Performance budgets: measure what code takes, hold it to a limit by the rule of rig runs, and report.

::

    from performance_budget import PerformanceBudget

    @PerformanceBudget.measure(max_time_ms=5)
    def validate_classification(data, level): ...

    PerformanceBudget.report()
"""

from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.overrun import BudgetExceededError, BudgetWarning, Overrun
from harness.telemetry.budget.registry import Budgets, PerformanceBudget
from harness.telemetry.budget.report import Report

__all__ = [
    "BudgetExceededError",
    "BudgetWarning",
    "Budgets",
    "Limits",
    "Overrun",
    "PerformanceBudget",
    "Report",
]
