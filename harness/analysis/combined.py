"""Two measurements of one quantity, one to PASS on and one to FAIL on, made into one judgement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from harness.analysis import quantities
from harness.analysis.evidence import Evidence, Judged
from harness.analysis.explain import NEXT
from harness.analysis.guard import Floor
from harness.analysis.quantities import Measured
from harness.config.schema import Requirement
from harness.model import Verdict
from harness.wording import outward_digits


def obstacles(seen: Evidence) -> list[str]:
    """What rules a verdict or a PASS out for every quantity of this page."""
    known = seen.from_intent[np.isfinite(seen.from_intent)]
    found = []
    if len(known) == 0 and len(seen.from_intent):
        found.append("nothing was answered at all: not even that the item was there is shown")
    if len(known) > 1 and bool((known == known[0]).all()):
        found.append(
            "all latencies are the same, which no measured one is: look for a stopped clock or a stamp that "
            "is copied"
        )
    wrong = int((np.isnan(seen.from_intent) | np.isneginf(seen.from_intent)).sum())
    if wrong:
        found.append(f"{wrong} values are no latency (NaN or -inf)")
    return found


def with_obstacles(found: Judged, against: Sequence[str], planned: int) -> Judged:
    """``found``, which does not pass where anything is ``against`` it."""
    plan = f"n = {planned} was fixed before the run" if found.sampling_plan == "" else found.sampling_plan
    if not against:
        return replace(found, sampling_plan=plan)
    lines = (*found.lines, *(f"no PASS: {each}" for each in against))
    verdict, reasons = found.verdict, found.reasons
    if verdict is Verdict.PASS:
        verdict, reasons = Verdict.INCONCLUSIVE, tuple(against)
    return replace(found, lines=lines, verdict=verdict, reasons=reasons, sampling_plan=plan)


def both(
    requirement: Requirement,
    passing: Measured,
    failing: Measured,
    *,
    lines: Sequence[str],
    reasons: Sequence[str],
    thresholds: tuple[float | None, float | None],
    floor: Floor | None = None,
    counts: tuple[int, int] = (0, 0),
    needed: tuple[int | None, int | None] = (None, None),
    certain: str = "",
) -> Judged:
    """PASS as ``passing`` says, FAIL as ``failing`` says."""
    passes, fails = passing.verdict is Verdict.PASS, failing.verdict is Verdict.FAIL
    verdict = Verdict.INCONCLUSIVE if passes == fails else Verdict.PASS if passes else Verdict.FAIL
    upper_limit = requirement.limit_is == "upper"
    said = [f"PASS: {each}" for each in passing.lines] + [f"FAIL: {each}" for each in failing.lines]
    if passing.lines == failing.lines:
        said = list(passing.lines)
    return Judged(
        verdict=verdict,
        reasons=tuple(reasons),
        estimate=passing.estimate,
        lower=(failing if upper_limit else passing).lower,
        upper=(passing if upper_limit else failing).upper,
        pass_threshold=thresholds[0],
        fail_threshold=thresholds[1],
        n=passing.n,
        exceedances=counts[0],
        exceedances_sent=counts[1],
        lines=(*lines, *said),
        pass_up_to=needed[0],
        fail_from=needed[1],
        dependence=passing.dependence,
        floor=floor,
        certain=certain if fails else "",
    )


def interval_reasons(
    requirement: Requirement,
    passing: Measured,
    failing: Measured,
    unit: str,
    scale: float = 1.0,
    kept: Sequence[str] = (),
) -> list[str]:
    """Why an interval passes, fails, or leaves it open. ``kept``: what U and J have to do with that."""
    upper_limit = requirement.limit_is == "upper"
    passes, fails = passing.verdict is Verdict.PASS, failing.verdict is Verdict.FAIL
    high, low = (passing.upper, failing.lower) if upper_limit else (failing.upper, passing.lower)

    def shown(value: float | None, *, up: bool) -> str:
        return "unknown" if value is None else f"{outward_digits(value * scale, up=up)} {unit}".rstrip()

    between = f"with that confidence it is at least {shown(low, up=False)} and at most {shown(high, up=True)}"
    asked = f"{'at most' if upper_limit else 'at least'} {requirement.limit:g} {unit}".rstrip()
    if passes != fails:
        return [f"{between}; {asked} is required"]
    open_ = [f"{between}: that neither shows {asked}, U and J allowed for, nor the contrary"]
    if high is None or low is None:
        open_ = []
    no = [line.removeprefix("no PASS: ") for line in passing.lines if line.startswith("no PASS: ")]
    few = [line for line in passing.lines if line.endswith(f"needs {quantities.LEAST_BATCHES}")]
    return [*open_, *no, *few, *(kept or [NEXT])]
