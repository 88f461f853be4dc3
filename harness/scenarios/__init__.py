"""The kinds of scenario: how to drive the ports. A literal table, imported on use."""

from __future__ import annotations

import importlib
from typing import Any

_DRIVER = "harness.scenarios.command_round_trip:CommandRoundTripDriver"
KINDS: dict[str, str] = {
    "command_round_trip": _DRIVER,
    "sensor_to_action": _DRIVER,
    "swarm_reorganization": "harness.scenarios.swarm:SwarmDriver",
    "throughput": "harness.scenarios.throughput:ThroughputDriver",
}
"""The first two send and wait for what answers; what is sent differs, as the specification tells."""


def driver(kind: str) -> Any:
    """The class that drives scenarios of that kind."""
    module, _, name = KINDS[kind].partition(":")
    return getattr(importlib.import_module(module), name)
