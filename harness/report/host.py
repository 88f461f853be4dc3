"""Host preflight: what the doctor found when the run started."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.report import text as t
from harness.report.blocks import Block, Column, Tone, cell, code, heading, paragraph, table
from harness.results import Results

_ORDER: dict[str, Tone] = {"error": "bad", "warning": "warn", "info": "plain"}


def host_preflight(results: Results) -> list[Block]:
    """What is not well with its reason, then the commands, then what is well by name and value."""
    blocks: list[Block] = [heading("Host preflight", 2)]
    found = results.environment.get("doctor")
    entries = [entry for entry in found if isinstance(entry, Mapping)] if isinstance(found, list) else []
    if not entries:
        return [*blocks, paragraph("The host was not examined when this run started.", "muted")]
    well = [entry for entry in entries if entry.get("severity") == "ok"]
    rest = [entry for entry in entries if entry.get("severity") != "ok"]
    rest.sort(key=lambda entry: list(_ORDER).index(_severity(entry)))
    if rest:
        rows = [
            [
                cell(_severity(entry), _ORDER[_severity(entry)]),
                _text(entry, "name"),
                _text(entry, "value"),
                _text(entry, "why"),
            ]
            for entry in rest
        ]
        blocks.append(
            table(
                [
                    ("", "left"),
                    ("Looked at", "left", 1),
                    ("Found", "left", 1.7),
                    ("Why it matters", "left", 2),
                ],
                rows,
                "As found when the run started, without timing anything; harness doctor --measure times it.",
            )
        )
        remedies = [entry for entry in rest if entry.get("remedy")]
        if remedies:
            lines = "\n".join(f"# {_text(each, 'name')}\n{str(each['remedy']).strip()}" for each in remedies)
            blocks.append(code(lines, "What mends it"))
    else:
        blocks.append(paragraph("Nothing was found that costs latency.", "good"))
    if well:
        cells = [_text(entry, key) for entry in well for key in ("name", "value")]
        cells += [""] * (-len(cells) % 4)
        columns: list[Column] = [(title, "left", share) for title, share in (("Well", 1), ("Value", 1.6)) * 2]
        blocks.append(table(columns, [cells[place : place + 4] for place in range(0, len(cells), 4)]))
    return blocks


def _severity(entry: Mapping[str, Any]) -> str:
    severity = str(entry.get("severity"))
    return severity if severity in _ORDER else "info"


def _text(entry: Mapping[str, Any], key: str) -> str:
    return t.scalar(entry.get(key))
