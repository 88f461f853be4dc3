"""Which phase of a reorganisation to improve, and what the timeouts would have to be.

Let D be the detection and R the rest of a trial, D + R the whole. With p = 1 − q what may be over the limit,
the quantile of D + R at q is at most that of D plus that of R, each at 1 − p/2: at most p/2 of all trials
have a larger D and at most p/2 a larger R (Bonferroni's inequality). So detection may take
limit − U − R(1 − p/2), and the timeout of a detector may change by as much as detection may. That errs on the
safe side, and rests on the trials that were seen, whose extreme quantiles are their largest values.
"""

from __future__ import annotations

import numpy as np

from harness.analysis.statistics import order_quantile, ordered
from harness.results import SwarmResult

PUBLISHED_MS = 150.0
"""Lower end of the election timeouts that Raft's paper recommends, 150 to 300 ms (Ongaro and Ousterhout 2014,
9.3)."""
NAMES = {
    "detection": "detection",
    "election": "election",
    "agreement": "agreement",
    "re_forming": "re-forming",
}


def advice(
    swarm: SwarmResult, limit_ms: float, quantile: float, u_ms: float, timeout_ms: float | None
) -> list[str]:
    """Sentences on what to change, from the trials that count and reorganised; ``u_ms``: the expanded
    uncertainty, ``timeout_ms``: after which silence the item suspects, None where the rig file does not tell.
    """
    trials = [
        each
        for each in swarm.trials
        if not each.warm_up and each.total_ms is not None and each.detection_ms is not None
    ]
    if not trials:
        return []
    total = np.array([each.total_ms for each in trials], float)
    detection = np.array([each.detection_ms for each in trials], float)
    each_at = 1 - (1 - quantile) / 2
    found, rest = _at(detection, each_at), _at(total - detection, each_at)
    may = limit_ms - u_ms - rest
    lines = [_largest(swarm), _needed(found, rest, may, limit_ms, u_ms, each_at)]
    if may > 0 and timeout_ms is not None:
        wanted = timeout_ms + may - found
        change = "may grow" if wanted > timeout_ms else "would have to shrink"
        lines.append(
            f"The detector's timeout of {timeout_ms:g} ms {change} to {wanted:.1f} ms."
            if wanted > 0
            else f"No timeout is short enough: detection takes {found - timeout_ms:.1f} ms beyond its timeout"
            f" of {timeout_ms:g} ms."
        )
        if swarm.gap_ms is not None and wanted < swarm.gap_ms and found > may:
            lines.append(
                f"No timeout does both: what the limit wants is below the {swarm.gap_ms:.1f} ms of silence of"
                " robots that are well. Messages have to arrive more regularly, or what follows detection has"
                " to be quicker."
            )
    if swarm.gap_ms is not None:
        lines.append(
            f"A timeout below {swarm.gap_ms:.1f} ms would be false now and then: so long was the silence"
            " between two messages of a robot that was well, in one of a thousand cases, as heard here."
        )
    if float(np.median(detection)) >= min(limit_ms, PUBLISHED_MS):
        lines.append(
            "With such timeouts no election, however quick, keeps the limit: the published defaults of 150 to"
            " 300 ms are made for networks of computers, not for robots that hear each other every few ms."
        )
    return lines


def _at(values: np.ndarray[tuple[int], np.dtype[np.float64]], quantile: float) -> float:
    return float(order_quantile(ordered(values), quantile))


def _largest(swarm: SwarmResult) -> str:
    parts = {name: swarm.phases_ms[name].mean or 0.0 for name in NAMES}
    name = max(parts, key=parts.__getitem__)
    whole = sum(parts.values())
    share = f", {parts[name] / whole:.0%} of the whole" if whole else ""
    return (
        f"The longest phase is {NAMES[name]}: {parts[name]:.2f} ms on average{share}. To be quicker, begin"
        " there."
    )


def _needed(found: float, rest: float, may: float, limit_ms: float, u_ms: float, at: float) -> str:
    basis = (
        f"of {limit_ms:g} ms, {u_ms:.1f} go to the uncertainty and {rest:.1f} to what follows detection (at"
        f" the {at:.1%} quantile)"
    )
    if may <= 0:
        return f"Nothing is left for detection: {basis}. What follows it has to be quicker first."
    if found <= may:
        return f"Detection may take up to {may:.1f} ms, and takes {found:.1f}: {basis}."
    return f"Detection takes {found:.1f} ms and may take {may:.1f}: {basis}."
