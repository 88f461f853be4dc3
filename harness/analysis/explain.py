"""The decision rule in words, with every number that entered it."""

from __future__ import annotations

from math import isfinite

from harness.analysis.counts import Counts
from harness.analysis.guard import Guarded
from harness.analysis.rule import smallest_n
from harness.config.schema import Requirement


def decision_lines(
    requirement: Requirement,
    guarded: Guarded,
    counts: Counts,
    *,
    lost: int,
    upper: float | None,
    measured: tuple[bool, bool],
) -> list[str]:
    """Line by line what was compared with what, in ms. ``measured``: whether U and J were."""
    missing = [name for name, known in zip("UJ", measured, strict=True) if not known]
    n, p0, alpha = counts.n, guarded.guard.p0, counts.alpha
    longest = counts.decision.longest_disturbance
    return [
        f"requirement: the {requirement.quantile:g} quantile of {requirement.quantity} is at most "
        f"{requirement.limit:g} {requirement.unit}, shown with {requirement.confidence:g} confidence",
        *([f"{' and '.join(missing)}: not yet measured, taken as 0"] if missing else []),
        *guarded.lines[: len(guarded.lines) - len(guarded.decision.lines)],
        f"p0 = 1 - {requirement.quantile:g} = {p0:g}; alpha = 1 - {requirement.confidence:g} = {alpha:g}; "
        f"n = {n} stimuli of the measured part, sent and with their outcome known",
        f"K = {counts.exceedances_pass} over the PASS threshold, latency from intent (arrived - intended); "
        f"K = {counts.exceedances_fail} over the FAIL threshold, latency from sent (arrived - sent); "
        f"{lost} unanswered within the timeout are among both",
        *guarded.decision.lines,
        f"PASS when that probability is at most alpha: {_passing(counts)}; FAIL likewise: {_failing(counts)}",
        f"PASS needs n of at least {counts.decision.needed_n} "
        f"(longest declared disturbance: {longest:g} {'sample' if longest == 1 else 'samples'})",
        f"upper bound of the quantile: {_bound(counts, upper)}",
    ]


def undecided(counts: Counts) -> list[str]:
    """Why the rule decides nothing at these counts, and what would."""
    n, k, k_sent = counts.n, counts.exceedances_pass, counts.exceedances_fail
    if counts.obstacles:
        first = f"{k} of {n} over the limit, and no count would pass: {'; '.join(counts.obstacles)}"
    else:
        enough = (
            f"; {k} pass from n = {smallest_n(k, counts.p0, counts.alpha)} on" if not counts.worth else ""
        )
        first = f"{k} of {n} over the limit: {_passing(counts)}{enough}{counts.worth}"
    second = f"{k_sent} of {n} over the limit from the send on: {_failing(counts)}"
    advice = (
        "plan more samples before the next run; adding to this one until it passes would not be a valid test"
    )
    return [first, second, advice]


def _passing(counts: Counts) -> str:
    most = counts.pass_up_to
    return "at this n no K passes" if most is None else f"K up to {most} passes"


def _failing(counts: Counts) -> str:
    return "at this n no K fails" if counts.fail_from is None else f"{counts.fail_from} or more fail"


def _bound(counts: Counts, upper: float | None) -> str:
    if counts.upper_position is None or upper is None:
        return "none, n is too small"
    position = f"the {counts.upper_position}. smallest of {counts.n}"
    return (
        f"{position} = {upper:.6g} ms" if isfinite(upper) else f"{position} is a lost one, so there is none"
    )
