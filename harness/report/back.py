"""Content of the sections that say what came out and why it may be believed: results, validity, provenance."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from harness.model import SampleFlag
from harness.report import text as t
from harness.report.blocks import Block, Tone, bullets, cell, code, heading, pairs, paragraph, table
from harness.report.series import Series
from harness.results import Check, Distribution, RequirementResult, Results, ScenarioResult

LISTED = 15
"""Rows of the lists of outliers and of losses."""
_FLAGS = (
    (SampleFlag.DUPLICATED, "duplicated"),
    (SampleFlag.SUPERSEDED, "superseded"),
    (SampleFlag.OUT_OF_ORDER, "out of order"),
    (SampleFlag.CLOCK_STEP, "clock step"),
)


def counts(scenario: ScenarioResult) -> Block:
    """What became of every stimulus that was due."""
    names = [
        "Due",
        "Sent",
        "Skipped",
        "Unsent",
        "Answered",
        "Lost",
        "of these late",
        "Duplicates",
        "Out of order",
    ]
    values = [
        scenario.scheduled,
        scenario.sent,
        scenario.skipped,
        scenario.unsent,
        scenario.answered,
        scenario.lost,
        scenario.late,
        scenario.duplicates,
        scenario.out_of_order,
    ]
    names += ["Superseded", "Unmatched"]
    values += [scenario.superseded, scenario.unmatched]
    rate = scenario.achieved_rate_hz
    caption = "Counts of stimuli; unmatched: observations that belong to no stimulus."
    if rate is not None:
        caption += f" Achieved rate {t.with_unit(t.number(rate), 'Hz')}."
    return table([(name, "right", 1) for name in names], [[t.integer(value) for value in values]], caption)


def distributions(scenario: ScenarioResult) -> list[Block]:
    """Summary of each quantity, and quantiles of latency with their confidence intervals."""
    named = [
        ("latency from intent", scenario.latency_from_intent_ms),
        ("latency from sent", scenario.latency_ms),
        ("lateness", scenario.lateness_ms),
        *((f"stage: {t.words(name)}", part) for name, part in scenario.stages_ms.items()),
    ]
    fields = ("mean", "sd", "min", "p50", "p90", "p99", "p99_9", "max")
    rows = []
    for name, part in named:
        places = min(5, t.decimals_for(part.p50))
        rows.append([name, t.integer(part.n), *(t.number(getattr(part, field), places) for field in fields)])
    columns: list[tuple[str, Any] | tuple[str, Any, float]] = [("in ms", "left", 1), ("n", "right")]
    columns += [(field.replace("_", "."), "right") for field in fields]
    blocks = [
        table(
            columns,
            rows,
            "Summary of answered stimuli in ms; lost ones have no latency and are counted above.",
        )
    ]
    intervals = _intervals(scenario.latency_from_intent_ms, scenario.latency_ms)
    return [*blocks, intervals] if intervals else blocks


def _intervals(intent: Distribution, sent: Distribution) -> Block | None:
    if not intent.intervals and not sent.intervals:
        return None
    of_sent = {interval.quantile: interval for interval in sent.intervals}
    of_intent = {interval.quantile: interval for interval in intent.intervals}
    rows = []
    for quantile in sorted(of_sent.keys() | of_intent.keys()):
        row = [t.quantile_name(quantile)]
        for interval in (of_intent.get(quantile), of_sent.get(quantile)):
            if interval is None:
                row += [t.MISSING] * 3
                continue
            places = min(5, t.decimals_for(interval.estimate))
            row += [t.number(value, places) for value in (interval.estimate, interval.lower, interval.upper)]
        rows.append(row)
    first = (intent.intervals or sent.intervals)[0]
    titles = ["from intent", "lower", "upper", "from sent", "lower", "upper"]
    return table(
        [("Quantile", "left", 1), *((title, "right", 1) for title in titles)],
        rows,
        f"Quantiles of latency in ms with exact order-statistic intervals, {t.percent(first.confidence)} confidence. "
        "–: too few samples for that bound.",
    )


def outliers(series: Series) -> list[Block]:
    """The largest latencies and the first losses, one by one. Listed, never dropped."""
    blocks: list[Block] = []
    answered = np.flatnonzero(~series.lost)
    if len(answered):
        largest = answered[np.argsort(-series.intent_ms[answered], kind="stable")][:LISTED]
        rows = [
            [
                str(rank),
                str(series.key[row]),
                t.number(float(series.time_s[row]), 3),
                t.number(float(series.intent_ms[row]), 3),
                t.number(float(series.latency_ms[row]), 3),
                t.number(float(series.lateness_ms[row]), 3),
                ", ".join(name for flag, name in _FLAGS if series.flags[row] & flag),
            ]
            for rank, row in enumerate(largest, 1)
        ]
        blocks.append(
            table(
                [
                    ("Rank", "right"),
                    ("Key", "right"),
                    ("Time in s", "right"),
                    ("From intent in ms", "right"),
                    ("From sent in ms", "right"),
                    ("Lateness in ms", "right"),
                    ("Remarks", "left", 1),
                ],
                rows,
                f"The {len(rows)} largest latencies of {t.integer(len(answered))}. All samples count; none was dropped.",
            )
        )
    gone = np.flatnonzero(series.lost)
    if len(gone):
        rows = [
            [
                str(series.key[row]),
                t.number(float(series.time_s[row]), 3),
                t.number(float(series.lateness_ms[row]), 3),
                "no answer"
                if np.isnan(series.late_ms[row])
                else f"answered late, after {t.with_unit(t.number(float(series.late_ms[row]), 3), 'ms')}",
            ]
            for row in gone[:LISTED]
        ]
        shown = "all" if len(gone) <= LISTED else f"the first {LISTED} of {t.integer(len(gone))}"
        blocks.append(
            table(
                [
                    ("Key", "right"),
                    ("Time in s", "right"),
                    ("Lateness in ms", "right"),
                    ("What came", "left", 1),
                ],
                rows,
                f"Lost stimuli ({shown}). Each counts as over every limit.",
            )
        )
    return blocks


def validity(results: Results, events: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Checks of the bench, uncertainty budget, monitors, findings, events."""
    blocks: list[Block] = [heading("Validity")]
    checks = [(name, check) for name, scenario in results.scenarios.items() for check in scenario.checks]
    checks += [
        (requirement.id, check) for requirement in results.requirements for check in requirement.checks
    ]
    blocks.append(heading("Checks", 2))
    if checks:
        blocks.append(
            table(
                [
                    ("Concerns", "left", 1),
                    ("Check", "left", 1.2),
                    ("", "left"),
                    ("Found", "left", 1.6),
                    ("Wanted", "left", 1.6),
                ],
                [
                    [
                        where,
                        check.name,
                        cell("ok" if check.ok else "NOT OK", "good" if check.ok else "bad"),
                        check.value,
                        check.bound,
                    ]
                    for where, check in checks
                ],
            )
        )
        blocks += _consequences(checks)
    else:
        blocks.append(paragraph("No check was carried out.", "muted"))
    return [*blocks, *_uncertainty(results), *_monitors(results), *_findings(results), *_events(events)]


