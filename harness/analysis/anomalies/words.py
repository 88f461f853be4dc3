"""Anomalies in words, for a terminal and for documents alike."""

from __future__ import annotations

import math

from harness.analysis.anomalies.model import Anomaly, Kind

NAMES = {
    Kind.DRIFT: "drift of the level",
    Kind.TAIL: "change of the tail",
    Kind.BURST: "burst",
    Kind.PERIODIC: "periodic stalls",
}
"""What each kind is called."""


def when(one: Anomaly) -> str:
    """The stretch, in seconds of the scenario."""
    if one.open:
        return f"from {one.begin_s:.2f} s on"
    if one.end_s - one.begin_s < 1:
        return f"at {one.begin_s:.3f} s for {(one.end_s - one.begin_s) * 1e3:.0f} ms"
    return f"from {one.begin_s:.2f} s to {one.end_s:.2f} s"


def what(one: Anomaly, level_ms: float) -> str:
    """What is unusual; ``level_ms``: the usual median."""
    if one.kind is Kind.DRIFT:
        share = f" ({one.size / level_ms:+.0%})" if level_ms > 0 and math.isfinite(one.size) else ""
        moved = "up" if one.size > 0 else "down"
        return f"the median is {moved} by {abs(one.size):.3g} ms{share}"
    if one.kind is Kind.TAIL:
        more = f"{one.size:.2g} times" if one.size >= 1 else f"1/{1 / one.size:.2g} of"
        return f"{more} the usual share of samples over {one.threshold_ms or 0:.3g} ms"
    lost = f", {one.lost} of them lost" if one.lost else ""
    if one.kind is Kind.BURST:
        longest = f", the longest {one.size:.3g} ms" if math.isfinite(one.size) else ""
        return f"{one.slow} slow samples close together{lost}{longest}"
    over = f", {one.size:.3g} ms over the level" if math.isfinite(one.size) else ""
    return f"{one.slow} slow samples at a period of {one.period_ms or 0:.4g} ms{lost}{over}"


def line(one: Anomaly, level_ms: float) -> str:
    """One line: kind, stretch, what."""
    return f"{NAMES[one.kind]} {when(one)}: {what(one, level_ms)}"
