"""What outputs have in common, whatever drives them: a level that stays, or a pulse of some width."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.config.explain import Refusal
from harness.config.problems import suggest
from harness.errors import ConfigurationError, SafetyError

LONGEST_MS = 60_000.0


def known_value(kind: str) -> str:
    """The one value that a stimulus of that kind takes."""
    return "level" if kind == "level" else "width_ms"


def unknown_values(kind: str, values: Mapping[str, Any]) -> list[Refusal]:
    """Values that such a stimulus does not take; names alone, since a value may be one that changes."""
    known = known_value(kind)
    return [
        Refusal((name,), f"no value {name!r}; {suggest(name, [known])}", of_key=True)
        for name in values
        if name != known
    ]


def level_of(place: str, values: Mapping[str, Any]) -> int:
    """0 or 1, as ``values`` say. Raises ConfigurationError for another name or value."""
    _names(place, "level", values)
    level = values.get("level", 0)
    if not isinstance(level, bool | int | float) or level not in (0, 1):
        raise ConfigurationError(f"{place}: level is {level!r}", hint="give 0 or 1")
    return int(level)


def width_of(
    place: str, values: Mapping[str, Any], default_ms: float, shortest_ms: float, limits: Mapping[str, float]
) -> float:
    """The width of a pulse in ms. Raises ConfigurationError for another name or value, SafetyError beyond the
    limit of the rig file."""
    _names(place, "width_ms", values)
    width_ms = values.get("width_ms", default_ms)
    if isinstance(width_ms, bool) or not isinstance(width_ms, int | float):
        raise ConfigurationError(f"{place}: width_ms is {width_ms!r}", hint="give a number")
    if not shortest_ms <= width_ms <= LONGEST_MS:
        raise ConfigurationError(
            f"{place}: width_ms is {width_ms:g}", hint=f"{shortest_ms:g} to {LONGEST_MS:.0f}"
        )
    limit = limits.get("width_ms")
    if limit is not None and width_ms > limit:
        raise SafetyError(f"{place}: width_ms {width_ms:g} is beyond the limit {limit:g}")
    return float(width_ms)


def _names(place: str, known: str, values: Mapping[str, Any]) -> None:
    for name in values:
        if name != known:
            raise ConfigurationError(f"{place}: no value {name!r}", hint=suggest(name, [known]))
