"""What an operation may take: the budget of one name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import isfinite

from harness.errors import ConfigurationError

SECONDS_PER: dict[str, float] = {
    "ns": 1e-9,
    "us": 1e-6,
    "ms": 1e-3,
    "s": 1.0,
    "min": 60.0,
    "h": 3600.0,
}
"""Units of time. What is measured in one of them is kept in seconds, anything else in its own unit."""

PILLARS: dict[str, str] = {
    "security": "Security Platform",
    "robotics": "Robotics HAL",
    "maestro": "MAESTRO",
    "simulation": "Simulation",
    "compression": "Compression",
    "space": "Space Ops",
    "system": "System-Wide",
}
"""The six pillars of the source document and the whole; other names are fine, too."""


@dataclass(frozen=True)
class Limits:
    """A budget: at least a share ``quantile`` of what is observed lies within ``lower`` and ``upper``, shown
    with ``confidence``, as a requirement of a rig says it.

    Limits are in ``unit``; a value exactly at a limit is within it. Neither limit: observed, never judged.
    ``text`` says what the operation is, ``measured`` how it is measured, ``source`` where it was written,
    ``origin`` where the limit comes from. ``rig``: kind of scenario and quantity of the requirements of rigs
    that decide it. ``longest_disturbance``: in observations, of the rarest disturbance that a run has to be
    long enough for.
    """

    name: str
    unit: str = "ms"
    upper: float | None = None
    lower: float | None = None
    quantile: float = 0.99
    confidence: float = 0.95
    pillar: str = ""
    text: str = ""
    measured: str = ""
    source: str = ""
    origin: str = ""
    rig: tuple[str, str] | None = None
    longest_disturbance: float = 1.0

    def __post_init__(self) -> None:
        """Raise ConfigurationError for a budget that nothing can be held to."""
        for word, value in (("upper", self.upper), ("lower", self.lower)):
            if value is not None and not isfinite(value):
                raise self._wrong(f"{word} limit {value} is not a finite number")
        if self.upper is not None and self.lower is not None and not self.lower < self.upper:
            raise self._wrong(f"lower limit {self.lower:g} is not below the upper limit {self.upper:g}")
        if self.is_time and self.upper is not None and self.upper <= 0:
            raise self._wrong(f"upper limit {self.upper:g} {self.unit}: nothing takes no time")
        for word, share in (("quantile", self.quantile), ("confidence", self.confidence)):
            if not 0 < share < 1:
                raise self._wrong(
                    f"{word} {share:g} is not between 0 and 1",
                    hint="write 0.99 for 99 %; that *no* observation exceeds a limit cannot be shown",
                )
        if not self.longest_disturbance >= 1:
            raise self._wrong(f"longest disturbance of {self.longest_disturbance:g} observations")

    def _wrong(self, message: str, hint: str | None = None) -> ConfigurationError:
        where = f"{self.source}: " if self.source else ""
        return ConfigurationError(f"{where}budget {self.name!r}: {message}", hint=hint)

    @property
    def is_time(self) -> bool:
        """Whether the unit is one of time."""
        return self.unit in SECONDS_PER

    @property
    def factor(self) -> float:
        """What a value in ``unit`` is multiplied by to be kept: seconds of a unit of time, else 1."""
        return SECONDS_PER.get(self.unit, 1.0)

    @property
    def judged(self) -> bool:
        """Whether there is a limit."""
        return self.upper is not None or self.lower is not None

    @property
    def agreed(self) -> tuple[object, ...]:
        """What must not change while it is observed."""
        return (
            *(None if each is None else each * self.factor for each in (self.upper, self.lower)),
            self.quantile,
            self.confidence,
            self.longest_disturbance,
            self.is_time or self.unit,
        )

    def together(self, other: Limits) -> Limits:
        """This budget with what ``other`` of the same name adds: words, a pillar, limits where there are
        none.

        Raises ConfigurationError where both have limits and they differ.
        """
        if self.judged and other.judged and self.agreed != other.agreed:
            raise ConfigurationError(
                f"budget {self.name!r} is {self.words}{_at(self)}, and cannot be "
                f"{other.words}{_at(other)} as well",
                hint="state each budget once, in code or in a file; reset() forgets all",
            )
        if (self.is_time or self.unit) != (other.is_time or other.unit) and self.judged == other.judged:
            raise ConfigurationError(
                f"budget {self.name!r} is in {self.unit}{_at(self)}, and cannot be in {other.unit}"
                f"{_at(other)}",
                hint="give one of the two another name",
            )
        first, second = (self, other) if self.judged or not other.judged else (other, self)
        return replace(
            first,
            pillar=first.pillar or second.pillar,
            text=first.text or second.text,
            measured=first.measured or second.measured,
            source=first.source or second.source,
            origin=first.origin or second.origin,
            rig=first.rig or second.rig,
        )

    @property
    def words(self) -> str:
        """``at most 5 ms for 99 %, with 95 % confidence``."""
        if not self.judged:
            return "without a limit"
        limits = []
        if self.lower is not None:
            limits.append(f"at least {self.lower:g}")
        if self.upper is not None:
            limits.append(f"at most {self.upper:g}")
        unit = "" if self.unit == "1" else f" {self.unit}"
        return (
            f"{' and '.join(limits)}{unit} for {100 * self.quantile:g} %, with {100 * self.confidence:g} % "
            "confidence"
        )


def _at(limits: Limits) -> str:
    return f" ({limits.source})" if limits.source else ""
