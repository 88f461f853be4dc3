"""The table of devices: a name in a rig file -> the class that speaks to it, imported on use.

Other packages add theirs through the entry point group ``harness.devices``, with the same two-part value.
"""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any

from harness.errors import ConfigurationError

GROUP = "harness.devices"


@dataclass(frozen=True)
class Entry:
    """Where a device lives: its class, and the pydantic model of its options (importable without any SDK)."""

    device: str
    options: str


BUILTIN: dict[str, Entry] = {
    "loopback": Entry("harness.adapters.loopback:LoopbackDevice", "harness.adapters.loopback:Options"),
    "ros2": Entry("harness.adapters.ros2.device:Ros2Device", "harness.adapters.ros2.options:Options"),
    "gazebo": Entry("harness.adapters.gazebo.device:GazeboDevice", "harness.adapters.gazebo.options:Options"),
    "serial_board": Entry("harness.rigs.serial_board:SerialBoard", "harness.rigs.serial_board:Options"),
    "spot": Entry("harness.adapters.spot.device:SpotDevice", "harness.adapters.spot.options:Options"),
    "gpio_lines": Entry("harness.rigs.gpio_lines:GpioLines", "harness.rigs.gpio_lines:Options"),
    "serial_text": Entry("harness.rigs.serial_text:SerialText", "harness.rigs.serial_text:Options"),
    "recording": Entry(
        "harness.testing.recording_device:RecordingDevice", "harness.testing.recording_device:Options"
    ),
}


def table() -> dict[str, Entry]:
    """Every known adapter and rig driver by name: the built-in ones and those of entry points.

    An entry point's value is ``package.module:DeviceClass``; its options model is ``Options`` of the same
    module. A name that is already taken is ignored.
    """
    found = dict(BUILTIN)
    for point in entry_points(group=GROUP):
        if point.name not in found:
            module, _, _ = point.value.partition(":")
            found[point.name] = Entry(point.value, f"{module}:Options")
    return found


def offered() -> list[str]:
    """Names of the adapters that a rig file may want, sorted: all but the aids of tests."""
    return sorted(name for name, one in table().items() if not one.device.startswith("harness.testing."))


def load(path: str) -> Any:
    """Import ``package.module:name``."""
    module, _, name = path.partition(":")
    return getattr(importlib.import_module(module), name)


def entry(adapter: str) -> Entry:
    """The table's entry of that name. Raises ConfigurationError for an unknown one."""
    known = table()
    if adapter not in known:
        names = ", ".join(offered())
        raise ConfigurationError(f"unknown adapter {adapter!r}", hint=f"known adapters: {names}")
    return known[adapter]
