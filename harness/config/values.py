"""Values of a stimulus: the sets that are sent, and the one place where limits are enforced."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from harness.config.changing import DESCRIBED, Alternate, Sequence, plain
from harness.config.elements import Relative
from harness.config.in_time import RampOver
from harness.config.measuring import CommandRoundTrip, ScenarioBase, SensorToAction
from harness.errors import ConfigurationError, SafetyError

MAX_VARIANTS = 4096
"""Value sets of one stimulus; the tables hold their number in 16 bits."""
MAX_CELLS = 500_000
"""Values in all sets together."""


def _changing(value: Any) -> tuple[str, list[Any]] | None:
    if isinstance(value, Alternate):
        return "alternate", list(value.alternate)
    if isinstance(value, Sequence):
        return "sequence", list(value.sequence)
    if isinstance(value, (*DESCRIBED, Relative, RampOver)):
        return None
    if isinstance(value, Mapping):
        for kind in ("alternate", "sequence"):
            if set(value) == {kind} and isinstance(value[kind], (list, tuple)) and value[kind]:
                return kind, list(value[kind])
        raise ConfigurationError(f"{dict(value)!r} is neither `alternate: [...]` nor `sequence: [...]`")
    return None


def cycles(values: Mapping[str, Any]) -> bool:
    """Whether the list of :func:`expand_variants` is sent again and again (else its last set is kept)."""
    kinds = [changing[0] for changing in map(_changing, values.values()) if changing is not None]
    return "alternate" in kinds


def expand_variants(values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The finite list of value sets to be sent, at least one.

    With ``alternate`` the list is cycled; several of them combine to the least common multiple of their
    lengths. With ``sequence`` it is run through once and its last set kept; a shorter one stays at its last
    value meanwhile. Raises ConfigurationError when both kinds are mixed or the list exceeds ``MAX_VARIANTS``.
    """
    changing = {field: found for field, value in values.items() if (found := _changing(value)) is not None}
    kinds = {kind for kind, _ in changing.values()}
    if len(kinds) > 1:
        raise ConfigurationError(
            f"`alternate` and `sequence` are mixed in one set of values ({', '.join(sorted(changing))})",
            hint="write all changing fields in the same way",
        )
    lengths = [len(elements) for _, elements in changing.values()]
    cycled = kinds == {"alternate"}
    count = math.lcm(*lengths) if cycled else max(lengths, default=1)
    if count > MAX_VARIANTS or count * len(values) > MAX_CELLS:
        raise ConfigurationError(
            f"the changing values combine to {count} sets of {len(values)} fields;"
            f" at most {MAX_VARIANTS} sets and {MAX_CELLS} values in all are possible",
            hint="use lists of equal length",
        )

    def nth(field: str, index: int) -> Any:
        if field not in changing:
            return plain(values[field])
        elements = changing[field][1]
        return elements[index % len(elements)] if cycled else elements[min(index, len(elements) - 1)]

    return [{field: nth(field, index) for field in values} for index in range(count)]


