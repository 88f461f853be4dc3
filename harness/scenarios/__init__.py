"""The kinds of scenario: how to drive the ports. A literal table, imported on use."""

from __future__ import annotations

import importlib
from typing import Any

KINDS: dict[str, str] = {"command_round_trip": "harness.scenarios.command_round_trip:CommandRoundTripDriver"}


def driver(kind: str) -> Any:
    """The class that drives scenarios of that kind."""
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
