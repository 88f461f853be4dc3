"""The decision rule in words, with every number that entered it."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from harness.analysis.counts import Counts
from harness.analysis.evidence import Measuring
from harness.analysis.guard import Floor, Guarded
from harness.analysis.rule import complement, smallest_n
from harness.analysis.sides import Sides
from harness.config.schema import Requirement
from harness.wording import amount, confidence_words, measured_name, outward_digits, relation

NEXT = (
    "a new run may show more, and counts for itself: `harness plan RIG` tells how many samples it needs; "
    "`stages` or a sequential test (`trials`) may end it early. Adding to this run until it passes would "
    "not be a valid test"
)
"""What to do about INCONCLUSIVE; measuring more, later, is not among it."""
MORE_IS_POINTLESS = (
    "more samples would not decide it: the share over the PASS threshold is too large, and that over the "
    "FAIL "
    "threshold too small"
)


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
        requirement_line(requirement, measuring),
        *sides.lines,
        *measuring_lines(requirement, measuring, floor),
        *guarded.lines[: len(guarded.lines) - len(guarded.decision.lines)],
        f"p0 = {_share(requirement)} = {p0:g}; alpha = {alpha:g}; "
        f"n = {n} stimuli of the measured part, sent and with their outcome known",
        f"K = {counts.exceedances_pass} {side} the PASS threshold, {sides.pass_name}; "
        f"K = {counts.exceedances_fail} {side} the FAIL threshold, {sides.fail_name}; "
        f"{lost} unanswered within the timeout are among both",
        *_mirrored(guarded.decision.lines, requirement),
        f"PASS when that probability is at most alpha: {_passing(counts)}; FAIL likewise: {_failing(counts)}",
        f"PASS needs n of at least {counts.decision.needed_n} ({_declared(longest)})",
        f"{requirement.limit_is} bound of the quantile: {_bound(requirement, counts, bound)}",
    ]


def _mirrored(lines: Sequence[str], requirement: Requirement) -> list[str]:
    """The decision's own lines; of a lower limit it was made on mirrored values."""
    if requirement.limit_is == "upper":
        return list(lines)
    return [
        line.replace(" largest of", " smallest of")
        .replace("the largest:", "the smallest:")
        .replace("those over the threshold", "those below the threshold")
        for line in lines
    ]


def requirement_line(requirement: Requirement, measuring: Measuring) -> str:
    """What was agreed on, in one sentence."""
    sure = confidence_words(requirement.confidence, measuring.alpha * measuring.looks)
    if requirement.statistic == "quantile":
        what = f"the {requirement.quantile:g} quantile of {requirement.quantity}"
    else:
        what = f"the {measured_name(requirement)}"
    return (
        f"requirement: {what} is {relation(requirement)} {amount(requirement.limit, requirement.unit)}, "
        f"shown with a confidence of {sure}"
    )


def measuring_lines(requirement: Requirement, measuring: Measuring, floor: Floor | None) -> list[str]:
    """U, J and the error, with their arithmetic; what is not known is said."""
    lines = []
    whole = measuring.alpha * measuring.looks
    if abs(whole - complement(requirement.confidence)) > 1e-12:
        lines.append(
            f"alpha = (1 - {requirement.confidence:g}) / m = {whole:g}: the error is shared among the "
            "requirements "
            "of this rig (family_wise)"
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
    lines.append("J: not measured, taken as 0" if floor is None else floor.words.replace(",", " ms,", 1))
    return lines


def _declared(longest: float) -> str:
    """The longest declared disturbance; 1 sample is what is taken where none is declared."""
    if longest <= 1:
        return "no disturbance of more than 1 sample is declared"
    return f"longest declared disturbance: {longest:g} samples"


def _share(requirement: Requirement) -> str:
    lower = requirement.limit_is == "lower"
    return (
        f"{requirement.quantile:g}, the share below a lower limit"
        if lower
        else f"1 - {requirement.quantile:g}"
    )


def undecided(
    counts: Counts, sides: Sides, beyond: tuple[str, str], kept: Sequence[str], pointless: bool
) -> list[str]:
    """Why the rule decides nothing at these counts, and what would. ``beyond``: what an exceedance of the
    PASS
    and of the FAIL threshold is; ``kept``: what U and J have to do with it; ``pointless``: more samples
    change
    nothing."""
    n, k, k_sent = counts.n, counts.exceedances_pass, counts.exceedances_fail
    if counts.obstacles:
        first = f"{k} of {n} {beyond[0]}, and no count would pass: {'; '.join(counts.obstacles)}"
    else:
        # Of a share that is larger than what is allowed, more samples bring more.
        hopeful = not counts.worth and k <= counts.p0 * n
        enough = f"; {k} pass from n = {smallest_n(k, counts.p0, counts.alpha)} on" if hopeful else ""
        first = f"{k} of {n} {beyond[0]}: {_passing(counts)}{enough}{counts.worth}"
    which = "" if "FAIL" in beyond[1] and "FAIL" in sides.fail_short else f" {sides.fail_short}"
    second = f"{k_sent} of {n} {beyond[1]}{which}: {_failing(counts)}"
    return [first, second, *kept, MORE_IS_POINTLESS if pointless else NEXT]


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
    shown = outward_digits(bound, up=requirement.limit_is == "upper", significant=6)
    return f"{position} = {shown} ms{lost}"
