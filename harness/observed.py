"""What a response port shows now: where the robot is when values that count from it are settled."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from harness.errors import DeadlineError
from harness.schedule import NANO

if TYPE_CHECKING:
    from harness.bench import Bench

PATIENCE_S = 5.0
"""How long a port may take to show a value that is not an old one."""


def observed_now(bench: Bench, reference: str) -> float:
    """The first value that the port observes from now on, in the unit of its field; keeps house meanwhile.

    An older value may be of a robot that has moved since, or of a publisher that is gone. Raises
    DeadlineError when none comes within PATIENCE_S.
    """
    state, begun = bench.states[reference], bench.clock.monotonic_ns()
    end = begun + int(PATIENCE_S * NANO)

    def shown() -> bool:
        return state.seen_ns > begun and math.isfinite(state.value)

    bench.wait(lambda: shown() or bench.clock.monotonic_ns() > end)
    if not shown():
        seen = "nothing was observed on it" if not state.count else f"its last value, {state.value:g}, is old"
        raise DeadlineError(
            f"values count from what {reference} observes, but {seen}: none came within {PATIENCE_S:g} s",
            hint="look at the topic and the `value` of that port, and whether its publisher goes on",
        )
    value = state.value
    bench.folder.event("observed", port=reference, value=value)
    return value
