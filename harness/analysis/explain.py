"""The decision rule in words, with every number that entered it."""

from __future__ import annotations

from math import isfinite

from harness.analysis.counts import Counts
from harness.analysis.evidence import Measuring
from harness.analysis.guard import Floor, Guarded
from harness.analysis.rule import complement, smallest_n
from harness.analysis.sides import Sides
from harness.config.schema import Requirement
from harness.wording import amount, measured_name, relation

NEXT = (
    "a new run may show more, and counts for itself: `harness plan RIG` tells how many samples it needs; "
    "`stages` or a sequential test (`trials`) may end it early. Adding to this run until it passes would "
    "not be a valid test"
)
"""What to do about INCONCLUSIVE; measuring more, later, is not among it."""


def decision_lines(
    requirement: Requirement,
    guarded: Guarded,
    counts: Counts,
    *,
    lost: int,
    bound: float | None,
    measuring: Measuring,
    floor: Floor | None,
    sides: Sides,
) -> list[str]:
    """Line by line what was compared with what, in ms. ``bound``: the one that PASS rests on."""
    n, p0, alpha = counts.n, guarded.guard.p0, counts.alpha
    longest = counts.decision.longest_disturbance
    side = "over" if requirement.limit_is == "upper" else "below"
    return [
        requirement_line(requirement),
        *sides.lines,
        *measuring_lines(requirement, measuring, floor),
        *guarded.lines[: len(guarded.lines) - len(guarded.decision.lines)],
        f"p0 = {_share(requirement)} = {p0:g}; alpha = {alpha:g}; "
        f"n = {n} stimuli of the measured part, sent and with their outcome known",
        f"K = {counts.exceedances_pass} {side} the PASS threshold, {sides.pass_name}; "
        f"K = {counts.exceedances_fail} {side} the FAIL threshold, {sides.fail_name}; "
        f"{lost} unanswered within the timeout are among both",
        *guarded.decision.lines,
        f"PASS when that probability is at most alpha: {_passing(counts)}; FAIL likewise: {_failing(counts)}",
        f"PASS needs n of at least {counts.decision.needed_n} "
        f"(longest declared disturbance: {longest:g} {'sample' if longest == 1 else 'samples'})",
        f"{requirement.limit_is} bound of the quantile: {_bound(requirement, counts, bound)}",
    ]


def requirement_line(requirement: Requirement) -> str:
    """What was agreed on, in one sentence."""
    if requirement.statistic == "quantile":
        what = f"the {requirement.quantile:g} quantile of {requirement.quantity}"
    else:
        what = f"the {measured_name(requirement)}"
    return (
        f"requirement: {what} is {relation(requirement)} {amount(requirement.limit, requirement.unit)}, "
        f"shown with {requirement.confidence:g} confidence"
    )


def measuring_lines(requirement: Requirement, measuring: Measuring, floor: Floor | None) -> list[str]:
    """U, J and the error, with their arithmetic; what is not known is said."""
    lines = []
    whole = measuring.alpha * measuring.looks
    if abs(whole - complement(requirement.confidence)) > 1e-12:
        lines.append(
            f"alpha = (1 - {requirement.confidence:g}) / m = {whole:g}: the error is shared among the "
            "requirements of this rig (family_wise)"
        )
    if measuring.looks > 1:
        lines.append(
            f"alpha = {whole:g} / {measuring.looks} = {measuring.alpha:g}: shared among the "
            f"{measuring.looks} declared looks, any of which may end the run (union bound)"
        )
    if measuring.budget is None:
        lines.append("U: not measured, taken as 0")
    else:
        lines.append(measuring.budget.words)
    lines.append("J: not measured, taken as 0" if floor is None else f"{floor.words}, in ms")
    return lines


def _share(requirement: Requirement) -> str:
    lower = requirement.limit_is == "lower"
    return (
        f"{requirement.quantile:g}, the share below a lower limit"
        if lower
        else f"1 - {requirement.quantile:g}"
    )


def undecided(counts: Counts, sides: Sides, beyond: str) -> list[str]:
    """Why the rule decides nothing at these counts, and what would."""
    n, k, k_sent = counts.n, counts.exceedances_pass, counts.exceedances_fail
    if counts.obstacles:
        first = f"{k} of {n} {beyond}, and no count would pass: {'; '.join(counts.obstacles)}"
    else:
        enough = (
            f"; {k} pass from n = {smallest_n(k, counts.p0, counts.alpha)} on" if not counts.worth else ""
        )
        first = f"{k} of {n} {beyond}: {_passing(counts)}{enough}{counts.worth}"
    second = f"{k_sent} of {n} {beyond} {sides.fail_short}: {_failing(counts)}"
    advice = NEXT
    return [first, second, advice]


def _passing(counts: Counts) -> str:
    most = counts.pass_up_to
    return "at this n no K passes" if most is None else f"K up to {most} passes"


def _failing(counts: Counts) -> str:
    return "at this n no K fails" if counts.fail_from is None else f"{counts.fail_from} or more fail"


def _bound(requirement: Requirement, counts: Counts, bound: float | None) -> str:
    if counts.upper_position is None or bound is None:
        return "none, n is too small"
    order = "smallest" if requirement.limit_is == "upper" else "largest"
    position = f"the {counts.upper_position}. {order} of {counts.n}"
    if not isfinite(bound):
        return f"{position} is a lost one, so there is none"
    lost = "" if requirement.limit_is == "upper" else ", lost ones counted as the smallest"
    return f"{position} = {bound:.6g} ms{lost}"
