"""Fields of protobuf messages by path: ``linear.x``, ``pose[name=box].position.x``, ``header.stamp``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from harness.adapters.field_paths import Select, Step, parse, written
from harness.config.problems import suggest
from harness.errors import ConfigurationError, SafetyError

TIMES = ("gz.msgs.Time", "gz.msgs.Duration")
SECOND_NS = 1_000_000_000
_INTEGERS = {
    "int32": (-(2**31), 2**31 - 1),
    "uint32": (0, 2**32 - 1),
    "int64": (-(2**63), 2**63 - 1),
    "uint64": (0, 2**64 - 1),
}
_FLOATS = ("double", "float")


@dataclass(frozen=True)
class Field:
    """What is at a path. ``base``: a number type of protobuf, ``bool``, ``string``, ``bytes``, ``enum``, or
    the full name of a message. ``repeated``: a list of them. ``descriptor``: protobuf's own of the field."""

    base: str
    repeated: bool
    descriptor: Any

    @property
    def is_time(self) -> bool:
        """Whether it is one instant or duration, of seconds and nanoseconds."""
        return not self.repeated and self.base in TIMES

    @property
    def is_integer(self) -> bool:
        """Whether it is one whole number."""
        return not self.repeated and self.base in _INTEGERS

    @property
    def is_number(self) -> bool:
        """Whether it is one number, or true or false."""
        return not self.repeated and (
            self.base in _INTEGERS or self.base in _FLOATS or self.base in ("bool", "enum")
        )

    def __str__(self) -> str:
        return f"list of {self.base}" if self.repeated else self.base


def _is_repeated(field: Any) -> bool:
    found = getattr(field, "is_repeated", None)
    return bool(field.label == field.LABEL_REPEATED if found is None else found)


def _base(field: Any) -> str:
    words = {
        field.CPPTYPE_DOUBLE: "double",
        field.CPPTYPE_FLOAT: "float",
        field.CPPTYPE_INT32: "int32",
        field.CPPTYPE_UINT32: "uint32",
        field.CPPTYPE_INT64: "int64",
        field.CPPTYPE_UINT64: "uint64",
        field.CPPTYPE_BOOL: "bool",
        field.CPPTYPE_ENUM: "enum",
    }
    if field.cpp_type == field.CPPTYPE_MESSAGE:
        return str(field.message_type.full_name)
    if field.cpp_type == field.CPPTYPE_STRING:
        return "bytes" if field.type == field.TYPE_BYTES else "string"
    return words[field.cpp_type]


def resolve(message: Any, path: str) -> Field:
    """What is at ``path`` of that message class. Raises ConfigurationError naming the nearest field."""
    owner, current = message.DESCRIPTOR, None
    for step in parse(path):
        if isinstance(step, str):
            if current is not None and (current.repeated or owner is None):
                takes = "takes an index first" if current.repeated else "has no fields"
                raise ConfigurationError(f"{path!r} of {message.DESCRIPTOR.full_name}: {current} {takes}")
            field = owner.fields_by_name.get(step)
            if field is None:
                raise ConfigurationError(
                    f"{path!r}: {owner.full_name} has no field {step!r}",
                    hint=_meant(message, path, owner, step),
                )
            current = Field(_base(field), _is_repeated(field), field)
        else:
            if current is None or not current.repeated:
                raise ConfigurationError(
                    f"{path!r} of {message.DESCRIPTOR.full_name}: {current or 'a message'} takes no index"
                )
            if isinstance(step, Select) and (owner is None or step.field not in owner.fields_by_name):
                inner = [] if owner is None else list(owner.fields_by_name.keys())
                raise ConfigurationError(
                    f"{path!r}: elements of {current} have no field {step.field!r}",
                    hint=suggest(step.field, inner, "they are no messages"),
                )
            current = Field(current.base, False, current.descriptor)
        owner = current.descriptor.message_type
    assert current is not None
    return current


