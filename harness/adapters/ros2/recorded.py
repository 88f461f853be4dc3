"""Recorded messages as stimuli: from the bytes of a bag, unchanged but for the key."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from harness.adapters.ros2 import cdr, paths, vendor
from harness.adapters.ros2.port_options import Template
from harness.bags.window import read_message
from harness.config.values import limit_of
from harness.errors import ConfigurationError, SafetyError


def deserialized(message: type, kind: str, data: bytes) -> Any:
    """The message that ``data`` holds. Raises ConfigurationError when ``kind`` is another type or the bytes
    hold none."""
    wanted = paths.full_name(message)
    if kind != wanted:
        raise ConfigurationError(
            f"it is a {kind}, the port sends {wanted}", hint="take another topic, or give the port that type"
        )
    try:
        return vendor.load("rclpy.serialization").deserialize_message(data, message)
    except Exception as error:
        raise ConfigurationError(
            f"its {len(data)} bytes cannot be read as {wanted}: {error}",
            hint="was it recorded with another version of the message type?",
        ) from error


def template(told: Template, folder: Path | None, message: type, port: str) -> Callable[[], Any]:
    """Makes the recorded message, which values are laid over, each time anew; ``folder``: what its path
    starts from. Raises ConfigurationError."""
    try:
        kind, data = read_message((folder or Path()) / told.bag, told.topic, told.message)
        deserialized(message, kind, data)
    except ConfigurationError as error:
        raise ConfigurationError(f"template of port {port}: {error.message}", hint=error.hint) from error
    return partial(deserialized, message, kind, data)


def refuse_uncovered(made: Any, limits: Mapping[str, float], port: str) -> None:
    """Raise SafetyError for real numbers of a recorded message, other than 0, that no limit covers.

    What a rig file sends itself is asked for limits field by field; a recording has more fields than anybody
    reads.
    """
    found = dict.fromkeys(field for field in _numbers(made) if limit_of(limits, field) is None)
    if found:
        raise SafetyError(
            f"no limit covers {', '.join(found)} of a recorded message on port {port}, and the robot is real",
            hint="add them to the limits of the device",
        )


def _numbers(made: Any, path: str = "") -> Iterator[str]:
    """Fields of type float or double that are not 0, of lists without an index."""
    for name, kind in paths.fields(type(made)).items():
        value, field = getattr(made, name), f"{path}{name}"
        if kind.nested:
            for one in value if kind.plural else [value]:
                yield from _numbers(one, f"{field}.")
        elif kind.base in paths.FLOATS and np.any(np.asarray(value) != 0):
            yield field


def key_place(message: type, path: str, data: bytes) -> int | None:
    """Where the key lies in recorded bytes; None where that cannot be computed, or in another byte order."""
    if not patchable(data) or (found := _locator(message, path)) is None:
        return None
    try:
        return found.offset(data)
    except LookupError:
        return None


def patchable(data: bytes) -> bool:
    """Whether the bytes can go out as they are: as this host serialises, too."""
    return cdr.plain(data) and data[1] == 1 and sys.byteorder == "little"


@lru_cache(maxsize=64)
def _locator(message: type, path: str) -> cdr.Locator | None:
    try:
        return cdr.locate(message, path)
    except cdr.NotLocatableError:
        return None
