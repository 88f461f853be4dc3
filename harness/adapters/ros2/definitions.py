"""The whole definition of a message type as text, as bags carry it; quality of service as rosbag2 keeps it.

A definition is the content of the type's ``.msg`` file, followed by those of the types it is made of, each
after a line of 80 ``=`` and one ``MSG: package/Name`` (rosbag2_cpp, ``local_message_definition_source.cpp``).
Where a file is not installed, its fields are told from the Python class instead: comments, constants and
defaults are then missing, and nothing that decoding needs.
"""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from harness.adapters.ros2 import paths

_RULE = "=" * 80
_PRIMITIVES = {"boolean": "bool", "octet": "byte", "float": "float32", "double": "float64", "char": "uint8"}
"""Names of IDL in a message's Python class, as ``.msg`` files name them."""
_INFINITE = {"sec": 9223372036, "nsec": 854775807}


@lru_cache(maxsize=256)
def definition(message: type) -> str:
    """The definition of that message class and all it is made of."""
    texts = {paths.full_name(message): _text(message)}
    waiting = [message]
    while waiting:
        for kind in paths.fields(waiting.pop(0)).values():
            inner = paths.nested_class(kind.base) if kind.nested else None
            if inner is not None and paths.full_name(inner) not in texts:
                texts[paths.full_name(inner)] = _text(inner)
                waiting.append(inner)
    first, *others = texts.items()
    return first[1] + "".join(f"\n{_RULE}\nMSG: {_short(name)}\n{text}" for name, text in others)


def _short(name: str) -> str:
    return name.replace("/msg/", "/")


def _text(message: type) -> str:
    package, _, name = paths.full_name(message).partition("/msg/")
    for share in _shares(package):
        file = share / package / "msg" / f"{name}.msg"
        try:
            return file.read_text("utf-8")
        except (OSError, UnicodeDecodeError):
            continue
    return "".join(f"{_declared(kind)} {field}\n" for field, kind in paths.fields(message).items())


def _shares(package: str) -> Iterator[Path]:
    """Where the ``share`` folders are: of the prefix that Python has the package from, and of the sourced
    workspaces."""
    found = importlib.util.find_spec(package)
    for place in (found.submodule_search_locations or ()) if found is not None else ():
        for parent in list(Path(place).parents)[:6]:
            yield parent / "share"
    for prefix in filter(None, os.environ.get("AMENT_PREFIX_PATH", "").split(os.pathsep)):
        yield Path(prefix) / "share"


def _declared(kind: paths.FieldType) -> str:
    """A type as ``.msg`` files write it."""
    base = _PRIMITIVES.get(kind.base, _short(kind.base))
    if kind.base in ("string", "wstring") and kind.bound is not None and not kind.sequence:
        base += f"<={kind.bound}"
    if kind.sequence:
        return f"{base}[]" if kind.bound is None else f"{base}[<={kind.bound}]"
    return base if kind.size is None else f"{base}[{kind.size}]"


def qos_text(profile: Any) -> str:
    """A QoS profile as rosbag2 keeps what a publisher offers: by number, times that are not set as
    infinite."""
    told = {
        "history": int(profile.history),
        "depth": int(profile.depth),
        "reliability": int(profile.reliability),
        "durability": int(profile.durability),
        "deadline": _time(profile.deadline),
        "lifespan": _time(profile.lifespan),
        "liveliness": int(profile.liveliness),
        "liveliness_lease_duration": _time(profile.liveliness_lease_duration),
        "avoid_ros_namespace_conventions": bool(profile.avoid_ros_namespace_conventions),
    }
    return str(yaml.safe_dump([told], sort_keys=False))


def _time(duration: Any) -> dict[str, int]:
    nanoseconds = int(duration.nanoseconds)
    if not nanoseconds:
        return dict(_INFINITE)
    return dict(zip(("sec", "nsec"), divmod(nanoseconds, 1_000_000_000), strict=True))
