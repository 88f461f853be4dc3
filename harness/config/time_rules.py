"""Which time a requirement is asked in: the wall clock's, or the simulation's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.config.explain import Refusal
from harness.config.problems import DataPath
from harness.config.schema import Requirement, Scenario


def time_rules(path: DataPath, requirement: Requirement, scenario: Scenario, port: Any) -> Iterator[Refusal]:
    """Latency in simulated time is told by the answers' stamps of it. ``port``: that of the response."""
    response = getattr(port, "response", None)
    if requirement.time != "simulated" or response is None:
        return
    if getattr(response, "stamp", None) is None or getattr(response, "stamp_clock", "") != "sim":
        yield Refusal(
            (*path, "time"),
            f"{scenario.response} has no stamp of simulated time: give it `stamp`, the path of one, and"
            " `stamp_clock: sim`",
        )
