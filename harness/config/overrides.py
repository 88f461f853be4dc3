"""``--set key=value``: single values of a rig file changed before it is validated."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from harness.config import reader, shape
from harness.config.problems import DataPath, Position, Problem, RigFileError, dotted, suggest

Shapes = Callable[[Any, DataPath], list[Any]]
"""(data of the file, path) -> the types that may stand there."""

_INDEX = re.compile(r"\[([^\]]*)\]")


class _WrongError(Exception):
    """What is wrong with one override."""


def apply(document: reader.Document, overrides: Sequence[str], shapes: Shapes) -> None:
    """Set each ``path=value`` in the document's data, in order; the value is YAML.

    A path is dotted; a list element is chosen by index or by its ``id`` or ``name``:
    ``requirements[CMD-RTT].limit=12``. Raises RigFileError with every override that leads nowhere.
    """
    problems: list[Problem] = []
    for text in overrides:
        position = Position(f"--set {text if len(text) <= 80 else text[:77] + '...'}")
        path_text, equals, value_text = text.partition("=")
        try:
            if not equals or not path_text.strip():
                raise _WrongError("must be written key=value, e.g. scenarios.command.schedule.samples=500")
            _apply(document, path_text.strip(), _value(value_text), position, shapes)
        except _WrongError as wrong:
            problems.append(Problem(position, "", str(wrong)))
    if problems:
        raise RigFileError(problems)


def _value(text: str) -> Any:
    if len(text.encode("utf-8", "replace")) > reader.MAX_BYTES:
        raise _WrongError("the value is too long")
    if text.strip() == "%":
        return "%"  # a unit: YAML wants it in quotes, which a shell takes away
    try:
        return reader.parse(text, "value").data
    except RigFileError as error:
        raise _WrongError(f"the value is {error.problems[0].message}") from error


def _apply(document: reader.Document, text: str, value: Any, position: Position, shapes: Shapes) -> None:
    data: Any = document.data
    path: DataPath = ()
    rest = text
    while True:
        kinds = shape.fitting(shapes(document.data, path), data)
        key: str | int
        if isinstance(data, dict):
            if rest.startswith("["):
                raise _WrongError(f"{dotted(path) or 'the file'} is a mapping, not a list")
            key, rest = _key(data, kinds, rest, path)
        elif isinstance(data, list):
            key, rest = _index(data, rest, path)
        else:
            raise _WrongError(f"{dotted(path)} is a single value; nothing is below it")
        path = (*path, key)
        if not rest:
            data[key] = value
            document.place(path, position)
            return
        rest = rest.removeprefix(".")
        if isinstance(data, dict) and (key not in data or data[key] is None):
            data[key] = {}
            document.place(path, position)
        data = data[key]


def _key(data: dict[str, Any], kinds: list[Any], rest: str, path: DataPath) -> tuple[str, str]:
    # Keys may have dots of their own (twist.linear.x): the longest that is there is meant.
    present = [k for k in data if rest == k or (rest.startswith(k) and rest[len(k)] in ".[")]
    if present:
        key = max(present, key=len)
        return key, rest[len(key) :]
    match = re.match(r"[^.\[]+", rest)
    if match is None:
        raise _WrongError(f"a key is expected after {dotted(path) or 'the beginning'}, not {rest!r}")
    key, after = match.group(), rest[match.end() :]
    known = shape.keys_of(kinds)
    if known:
        if key in known:
            return key, after
        raise _WrongError(f"unknown key {dotted((*path, key))!r}; {suggest(key, known)}")
    below = shape.child(kinds, rest)
    if below and Any not in below and not all(shape.is_model(kind) for kind in below):
        # A table of plain values, such as limits: anything may be added, dots and all.
        return rest, ""
    raise _WrongError(f"{dotted((*path, key))!r} does not exist; {suggest(key, data)}")


def _index(data: list[Any], rest: str, path: DataPath) -> tuple[int, str]:
    match = _INDEX.match(rest)
    if match is None:
        raise _WrongError(
            f"{dotted(path)} is a list; choose an element: {dotted(path)}[0] to [{len(data) - 1}]"
        )
    chosen, after = match.group(1), rest[match.end() :]
    names = [str(e.get("id", e.get("name"))) if isinstance(e, dict) else "" for e in data]
    if chosen in names:
        return names.index(chosen), after
    if re.fullmatch(r"[0-9]{1,6}", chosen):
        if int(chosen) < len(data):
            return int(chosen), after
        raise _WrongError(f"{dotted(path)} has no element [{chosen}]; it has {len(data)}")
    raise _WrongError(f"{dotted(path)} has no element {chosen!r}; {suggest(chosen, [n for n in names if n])}")
