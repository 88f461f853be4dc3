"""Content of the first page: verdict, figures, reasons, decision rule."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

from harness.model import Verdict
from harness.report import text as t
from harness.report.changes import besides, changes
from harness.report.remarks import bounds_note, remarks
from harness.results import RequirementResult, Results
from harness.wording import counted_at, statistic_name, threshold_unit, with_uncertainty

MOST_RULES = 3
"""With more requirements, their rules would push the signatures off the first page."""
_MEANING = {
    Verdict.PASS: "Every requirement is shown to be met.",
    Verdict.FAIL: "At least one requirement is shown not to be met.",
    Verdict.INCONCLUSIVE: "The evidence proves neither that the requirements are met nor that they are not.",
    Verdict.ERROR: "The bench or the harness broke; nothing is said about the item.",
}


def verdict_page(results: Results, run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything on the first page, as the template's ``first_page`` wants it."""
    rig = t.section(run, "rig")
    return {
        "word": results.verdict.value,
        "meaning": _MEANING[results.verdict],
        "rig": rig_name(results),
        "description": str(results.rig.get("description") or ""),
        "facts": [
            ["Run", results.run_id],
            ["Item under test", "SIMULATED" if results.simulated else "REAL"],
            ["Started", t.instant(results.started)],
            ["Ended", _ended(results)],
            ["Carried out by", t.scalar(run.get("operator"))],
            ["Rig file", t.scalar(rig.get("file"))],
            ["Rig file, SHA-256", _short_hash(rig.get("sha256"))],
        ],
        "aborted": (results.abort_reason or "no reason recorded") if results.aborted else "",
        "requirements": [_requirement(requirement) for requirement in results.requirements],
        "reasons": _reasons(results),
        "remarks": remarks(results),
        "bounds": bounds_note(results),
        "rules": _rules(results),
        "figures": _figures(results),
        "changes": changes(results),
        "besides": besides(results),
    }


def rig_name(results: Results) -> str:
    """Name of the rig that was run."""
    return str(results.rig.get("name") or "unnamed rig")


def _ended(results: Results) -> str:
    if results.ended is None:
        return "not recorded"
    return (
        f"{t.instant(results.ended)} (after {t.duration(t.seconds_between(results.started, results.ended))})"
    )


def _requirement(requirement: RequirementResult) -> dict[str, Any]:
    lower, upper = t.bounds(requirement)
    figures = [
        [_estimate_name(requirement), t.estimate(requirement)],
        ["lower bound", lower],
        ["upper bound", upper],
        ["limit", t.short(requirement.limit)],
        ["stimuli n", t.integer(requirement.n)],
    ]
    if counted := counted_at(requirement):
        # Of "over the PASS threshold (9.8 ms)" a column holds the figure.
        brief = re.sub(r"the PASS threshold \((.*)\)", r"\1 (PASS)", counted).replace("the ", "")
        figures.append([f"{brief} K", t.integer(requirement.exceedances)])
    figures.append(["headroom", t.headroom(requirement)])
    return {
        "id": requirement.id,
        "verdict": requirement.verdict.value,
        "statement": t.statement(requirement),
        "unit": t.pretty_unit(requirement.unit),
        "figures": figures,
        "headroom": _headroom_is(requirement),
        "claim": _claim(requirement),
    }


def _headroom_is(requirement: RequirementResult) -> str:
    """How headroom is made: PASS bears U, and J where the harness may hide what is over the limit."""
    upper = requirement.limit_is == "upper"
    bears = []
    if requirement.quantity in ("latency", "jitter") and requirement.pass_threshold != requirement.limit:
        bears = ["U"] if requirement.uncertainty else []
        bears += ["J"] if requirement.floor and (requirement.quantity == "jitter" or not upper) else []
    if upper:
        return f"limit / ({' + '.join(['upper bound', *bears])})" if bears else "limit / upper bound"
    return f"({' − '.join(['lower bound', *bears])}) / limit" if bears else "lower bound / limit"


