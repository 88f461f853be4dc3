"""Dotted paths into messages: ``header.stamp``, ``points[0].positions[2]``, ``poses[name=cf3].pose``.

A message class tells its fields by ``get_fields_and_field_types()`` as strings such as ``double``,
``string<=8``, ``double[36]``, ``sequence<geometry_msgs/Pose, 4>``; :class:`FieldType` is such a string taken
apart.
"""

from __future__ import annotations

import contextlib
import difflib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from harness.adapters import field_paths
from harness.adapters.ros2 import vendor
from harness.errors import ConfigurationError

Select = field_paths.Select
Step = field_paths.Step
parse = field_paths.parse
written = field_paths.written
INTEGERS: dict[str, tuple[str, int]] = {
    "int8": ("b", 1),
    "uint8": ("B", 1),
    "octet": ("B", 1),
    "char": ("B", 1),
    "int16": ("h", 2),
    "uint16": ("H", 2),
    "int32": ("i", 4),
    "uint32": ("I", 4),
    "int64": ("q", 8),
    "uint64": ("Q", 8),
}
"""struct code and size of the integer types (IDL names as rosidl gives them to Python)."""
FLOATS: dict[str, tuple[str, int]] = {"float": ("f", 4), "double": ("d", 8)}
BOOLEAN = {"boolean": ("?", 1)}
PRIMITIVES = {**INTEGERS, **FLOATS, **BOOLEAN}
TIME = "builtin_interfaces/Time"
DURATION = "builtin_interfaces/Duration"
_MOST_MEANT = 3


@dataclass(frozen=True)
class FieldType:
    """``base``: a primitive, ``string``, ``wstring`` or ``package/Name``. ``size``: of a fixed array.
    ``sequence``: of variable length, at most ``bound`` long if that is given."""

    base: str
    size: int | None = None
    sequence: bool = False
    bound: int | None = None

    @property
    def plural(self) -> bool:
        """Whether it is an array or a sequence."""
        return self.sequence or self.size is not None

    @property
    def element(self) -> FieldType:
        """The type of one element."""
        return replace(self, size=None, sequence=False, bound=None)

    @property
    def nested(self) -> bool:
        """Whether it is a message of its own."""
        return "/" in self.base

    def __str__(self) -> str:
        if self.sequence:
            return f"sequence<{self.base}>"
        return self.base if self.size is None else f"{self.base}[{self.size}]"


@lru_cache(maxsize=4096)
def parse_type(text: str) -> FieldType:
    """One type string of ``get_fields_and_field_types()`` taken apart."""
    if found := re.fullmatch(r"sequence<(.+?)(?:,\s*(\d+))?>", text):
        bound = int(found[2]) if found[2] else None
        return replace(parse_type(found[1]), sequence=True, bound=bound)
    if found := re.fullmatch(r"(.+)\[(\d+)\]", text):
        return replace(parse_type(found[1]), size=int(found[2]))
    if found := re.fullmatch(r"(w?string)<=?(\d+)>?", text):
        return FieldType(found[1], bound=int(found[2]))
    return FieldType(text)


def integer_range(base: str) -> tuple[int, int]:
    """Smallest and largest value of an integer type."""
    bits = INTEGERS[base][1] * 8
    unsigned = base.startswith("u") or base in ("octet", "char")
    return (0, int(2**bits - 1)) if unsigned else (int(-(2 ** (bits - 1))), int(2 ** (bits - 1) - 1))


def fields(message: type) -> dict[str, FieldType]:
    """Fields of a message class in the order they are sent."""
    raw: dict[str, str] = message.get_fields_and_field_types()  # type: ignore[attr-defined]
    return {name: parse_type(text) for name, text in raw.items()}


@lru_cache(maxsize=512)
def nested_class(base: str) -> type:
    """Class of a nested message, ``package/Name``, or of a part of an action, ``package/Name_Feedback``."""
    package, _, name = base.partition("/")
    name = name.rpartition("/")[2]
    action, _, part = name.rpartition("_")
    if action and part in ("Goal", "Feedback", "Result"):
        found: type = getattr(getattr(vendor.load(f"{package}.action"), action), part)
        return found
    loaded: type = getattr(vendor.load(f"{package}.msg"), name)
    return loaded


