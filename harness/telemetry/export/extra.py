"""The libraries of the extras ``telemetry`` and ``dashboard``: asked for at use, with one error."""

from __future__ import annotations

import importlib
from typing import Any

from harness.errors import UnavailableError


def library(name: str, extra: str = "telemetry") -> Any:
    """That module. Raises UnavailableError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"{name} cannot be imported: {error}",
            hint=f"install the extra: pip install 'hil-latency-harness[{extra}]'",
        ) from error