def _meant(message: Any, path: str, owner: Any, step: str) -> str:
    """The nearest field, or a whole path that ends like the given one."""
    tail = "." + path
    below = [leaf for leaf in leaves(message) if leaf.endswith(tail)]
    return f"did you mean {below[0]!r}?" if below else suggest(step, list(owner.fields_by_name.keys()))


def leaves(message: Any) -> list[str]:
    """Every path to a field without fields of its own; times and lists count as such."""

    def below(owner: Any, prefix: str, depth: int) -> Iterator[str]:
        for field in owner.fields:
            nested = field.message_type
            if nested is not None and not _is_repeated(field) and nested.full_name not in TIMES and depth:
                yield from below(nested, f"{prefix}{field.name}.", depth - 1)
            else:
                yield f"{prefix}{field.name}"

    return list(below(message.DESCRIPTOR, "", 5))


def read(message: Any, steps: Sequence[Step]) -> Any:
    """The value at a path that :func:`resolve` has accepted; a time in ns.

    Raises LookupError for an element that is not there.
    """
    current = message
    for step in steps:
        if isinstance(step, str):
            current = getattr(current, step)
        else:
            current = _element(current, step)
    nsec = getattr(current, "nsec", None)
    return current if nsec is None else current.sec * SECOND_NS + nsec


def _element(items: Any, step: Step) -> Any:
    if isinstance(step, int):
        return items[step]
    assert isinstance(step, Select)
    for one in items:
        if str(getattr(one, step.field)) == step.value:
            return one
    raise LookupError("no such element")


