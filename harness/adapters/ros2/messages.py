"""Message types by name, and messages filled by path."""

from __future__ import annotations

import difflib
import importlib
import re
import reprlib
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

from harness.adapters.ros2 import paths, vendor
from harness.adapters.ros2.paths import FieldType, Select
from harness.errors import ConfigurationError


@dataclass(frozen=True)
class _Part:
    """One sort of interface: folder of its package, what it is called, an example, what its class has."""

    folder: str
    word: str
    example: str
    marks: tuple[str, ...]


_MESSAGE = _Part("msg", "message", "geometry_msgs/msg/TwistStamped", ("get_fields_and_field_types",))
_SERVICE = _Part("srv", "service", "std_srvs/srv/SetBool", ("Request", "Response"))
_ACTION = _Part("action", "action", "control_msgs/action/FollowJointTrajectory", ("Goal", "Result", "Impl"))
OWN_PACKAGE = "harness_interfaces"
"""Types of the simulated arm; on no package index, see ``interfaces/``."""
SEND_GOAL = "_SendGoal"
"""What the name of an action is followed by in that of the service that takes its goals."""


@lru_cache(maxsize=256)
def message_class(name: str) -> type:
    """Class of ``package/msg/Name`` (or ``package/Name``).

    Raises ConfigurationError for a name that is none or is not installed, UnavailableError without rclpy.
    """
    return _loaded(name, _MESSAGE)


@lru_cache(maxsize=256)
def service_class(name: str) -> Any:
    """Class of ``package/srv/Name``, or of the service ``package/action/Name_SendGoal`` that takes an
    action's goals; raises as :func:`message_class` does."""
    if "/action/" in name and name.endswith(SEND_GOAL):
        return action_class(name.removesuffix(SEND_GOAL)).Impl.SendGoalService
    return _loaded(name, _SERVICE)


@lru_cache(maxsize=256)
def action_class(name: str) -> Any:
    """Class of ``package/action/Name``; raises as :func:`message_class` does."""
    return _loaded(name, _ACTION)


def type_name(name: str, folder: str) -> str:
    """``package/FOLDER/Name`` of a name that may leave the folder out."""
    package, _, short = name.partition("/")
    return f"{package}/{folder}/{short.rpartition('/')[2]}"


def _loaded(name: str, part: _Part) -> type:
    article = "an" if part.word == "action" else "a"
    found = re.fullmatch(rf"([a-z][a-z0-9_]*)/(?:{part.folder}/)?([A-Z][A-Za-z0-9]*)", name)
    if found is None:
        raise ConfigurationError(
            f"{name!r} is not {article} {part.word} type",
            hint=f"write package/{part.folder}/Name, e.g. {part.example}",
        )
    vendor.load()
    package, short = found[1], found[2]
    try:
        module = importlib.import_module(f"{package}.{part.folder}")
    except ModuleNotFoundError as error:
        near = difflib.get_close_matches(package, installed_packages(part.folder), n=3)
        raise ConfigurationError(
            f"no {part.word} package {package!r} is installed (for {name!r})",
            hint=(f"did you mean {' or '.join(near)}? else " if near else "") + _how_to_install(package),
        ) from error
    except ImportError as error:
        raise ConfigurationError(
            f"{part.word} package {package!r} is there but does not import: {error}",
            hint="it was built for another Python or another ROS 2; source one ROS 2 only",
        ) from error
    loaded = getattr(module, short, None)
    if not isinstance(loaded, type) or not _is_one(loaded, part):
        known = [one for one in dir(module) if _is_one(getattr(module, one), part)]
        near = difflib.get_close_matches(short, known, n=1)
        some = ", ".join(known[:8]) + (", ..." if len(known) > 8 else "")
        raise ConfigurationError(
            f"package {package!r} has no {part.word} {short!r}",
            hint=f"did you mean '{package}/{part.folder}/{near[0]}'?"
            if near
            else f"it has: {some or 'none at all'}",
        )
    return loaded


def _how_to_install(package: str) -> str:
    if package == OWN_PACKAGE:
        return "`make setup` builds it, given gcc, g++ and Python's headers; in a workspace: colcon build"
    dashed = package.replace("_", "-")
    return f"source its workspace, apt install ros-$ROS_DISTRO-{dashed}, or pip install ros-{dashed}"


def _is_one(loaded: Any, part: _Part) -> bool:
    return all(hasattr(loaded, mark) for mark in part.marks)


def installed_packages(folder: str = "msg") -> list[str]:
    """Names of the packages with interfaces of that sort that Python can import."""
    found: set[str] = set()
    for entry in sys.path:
        if entry and (place := Path(entry)).is_dir():
            found.update(one.parent.parent.name for one in place.glob(f"*/{folder}/__init__.py"))
    return sorted(found)


def build(message: type, values: Mapping[str, Any]) -> Any:
    """A message with ``values`` by path over its defaults. Raises ConfigurationError for a wrong path or
    value."""
    made = message()
    for path, value in values.items():
        assign(made, path, value)
    return made