def _estimate_name(requirement: RequirementResult) -> str:
    # The statement beside it has the time that a share is of.
    name = "share" if requirement.quantity == "ratio" else statistic_name(requirement)
    name = name if requirement.statistic == "max" else f"{name} estimate"
    return f"{name} ± U" if with_uncertainty(requirement) else name


def _reasons(results: Results) -> list[list[str]]:
    """Ids and reason, each reason once: of an aborted run all requirements have the same.

    Why it was cut short stands above all of them and is not repeated.
    """
    said = (results.abort_reason or "") if results.aborted else ""
    ids: dict[str, list[str]] = {}
    for requirement in results.requirements:
        for reason in requirement.reasons:
            if not said or not reason.endswith(said):
                ids.setdefault(reason, []).append(requirement.id)
    return [[", ".join(dict.fromkeys(names)), reason] for reason, names in ids.items()]


def _claim(requirement: RequirementResult) -> str:
    """What the headroom entitles one to say, rounded down; nothing unless it was shown."""
    factor = requirement.headroom
    if requirement.verdict is not Verdict.PASS or factor is None or factor < 1.01:
        return ""
    if requirement.limit_is == "lower":
        return f"at least {math.floor((factor - 1) * 100)}{t.NARROW}% above the limit"
    if requirement.quantity == "loss_rate":
        return f"at most {math.ceil(100 / factor)}{t.NARROW}% of what the limit allows"
    if requirement.quantity != "latency":
        return f"the limit is at least {math.floor(factor * 100) / 100:.2f} times what is shown"
    claim = f"at least {math.floor((factor - 1) * 100)}{t.NARROW}% faster than target"
    if factor >= 2:
        claim += f", {math.floor(factor * 10) / 10:.1f} times as fast"
    uncertainty, estimate = requirement.uncertainty, requirement.estimate
    if uncertainty is not None and estimate is not None and uncertainty >= estimate:
        # What the clocks leave open is more than what was measured: a figure below it would be a fancy.
        claim += f"; how well the clocks are known (± {uncertainty:.2g} {requirement.unit}) bounds this claim"
    return claim


def _short_hash(value: Any) -> str:
    """Enough of a hash to tell files apart by eye; the whole of it is in the section on provenance."""
    text = t.scalar(value)
    return f"{text[:16]}…" if len(text) > 16 else text


def _rules(results: Results) -> list[list[str]]:
    """Ids and rule, with nothing in it that was measured; requirements of the same rule share one."""
    if _many(results):
        where = "each rule and its arithmetic, step by step, are in section 1, Method."
        return [["All requirements", where]]
    ids: dict[str, list[str]] = {}
    for requirement in results.requirements:
        rule = _agreed(requirement)
        if len(results.requirements) == 1 and requirement.sampling_plan:
            # How it ended is no part of what was fixed. The plans of several are in section 1 alone.
            rule += f" Samples: {requirement.sampling_plan.partition(', ended after')[0].rstrip('.')}."
        ids.setdefault(rule, []).append(requirement.id)
    return [[", ".join(names), rule] for rule, names in ids.items()]


def _figures(results: Results) -> list[list[str]]:
    """Ids and what the rule came to with the figures that were measured."""
    if _many(results):
        return []
    where = " Step by step: section 1, Method."
    return [[entry.id, _rule(entry) + (where if entry.decision else "")] for entry in results.requirements]


def _many(results: Results) -> bool:
    return len(results.requirements) > MOST_RULES and all(entry.decision for entry in results.requirements)


def _agreed(requirement: RequirementResult) -> str:
    error = f"with an error probability of at most {t.percent(t.alpha(requirement))}"
    bears = (
        "" if requirement.quantity in ("loss_rate", "rate_hz") else ", uncertainty U and floor J allowed for"
    )
    first, second = _series(requirement)
    if requirement.statistic == "max":
        passes = "PASS: never, since no sample shows a maximum"
    else:
        passes = f"PASS when it is shown{first}, {error}, that the requirement is met{bears}"
    fails = f"FAIL when it is shown{second}, {error}, that it is not met{bears}"
    return f"{passes}. {fails}. Otherwise INCONCLUSIVE."


