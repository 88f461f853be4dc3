"""The verdict as GitHub-flavoured Markdown, for ``summary.md`` and the summary page of a CI job."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import RecordingError
from harness.model import Verdict
from harness.report.text import (
    MISSING,
    bounds,
    confidence,
    duration,
    estimate,
    headroom,
    instant,
    integer,
    number,
    seconds_between,
    short,
    statement,
    with_unit,
)
from harness.results import RequirementResult, Results, ScenarioResult
from harness.wording import count_of, measured_name, quantile_name, sign

STEP_SUMMARY = "GITHUB_STEP_SUMMARY"
SYMBOLS = {Verdict.PASS: "✅", Verdict.FAIL: "❌", Verdict.INCONCLUSIVE: "❔", Verdict.ERROR: "⚠️"}


def render_summary(results: Results) -> str:
    """``summary.md`` of a run: verdict, requirements, reasons, counts, where the rest is."""
    rig = _escape(str(results.rig.get("name", "rig")))
    item = "simulated item" if results.simulated else "real item"
    lines = [
        f"## {SYMBOLS[results.verdict]} {results.verdict.value}: {rig}",
        "",
        f"Run `{_code(results.run_id)}` · **{item}** · {instant(results.started)}, "
        f"{duration(seconds_between(results.started, results.ended))}",
        "",
    ]
    if results.aborted:
        lines += [f"**ABORTED:** {_escape(results.abort_reason or 'no reason recorded')}", ""]
    if results.requirements:
        lines += [
            "| Requirement | Verdict | Quantity | Estimate | Bounds | Limit | Exceedances | Headroom |",
            "|---|---|---|--:|--:|--:|--:|--:|",
            *(_row(requirement) for requirement in results.requirements),
            "",
        ]
    else:
        lines += ["No requirement was decided.", ""]
    for requirement in results.requirements:
        lines += _reasons(requirement)
    if results.scenarios:
        lines += [
            "| Scenario | Due | Sent | Skipped | Answered | Lost | of these late | Duplicates | Out of order "
            "| Unmatched | Rejected | p50 | p99 | max |",
            "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
            *(_counts(name, scenario) for name, scenario in results.scenarios.items()),
            "",
        ]
    for name, scenario in results.scenarios.items():
        told = [
            *scenario.hops_words,
            *(f"beyond {quantile_name(t.quantile)}: {t.words}" for t in scenario.hops_tail),
            *(words.rstrip(".") for words in (scenario.search.words if scenario.search else [])),
        ]
        lines += [f"- {_escape(name)}: {_escape(words)}." for words in told]
        lines += [""] if told else []
    notable = [finding for finding in results.findings if finding.get("severity") in {"warning", "error"}]
    for finding in notable:
        remedy = f" Next: {_escape(finding['remedy'])}" if finding.get("remedy") else ""
        lines.append(f"- {finding['severity']}: {_escape(finding.get('message', ''))}{remedy}")
    if notable:
        lines.append("")
    lines += [
        "In the run folder: `report.pdf` (to be signed), `junit.xml`, `results.json`, `samples.parquet`, "
        "`run.json`.",
        "",
    ]
    return "\n".join(lines)


def append_step_summary(text: str) -> Path | None:
    """Append ``text`` to the file that $GITHUB_STEP_SUMMARY names; None where it is not set.

    Raises RecordingError when it cannot be written.
    """
    target = os.environ.get(STEP_SUMMARY)
    if not target:
        return None
    path = Path(target)
    try:
        with path.open("a", encoding="utf-8") as file:
            file.write(text if text.endswith("\n") else text + "\n")
    except OSError as error:
        raise RecordingError(
            f"the job summary {target} cannot be written: {error.strerror or error}",
            hint=f"unset {STEP_SUMMARY} or let it name a writable file",
        ) from error
    return path


def _row(requirement: RequirementResult) -> str:
    unit = requirement.unit
    lower, upper = bounds(requirement)
    cells = [
        _escape(requirement.id),
        f"{SYMBOLS[requirement.verdict]} {requirement.verdict.value}",
        f"{measured_name(requirement)} at {confidence(requirement)}",
        with_unit(estimate(requirement), unit),
        MISSING
        if requirement.lower_bound is None and requirement.upper_bound is None
        else with_unit(f"{lower} to {upper}", unit),
        f"{sign(requirement)} {with_unit(short(requirement.limit), unit)}",
        count_of(requirement, requirement.exceedances, requirement.n),
        headroom(requirement),
    ]
    return f"| {' | '.join(cells)} |"


def _reasons(requirement: RequirementResult) -> list[str]:
    lines = [f"**{_escape(requirement.id)}** {_escape(statement(requirement))}", ""]
    lines += [f"- {_escape(reason)}" for reason in requirement.reasons]
    for check in requirement.checks:
        if not check.ok:
            remedy = f" Next: {_escape(check.remedy)}" if check.remedy else ""
            lines.append(
                f"- check {_escape(check.name)}: {_escape(check.value)}, wanted "
                f"{_escape(check.bound)}.{remedy}"
            )
    return [*lines, ""]


def _counts(name: str, scenario: ScenarioResult) -> str:
    latency = scenario.latency_ms
    counts = [
        scenario.scheduled,
        scenario.sent,
        scenario.skipped,
        scenario.answered,
        scenario.lost,
        scenario.late,
        scenario.duplicates,
        scenario.out_of_order,
        scenario.unmatched,
        scenario.rejected,
    ]
    figures = [with_unit(number(value), "ms") for value in (latency.p50, latency.p99, latency.max)]
    return f"| {' | '.join([_escape(name), *map(integer, counts), *figures])} |"


_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|~!"} | {"\n": " ", "\r": " "})


def _escape(text: str) -> str:
    """Text whose characters mean nothing in Markdown and which does not leave its line or its cell."""
    return text.translate(_SPECIAL)


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ").replace("|", "\\|")
