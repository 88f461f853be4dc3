"""Runs over time: what was measured before, with what, and whether it may be compared."""

from harness.history.comparable import SIM_TO_REAL, comparable_key, comparable_to, what_changed, why_not
from harness.history.index import History, record
from harness.history.past import Broken, PastRequirement, PastRun, PastScenario

__all__ = [
    "SIM_TO_REAL",
    "Broken",
    "History",
    "PastRequirement",
    "PastRun",
    "PastScenario",
    "comparable_key",
    "comparable_to",
    "record",
    "what_changed",
    "why_not",
]
