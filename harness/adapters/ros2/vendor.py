"""The one place that imports rclpy, at use; what is missing becomes one clear error."""

from __future__ import annotations

import importlib
from types import ModuleType

from harness.errors import UnavailableError

_HINT = (
    "pip install 'hil-latency-harness[ros]', or source your ROS 2 (source /opt/ros/DISTRO/setup.bash) first"
)


def load(module: str = "rclpy") -> ModuleType:
    """Import rclpy or a part of it. Raises UnavailableError naming what to install."""
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"the ros2 adapter needs {module}, which does not import: {error}", hint=_HINT
        ) from error
