"""Scenarios that are measured at the same time: one sending thread, every schedule its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from harness.scenarios.command_round_trip import CommandRoundTripDriver
from harness.scenarios.sender import send_from_a_thread
from harness.schedule import Stopped, paced

if TYPE_CHECKING:
    from harness.bench import Bench


def measure_together(bench: Bench, members: Sequence[CommandRoundTripDriver], seeds: Sequence[int]) -> None:
    """Warm up and measure all members from a common start; each ends with its own schedule."""
    for each in members:
        each.tracker.forget()
    lines = [each.line(seed) for each, seed in zip(members, seeds, strict=True)]

    def loop(stopped: Stopped) -> None:
        paced(lines, bench.clock, stopped)

    def check() -> None:
        for each in members:
            each.check()

    send_from_a_thread(bench, loop, check)
