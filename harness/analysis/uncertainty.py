"""The uncertainty budget: what may be wrong in either direction, item by item, combined to U (k = 2).

After JCGM 100:2008 (GUM): each item has a half-width a and a distribution, hence a standard uncertainty; they
combine as the root of the sum of squares. A hard limit (a value that cannot be exceeded) enters with
a/sqrt(3), capped so that its share at k = 2 is at most a: an uncertainty beyond what is possible would be no
better known. The harness's own floor is one-sided and is not in here (:mod:`harness.analysis.guard`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot, isfinite, sqrt
from typing import Any

COVERAGE = 2.0


@dataclass(frozen=True)
class Item:
    """One line of the budget, in ms. ``half_width_ms`` a; ``divisor`` makes it the standard uncertainty;
    ``hard``: a cannot be exceeded. ``source`` says where the figure is from."""

    name: str
    half_width_ms: float
    divisor: float
    hard: bool
    distribution: str
    source: str

    def __post_init__(self) -> None:
        if not self.half_width_ms >= 0:
            raise ValueError(f"{self.name}: a half-width of {self.half_width_ms} ms")

    @property
    def standard_ms(self) -> float:
        """Standard uncertainty, a / divisor."""
        return self.half_width_ms / self.divisor

    @property
    def share_ms(self) -> float:
        """What it adds at k = 2."""
        share = COVERAGE * self.standard_ms
        return min(share, self.half_width_ms) if self.hard else share

    def as_dict(self) -> dict[str, Any]:
        """For ``uncertainty`` of results.json."""
        return {
            "name": self.name,
            "half_width_ms": self.half_width_ms,
            "distribution": self.distribution,
            "standard_ms": self.standard_ms,
            "share_ms": self.share_ms,
            "hard": self.hard,
            "source": self.source,
        }


@dataclass(frozen=True)
class Budget:
    """All items and U, in ms; infinite where an item is unbounded."""

    items: tuple[Item, ...]
    expanded_ms: float

    def as_dicts(self) -> list[dict[str, Any]]:
        """Item by item, then the sum, for ``uncertainty`` of results.json."""
        total = {
            "name": "expanded uncertainty U",
            "half_width_ms": self.expanded_ms,
            "distribution": "combined, k = 2",
            "standard_ms": self.expanded_ms / COVERAGE,
            "share_ms": self.expanded_ms,
            "hard": False,
            "source": "root of the sum of squares of the shares above",
        }
        return [*(each.as_dict() for each in self.items), total]

    @property
    def words(self) -> str:
        """The arithmetic."""
        terms = " + ".join(f"{each.share_ms:.4g}^2" for each in self.items) or "0"
        return f"U = sqrt({terms}) = {self.expanded_ms:.4g} ms (k = 2)"


def combine(items: Sequence[Item]) -> Budget:
    """U = root of the sum of squares of the shares; items that do not correlate."""
    return Budget(tuple(items), hypot(*(each.share_ms for each in items)))


def clock_offset(bound_ms: float, source: str = "linear program over the exchanges of the run") -> Item:
    """Offset of another clock, within hard bounds +- ``bound_ms``; infinite where no line fits."""
    return Item("clock offset", bound_ms, sqrt(3), True, "rectangular, hard limit", source)


def clock_reading(bound_ms: float, source: str = "readings of the clock between two of another") -> Item:
    """Distance of two clocks of this host, read in pairs."""
    return Item("clock reading", bound_ms, sqrt(3), True, "rectangular, hard limit", source)


def clock_drift(drift_ppm: float, duration_ms: float, source: str = "drift of the host's clock") -> Item:
    """A clock that runs too fast or slow by at most ``drift_ppm``, over the ``duration_ms`` that is
    measured."""
    if not (isfinite(duration_ms) and duration_ms >= 0):
        raise ValueError(f"duration of {duration_ms} ms")
    return Item(
        "clock drift", abs(drift_ppm) * 1e-6 * duration_ms, sqrt(3), True, "rectangular, hard limit", source
    )


def resolution(step_ms: float, source: str = "step of the stamps") -> Item:
    """One stamp in steps of ``step_ms``: the truth is within a whole step, whether rounded or cut off.

    Rectangular over +- one step, since devices seldom say which; half a step if rounding were certain.
    """
    return Item("resolution", step_ms, sqrt(3), True, "rectangular, hard limit", source)


def sampling_period(period_ms: float, source: str = "period at which the signal is sampled") -> Item:
    """A change that is seen at the next sample only: up to one period late, and taken as either way."""
    return Item("sampling period", period_ms, sqrt(3), True, "rectangular, hard limit", source)


def other(name: str, half_width_ms: float, *, divisor: float = 1.0, source: str) -> Item:
    """An item that a rig declares: ``divisor`` 1 for a standard uncertainty, 2 for an expanded one."""
    return Item(name, half_width_ms, divisor, False, f"declared, divided by {divisor:g}", source)