def _consequences(checks: Iterable[tuple[str, Check]]) -> list[Block]:
    lines = [
        f"{where}, {check.name}: {' '.join(part for part in (check.consequence, check.remedy) if part)}"
        for where, check in checks
        if not check.ok and (check.consequence or check.remedy)
    ]
    return [bullets(lines)] if lines else []


def _uncertainty(results: Results) -> list[Block]:
    blocks: list[Block] = [heading("Uncertainty budget", 2)]
    if not results.uncertainty:
        return [*blocks, paragraph("Not evaluated in this version.")]
    names = list(dict.fromkeys(key for row in results.uncertainty for key in row))
    rows = [[t.scalar(row.get(name)) for name in names] for row in results.uncertainty]
    return [*blocks, table([(t.words(name), "left", 1) for name in names], rows)]


def _monitors(results: Results) -> list[Block]:
    if not results.monitors:
        return []
    rows = []
    for monitor in results.monitors:
        wanted = []
        if monitor.at_least is not None:
            wanted.append(f"≥ {t.short(monitor.at_least)}")
        if monitor.at_most is not None:
            wanted.append(f"≤ {t.short(monitor.at_most)}")
        rows.append(
            [
                monitor.name,
                monitor.port,
                monitor.statistic,
                t.with_unit(t.number(monitor.value), monitor.unit),
                " and ".join(wanted) or t.MISSING,
                f"{t.number(monitor.min)} to {t.number(monitor.max)}",
                t.integer(monitor.n),
                cell("ok" if monitor.ok else "NOT OK", "good" if monitor.ok else "bad"),
            ]
        )
    titles = ("Monitor", "Port", "Statistic", "Value", "Wanted", "Range", "n", "")
    columns: list[tuple[str, Any] | tuple[str, Any, float]] = [
        (title, "left", 1) if place < 2 else (title, "right" if title in {"Value", "n"} else "left")
        for place, title in enumerate(titles)
    ]
    return [heading("Monitors", 2), table(columns, rows)]