def relatives(value: Any) -> Iterator[Relative]:
    """Every number in a value, as written, that counts from what a port observes."""
    if isinstance(value, Relative):
        yield value
    elif isinstance(value, (Alternate, Sequence)):
        yield from relatives(value.alternate if isinstance(value, Alternate) else value.sequence)
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from relatives(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from relatives(inner)


def settled(value: Any, observed: Callable[[str], float]) -> Any:
    """A value, or a set of :func:`expand_variants`, as it is sent: what counts from an observed value added
    up. ``observed`` gives the value of a response port, in the unit of the field."""
    if isinstance(value, Relative):
        return observed(value.relative_to) + value.offset
    if isinstance(value, Mapping):
        return {field: settled(inner, observed) for field, inner in value.items()}
    if isinstance(value, (list, tuple)) and any(isinstance(one, (Relative, dict, list)) for one in value):
        return [settled(inner, observed) for inner in value]
    return value


def offsets(value: Any) -> Any:
    """The same as if every port had observed 0: for a look at types before anything was observed."""
    return settled(value, lambda _port: 0.0)


def flatten(value: Any, field: str = "") -> Iterator[tuple[str, Any]]:
    """Every single value with its field's path: mappings add ``.key``, lists ``[index]``."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from flatten(inner, f"{field}.{key}" if field else str(key))
    elif isinstance(value, (list, tuple)) or hasattr(value, "tolist"):
        elements = value.tolist() if hasattr(value, "tolist") else value
        if not isinstance(elements, list | tuple):
            yield field, elements
            return
        for index, inner in enumerate(elements):
            yield from flatten(inner, f"{field}[{index}]")
    else:
        yield field, value


def return_set(values: Mapping[str, Any], return_values: Mapping[str, Any]) -> dict[str, Any]:
    """What brings the robot back after a trial: the constants among ``values``, and ``return_values``."""
    constant = {field: plain(value) for field, value in values.items() if _changing(value) is None}
    return {**constant, **return_values}


def sent_values(scenario: ScenarioBase, values: Mapping[str, Any]) -> dict[str, Any]:
    """What the stimuli of a scenario are set to; ``values``: those of its stimulus port, as written."""
    shown = scenario.stimulus_values if isinstance(scenario, SensorToAction) else {}
    return {**values, **shown}


def back_set(scenario: ScenarioBase, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The set that is sent after each trial to bring the robot back, None where nothing is.

    Of a sensor it is what it shows at rest: the values of the port.
    """
    if not scenario.returns:
        return None
    if isinstance(scenario, CommandRoundTrip):
        return return_set(values, scenario.return_values)
    return expand_variants(values)[0]


_INDEX = re.compile(r"\[[^\]]*\]")


def limit_of(limits: Mapping[str, float], field: str) -> float | None:
    """The limit that holds for ``field``: the smallest of those on it, on its array or on a part it lies in.

    A limit on ``data`` holds for ``data[3]``, one on ``twist.linear`` for ``twist.linear.x``.
    """
    bare = _INDEX.sub("", field)
    holding = [
        limit
        for path, limit in limits.items()
        for name in (field, bare)
        if name == path or (name.startswith(path) and name[len(path)] in ".[")
    ]
    return min(holding, default=None)


_LONG = 1000
_EXACT = 2**53


def _all_within(limits: Mapping[str, float], key: str, value: Any) -> bool:
    """Whether a long list holds nothing but numbers within every limit that could hold for one of them. An
    image has millions: one by one they would take half a minute."""
    if (
        not isinstance(value, (list, tuple))
        or len(value) < _LONG
        or not set(map(type, value)) <= {int, float}
    ):
        return False
    bare = _INDEX.sub("", key)
    near = [
        limit
        for path, limit in limits.items()
        for name in [_INDEX.sub("", path)]
        if name.startswith(bare) or bare.startswith(name)
    ]
    try:
        largest = float(np.abs(np.asarray(value, dtype=np.float64)).max())
    except OverflowError:
        return False
    # Of what is larger than 2^53 a float is not exact; NaN is within nothing.
    return largest < _EXACT and largest <= min(near, default=math.inf)


def violations(limits: Mapping[str, float], values: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key of ``values``, what is wrong) for every value that a limit forbids or that cannot be judged."""
    for key, value in values.items():
        if _all_within(limits, str(key), value):
            continue
        for field, single in flatten(value, str(key)):
            limit = limit_of(limits, field)
            if isinstance(single, Relative):
                continue  # judged once it is settled
            if isinstance(single, float) and not math.isfinite(single):
                yield str(key), f"{field} = {single} is not a finite number"
            elif limit is None or isinstance(single, bool):
                continue
            elif not isinstance(single, (int, float)):
                yield str(key), f"{field} = {single!r} is not a number, but has a limit of {limit:g}"
            elif abs(single) > limit:
                yield str(key), f"{field} = {single!r} exceeds its limit of {limit:g}"


def check_limits(limits: Mapping[str, float], values: Mapping[str, Any], where: str) -> None:
    """Raise SafetyError naming field, value and limit when a value is larger in magnitude than its limit.

    ``values`` is one set as it will be sent: paths of fields to values, lists (each element is checked)
    or mappings. A limit whose field is not set is fine; a limited field that is no finite number is not.
    """
    found = [message for _, message in violations(limits, values)]
    if found:
        raise SafetyError(
            f"{where}: {'; '.join(found)}", hint="lower the value, or the limits of the rig file are wrong"
        )
