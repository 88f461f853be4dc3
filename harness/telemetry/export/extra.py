"""The libraries of the extra ``telemetry``: asked for at use, with one error that names it."""

from __future__ import annotations

import importlib
from typing import Any

from harness.errors import UnavailableError


def library(name: str) -> Any:
    """That module. Raises UnavailableError where it is not installed."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UnavailableError(
            f"{name} cannot be imported: {error}",
            hint="install the extra: pip install 'hil-latency-harness[telemetry]'",
        ) from error