def assign(message: Any, path: str, value: Any) -> None:
    """Set one field. Lists grow, with default elements, up to the one named. Raises ConfigurationError."""
    kind = resolve(type(message), path)
    steps = parse(path)
    current = message
    for place, (step, following) in enumerate(pairwise(steps), 1):
        current = getattr(current, step) if isinstance(step, str) else _element(current, step)
        if not isinstance(following, str):
            _grow(current, following, resolve(type(message), written(steps[:place])))
    last = steps[-1]
    if isinstance(last, Select):
        raise ConfigurationError(f"{path!r} names an element; name a field of it, e.g. {path}.FIELD")
    try:
        _put(current, last, kind, value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(
            f"{path!r} of {type(message).DESCRIPTOR.full_name} is of type {kind} and cannot take {value!r}",
            hint=str(error),
        ) from error


def _grow(items: Any, step: Step, kind: Field) -> None:
    if isinstance(step, int):
        while len(items) <= step:
            if kind.descriptor.message_type is not None:
                items.add()
            else:
                items.append("" if kind.base == "string" else b"" if kind.base == "bytes" else 0)
    elif isinstance(step, Select) and not any(str(getattr(one, step.field)) == step.value for one in items):
        assign(items.add(), step.field, step.value)


def _put(holder: Any, last: str | int, kind: Field, value: Any) -> None:
    if kind.repeated:
        if not isinstance(value, (list, tuple)):
            raise TypeError("give a list")
        items = getattr(holder, str(last))
        del items[:]
        for one in value:
            if kind.descriptor.message_type is not None:
                _fill(items.add(), kind, one)
            else:
                items.append(_scalar(kind, one))
        return
    if kind.descriptor.message_type is not None:
        _fill(getattr(holder, last) if isinstance(last, str) else holder[last], kind, value)
    elif isinstance(last, str):
        setattr(holder, last, _scalar(kind, value))
    else:
        holder[last] = _scalar(kind, value)


def _fill(message: Any, kind: Field, value: Any) -> None:
    """A message from a mapping of its fields; a time from its seconds."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            assign(message, str(name), each)
    elif kind.base in TIMES and isinstance(value, (int, float)) and not isinstance(value, bool):
        message.sec, message.nsec = divmod(round(value * SECOND_NS), SECOND_NS)
    else:
        words = "give seconds" if kind.base in TIMES else "it is a message: give a mapping of its fields"
        raise TypeError(words)


def _scalar(kind: Field, value: Any) -> Any:
    """What a rig file gives, as the field wants it: only conversions that lose nothing."""
    base = kind.base
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if base in _FLOATS:
        if not number:
            raise TypeError("give a number")
        return float(value)
    if base == "bool":
        if not isinstance(value, bool):
            raise TypeError("give true or false")
        return value
    if base == "enum":
        names = kind.descriptor.enum_type.values_by_name
        if isinstance(value, str) and value in names:
            return names[value].number
        if number and int(value) in kind.descriptor.enum_type.values_by_number:
            return int(value)
        raise ValueError(f"give one of {', '.join(names.keys())}")
    if base in _INTEGERS:
        low, high = _INTEGERS[base]
        if not number or int(value) != value:
            raise TypeError("give a whole number")
        if not low <= value <= high:
            raise ValueError(f"give a whole number from {low} to {high}")
        return int(value)
    if not isinstance(value, str):
        raise TypeError("give a text")
    return value.encode() if base == "bytes" else value


def setter(message: Any, path: str) -> Callable[[int], None]:
    """What writes whole numbers into that field of that message: a time takes nanoseconds."""
    kind = resolve(type(message), path)
    assign(message, path, 0)  # lists have grown by now
    *before, last = parse(path)
    holder = message
    for step in before:
        holder = getattr(holder, step) if isinstance(step, str) else _element(holder, step)
    if kind.is_time:
        time = getattr(holder, str(last)) if isinstance(last, str) else _element(holder, last)

        def put_time(nanoseconds: int) -> None:
            time.sec, time.nsec = divmod(nanoseconds, SECOND_NS)

        return put_time
    if isinstance(last, str):
        return lambda number: setattr(holder, last, number)
    assert isinstance(last, int)

    def put(number: int) -> None:
        holder[last] = number

    return put


def integer_range(kind: Field) -> tuple[int, int]:
    """Smallest and largest number that the field takes; of a time in ns."""
    if kind.is_time:
        return 0, (2**63 - 1)
    return _INTEGERS[kind.base]


def refuse_beyond(message: Any, limits: Mapping[str, float], port: str) -> None:
    """Raise SafetyError for a field whose magnitude is over its limit, or is no number. A limit on a message
    holds for all numbers in it, one on a list without index for every element."""
    for path, limit in limits.items():
        if unknown(type(message), path) is not None:
            continue  # a limit of another port of the device
        for value in _reached(message, parse(path)):
            if not math.isfinite(value) or abs(value) > limit:
                raise SafetyError(
                    f"{path} = {value!r} on port {port} is beyond the limit of {limit:g}",
                    hint="lower the value, or agree on another limit in the rig file (limits)",
                )


def unknown(message: Any, path: str) -> ConfigurationError | None:
    """Why a limit holds for no field of that message class; None where it does for one."""
    try:
        steps = parse(path)
        owner = message.DESCRIPTOR
        for step in steps:
            if isinstance(step, str):
                field = None if owner is None else owner.fields_by_name.get(step)
                if field is None:
                    resolve(message, path)  # says what is wrong
                    return None
                owner = field.message_type
    except ConfigurationError as error:
        return error
    return None


def _reached(current: Any, steps: Sequence[Step]) -> Iterator[float]:
    if isinstance(current, (int, float)):
        if not steps:
            yield current
        return
    if isinstance(current, (str, bytes)):
        return
    if hasattr(current, "DESCRIPTOR"):
        if steps and isinstance(steps[0], str):
            yield from _reached(getattr(current, steps[0]), steps[1:])
        elif not steps:
            for _, value in current.ListFields():
                yield from _reached(value, ())
        return
    if steps and not isinstance(steps[0], str):
        try:
            yield from _reached(_element(current, steps[0]), steps[1:])
        except LookupError:
            return
        return
    for one in current:
        yield from _reached(one, steps)
