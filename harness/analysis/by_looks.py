"""A requirement at declared looks: the whole decision for a fixed number of samples is taken at each of them,
with alpha divided by their number (union bound), and the first one that decides counts. Paced samples, which
may depend on each other, are judged this way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from harness.analysis.evidence import Case, Judged
from harness.analysis.explain import NEXT
from harness.model import Verdict

Fixed = Callable[[Case], Judged]
"""The rule for a number of samples that was fixed beforehand."""
DECIDED = (Verdict.PASS, Verdict.FAIL)


def by_looks(case: Case, fixed: Fixed) -> Judged:
    """Decide at the first declared look that decides; ``fixed`` decides at each."""
    measuring = case.measuring
    stages = measuring.schedule.stages
    single = measuring.schedule.model_copy(update={"stages": []})
    each = replace(measuring, alpha=measuring.alpha / len(stages), looks=len(stages), schedule=single)
    declared = f"stages {', '.join(map(str, stages))}, declared before the run"
    done = [stage for stage in stages if stage <= case.seen.complete]
    looked: list[str] = []
    for number, stage in enumerate(done, start=1):
        judged = fixed(case.at_look(stage, each))
        where = f"look {number} of {len(stages)}, after {stage} of at most {stages[-1]} samples"
        looked.append(_looked(judged, number, stage, len(stages)))
        judged = replace(judged, needed_n=_reachable(judged.needed_n, stages))
        if judged.verdict in DECIDED or stage == stages[-1]:
            ended = "decides" if judged.verdict in DECIDED else "the last one, does not decide"
            return replace(
                judged,
                reasons=(*judged.reasons, f"{where}, {ended}"),
                lines=(
                    f"{declared}; {where}, {ended}"
                    + ("" if stage == stages[-1] else "; later samples are not looked at"),
                    *looked,
                    *judged.lines,
                ),
                certain=f"{where} had decided before the run was cut short: {judged.reasons[0]}"
                if judged.verdict in DECIDED
                else "",
                sampling_plan=f"{declared}: planned at most {stages[-1]}, ended after {stage}",
            )
    judged = fixed(replace(case, measuring=each, planned=stages[-1]))
    left = stages[len(done)]
    why = (
        f"{len(done)} of {len(stages)} declared looks were reached and decided nothing; the next is at {left}"
    )
    return replace(
        judged,
        verdict=Verdict.INCONCLUSIVE,
        reasons=(why, NEXT),
        lines=(f"{declared}; {why}", *looked, *judged.lines),
        needed_n=_reachable(judged.needed_n, stages),
        sampling_plan=f"{declared}: planned at most {stages[-1]}, ended after {judged.n}",
    )


def _looked(judged: Judged, number: int, stage: int, looks: int) -> str:
    """n, K and p of a look, or the bounds where no counts are compared."""
    p = [
        line
        for line in judged.lines
        if "P(Bin(" in line or line.lstrip("PASFIL: ").startswith(("bounds", "exact"))
    ]
    counts = f"K = {judged.exceedances} for PASS, {judged.exceedances_sent} for FAIL; "
    return (
        f"look {number} of {looks}, n = {stage} due, {judged.n} counted: "
        f"{counts if any('P(Bin(' in line for line in p) else ''}{'; '.join(p)}"
    )


def _reachable(least: int | None, stages: list[int]) -> int | None:
    """The first declared look with at least so many samples."""
    return None if least is None else next((stage for stage in stages if stage >= least), least)
