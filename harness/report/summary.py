"""The verdict as GitHub-flavoured Markdown, for ``summary.md`` and the summary page of a CI job."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import RecordingError
from harness.model import Verdict
from harness.report import text as t
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
from harness.wording import count_of, measured_name, quantile_name, sign, swarm_words, with_uncertainty

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
    if any(with_uncertainty(requirement) for requirement in results.requirements):
        lines += ["± U: the uncertainty of the measurement (k = 2).", ""]
    said: list[str] = []
    for requirement in results.requirements:
        lines += _reasons(requirement, said)
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
            *(swarm_words(scenario.swarm) if scenario.swarm else []),
            *scenario.hops_words,
            *_unusual(scenario),
            *(f"beyond {quantile_name(tail.quantile)}: {tail.words}" for tail in scenario.hops_tail),
            *(words.rstrip(".") for words in (scenario.search.words if scenario.search else [])),
        ]
        lines += [f"- {_escape(name)}: {_escape(words)}." for words in told]
        lines += [""] if told else []
    lines += _opinions(results)
    notable = [
        finding
        for finding in results.findings
        if finding.get("severity") in {"warning", "error"}
        and not (told_in(finding.get("message", ""), said) and told_in(finding.get("remedy", ""), said))
    ]
    for finding in notable:
        words = t.sentences(f"{finding['severity']}: {finding.get('message', '')}", finding.get("remedy", ""))
        lines.append(f"- {_escape(words)}")
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


def _opinions(results: Results) -> list[str]:
    """What made answers slow, and the first action against each cause: opinions, marked as such."""
    if not any(each.causes for each in results.bottlenecks):
        return []
    lines = ["**Opinions** (no part of the verdict; more in the report and by `harness why`)", ""]
    for each in results.bottlenecks:
        for cause in each.causes:
            lines.append(f"- {_escape(each.scenario)}: {_escape(cause.words)}; {_escape(cause.evidence)}.")
            lines += [f"  - {_escape(act.what)}: {_code(act.command)}" for act in cause.actions[:1]]
    return [*lines, ""]


def _reasons(requirement: RequirementResult, said: list[str]) -> list[str]:
    """What was decided and why; what an earlier requirement ``said`` of the same check is not said again."""
    lines = [f"**{_escape(requirement.id)}** {_escape(statement(requirement))}", ""]
    lines += [f"- {_escape(reason)}" for reason in requirement.reasons]
    said += requirement.reasons
    for check in requirement.checks:
        if check.ok:
            continue
        if told_in(f"{check.name}: {check.value}", requirement.reasons):
            if not check.remedy or told_in(check.remedy, said):
                continue
            words = f"Next, for {check.name}: {check.remedy}"
        else:
            words = t.sentences(f"check {check.name}: {check.value}, wanted {check.bound}", check.remedy)
        said.append(words)
        lines.append(f"- {_escape(words)}")
    return [*lines, ""]


def told_in(words: str, said: list[str]) -> bool:
    """Whether these words stand in anything that was said."""
    return any(words in each for each in said)


def _unusual(scenario: ScenarioResult) -> list[str]:
    """Anomalies, which are information."""
    found = scenario.anomalies.findings if scenario.anomalies else []
    return [
        f"anomaly (no part of the verdict), {one.words}" + "".join(f"; {each}" for each in one.host)
        for one in found
    ]


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
    p99 = t.quantile(latency, latency.p99, 0.99)
    figures = [with_unit(number(value), "ms") for value in (latency.p50, latency.max)]
    figures.insert(1, p99 if p99 == "max" else with_unit(p99, "ms"))
    return f"| {' | '.join([_escape(name), *map(integer, counts), *figures])} |"


_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|~!"} | {"\n": " ", "\r": " "})


def _escape(text: str) -> str:
    """Text whose characters mean nothing in Markdown and which does not leave its line or its cell."""
    return text.translate(_SPECIAL)


def _code(text: str) -> str:
    return text.replace("`", "'").replace("\n", " ").replace("|", "\\|")
