"""The loopback device: the harness talks to an echo of its own.

It is two things at once: the floor of the harness (nothing but itself is in the loop), and the robot of fast
tests, with every misbehaviour that a real robot shows. Everything is imported on use, so that the echo
process, which needs only :mod:`.robot`, starts quickly.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.adapters.loopback.device import LoopbackDevice
    from harness.adapters.loopback.options import Options

__all__ = ["LoopbackDevice", "Options"]

_HOMES = {"LoopbackDevice": "device", "Options": "options"}


def topics(options: Options) -> list[str]:
    """Nothing of an echo goes into a bag; see :mod:`harness.config.hooks`."""
    return []


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
