"""Content of the first page, and of the sections that say what was done to what, where: method, item, environment."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from harness.model import Verdict
from harness.report import text as t
from harness.report.blocks import Block, bullets, heading, pairs, paragraph, table
from harness.results import RequirementResult, Results, ScenarioResult

_MEANING = {
    Verdict.PASS: "Every requirement is shown to be met.",
    Verdict.FAIL: "At least one requirement is shown not to be met.",
    Verdict.INCONCLUSIVE: "The evidence proves neither that the requirements are met nor that they are not.",
    Verdict.ERROR: "The bench or the harness broke; nothing is said about the item.",
}


def verdict_page(results: Results, run: Mapping[str, Any]) -> dict[str, Any]:
    """Everything on the first page, as the template's ``first_page`` wants it."""
    rig = _section(run, "rig")
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
        ],
        "aborted": (results.abort_reason or "no reason recorded") if results.aborted else "",
        "requirements": [_requirement(requirement) for requirement in results.requirements],
        "rules": [_rule(requirement) for requirement in results.requirements],
        "changes": _changes(results),
    }


def rig_name(results: Results) -> str:
    """Name of the rig that was run."""
    return str(results.rig.get("name") or "unnamed rig")


def _section(run: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """A mapping out of run.json; empty where a run broke before it was written."""
    value = run.get(key)
    return value if isinstance(value, Mapping) else {}


def _ended(results: Results) -> str:
    if results.ended is None:
        return "not recorded"
    return (
        f"{t.instant(results.ended)} (after {t.duration(t.seconds_between(results.started, results.ended))})"
    )


def _requirement(requirement: RequirementResult) -> dict[str, Any]:
    known = [
        v for v in (requirement.estimate, requirement.lower_bound, requirement.upper_bound) if v is not None
    ]
    places = t.decimals_for(min(known)) if known and min(known) > 0 else 3
    figures = [
        [f"{t.quantile_name(requirement.quantile)} estimate", t.number(requirement.estimate, places)],
        ["lower bound", t.number(requirement.lower_bound, places)],
        ["upper bound", t.number(requirement.upper_bound, places)],
        ["limit", t.short(requirement.limit)],
        ["stimuli n", t.integer(requirement.n)],
        ["over limit K", t.integer(requirement.exceedances)],
        ["headroom", t.headroom(requirement)],
    ]
    return {
        "id": requirement.id,
        "verdict": requirement.verdict.value,
        "statement": t.statement(requirement),
        "unit": t.pretty_unit(requirement.unit),
        "figures": figures,
        "claim": _claim(requirement),
        "reasons": requirement.reasons,
    }


def _claim(requirement: RequirementResult) -> str:
    """What the headroom entitles one to say, rounded down; nothing unless it was shown."""
    factor = requirement.headroom
    if requirement.verdict is not Verdict.PASS or factor is None or factor < 1.01:
        return ""
    if factor < 2:
        return f"at least {math.floor((factor - 1) * 100)}{t.NARROW}% faster than the limit"
    return f"at least {math.floor(factor * 10) / 10:.1f} times as fast as the limit asks"


def _rule(requirement: RequirementResult) -> dict[str, Any]:
    unit = requirement.unit
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
    thresholds = (
        f"PASS is tested at {t.with_unit(t.number(requirement.pass_threshold, _places(requirement)), unit)} on latency "
        f"from intent (K = {t.integer(requirement.exceedances)}), FAIL at "
        f"{t.with_unit(t.number(requirement.fail_threshold, _places(requirement)), unit)} on latency from sent "
        f"(K = {t.integer(requirement.exceedances_sent)}); at n = {t.integer(requirement.n)}: {', '.join(counts)}. "
        f"Error probability {t.percent(1 - requirement.confidence)}; uncertainty U: {_extra(requirement.uncertainty, unit)}; "
        f"floor J: {_extra(requirement.floor, unit)}."
    )
    return {"id": requirement.id, "thresholds": thresholds, "lines": requirement.decision}


def _places(requirement: RequirementResult) -> int:
    """Decimals of the thresholds: none beyond the limit's own when no guard band was taken off."""
    if requirement.pass_threshold == requirement.fail_threshold == requirement.limit:
        return len(f"{requirement.limit:.10g}".partition(".")[2])
    return t.decimals_for(requirement.limit, 5)


def _extra(value: float | None, unit: str) -> str:
    return "not evaluated" if value is None else t.with_unit(t.number(value), unit)


def _changes(results: Results) -> list[str]:
    """What mends what stood in the way, each once: failed checks, monitors, findings with a remedy."""
    lines: list[str] = []
    checks = [check for scenario in results.scenarios.values() for check in scenario.checks]
    checks += [check for requirement in results.requirements for check in requirement.checks]
    for check in checks:
        if not check.ok:
            what = f"{check.name}: {check.value}, wanted {check.bound}."
            lines.append(" ".join(part for part in (what, check.consequence, check.remedy) if part))
    lines += [
        f"Monitor {m.name} out of bounds: {t.number(m.value)} {m.unit}".rstrip()
        for m in results.monitors
        if not m.ok
    ]
    for finding in results.findings:
        if finding.get("severity") in {"warning", "error"} and finding.get("remedy"):
            lines.append(f"{finding.get('message', '')} {finding['remedy']}".strip())
    return list(dict.fromkeys(lines))


def method(results: Results, run: Mapping[str, Any]) -> list[Block]:
    """Scenario, schedule, matching, sampling plan, deviations."""
    blocks: list[Block] = [
        heading("Method"),
        paragraph(
            "Time-stamped stimuli are sent at their own times, whether or not earlier ones were answered, and each answer "
            "is matched to its stimulus afterwards. Latency from intent runs from the instant a stimulus was due to the "
            "arrival of its answer, latency from sent from the instant just before the hand-over. A requirement passes on the "
            "former and fails on the latter, so that a delay of the harness can cost a PASS but never cause a FAIL. A stimulus "
            "that was sent and not answered within the timeout is over every limit; one that was not sent counts neither way. "
            "Warm-up and probes are never counted. No sample is trimmed."
        ),
    ]
    for name, scenario in results.scenarios.items():
        blocks += [heading(f"Scenario “{name}”", 2), pairs(_procedure(scenario))]
    for title, steps in (("Set-up", "setup"), ("Before every scenario", "reset"), ("Tear-down", "teardown")):
        entries = _section(_section(run, "rig"), "resolved").get(steps) or []
        if entries:
            blocks += [heading(title, 2), bullets(t.scalar(step) for step in entries)]
    if results.requirements:
        blocks += [heading("Sampling plan", 2), _plan(results)]
    return [*blocks, heading("Deviations", 2), bullets(_deviations(results, run))]


def _procedure(scenario: ScenarioResult) -> list[tuple[str, str]]:
    return [
        ("Kind", t.words(scenario.kind)),
        ("Stimulus", scenario.stimulus),
        ("Response", scenario.response),
        ("Matching", scenario.match),
        ("Arrival is", scenario.arrival_is),
        ("Timeout", t.with_unit(t.short(scenario.timeout_ms), "ms")),
        ("Schedule", _schedule(scenario.schedule)),
        (
            "Before measuring",
            f"{t.plural(scenario.probes, 'probe')}, {t.integer(scenario.warm_up)} in warm-up",
        ),
    ]


def _schedule(schedule: Mapping[str, Any]) -> str:
    if schedule.get("kind") != "paced":
        return t.scalar(schedule)
    pace = "strictly periodic" if schedule.get("periodic") else "jittered at random (seeded)"
    rest = {
        k: v
        for k, v in schedule.items()
        if k not in {"kind", "periodic", "rate_hz", "samples"} and v is not None
    }
    more = f"; {t.scalar(rest).replace('_', ' ')}" if rest else ""
    samples = schedule.get("samples")
    count = t.integer(samples) if isinstance(samples, int) else t.scalar(samples)
    return f"paced, {pace}, {t.scalar(schedule.get('rate_hz'))}{t.NARROW}Hz, {count} stimuli{more}"


def smallest_n(quantile: float, confidence: float) -> int:
    """Fewest stimuli that allow a PASS, with none over the limit: smallest n with quantile^n <= 1 - confidence."""
    return math.ceil(math.log(1 - confidence) / math.log(quantile) - 1e-9)


def _plan(results: Results) -> Block:
    rows = []
    for requirement in results.requirements:
        scenario = results.scenarios.get(requirement.scenario)
        rows.append(
            [
                requirement.id,
                requirement.scenario,
                f"{t.quantile_name(requirement.quantile)} ≤ {t.with_unit(t.short(requirement.limit), requirement.unit)}",
                t.percent(requirement.confidence),
                t.integer(smallest_n(requirement.quantile, requirement.confidence)),
                t.integer(scenario.scheduled if scenario else None),
                t.integer(requirement.n),
            ]
        )
    return table(
        [
            ("Requirement", "left", 2),
            ("Scenario", "left", 1.4),
            ("Criterion", "left"),
            ("Confidence", "right"),
            ("Least n", "right"),
            ("Planned", "right"),
            ("Counted", "right"),
        ],
        rows,
        "The number of stimuli is fixed before the start. Least n: fewer stimuli cannot show the requirement to be met.",
    )


def _deviations(results: Results, run: Mapping[str, Any]) -> list[str]:
    lines = []
    if results.aborted:
        lines.append(f"The run was aborted: {results.abort_reason or 'no reason recorded'}")
    if run.get("status") == "recovered":
        lines.append(
            "The run was recovered from its journal after the harness had ended without finishing it."
        )
    overrides = _section(run, "rig").get("overrides") or []
    if overrides:
        lines.append(f"Changed on the command line: {t.scalar(overrides)}")
    for name, scenario in results.scenarios.items():
        if scenario.skipped:
            lines.append(
                f"{name}: {t.integer(scenario.skipped)} of {t.integer(scenario.scheduled)} stimuli skipped, since the harness "
                "was late when they were due (no burst follows a stall)."
            )
        if scenario.unsent:
            lines.append(
                f"{name}: {t.integer(scenario.unsent)} stimuli not sent (run ended, or the hand-over failed)."
            )
        if scenario.clock_steps:
            lines.append(
                f"{name}: the clock of the arrival stamps was set; for {t.integer(scenario.clock_steps)} samples the instant "
                "at which the harness saw the answer is used."
            )
    return lines or ["None."]


def item(run: Mapping[str, Any], results: Results) -> list[Block]:
    """Identity of the item under test and of every device."""
    resolved = _section(_section(_section(run, "rig"), "resolved"), "rig").get("item") or {}
    blocks: list[Block] = [heading("Item under test")]
    blocks.append(
        pairs(
            [
                ("Item", "SIMULATED: nothing real was tested" if results.simulated else "REAL"),
                *t.flatten(resolved),
            ]
        )
    )
    devices = _section(run, "devices")
    if not devices:
        blocks.append(paragraph("No device was opened in this run.", "muted"))
    for name, device in devices.items():
        kind = "SIMULATED" if device.get("simulated") else "REAL"
        identity = device.get("identity") or {}
        rows = [
            ("Adapter", t.scalar(device.get("adapter"))),
            *((str(k), t.scalar(v)) for k, v in identity.items()),
        ]
        blocks += [heading(f"Device “{name}”: {kind}", 2), pairs(rows)]
    return blocks


def environment(run: Mapping[str, Any], results: Results) -> list[Block]:
    """Host, real-time settings, clocks, arrival stamps, and what the rig file and the analysis add."""
    blocks: list[Block] = [heading("Environment")]
    own = _section(_section(run, "rig"), "resolved").get("environment") or {}
    shown = {"host", "versions", "realtime", "clocks", "ports", "environment"}
    sections = [
        ("As stated in the rig file", t.flatten(own)),
        ("Host", t.flatten(_section(run, "host"))),
        (
            "Real-time settings: what was asked of the host, and what could not be had",
            t.flatten(_section(run, "realtime")),
        ),
        ("Software", t.flatten(_section(run, "versions"))),
        ("Arrival stamps by port", t.flatten(_section(run, "ports"))),
        ("Further", t.flatten(results.environment, shown)),
    ]
    for title, rows in sections:
        if rows:
            blocks += [heading(title, 2), pairs(rows)]
    clocks = run.get("clocks") or []
    if clocks:
        blocks += [
            heading("Clocks", 2),
            table(
                [("Clock", "left"), ("Kind", "left"), ("Description", "left", 1), ("Resolution", "right")],
                [
                    [
                        t.scalar(clock.get("name")),
                        t.scalar(clock.get("kind")),
                        t.scalar(clock.get("description")),
                        t.with_unit(t.scalar(clock.get("resolution_ns")), "ns"),
                    ]
                    for clock in clocks
                ],
            ),
        ]
    if len(blocks) == 1:
        blocks.append(paragraph("Nothing was recorded about the environment.", "muted"))
    return blocks