def full_name(message: type) -> str:
    """``package/msg/Name`` of a message class; ``package/srv/Name_Request`` of a part of a service."""
    package, _, rest = message.__module__.partition(".")
    return f"{package}/{rest.partition('.')[0]}/{message.__name__}"


def resolve(message: type, path: str) -> FieldType:
    """Type of the field at ``path``. Raises ConfigurationError naming the nearest field when there is
    none."""
    current: FieldType | None = None
    owner: type = message
    steps = parse(path)
    for place, step in enumerate(steps):
        if isinstance(step, str):
            if current is not None:
                if current.plural or not current.nested:
                    kind = f"{current} takes an index first" if current.plural else f"{current} has no fields"
                    raise ConfigurationError(
                        f"{path!r} of {full_name(message)}: {kind}, so there is no {step!r}"
                    )
                owner = nested_class(current.base)
            known = fields(owner)
            if step not in known:
                raise ConfigurationError(
                    f"{path!r}: {full_name(owner)} has no field {step!r}",
                    hint=_nearest(message, steps, place, known),
                )
            current = known[step]
        else:
            if current is None or not current.plural:
                raise ConfigurationError(
                    f"{path!r} of {full_name(message)}: {current or 'a message'} takes no index"
                )
            if isinstance(step, int):
                limit = current.size if current.size is not None else current.bound
                if limit is not None and step >= limit:
                    raise ConfigurationError(
                        f"{path!r} of {full_name(message)}: index {step} is beyond {current}",
                        hint=f"indices go from 0 to {limit - 1}",
                    )
            else:
                inner = fields(nested_class(current.base)) if current.nested else {}
                if step.field not in inner:
                    raise ConfigurationError(
                        f"{path!r}: elements of {current} have no field {step.field!r}",
                        hint=_nearest(message, steps, place, inner),
                    )
            current = current.element
    assert current is not None
    return current


def _nearest(message: type, steps: tuple[Step, ...], place: int, known: Iterable[str]) -> str:
    meant = " or ".join(map(repr, _meant(message, steps, place, known)))
    shown = ", ".join(known) or "none"
    return f"did you mean {meant}? fields here: {shown}" if meant else f"fields: {shown}"


def _meant(message: type, steps: tuple[Step, ...], place: int, known: Iterable[str]) -> list[str]:
    """Whole paths that may have been meant where there is no such step at ``place``.

    First what only lacks its beginning, as where the type of a port became a stamped one; then the one step
    mended. Of the rest only paths with the same last field: another axis of the robot is no near miss.
    """
    given = [step for step in steps if isinstance(step, str)]
    every = leaves(message) if len(given) == len(steps) else []
    if below := [path for path in every if path.split(".")[-len(given) :] == given]:
        return below[:_MOST_MEANT]
    wrong = steps[place]
    near = difflib.get_close_matches(wrong.field if isinstance(wrong, Select) else str(wrong), known, n=1)
    if near:
        mended: Step = replace(wrong, field=near[0]) if isinstance(wrong, Select) else near[0]
        whole = written((*steps[:place], mended, *steps[place + 1 :]))
        with contextlib.suppress(ConfigurationError):
            resolve(message, whole)
            return [whole]
    alike = [path for path in every if path.rpartition(".")[2] == given[-1]]
    if found := difflib.get_close_matches(written(steps), alike, n=1):
        return found
    return [written((*steps[:place], mended))] if near else []


def leaves(message: type, prefix: str = "", depth: int = 6) -> list[str]:
    """Every path to a field that is not a message with fields of its own; times count as leaves."""
    found: list[str] = []
    for name, kind in fields(message).items():
        if kind.nested and not kind.plural and kind.base != TIME and depth:
            found += leaves(nested_class(kind.base), f"{prefix}{name}.", depth - 1)
        else:
            found.append(f"{prefix}{name}")
    return found


def read(message: Any, steps: Sequence[Step]) -> Any:
    """Value at a path that :func:`resolve` has accepted. Raises LookupError for an element that is not
    there."""
    current = message
    for step in steps:
        if isinstance(step, str):
            current = getattr(current, step)
        elif isinstance(step, int):
            current = current[step]
        else:
            current = next(one for one in _elements(current) if str(getattr(one, step.field)) == step.value)
    return current


def _elements(items: Any) -> Any:
    yield from items
    raise LookupError("no such element")
