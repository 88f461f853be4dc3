"""Content of the sections that say why the results may be believed: validity and provenance."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.report import text as t
from harness.report.blocks import Block, Column, Tone, bullets, cell, code, heading, pairs, paragraph, table
from harness.report.uncertainty import uncertainty
from harness.results import Check, Results


def validity(results: Results, events: Sequence[Mapping[str, Any]]) -> list[Block]:
    """Checks of the bench, uncertainty budget, monitors, findings, events."""
    blocks: list[Block] = [heading("Validity")]
    checks = _checks(results)
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
    return [*blocks, *uncertainty(results), *_monitors(results), *_findings(results), *_events(events)]


def _checks(results: Results) -> list[tuple[str, Check]]:
    """Every check once, with all scenarios and requirements that it concerns."""
    parts: list[tuple[str, list[Check]]] = [(name, entry.checks) for name, entry in results.scenarios.items()]
    parts += [(requirement.id, requirement.checks) for requirement in results.requirements]
    concerned: list[tuple[list[str], Check]] = []
    for name, checks in parts:
        for check in checks:
            for names, known in concerned:
                if known == check:
                    names.append(name)
                    break
            else:
                concerned.append(([name], check))
    return [(_concerned(names, results), check) for names, check in concerned]


def _concerned(names: list[str], results: Results) -> str:
    """Names of scenarios and requirements, briefly where all of many requirements are among them."""
    ids = [requirement.id for requirement in results.requirements]
    if len(ids) < 3 or not set(ids) <= set(names):
        return ", ".join(names)
    return ", ".join([*(name for name in names if name not in ids), "all requirements"])


def _consequences(checks: Iterable[tuple[str, Check]]) -> list[Block]:
    lines = [
        f"{where}, {check.name}: {'; '.join(part for part in (check.consequence, check.remedy) if part)}"
        for where, check in checks
        if not check.ok and (check.consequence or check.remedy)
    ]
    return [bullets(lines)] if lines else []


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
    columns: list[Column] = [
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
    columns: list[Column] = [
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
        rest = {key: value for key, value in event.items() if key not in {"t_ns", "utc", "event"}}
        if "traceback" in rest:  # what was raised; the way there is for developers, in events.jsonl
            rest["traceback"] = str(rest["traceback"]).strip().rpartition("\n")[2]
        when = t.number((stamp - start) * 1e-9, 3) if isinstance(stamp, int) else t.MISSING
        rows.append([when, t.words(t.scalar(event.get("event"))), t.cut(t.scalar(rest), 400) if rest else ""])
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
    rig_name = str(results.rig.get("name") or "RIG")
    line = shlex.join(map(str, command)) if isinstance(command, list) else t.scalar(command)
    rows = [
        ("Run", results.run_id),
        ("Harness version", t.scalar(run.get("harness_version"))),
        *((f"git {t.words(str(key))}", t.scalar(value)) for key, value in git.items()),
        ("Seed", t.scalar(run.get("seed"))),
        ("Rig file", t.scalar(rig.get("file"))),
        ("Rig file, SHA-256", t.scalar(rig.get("sha256"))),
        *((f"{name}, SHA-256", t.scalar(value)) for name, value in (run.get("raw_sha256") or {}).items()),
        *_bag(run.get("bag") or {}),
        *t.flatten(results.provenance, _SHOWN),
    ]
    blocks: list[Block] = [
        heading("Provenance"),
        pairs(rows),
        heading("Commands", 2),
        code(line, "As it was given"),
    ]
    again = results.provenance.get("repeat")
    if again:
        blocks.append(code(str(again), "To repeat the run with the same rig file, changes and seeds"))
    blocks.append(
        code(
            shlex.join(["harness", "report", f"reports/{rig_name}/{results.run_id}"]),
            "To derive everything anew from the raw tables (the folder may be anywhere)",
        )
    )
    source = rig.get("text")
    blocks.append(heading("Rig file as used", 2))
    blocks.append(code(str(source)) if source else paragraph("The rig file was not recorded.", "muted"))
    return blocks


def _bag(bag: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The file, how many messages of which topic are in it, and what was left out."""
    left_out = ", ".join(map(str, bag.get("left_out") or []))
    without = f"; left out: {left_out}" if left_out else ""
    if not bag.get("recorded"):
        return [("Bag", f"none{without}")] if without else []
    if not bag.get("file"):
        why = "without a message" if bag.get("messages") == {} else "not written, see the events"
        return [("Bag", f"none: {why}{without}")]
    counts = [f"{topic} {t.integer(count)}" for topic, count in (bag.get("messages") or {}).items()]
    told = f"{t.scalar(bag['file'])}: messages of {', '.join(counts)}{without}"
    return [("Bag", told), (f"{t.scalar(bag['file'])}, SHA-256", t.scalar(bag.get("sha256")))]


# What is shown from run.json already, or elsewhere in the report.
_SHOWN = {
    "harness_version",
    "versions",
    "git",
    "rig_file",
    "rig_sha256",
    "overrides",
    "raw_sha256",
    "seed",
    "command_line",
    "operator",
    "repeat",
}
