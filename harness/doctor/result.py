"""What one check of the host says."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass

from harness.model import Finding, Severity

NOT_AVAILABLE = "not available"


class Health(str, enum.Enum):
    """How good a fact about the host is for measuring latency; ordered from best to worst."""

    OK = "ok"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"

    @property
    def rank(self) -> int:
        """0 for the best."""
        return list(Health).index(self)


@dataclass(frozen=True)
class Check:
    """One fact about the host: ``value`` as measured, ``why`` it matters for latency (one sentence), and
    ``remedy``, the command that mends it (several are separated by line breaks; empty where there is nothing
    to mend)."""

    name: str
    severity: Health
    value: str
    why: str
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """For JSON: ``name``, ``severity``, ``value``, ``why``, ``remedy``."""
        return {
            "name": self.name,
            "severity": self.severity.value,
            "value": self.value,
            "why": self.why,
            "remedy": self.remedy,
        }

    def finding(self) -> Finding:
        """The same as a :class:`harness.model.Finding`, which knows no ``ok``: that becomes ``info``."""
        weight = Severity.INFO if self.severity is Health.OK else Severity(self.severity.value)
        return Finding(self.name, weight, f"{self.value}. {self.why}", value=self.value, remedy=self.remedy)


def unknown(name: str, why: str) -> Check:
    """The check of a fact that this host does not tell: ``info``, for not knowing is no fault."""
    return Check(name, Health.INFO, NOT_AVAILABLE, why)


def worst(checks: Iterable[Check]) -> Health:
    """The worst of them; of none, ``ok``."""
    return max((check.severity for check in checks), key=lambda health: health.rank, default=Health.OK)


def status(checks: Iterable[Check]) -> int:
    """Exit status of ``harness doctor``: 4 if any check is an error, else 0."""
    return 4 if worst(checks) is Health.ERROR else 0