def _findings(results: Results) -> list[Block]:
    if not results.findings:
        return []
    tones: dict[str, Tone] = {"error": "bad", "warning": "warn"}
    rows = [
        [
            cell(finding.get("severity", ""), tones.get(finding.get("severity", ""), "plain")),
            finding.get("name", ""),
            " ".join(part for part in (finding.get("message", ""), _value(finding)) if part),
            finding.get("remedy", "") or t.MISSING,
        ]
        for finding in results.findings
    ]
    columns: list[tuple[str, Any] | tuple[str, Any, float]] = [
        ("Severity", "left"),
        ("Finding", "left", 1),
        ("What was found", "left", 2),
        ("What mends it", "left", 2),
    ]
    return [heading("Findings", 2), table(columns, rows)]


def _value(finding: Mapping[str, str]) -> str:
    value = finding.get("value", "")
    return f"({value})" if value and value not in finding.get("message", "") else ""


def _events(events: Sequence[Mapping[str, Any]], most: int = 60) -> list[Block]:
    if not events:
        return []
    stamps = [event["t_ns"] for event in events if isinstance(event.get("t_ns"), int)]
    start = min(stamps, default=0)
    rows = []
    for event in events[:most]:
        stamp = event.get("t_ns")
        rest = {key: value for key, value in event.items() if key not in {"t_ns", "event"}}
        when = t.number((stamp - start) * 1e-9, 3) if isinstance(stamp, int) else t.MISSING
        rows.append([when, t.words(t.scalar(event.get("event"))), t.scalar(rest) if rest else ""])
    caption = (
        ""
        if len(events) <= most
        else f"The first {most} of {t.integer(len(events))}; all are in events.jsonl."
    )
    return [
        heading("Events", 2),
        table([("Time in s", "right"), ("Event", "left", 1), ("Details", "left", 3)], rows, caption),
    ]


def provenance(results: Results, run: Mapping[str, Any]) -> list[Block]:
    """Hashes, versions, seed, commands, and the rig file as it was used."""
    rig = run.get("rig") or {}
    git = run.get("git") or {}
    command = run.get("command_line")
    line = shlex.join(map(str, command)) if isinstance(command, list) else t.scalar(command)
    rows = [
        ("Run", results.run_id),
        ("Harness version", t.scalar(run.get("harness_version"))),
        *((f"git {t.words(str(key))}", t.scalar(value)) for key, value in git.items()),
        ("Seed", t.scalar(run.get("seed"))),
        ("Rig file", t.scalar(rig.get("file"))),
        ("Rig file, SHA-256", t.scalar(rig.get("sha256"))),
        *((f"{name}, SHA-256", t.scalar(value)) for name, value in (run.get("raw_sha256") or {}).items()),
        *t.flatten(results.provenance, _SHOWN),
    ]
    blocks: list[Block] = [heading("Provenance"), pairs(rows)]
    blocks += [heading("Command", 2), paragraph("As it was given:"), code(line)]
    blocks += [paragraph("To repeat the run with the same schedule:"), code(repeat(run, line))]
    blocks += [
        paragraph("To rebuild this report from the raw data:"),
        code(f"harness report {results.run_id}"),
    ]
    source = rig.get("text")
    blocks.append(heading("Rig file as used", 2))
    blocks.append(code(str(source)) if source else paragraph("The rig file was not recorded.", "muted"))
    return blocks


_SHOWN = {
    "run_id",
    "harness_version",
    "git",
    "seed",
    "rig_file",
    "rig_sha256",
    "raw_sha256",
    "command_line",
    "versions",
}


def repeat(run: Mapping[str, Any], line: str) -> str:
    """The command that repeats the run: the recorded one, with the seed where it was drawn."""
    recorded = run.get("repeat")
    return str(recorded) if recorded else line


def on_scenario(results: Results, name: str) -> list[RequirementResult]:
    """The requirements on that scenario."""
    return [requirement for requirement in results.requirements if requirement.scenario == name]
