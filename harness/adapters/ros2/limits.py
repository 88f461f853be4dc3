"""The device's limits, held against a message that is about to be made ready for sending."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from harness.adapters.ros2 import paths
from harness.errors import ConfigurationError, SafetyError


def refuse_beyond(made: Any, limits: Mapping[str, float], port: str) -> None:
    """Raise SafetyError for a field of ``made`` whose magnitude is over its limit, or is no number. A limit
    on ``points.positions`` holds for every index, one on ``twist.linear`` for x, y and z."""
    for path, limit in limits.items():
        if unknown(type(made), path) is not None:
            continue  # a limit of another port of the device; the device has checked that one knows it
        for value in _reached(made, paths.parse(path)):
            number = isinstance(value, (int, float)) or hasattr(value, "__float__")
            if not number or not math.isfinite(value) or abs(value) > limit:
                raise SafetyError(
                    f"{path} = {value!r} on port {port} is beyond the limit of {limit:g}",
                    hint="lower the value, or agree on another limit in the rig file (limits)",
                )


def unknown(message: type, path: str) -> ConfigurationError | None:
    """Why a limit holds for no field of the message; None where it does for one."""
    try:
        paths.resolve(message, path)
    except ConfigurationError as error:
        try:
            steps = [step for step in paths.parse(path) if isinstance(step, str)]
        except ConfigurationError:
            return error
        owner: type | None = message
        for step in steps:
            known = paths.fields(owner) if owner is not None else {}
            if step not in known:
                return error
            owner = paths.nested_class(known[step].base) if known[step].nested else None
    return None


def _reached(current: Any, steps: Sequence[paths.Step]) -> Iterator[Any]:
    """The values at a path; of a list without an index, those of every element, of a message those of its
    fields that are no texts."""
    if not isinstance(current, (str, bytes)) and hasattr(current, "__len__"):
        if not steps or isinstance(steps[0], str):
            for one in current:
                yield from _reached(one, steps)
            return
    elif not steps:
        if not hasattr(current, "get_fields_and_field_types"):
            yield current
            return
        for name in current.get_fields_and_field_types():
            if not isinstance(getattr(current, name), (str, bytes)):
                yield from _reached(getattr(current, name), ())
        return
    try:
        following = paths.read(current, steps[:1])
    except LookupError:
        return  # a list that is too short for the index
    yield from _reached(following, steps[1:])