def assign(message: Any, path: str, value: Any) -> None:
    """Set one field. Sequences grow, with default elements, up to the index named."""
    kind = paths.resolve(type(message), path)
    steps = paths.parse(path)
    owner: type = type(message)
    current = message
    for step, following in pairwise(steps):
        if isinstance(step, str):
            declared = paths.fields(owner)[step]
            holder, current = current, getattr(current, step)
            if declared.sequence and isinstance(following, (int, Select)):
                current = _grown(holder, step, declared, following)
            if declared.nested:
                owner = paths.nested_class(declared.base)
        else:
            current = paths.read(current, (step,))
    fitting = converted(type(message), path, kind, value)
    last = steps[-1]
    try:
        if isinstance(last, str):
            setattr(current, last, fitting)
        else:
            current[last] = fitting
    except _REFUSED as error:
        raise _cannot_take(type(message), path, kind, value, error) from error


def converted(message: type, path: str, kind: FieldType, value: Any) -> Any:
    """``value`` as the field at ``path``, of type ``kind``, takes it. Raises ConfigurationError when it
    cannot."""
    if isinstance(paths.parse(path)[-1], Select):
        raise ConfigurationError(f"{path!r} names an element; name a field of it, e.g. {path}.FIELD")
    try:
        return _convert(kind, value)
    except _REFUSED as error:
        raise _cannot_take(message, path, kind, value, error) from error


_MANY = 64
_REFUSED = (AssertionError, TypeError, ValueError, OverflowError, IndexError)


def _cannot_take(
    message: type, path: str, kind: FieldType, value: Any, error: Exception
) -> ConfigurationError:
    reason = str(error).strip().splitlines()
    return ConfigurationError(
        f"{path!r} of {paths.full_name(message)} is of type {kind} and cannot take {reprlib.repr(value)}",
        hint=reason[-1] if reason else f"give a value of type {kind}",
    )


def _grown(holder: Any, name: str, declared: FieldType, step: int | Select) -> Any:
    items = getattr(holder, name)
    if isinstance(step, int):
        if len(items) <= step:
            items = list(items) + [_default(declared.element) for _ in range(step + 1 - len(items))]
            setattr(holder, name, items)
    elif not any(str(getattr(one, step.field)) == step.value for one in items):
        fresh = _default(declared.element)
        assign(fresh, step.field, step.value)
        setattr(holder, name, [*items, fresh])
    return getattr(holder, name)


def _default(kind: FieldType) -> Any:
    if kind.nested:
        return paths.nested_class(kind.base)()
    if kind.base in paths.FLOATS:
        return 0.0
    if kind.base in paths.BOOLEAN:
        return False
    return bytes(1) if kind.base == "octet" else 0 if kind.base in paths.INTEGERS else ""


def _packed(kind: FieldType, value: Sequence[Any]) -> array[Any] | None:
    """A long list of numbers at once: an image of 4 MB in 0.3 s instead of 20. None where each element has to
    be looked at, if only to say which of them is wrong."""
    base = kind.element.base
    if len(value) < _MANY or not kind.sequence or kind.element.nested:
        return None
    types = set(map(type, value))
    if base in paths.FLOATS and types <= {int, float}:
        return array(paths.FLOATS[base][0], value)
    if base in paths.INTEGERS and base != "octet" and types == {int}:
        low, high = paths.integer_range(base)
        if low <= min(value) and max(value) <= high:
            return array(paths.INTEGERS[base][0], value)
    return None


def _convert(kind: FieldType, value: Any) -> Any:
    """What a rig file gives, as the type wants it: only conversions that lose nothing."""
    # The generated setters check nothing unless ROS_PYTHON_CHECK_FIELDS=1; the serialiser crashes instead.
    if kind.plural:
        if not isinstance(value, (list, tuple)):
            raise TypeError("give a list")
        if kind.size is not None and len(value) != kind.size:
            raise ValueError(f"give exactly {kind.size} elements")
        if kind.bound is not None and len(value) > kind.bound:
            raise ValueError(f"give at most {kind.bound} elements")
        packed = _packed(kind, value)
        return [_convert(kind.element, one) for one in value] if packed is None else packed
    if kind.nested:
        return _convert_nested(paths.nested_class(kind.base), kind, value)
    if kind.base in paths.FLOATS:
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise TypeError("give a number")
        return float(value)
    if kind.base in paths.BOOLEAN:
        if not isinstance(value, bool):
            raise TypeError("give true or false")
        return value
    if kind.base in paths.INTEGERS:
        if isinstance(value, bool) or not isinstance(value, (int, float)) or int(value) != value:
            raise TypeError("give a whole number")
        low, high = paths.integer_range(kind.base)
        if not low <= value <= high:
            raise ValueError(f"give a whole number from {low} to {high}")
        return bytes([int(value)]) if kind.base == "octet" else int(value)
    if not isinstance(value, str):
        raise TypeError("give a text")
    if kind.bound is not None and len(value.encode()) > kind.bound:
        raise ValueError(f"give at most {kind.bound} bytes")
    return value


def _convert_nested(message: type, kind: FieldType, value: Any) -> Any:
    """A message from a mapping of its fields; a duration or time from its seconds."""
    if isinstance(value, message):
        return value
    if isinstance(value, Mapping):
        return build(message, value)
    if kind.base not in (paths.TIME, paths.DURATION):
        raise TypeError("it is a message: give a mapping, or set its fields one by one")
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError("give seconds")
    low, high = paths.integer_range("int32")
    seconds, nanoseconds = divmod(round(value * 1_000_000_000), 1_000_000_000)
    if not low <= seconds <= high:
        raise ValueError(f"give seconds from {low} to {high}")
    return message(sec=seconds, nanosec=nanoseconds)
