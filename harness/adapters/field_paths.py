"""Dotted paths into messages, as rig files write them: ``header.stamp``, ``points[0].positions[2]``,
``poses[name=cf3].pose``. Of every middleware; what fields there are is for its adapter to say."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from harness.errors import ConfigurationError


@dataclass(frozen=True)
class Select:
    """The element of a list whose ``field`` is ``value``."""

    field: str
    value: str


Step = str | int | Select
_STEP = re.compile(r"(?P<field>[A-Za-z_]\w*)|\[(?P<index>\d+)\]|\[(?P<key>[A-Za-z_]\w*)=(?P<value>[^\]]*)\]")


@lru_cache(maxsize=1024)
def parse(path: str) -> tuple[Step, ...]:
    """Take a path apart. Raises ConfigurationError when it is none."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        if path[position] == "." and steps:
            position += 1
        found = _STEP.match(path, position)
        if found is None or (found["field"] and steps and path[position - 1] != "."):
            raise ConfigurationError(
                f"{path!r} is not a path into a message (at character {position + 1})",
                hint="write fields with dots and elements with brackets, as in points[0].positions[2]",
            )
        if found["field"]:
            steps.append(found["field"])
        elif found["index"]:
            steps.append(int(found["index"]))
        else:
            steps.append(Select(found["key"], found["value"]))
        position = found.end()
    if not steps:
        raise ConfigurationError("an empty path into a message", hint="name a field, e.g. header.stamp")
    return tuple(steps)


def written(steps: Iterable[Step]) -> str:
    """The path that :func:`parse` takes apart into these steps."""
    text = ""
    for step in steps:
        if isinstance(step, str):
            text += f".{step}" if text else step
        else:
            text += f"[{step}]" if isinstance(step, int) else f"[{step.field}={step.value}]"
    return text
