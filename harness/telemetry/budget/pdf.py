"""A report on budgets as a PDF, set like the reports of rigs."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.atomic import replacing
from harness.report import style
from harness.report.blocks import Block, bullets, cell, figure, heading, pairs, paragraph, table
from harness.report.pdf import set_document
from harness.telemetry.budget.words import figure as number
from harness.telemetry.budget.words import pillar_name, reasons, remarks, runs, with_unit

if TYPE_CHECKING:
    from harness.telemetry.budget.report import Line, Report

TONES = {"PASS": "good", "FAIL": "bad", "INCONCLUSIVE": "warn", "ERROR": "bad"}
MOST_DRAWN = 40
RULE = (
    "A budget says that at least a share q of what is observed lies within its limit, shown with a "
    "confidence of 1 - alpha. PASS: so few of n observations exceeded it that an operation exactly at its "
    "limit shows so few in at most a share alpha of cases (exact binomial bound); FAIL: so many, likewise; "
    "INCONCLUSIVE: too little evidence for either. Counts are exact; observations that come in bursts count "
    "for less. An operation that raised is timed like any other."
)


def write_pdf(report: Report, out: Path) -> None:
    """Write the report, replacing ``out`` only when it is complete.

    Raises OperationError when the document cannot be set, RecordingError when it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="harness-budgets-") as name:
        root = Path(name)
        when = datetime.fromisoformat(report.created)
        document = _document(report, root, when)
        (root / "results.json").write_text(report.render("json"), encoding="utf-8")
        pdf = set_document(document, root, when, "page.typ")
    with replacing(out, len(pdf)) as partial:
        partial.write_bytes(pdf)


def _document(report: Report, root: Path, when: datetime) -> dict[str, Any]:
    import platform

    verdict = report.verdict
    return {
        "title": f"Performance budget report, {report.created}",
        "date": [when.year, when.month, when.day],
        "header": {
            "version": __version__,
            "left": "Performance budgets",
            "right": platform.node(),
            "kind": "PERFORMANCE BUDGET REPORT",
            "what": "Performance budgets",
            "verdict": "nothing judged" if verdict is None else verdict.value,
            "note": "Verdicts speak of what was observed, on this host and under its load.",
        },
        "blocks": list(_blocks(report, root)),
    }


def _blocks(report: Report, root: Path) -> Iterator[Block]:
    import platform

    judged = [line for line in report.lines if line.judged and line.n]
    yield pairs(
        [
            ("made", report.created.replace("T", " ").replace("+00:00", " UTC")),
            ("host", f"{platform.node()}, {platform.platform()}, Python {platform.python_version()}"),
            ("observed", f"{sum(line.n for line in report.lines)} times, in {report.processes} process(es)"),
            ("judged", f"{len(judged)} of {len(report.lines)} operations; "
             f"{len(report.unobserved())} budgets of which nothing was observed"),
        ]
    )  # fmt: skip
    yield paragraph(RULE, "muted")
    drawn = [line for line in judged if line.limits.upper is not None and line.limits.upper > 0]
    if drawn:
        (root / "limits.svg").write_text(_against_limits(drawn[:MOST_DRAWN]), encoding="utf-8")
        alt = "; ".join(
            f"{line.limits.name}: p99 {with_unit(line.p99, line.limits.unit)} of "
            f"{with_unit(line.limits.upper, line.limits.unit)}"
            for line in drawn[:MOST_DRAWN]
        )
        yield figure(
            "limits.svg", alt, "Median, p99 and largest of each operation as a share of its upper limit."
            + (f" The first {MOST_DRAWN} of {len(drawn)}." if len(drawn) > MOST_DRAWN else ""),
        )  # fmt: skip
    for pillar, members in report.by_pillar().items():
        yield heading(pillar_name(pillar))
        yield _table(members)
        why = [f"{line.limits.name}: {'; '.join([*reasons(line), *remarks(line)])}" for line in members]
        yield bullets([each for each in why if not each.endswith(": ")])
    if report.runs:
        yield heading("Runs of rigs")
        yield bullets(line.removeprefix("- ") for line in list(runs(report))[1:])
    silent = report.unobserved()
    if silent:
        yield heading("Nothing observed")
        yield paragraph("These budgets were neither kept nor broken:")
        yield bullets(f"{line.limits.name}: {line.limits.words}" for line in silent)


def _table(members: list[Line]) -> Block:
    rows = []
    for line in members:
        unit = line.limits.unit
        word = "no budget" if line.verdict is None else line.verdict.value
        tone: Any = TONES.get(word, "muted")
        limits = [
            f"{sign} {with_unit(value, unit)}"
            for sign, value in (("≥", line.limits.lower), ("≤", line.limits.upper))
            if value is not None
        ]
        rows.append(
            [
                line.limits.name,
                cell(word, tone),
                ", ".join(limits) or "–",
                f"{100 * line.limits.quantile:g} %" if limits else "–",
                str(line.n),
                str(line.over) if limits else "–",
                *(number(each) for each in (line.mean, line.p50, line.p99, line.largest)),
            ]
        )
    return table(
        [
            ("operation", "left", 2.0), ("verdict", "left"), ("limit", "left"), ("for", "right"),
            ("n", "right"), ("over", "right"), ("mean", "right"), ("p50", "right"), ("p99", "right"),
            ("max", "right"),
        ],
        rows,
        "Values in the unit of the limit, without one in ms or as observed. Over: beyond the limit itself.",
    )  # fmt: skip


def _against_limits(lines: list[Line]) -> str:
    """One row an operation: from its median to its largest, with p99, on a logarithmic axis; 1 is the
    limit."""
    with style.drawing(0.7 + 0.19 * len(lines)) as drawing:
        axes = drawing.subplots()
        for row, line in enumerate(lines):
            limit = line.limits.upper
            assert limit is not None
            marks = [max(each or 0.0, 1e-9 * limit) / limit for each in (line.p50, line.p99, line.largest)]
            word = "" if line.verdict is None else line.verdict.value
            colour = {"PASS": style.GREEN, "FAIL": style.VERMILLION}.get(word, style.GREY)
            axes.plot([marks[0], marks[2]], [row, row], color=colour, linewidth=1.2)
            for value, shape in zip(marks, ("|", "o", ">"), strict=True):
                axes.plot([value], [row], shape, color=colour, markersize=4.5)
        axes.axvline(1.0, color=style.INK, linewidth=0.8, linestyle="--")
        axes.set_xscale("log")
        axes.set_yticks(range(len(lines)), [line.limits.name[:48] for line in lines])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.xaxis.set_major_formatter(lambda value, _position: style.plain(value))
        axes.set_xlabel("share of the limit: median |, p99 ●, largest ▶; dashed: the limit")
        return style.svg(drawing)
