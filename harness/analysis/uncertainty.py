"""The uncertainty budget: what may be wrong in either direction, item by item, combined to U (k = 2).

After JCGM 100:2008 (GUM): each item has a half-width a and a distribution, hence a standard uncertainty; they
combine as the root of the sum of squares, times k = 2. A hard limit (a value that cannot be exceeded) enters
with a/sqrt(3). U is not made larger than what is possible at all: the sum of the hard limits, and beside it
the other items at k = 2. Of a single hard limit U is therefore a, of several the smaller of both.
The harness's own floor is one-sided and is not in here (:mod:`harness.analysis.guard`).
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
        """What it would be at k = 2, alone."""
        return COVERAGE * self.standard_ms

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

    @property
    def standard_ms(self) -> float:
        """Combined standard uncertainty, the root of the sum of squares; items that do not correlate."""
        return hypot(*(each.standard_ms for each in self.items))

    @property
    def possible_ms(self) -> float:
        """What cannot be exceeded: the sum of the hard limits, and the others at k = 2."""
        soft = hypot(*(each.standard_ms for each in self.items if not each.hard))
        return sum(each.half_width_ms for each in self.items if each.hard) + COVERAGE * soft

    @property
    def expanded_ms(self) -> float:
        """U, in ms."""
        return min(COVERAGE * self.standard_ms, self.possible_ms)

    def as_dicts(self) -> list[dict[str, Any]]:
        """Item by item, then the sum, for ``uncertainty`` of results.json."""
        total = {
            "name": "expanded uncertainty U",
            "half_width_ms": self.expanded_ms,
            "distribution": "combined, k = 2",
            "standard_ms": self.standard_ms,
            "share_ms": COVERAGE * self.standard_ms,
            "hard": False,
            "source": "twice the root of the sum of squares of the standard uncertainties above"
            if COVERAGE * self.standard_ms <= self.possible_ms
            else "the sum of the hard limits, which k = 2 would exceed",
        }
        return [*(each.as_dict() for each in self.items), total]

    @property
    def words(self) -> str:
        """The arithmetic."""
        terms = " + ".join(f"{each.standard_ms:.4g}^2" for each in self.items) or "0"
        root = f"2 sqrt({terms}) = {COVERAGE * self.standard_ms:.4g} ms (k = 2)"
        if COVERAGE * self.standard_ms <= self.possible_ms:
            return f"U = {root}"
        hard = " + ".join(f"{each.half_width_ms:.4g}" for each in self.items if each.hard)
        return f"U = {self.expanded_ms:.4g} ms, the sum of the hard limits {hard}, less than {root}"


def combine(items: Sequence[Item]) -> Budget:
    """The budget of these items."""
    return Budget(tuple(items))


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
