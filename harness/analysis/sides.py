"""Which of two series a requirement is passed on and which it is failed on, and what the harness adds.

What the harness did can cost a PASS and never cause a FAIL. Of latency with an upper limit, PASS is therefore
judged on latency from intent and FAIL on latency from sent, of a lower limit the other way round. A lateness
changes *differences* of latencies either way, so for jitter each value is the larger of the two series for
one side and the smaller for the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.analysis.evidence import Evidence
from harness.analysis.quantities import delay_variation
from harness.analysis.samples import has, latency_ms
from harness.config.schema import Requirement
from harness.model import SampleFlag

Floats = NDArray[np.float64]

FROM_INTENT = "latency from intent (arrived - intended)"
FROM_SENT = "latency from sent (arrived - sent)"
JITTER = {
    "pdv": "delay less the smallest delay of the run (packet delay variation, RFC 5481, section 4.2)",
    "ipdv": "change of delay from the answered stimulus before to this one, its size "
    "(inter-packet delay variation, RFC 3393)",
}


@dataclass(frozen=True)
class Sides:
    """Values in ms, in order of sending, +inf where lost: PASS is judged on ``passing``, FAIL on ``failing``,
    named ``pass_name`` and ``fail_name``. ``lines``: the quantity's definition, where it needs one."""

    passing: Floats
    failing: Floats
    pass_name: str
    fail_name: str
    lines: tuple[str, ...] = ()

    @property
    def fail_short(self) -> str:
        """``fail_name`` for a sentence."""
        return {FROM_SENT: "from the send on", FROM_INTENT: "from intent"}.get(self.fail_name, "for FAIL")


def sides(requirement: Requirement, seen: Evidence) -> Sides:
    """The two series of latency or jitter that a requirement is judged on."""
    if requirement.jitter is None:
        large, small = seen.from_intent, seen.from_sent
        names = (FROM_INTENT, FROM_SENT)
        lines: tuple[str, ...] = ()
    else:
        large, small = _jitter(seen, requirement.jitter)
        names = (
            "the larger of its values from intent and from sent",
            "the smaller of its values from intent and from sent",
        )
        lines = (f"jitter ({requirement.jitter}) = {JITTER[requirement.jitter]}",)
    if requirement.limit_is == "lower":
        return Sides(small, large, names[1], names[0], lines)
    return Sides(large, small, names[0], names[1], lines)


def _jitter(seen: Evidence, kind: str) -> tuple[Floats, Floats]:
    """The larger and the smaller of the jitter from intent and from sent, sample by sample.

    Where the clock of an arrival was set, its latency is known between bounds only: for the smaller series
    such a value is 0, for the larger one unbounded where its neighbour entered the difference.
    """
    from_sent = latency_ms(seen.rows) if len(seen.rows) == len(seen.from_sent) else seen.from_sent
    first, second = (delay_variation(each, kind) for each in (seen.from_intent, from_sent))
    large, small = np.maximum(first, second), np.minimum(first, second)
    stepped = has(seen.rows, SampleFlag.CLOCK_STEP)
    if not stepped.any() or len(stepped) != len(seen.from_sent):
        return large, small
    if kind == "pdv":
        return large, np.where(stepped & np.isfinite(small), 0.0, small)
    unsure = stepped[1:] | stepped[:-1]
    return np.where(unsure, np.inf, large), np.where(unsure & np.isfinite(small), 0.0, small)


def added(loopback: Floats, jitter: str | None) -> Floats:
    """What the harness alone adds to the quantity, from loopback latencies.

    To pdv no more than its latency, since its own smallest delay cancels; to ipdv the change of its latency.
    """
    return delay_variation(loopback, jitter) if jitter == "ipdv" else loopback
