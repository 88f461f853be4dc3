"""The one place that imports rclpy, at use; what is missing becomes one clear error."""

from __future__ import annotations

import contextlib
import importlib
import warnings
from functools import lru_cache
from types import ModuleType

from harness.errors import UnavailableError

_HINT = (
    "pip install 'hil-latency-harness[ros]', or source your ROS 2 (source /opt/ros/DISTRO/setup.bash) first"
)


def load(module: str = "rclpy") -> ModuleType:
    """Import rclpy or a part of it. Raises UnavailableError naming what to install."""
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise UnavailableError(
            f"the ros2 adapter needs {module}, which does not import: {error}", hint=_HINT
        ) from error
    _load_parser_quietly()
    return found


@lru_cache(maxsize=1)
def _load_parser_quietly() -> None:
    """rclpy loads lark when it first meets a message type, and lark a module that Python deprecated: where
    warnings are errors, as in many test suites, that would look like a robot that cannot be reached."""
    with warnings.catch_warnings(), contextlib.suppress(ImportError):
        warnings.simplefilter("ignore", DeprecationWarning)
        importlib.import_module("lark")
