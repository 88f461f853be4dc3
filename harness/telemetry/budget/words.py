"""A report on budgets as text and as Markdown."""

from __future__ import annotations

from collections.abc import Iterator
from math import floor, log10
from typing import TYPE_CHECKING

from harness.telemetry.budget.limits import PILLARS

if TYPE_CHECKING:
    from harness.telemetry.budget.report import Line, Report
    from harness.telemetry.budget.verdict import Judged

NOTHING = "No operation was measured."


def figure(value: float | None, digits: int = 3) -> str:
    """``value`` with so many digits, without an exponent where one can read it: 4.2, 87, 0.0031."""
    if value is None:
        return "–"
    if value == 0:
        return "0"
    size = floor(log10(abs(value)))
    if not -5 <= size < 9:
        return f"{value:.{digits}g}"
    decimals = max(0, digits - 1 - size)
    text = f"{value:.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def with_unit(value: float | None, unit: str, digits: int = 3) -> str:
    """``4.2ms``, as the source document writes it."""
    return figure(value, digits) + ("" if unit == "1" or value is None else unit)


def pillar_name(pillar: str) -> str:
    """The pillar as the source document writes it."""
    return PILLARS.get(pillar, pillar) or "No pillar"


def plural(count: int, noun: str) -> str:
    """``1 call``, ``2 calls``."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def remarks(line: Line) -> Iterator[str]:
    """What to know of a line beside its figures and its verdict, one after the other."""
    unit = line.limits.unit
    if line.failed:
        kinds = ", ".join(f"{name} {count}" for name, count in sorted(line.errors.items()))
        yield f"{plural(line.failed, 'call')} raised" + (f" ({kinds})" if kinds else "")
    if line.invalid:
        yield f"{plural(line.invalid, 'value')} no finite number"
    if line.unlimited:
        yield f"{line.unlimited} of {line.n} observed before there was a limit, and not judged"
    if line.attributed:
        parts = sorted(line.blame.items(), key=lambda entry: -entry[1].seconds)
        whole = sum(each.seconds for _, each in parts) or 1.0
        shares = ", ".join(f"{100 * each.seconds / whole:.0f} % {name}" for name, each in parts[:4])
        yield f"{plural(line.attributed, 'overrun')} attributed: {shares}"
    if line.processes > 1:
        yield f"{line.processes} processes"
    if line.n and not line.limits.judged:
        yield f"{plural(line.n, 'observation')}, at most {with_unit(line.largest, unit)}"


def reasons(line: Line) -> Iterator[str]:
    """Why each limit was decided as it was."""
    for each in line.judged:
        yield each.reason + _bound(line, each)


def _bound(line: Line, judged: Judged) -> str:
    if judged.bound is None:
        return ""
    side = "at most" if judged.which == "upper" else "at least"
    return (
        f"; p{100 * line.limits.quantile:g} {figure(judged.estimate)}, shown to be {side} "
        f"{with_unit(judged.bound, line.limits.unit)}"
    )


def text(report: Report) -> str:
    """One line a name, as the source document has them: ``- Robot Commands: 8.7ms avg (PASS)``."""
    lines = []
    groups = report.by_pillar()
    for pillar, members in groups.items():
        if len(groups) > 1:
            lines.append(f"{pillar_name(pillar)}:")
        for line in members:
            verdict = "no budget" if line.verdict is None else line.verdict.value
            said = f"- {line.limits.name}: {with_unit(line.mean, line.limits.unit)} avg ({verdict})"
            more = "; ".join([*reasons(line), *remarks(line)])
            lines.append(f"{said} {more}" if more else said)
    lines += runs(report)
    if not lines:
        lines.append(NOTHING)
    silent = report.unobserved()
    if silent:
        lines.append(f"{plural(len(silent), 'budget')} of which nothing was observed: {_some(silent)}")
    return "\n".join(lines) + "\n"


def runs(report: Report) -> Iterator[str]:
    """One line for each thing that a run of a rig says of a budget."""
    if report.runs:
        yield "Runs of rigs:"
    units = {line.limits.name: line.limits.unit for line in report.lines}
    for each in report.runs:
        unit = units[each.budget]
        item = "simulated" if each.simulated else "real"
        average = "" if each.average is None else f" {with_unit(each.average, unit)} avg"
        bound = "" if each.bound is None else f", bound {with_unit(each.bound, unit)}"
        yield (
            f"- {each.budget}:{average} ({each.verdict.value}) {each.rig} ({item}), run {each.run}: "
            f"{each.reason}; n {each.n}{bound}"
        )


def _some(lines: list[Line], most: int = 8) -> str:
    names = [line.limits.name for line in lines]
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")


_SPECIAL = str.maketrans({char: f"\\{char}" for char in "\\`*_{}[]<>#|~!"} | {"\n": " ", "\r": " "})


def _escape(value: str) -> str:
    return value.translate(_SPECIAL)


def markdown(report: Report) -> str:
    """A table for each pillar, then why."""
    verdict = report.verdict
    head = [f"# Performance budgets: {'nothing judged' if verdict is None else verdict.value}", ""]
    head.append(f"{report.created}, {plural(report.processes, 'process').replace('processs', 'processes')}")
    body: list[str] = []
    for pillar, members in report.by_pillar().items():
        body += ["", f"## {_escape(pillar_name(pillar))}", ""]
        body.append("| operation | verdict | budget | n | average | p99 | max | over |")
        body.append("|---|---|---|--:|--:|--:|--:|--:|")
        for line in members:
            unit = line.limits.unit
            cells = [
                _escape(line.limits.name),
                "no budget" if line.verdict is None else line.verdict.value,
                _escape(line.limits.words) if line.limits.judged else "–",
                str(line.n),
                *(_escape(with_unit(each, unit)) for each in (line.mean, line.p99, line.largest)),
                str(line.over) if line.judged else "–",
            ]
            body.append(f"| {' | '.join(cells)} |")
        why = [
            f"- **{_escape(line.limits.name)}**: {_escape('; '.join([*reasons(line), *remarks(line)]))}"
            for line in members
            if line.judged or line.failed or line.invalid
        ]
        body += ["", *why] if why else []
    said = list(runs(report))
    if said:
        body += ["", "## Runs of rigs", "", *(f"- {_escape(line.removeprefix('- '))}" for line in said[1:])]
    if not body:
        body = ["", NOTHING]
    silent = report.unobserved()
    if silent:
        body += ["", f"Nothing was observed of: {_escape(_some(silent, 100))}."]
    return "\n".join([*head, *body]) + "\n"
