"""How an answer finds its stimulus, as a response port of the rig file says."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from harness.config.changing import LONG
from harness.config.strict import Strict
from harness.config.values import flatten
from harness.errors import ConfigurationError

SIGMA = 6.0
"""Default of ``sigma``: of normal noise one value in 500 million is farther out."""
BY_PATH = ("stamp", "sequence")
"""Kinds whose answers carry the key in a field."""
CALL: Final = "call"
"""The kind of answers to services and actions, which are paired with their requests by the middleware."""
UNKEYED = ("order", "onset", "edge")
"""Kinds whose answers carry no key; they go with a ``trials`` schedule."""
OF_SIGNAL = ("onset", "edge")
"""Kinds whose answer is something that a signal does; the response port gives its ``value``."""
EDGE_THRESHOLD = 0.5
_OF_EDGE = ("direction", "threshold", "rest_ms", "signal")
_OF_ONSET = (
    "direction",
    "field",
    "threshold",
    "sigma",
    "at_least",
    "at_most",
    "rest_ms",
    "hold_samples",
    "interpolate",
    "signal",
)


class Match(Strict):
    """How an answer finds its stimulus."""

    kind: Literal["stamp", "sequence", "call", "order", "onset", "edge"] = Field(
        description="`onset`: the signal (`value`) leaves its rest band, `edge`: it changes between low and"
        " high, see docs/onset.md; `call`: of services and actions, said by their `of`"
    )
    path: str | None = Field(
        default=None, description="where the answer carries the key; for `stamp` and `sequence` alone"
    )
    answers: Literal["each", "latest"] = Field(
        default="each", description="`latest`: the robot answers only its newest command"
    )
    direction: Literal["rising", "falling", "either", "with_command"] = Field(
        default="either",
        description="onset, edge: which way the signal has to go; `with_command`, of onsets: the way the"
        " commanded value went",
    )
    field: str | None = Field(
        default=None,
        description="onset: the commanded field that `with_command` follows; default: the one that changes",
    )
    threshold: PositiveFloat | None = Field(
        default=None,
        description="onset: half-width of the rest band, in the unit of the signal; edge: from here on the"
        f" level is high, default {EDGE_THRESHOLD:g}",
    )
    sigma: PositiveFloat | None = Field(
        default=None,
        description="onset: half-width of the rest band in multiples of the noise learnt before each"
        f" stimulus; default {SIGMA:g} where no threshold is given",
    )
    at_least: NonNegativeFloat = Field(
        default=0.0, description="onset: with sigma, the smallest half-width, in the unit of the signal"
    )
    at_most: PositiveFloat | None = Field(
        default=None,
        description="onset: with sigma, the largest half-width; a trial whose noise makes a wider one did not"
        " begin at rest, and counts neither for nor against",
    )
    rest_ms: PositiveFloat = Field(
        default=100.0,
        description="onset: window before each stimulus in which level (median) and noise (MAD) are learnt;"
        " edge: in which the level may not have changed",
    )
    hold_samples: Annotated[PositiveInt, Field(le=1000)] = Field(
        default=3,
        description="onset: consecutive values beyond the band that make an onset; fewer are a spike",
    )
    interpolate: bool = Field(
        default=True,
        description="onset: the instant at which the straight line from the last value inside to the first"
        " one outside crosses the band; false: the instant of the first one outside",
    )
    signal: Literal["state", "command"] = Field(
        default="state",
        description="onset, edge: `command`: every value is an act of the robot, a command that it publishes"
        " or an edge when it happens, and no sample of something that goes on between two values: its period"
        " is no part of the uncertainty",
    )

    @model_validator(mode="after")
    def _fits(self) -> Match:
        if self.kind == CALL and (self.path is not None or self.answers != "each"):
            raise ValueError("`call` takes neither path nor answers: each call has an answer of its own")
        if self.kind == "edge":
            return self._edge()
        if self.kind != "onset":
            fields = type(self).model_fields
            given = [name for name in _OF_ONSET if getattr(self, name) != fields[name].default]
            if given:
                raise ValueError(f"{', '.join(given)}: only for a match of kind onset, not {self.kind}")
            return self
        if self.path is not None:
            raise ValueError("`onset` takes no path: the answers carry no key")
        if self.answers != "each":
            raise ValueError("answers: latest needs a key in the answer, which an onset has not")
        if self.threshold is not None and (self.sigma is not None or self.at_least or self.at_most):
            raise ValueError("threshold is the band itself: give it, or sigma with its bounds, not both")
        if self.at_most is not None and self.at_most < self.at_least:
            raise ValueError(f"at_most {self.at_most:g} is below at_least {self.at_least:g}")
        if self.signal == "command" and self.interpolate:
            raise ValueError(
                "signal: command goes with `interpolate: false`: nothing is between two commands"
            )
        if self.field is not None and self.direction != "with_command":
            raise ValueError("field goes with `direction: with_command`")
        return self

    def _edge(self) -> Match:
        fields = type(self).model_fields
        others = [name for name in ("path", "answers", *_OF_ONSET) if name not in _OF_EDGE]
        given = [name for name in others if getattr(self, name) != fields[name].default]
        if given:
            raise ValueError(
                f"{', '.join(given)}: not of a match of kind edge, which takes {', '.join(_OF_EDGE)}"
            )
        if self.direction == "with_command":
            raise ValueError("direction: with_command is of onsets; an edge is rising, falling or either")
        return self

    @property
    def of_signal(self) -> bool:
        """Whether the answer is something that the signal of the port does."""
        return self.kind in OF_SIGNAL

    @property
    def edge_threshold(self) -> float:
        """The level of an edge is high from here on."""
        return EDGE_THRESHOLD if self.threshold is None else self.threshold

    @property
    def keyed(self) -> bool:
        """Whether answers come with the key of their stimulus."""
        return self.kind not in UNKEYED

    @property
    def by_path(self) -> bool:
        """Whether the key is read from the answer, at ``path``."""
        return self.kind in BY_PATH

    def too_wide(self, band: float) -> bool:
        """Whether a band is wider than that of a signal at rest can be."""
        return self.at_most is not None and band > self.at_most

    def band(self, noise: Any) -> Any:
        """Half-width of the rest band for that noise (a standard deviation), in the unit of the signal."""
        if self.threshold is not None:
            return noise * 0 + self.threshold
        scaled = (self.sigma or SIGMA) * noise
        # Written so that it serves numbers and arrays alike.
        return scaled + (self.at_least - scaled) * (scaled < self.at_least)


def commanded_numbers(variant: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a value set by path, those inside of arrays too, but for long arrays."""
    return {
        name: float(value)
        for field, given in variant.items()
        if not isinstance(given, (list, tuple)) or len(given) <= LONG
        for name, value in flatten(given, field)
        if isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def commanded_field(variants: Sequence[Mapping[str, Any]], field: str | None = None) -> str:
    """The commanded field that ``direction: with_command`` follows: ``field``, or the only one whose number
    changes among the value sets. Raises ConfigurationError where that is none or several."""
    numbers: dict[str, set[float]] = {}
    for each in variants:
        for name, value in commanded_numbers(each).items():
            numbers.setdefault(name, set()).add(value)
    changing = [name for name, values in numbers.items() if len(values) > 1]
    if field is not None:
        if field not in changing:
            known = ", ".join(changing) or "none"
            raise ConfigurationError(
                f"`field: {field}` is no commanded number that changes; those that do: {known}"
            )
        return field
    if len(changing) != 1:
        raise ConfigurationError(
            f"`direction: with_command` needs one commanded number that changes, not {len(changing)}"
            + (f" ({', '.join(changing)})" if changing else ""),
            hint="name it with `field`" if changing else "give `alternate` or `return_values`",
        )
    return changing[0]


def fields_read(match: Match | None, stamp: str | None, value: str | None) -> list[tuple[str, str]]:
    """The fields that are read of every answer: which option names it, and its path."""
    path = match.path if match is not None and match.keyed else None
    named = {"match.path": path, "stamp": stamp, "value": value}
    return [(what, path) for what, path in named.items() if path is not None]
