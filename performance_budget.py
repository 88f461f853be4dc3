"""`from performance_budget import PerformanceBudget`, nothing else."""

from harness.telemetry.budget import PerformanceBudget

__all__ = ["PerformanceBudget"]
