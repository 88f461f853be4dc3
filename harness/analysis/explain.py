"""The decision rule in words, with every number that entered it."""

from __future__ import annotations

from math import isfinite

import numpy as np
from numpy.typing import NDArray

from harness.analysis.rule import Decision, smallest_n
from harness.analysis.statistics import longest_run
from harness.config.schema import Requirement


def decision_lines(
    requirement: Requirement,
    decision: Decision,
    *,
    lost: int,
    over_pass: NDArray[np.bool_],
    pass_at: float,
    fail_at: float,
    uncertainty: float | None,
    floor: float | None,
    note: str,
    upper: float | None,
) -> list[str]:
    """Line by line what was compared with what; figures in the requirement's unit."""
    unit, n, p0, alpha = requirement.unit, decision.n, decision.p0, decision.alpha
    k, k_sent = decision.exceedances_pass, decision.exceedances_fail
    binomial = f"Bin({n}, {p0:g})"
    return [
        f"requirement: the {requirement.quantile:g} quantile of {requirement.quantity} is at most "
        f"{requirement.limit:g} {unit}, shown with {requirement.confidence:g} confidence",
        f"U = {_amount(uncertainty, unit)} (two-sided uncertainty); J = {_amount(floor, unit)} "
        "(what the harness itself can add; never subtracted)",
        f"PASS threshold = limit - U = {pass_at:g} {unit}, on latency from intent (arrived - intended); "
        f"FAIL threshold = limit + U + J = {fail_at:g} {unit}, on latency from sent (arrived - sent)",
        f"p0 = 1 - {requirement.quantile:g} = {p0:g}; alpha = 1 - {requirement.confidence:g} = {alpha:g}; "
        f"n = {n} stimuli of the measured part, sent and with their outcome known",
        f"K = {k} over the PASS threshold, {k_sent} over the FAIL threshold; "
        f"{lost} unanswered within the timeout are among both",
        f"PASS when P({binomial} <= K) <= alpha: P({binomial} <= {k}) = {decision.probability_pass:.4g}, "
        f"{_relation(decision.probability_pass, alpha)}; {_passing(decision)}",
        f"FAIL when P({binomial} >= K) <= alpha: "
        f"P({binomial} >= {k_sent}) = {decision.probability_fail:.4g}, "
        f"{_relation(decision.probability_fail, alpha)}; {_failing(decision)}",
        f"upper bound of the quantile: {_bound(decision, upper, unit)}",
        f"longest run of consecutive exceedances: {longest_run(over_pass)}; {note}",
    ]


def undecided(decision: Decision) -> list[str]:
    """Why the rule decides nothing at these counts, and what would."""
    n, k, k_sent = decision.n, decision.exceedances_pass, decision.exceedances_fail
    if decision.pass_up_to is None:
        least = smallest_n(0, decision.p0, decision.alpha)
        first = f"too few samples: n = {n}, and no requirement of this kind passes with fewer than {least}"
    else:
        enough = smallest_n(k, decision.p0, decision.alpha)
        first = f"{k} of {n} over the limit: up to {decision.pass_up_to} pass; {k} pass from n = {enough} on"
    second = f"{k_sent} of {n} over the limit from the send on: {_failing(decision)}"
    advice = (
        "plan more samples before the next run; adding to this one until it passes would not be a valid test"
    )
    return [first, second, advice]


def _amount(value: float | None, unit: str) -> str:
    return f"0 {unit}, not yet measured" if value is None else f"{value:g} {unit}"


def _relation(probability: float, alpha: float) -> str:
    return f"{'at most' if probability <= alpha else 'more than'} {alpha:g}"


def _passing(decision: Decision) -> str:
    if decision.pass_up_to is None:
        return f"at this n not even K = 0 passes ({smallest_n(0, decision.p0, decision.alpha)} are needed)"
    return f"K up to {decision.pass_up_to} passes"


def _failing(decision: Decision) -> str:
    return "at this n no K fails" if decision.fail_from is None else f"{decision.fail_from} or more fail"


def _bound(decision: Decision, upper: float | None, unit: str) -> str:
    if decision.pass_up_to is None or upper is None:
        return "none, n is too small"
    position = f"the {decision.n - decision.pass_up_to}. smallest of {decision.n}"
    return (
        f"{position} = {upper:.6g} {unit}"
        if isfinite(upper)
        else f"{position} is a lost one, so there is none"
    )
