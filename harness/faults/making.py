"""From the options of a fault port to the fault."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from harness.clock import HostClock
from harness.faults.base import FaultPort
from harness.faults.commands import Command
from harness.faults.links import Isolate, Slow
from harness.faults.processes import Hang, Kill, Leave

KINDS: dict[str, type[FaultPort]] = {
    "kill": Kill,
    "hang": Hang,
    "leave": Leave,
    "isolate": Isolate,
    "slow": Slow,
    "command": Command,
}


def make_fault(port: str, options: Any, robots: Sequence[str], run_id: str, clock: HostClock) -> FaultPort:
    """The fault port of that name; ``options``: one of :data:`harness.config.faults.FaultOptions`,
    ``robots``: the names of the device's robots, in order. Touches nothing yet."""
    return KINDS[options.kind](port, options, robots, run_id, clock)
