"""A rig in a ROS namespace: which values of the rig file that changes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.config import schema
from harness.errors import ConfigurationError


def overrides(rig: schema.RigFile, namespace: str) -> list[str]:
    """``--set`` words that put every device which knows namespaces into ``namespace``, before its own one.

    Raises ConfigurationError where that would change nothing, which would measure another robot than the one
    that was meant: no device knows namespaces, or all topics of one are absolute.
    """
    prefix = "/" + namespace.strip("/")
    words: list[str] = []
    for name, device in rig.devices.items():
        own = getattr(device, "namespace", None)
        if not isinstance(own, str):
            continue
        topics = sorted(_topics(device.model_dump()))
        if topics and all(topic.startswith("/") for topic in topics):
            raise ConfigurationError(
                f"namespace {prefix} would change nothing: all topics of device {name} are absolute"
                f" ({', '.join(topics)})",
                hint="write those that move with the namespace without the leading `/` in the rig file",
            )
        below = own.strip("/")
        words.append(f"devices.{name}.namespace={prefix}{'/' + below if below else ''}")
    if not words:
        raise ConfigurationError(
            f"namespace {prefix} would change nothing: no device of the rig has a ROS namespace"
        )
    return words


def _topics(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for key, value in data.items():
            if key == "topic" and isinstance(value, str):
                yield value
            else:
                yield from _topics(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _topics(value)
