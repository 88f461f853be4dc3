"""The budgets by pillar: what was observed of each, what was shown, and how far that is from the limit."""

from __future__ import annotations

from html import escape

from harness.telemetry.budget.limits import PILLARS, Limits
from harness.telemetry.budget.report import Line, Report
from harness.telemetry.budget.rigs import FromRun
from harness.telemetry.budget.verdict import Judged
from harness.telemetry.budget.words import figure, pillar_name, plural
from harness.telemetry.page import cells

HEAD = "operation|verdict|value|shown|limit|quantile|n|headroom|from"


NOTE = """<p class="note">value: observed, at that quantile; shown: what it is at most (of a lower limit: at
least), with the confidence of the budget; headroom: how many times better than the limit that is.</p>
"""


def table(report: Report | None) -> str:
    """A row for each limit of what was observed, and for each requirement of a rig's newest run; the names of
    the others."""
    if report is None:
        return "<p>None yet.</p>"
    rows: dict[str, list[str]] = {}
    limits = {line.limits.name: line.limits for line in report.lines}
    for line in report.lines:
        if line.n:
            rows.setdefault(line.limits.pillar, []).extend(_observed(line))
    for run in report.runs:
        rows.setdefault(limits[run.budget].pillar, []).append(_of_run(limits[run.budget], run))
    silent: dict[str, list[str]] = {}
    for line in report.unobserved():
        silent.setdefault(line.limits.pillar, []).append(line.limits.name)
    order = [*PILLARS, *sorted({*rows, *silent} - {*PILLARS, ""}), ""]
    body, columns = [], len(HEAD.split("|"))
    for pillar in [each for each in order if each in rows or each in silent]:
        body.append(cells.group(pillar_name(pillar), columns))
        body += rows.get(pillar, [])
        if pillar in silent:
            said = f"Nothing observed of {plural(len(silent[pillar]), 'budget')}: "
            names = escape(", ".join(silent[pillar]))
            body.append(f'<tr><td colspan="{columns}"><small>{said}{names}</small></td></tr>')
    return NOTE + cells.table(HEAD, body) if body else "<p>None yet.</p>"


def _observed(line: Line) -> list[str]:
    source = plural(line.processes, "process").replace("processs", "processes")
    if not line.judged:
        value = f"{_value(line.mean, line.limits)} <small>average</small>"
        return [
            cells.row(
                HEAD, escape(line.limits.name), "no limit", value, "–", "–", "–", str(line.n), "–", source
            )
        ]
    return [
        cells.row(
            HEAD,
            escape(line.limits.name),
            cells.verdict(each.verdict.value),
            _value(each.estimate, line.limits),
            _value(each.bound, line.limits),
            _limit(line.limits, each.which, each.limit),
            f"p{100 * line.limits.quantile:g}",
            str(each.n),
            _headroom(each),
            f"{source}<br><small>{escape(each.reason)}</small>",
        )
        for each in line.judged
    ]


def _of_run(limits: Limits, run: FromRun) -> str:
    which, limit = ("upper", limits.upper) if limits.upper is not None else ("lower", limits.lower)
    headroom = "–"
    if run.verdict.value == "PASS" and run.bound and limit is not None:
        headroom = _times(limit / run.bound if which == "upper" else run.bound / limit)
    item = ", simulated" if run.simulated else ""
    return cells.row(
        HEAD,
        escape(run.budget),
        cells.verdict(run.verdict.value),
        _unanswered(limits, run) or _value(run.estimate, limits),
        _value(run.bound, limits),
        "–" if limit is None else _limit(limits, which, limit),
        "–" if run.quantile is None else f"p{100 * run.quantile:g}",
        str(run.n),
        headroom,
        f"{escape(run.rig)}{item}<br><small>{escape(run.reason)}</small>",
    )


def _unanswered(limits: Limits, run: FromRun) -> str:
    """A latency without a value although there are samples: that stimulus got no answer."""
    lost = run.estimate is None and run.n and limits.rig is not None and limits.rig[1] == "latency"
    return "unanswered" if lost else ""


def _value(value: float | None, limits: Limits) -> str:
    unit = "" if limits.unit == "1" or value is None else f" {escape(limits.unit)}"
    return figure(value) + unit


def _limit(limits: Limits, which: str, limit: float) -> str:
    return f"{'≤' if which == 'upper' else '≥'} {_value(limit, limits)}"


def _headroom(judged: Judged) -> str:
    """Only of a PASS, so that it claims only what is shown."""
    return "–" if judged.verdict.value != "PASS" or judged.headroom is None else _times(judged.headroom)


def _times(ratio: float) -> str:
    return f"{figure(ratio)} ×"
