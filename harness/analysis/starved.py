"""Whether a robot of a swarm was starved: ready to run, and without a CPU.

On a shared host the time that a survivor waits for a CPU between the fault and the new order is the host's
and not the swarm's. It only ever adds. As with the lateness of the harness, more than a tenth of the limit,
at the requirement's own quantile over the trials, leaves the requirement undecided. In a trial without a new
order the wait is counted to the end of the observation, and may be a tenth of that. Robots that are no
processes of the run are not looked at: their computers are part of what is tested.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from harness.analysis.checks import INCONCLUSIVE, LATENESS_SHARE
from harness.analysis.evidence import MS_PER_UNIT
from harness.analysis.statistics import order_quantile, ordered
from harness.config.schema import Requirement
from harness.results import Check, SwarmResult, SwarmTrial


def starved(result: SwarmResult, requirements: Sequence[Requirement]) -> list[Check]:
    """One check for the narrowest limit of latency in ``requirements``; none where nobody was looked at."""
    asked = [
        (float(each.limit * MS_PER_UNIT[each.unit]), each.quantile)
        for each in requirements
        if each.quantity == "latency" and each.quantile is not None and each.unit in MS_PER_UNIT
    ]
    trials = [each for each in result.trials if not each.warm_up and each.waited_ms is not None]
    if not asked or not trials:
        return []
    limit_ms, quantile = min(asked)
    bound = LATENESS_SHARE * limit_ms
    scaled = np.array([_for_limit(each, limit_ms) for each in trials], float)
    at = float(order_quantile(ordered(scaled), quantile))
    worst = trials[int(np.argmax(scaled))]
    often: dict[str, int] = {}
    for each, wait in zip(trials, scaled, strict=True):
        if wait > bound and each.waited_by is not None:
            often[each.waited_by] = often.get(each.waited_by, 0) + 1
    names = ", ".join(f"{robot} in {count}" for robot, count in sorted(often.items(), key=lambda x: -x[1]))
    ok = at <= bound
    return [
        Check(
            name="starved robots",
            ok=ok,
            value=f"{at:.3g} ms without a CPU at the {quantile:g} quantile of {len(trials)} trials, at most"
            f" {worst.waited_ms:.3g} ms ({worst.waited_by})"
            + (f"; over the bound: {names} trials" if names else ""),
            bound=f"at most {bound:g} ms, a tenth of the limit, between the fault and the new order (without"
            " one, a tenth of the time of observation)",
            consequence="" if ok else INCONCLUSIVE,
            remedy=""
            if ok
            else "give the robots CPUs of their own or real-time priority, or a quieter host: it is the host"
            " that kept them waiting",
        )
    ]


def _for_limit(trial: SwarmTrial, limit_ms: float) -> float:
    """The wait of that trial in ms; without a new order in proportion, as if it had been observed for no
    longer than the limit: a longer look finds longer waits of a robot that is well."""
    waited = trial.waited_ms or 0.0
    if trial.total_ms is None and trial.observed_ms is not None and trial.observed_ms > limit_ms:
        return waited * limit_ms / trial.observed_ms
    return waited