def _rule(requirement: RequirementResult) -> str:
    """The rule and its thresholds in one paragraph."""
    unit = threshold_unit(requirement)
    error = f"Error probability {t.percent(t.alpha(requirement))}"
    if requirement.quantity in ("loss_rate", "rate_hz"):
        guards = "U and J do not enter"
    else:
        u, j = _extra(requirement.uncertainty, unit), _extra(requirement.floor, unit)
        guards = f"uncertainty U: {u}; floor J: {j}"
    return f"{_tested(requirement, unit)} {error}; {guards}."


def _tested(requirement: RequirementResult, unit: str) -> str:
    """What PASS and FAIL are tested on, and what would decide."""
    places = _places(requirement)
    at = [
        t.with_unit(t.number(each, places), unit)
        for each in (requirement.pass_threshold, requirement.fail_threshold)
    ]
    first, second = _series(requirement)
    n, upper = t.integer(requirement.n), requirement.limit_is == "upper"
    if requirement.statistic == "mean" or requirement.quantity == "rate_hz":
        high, low = ("upper", "lower") if upper else ("lower", "upper")
        least, beyond_it = ("at most", "above") if upper else ("at least", "below")
        return (
            f"PASS when the {high} bound{first} is {least} {at[0]}, FAIL when the {low} bound{second} is "
            f"{beyond_it} {at[1]}; n = {n}."
        )
    if requirement.statistic == "max":
        if not upper:
            return f"A maximum decides nothing about a lower limit; n = {n}."
        enough = "no K allows a FAIL"
        if requirement.fail_from is not None:
            enough = (
                f"FAIL from K = {t.integer(requirement.fail_from)} above {at[1]}{second}, or one unanswered"
            )
        return f"A maximum never passes; {enough} (K = {t.integer(requirement.exceedances_sent)}); n = {n}."
    counts = []
    if requirement.pass_up_to is not None:
        counts.append(f"PASS up to K = {t.integer(requirement.pass_up_to)}")
    else:
        counts.append("no K allows a PASS")
    counts.append(
        f"FAIL from K = {t.integer(requirement.fail_from)}"
        if requirement.fail_from is not None
        else "no K allows a FAIL"
    )
    decided = f"at n = {n}: {', '.join(counts)}."
    if requirement.quantity == "loss_rate":
        return f"K = {t.integer(requirement.exceedances)} unanswered; {decided}"
    k, k_sent = t.integer(requirement.exceedances), t.integer(requirement.exceedances_sent)
    return f"PASS is tested at {at[0]}{first} (K = {k}), FAIL at {at[1]}{second} (K = {k_sent}); {decided}"


def _series(requirement: RequirementResult) -> tuple[str, str]:
    """What PASS and what FAIL is judged on, as the end of a phrase."""
    if requirement.quantity in ("loss_rate", "rate_hz"):
        return "", ""
    names = " on latency from intent", " on latency from sent"
    if requirement.quantity == "jitter":
        names = " on the larger jitter, from intent or sent", " on the smaller jitter, from intent or sent"
    # Of a ratio the time is an upper limit where the share is a lower one.
    straight = (requirement.limit_is == "upper") != (requirement.quantity == "ratio")
    return (names[0], names[1]) if straight else (names[1], names[0])


def _places(requirement: RequirementResult) -> int:
    """Decimals of the thresholds: none beyond the limit's own when no guard band was taken off."""
    asked = requirement.limit if requirement.within_ms is None else requirement.within_ms
    if requirement.pass_threshold == requirement.fail_threshold == asked:
        return len(f"{asked:.10g}".partition(".")[2])
    return t.decimals_for(asked, 5)


def _extra(value: float | None, unit: str) -> str:
    return "not evaluated" if value is None else t.with_unit(t.number(value), unit)
