"""The parts of the page that change, as HTML."""

from __future__ import annotations

import time
from collections.abc import Mapping
from html import escape
from math import isfinite
from urllib.parse import quote

from harness.telemetry.bench.live import LiveRun
from harness.telemetry.bench.past import Ended, Rig
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.words import figure
from harness.telemetry.page import budgets, cells
from harness.telemetry.page.columns import Drawn, Key
from harness.telemetry.page.trend import HEIGHT, WIDTH, Trend, trends

RIGS = "rig|verdict|scenario|p50|p99|samples|state"
RUNS = "ended|rig|verdict|report|run"
RUNS_SHOWN = 100
UNANSWERED = "unanswered"
"""In place of a quantile whose stimulus got no answer."""
SILENT_S = 120.0
"""A run without a sign of life for so long is said to be silent."""


def live(watch: BenchWatch, drawn: Mapping[Key, Drawn], pdfs: set[Key]) -> str:
    """Rigs, the charts of each, budgets by pillar, runs. ``pdfs``: (rig, run) that have a report."""
    rigs = dict(sorted(watch.past.rigs.items()))
    charts = {
        name: _charts(name, drawn, watch.live.get(name)) + _trends(name, rig, pdfs)
        for name, rig in rigs.items()
    }
    rows = [
        row
        for name, rig in rigs.items()
        for row in _rig(_link(name) if charts[name] else escape(name), rig, watch.live.get(name))
    ]
    none = "<p>No run under the folder of reports yet. <code>harness run RIG</code> makes one.</p>"
    parts = [cells.section("rigs", "Rigs", cells.table(RIGS, rows) if rows else none)]
    for name, found in charts.items():
        if found:
            parts.append(cells.section(_address(name), escape(name), found))
    parts.append(cells.section("budgets", "Budgets by pillar", budgets.table(watch.report)))
    parts.append(cells.section("runs", "Runs", _runs(rigs, pdfs)))
    return "".join(parts)


def _address(rig: str) -> str:
    return f"rig-{quote(rig, '')}"


def _link(rig: str) -> str:
    return f'<a href="#{escape(quote(_address(rig), ""))}">{escape(rig)}</a>'


def _rig(link: str, rig: Rig, followed: LiveRun | None) -> list[str]:
    if followed is not None:
        return _running(link, followed)
    if rig.newest is None:
        return [cells.row(RIGS, link, "", "", "–", "–", "", "no run has ended")]
    return _ended(link, rig.newest)


def _ended(link: str, found: Ended) -> list[str]:
    state = f"ended {cells.at(found.at_s)}" + (", simulated" if found.simulated else "")
    reason = next((each.reason for each in found.requirements if each.verdict == found.verdict), "")
    why = f"<br><small>{escape(_short(reason))}</small>" if reason and found.verdict != "PASS" else ""
    verdict = cells.verdict(found.verdict)
    rows = []
    for scenario in sorted({scenario for scenario, _ in found.quantiles}) or [""]:
        times = [found.quantiles.get((scenario, q)) for q in ("0.5", "0.99")]
        none = "–" if times == [None, None] else UNANSWERED
        shown = [none if each is None else f"{figure(each * 1e3)} ms" for each in times]
        rows.append(cells.row(RIGS, link, verdict, escape(scenario), *shown, "", state + why))
        link = state = why = verdict = ""
    return rows


def _short(reason: str, most: int = 160) -> str:
    return reason if len(reason) <= most else reason[: most - 1] + "…"


def _running(link: str, followed: LiveRun) -> list[str]:
    life = followed.life
    if not life.heartbeat_s:
        state = "starting"
    elif time.time() - life.heartbeat_s < SILENT_S:
        state = "running"
    else:
        silent = f"silent since {cells.at(life.heartbeat_s)}"
        state = (
            f'<span class="ERROR">{silent}</span><br><small>if nothing runs any more: '
            f"<code>harness recover</code> with {escape(followed.folder.name)}</small>"
        )
    rows = []
    for scenario, now in list(life.figures.items()):
        verdicts = list(life.verdicts.items())
        looks = [
            f"{escape(each.requirement)} {cells.verdict(found.value)}"
            for each, found in verdicts
            if each.scenario == scenario
        ]
        samples = f"{now.done} of {now.planned}, {now.lost} lost"
        shown = [_running_time(each) for each in (now.p50_ms, now.p99_ms)]
        by_now = f"<small>by now:</small> {'<br>'.join(looks)}" if looks else ""
        rows.append(cells.row(RIGS, link, by_now, escape(scenario), *shown, samples, state))
        link = state = ""
    return rows or [cells.row(RIGS, link, "", "", "–", "–", "", state)]


def _running_time(value_ms: float | None) -> str:
    if value_ms is None:
        return "–"
    return f"{figure(value_ms)} ms" if isfinite(value_ms) else UNANSWERED


def _charts(name: str, drawn: Mapping[Key, Drawn], followed: LiveRun | None) -> str:
    parts = []
    for (_, scenario), found in sorted(entry for entry in drawn.items() if entry[0][0] == name):
        goes_on = followed is not None and followed.folder.name == found.run
        which = "the run that goes on" if goes_on else "the newest run"
        what = f"Latency of {escape(scenario)}"
        source = f"/chart/{quote(name, '')}/{quote(scenario, '')}.svg?{quote(found.version, '')}"
        parts.append(
            f"<h3>{what} <small>{which}, {escape(found.run)}; {found.shown.total} samples</small></h3>"
            f'<div class="wide"><img loading="lazy" width="900" height="320" src="{source}" '
            f'alt="{what} of {escape(name)}: distribution and heat map"></div>'
        )
    return "".join(parts)


def _trends(name: str, rig: Rig, pdfs: set[Key]) -> str:
    return "".join(_trend(name, at, trend, pdfs) for at, trend in enumerate(trends(list(rig.ended))))


def _trend(name: str, number: int, trend: Trend, pdfs: set[Key]) -> str:
    marks = []
    for point, (across, down) in zip(trend.points, trend.places(), strict=True):
        unit = "" if trend.unit == "1" else f" {trend.unit}"
        none = UNANSWERED if point.unanswered else "no value"
        value = none if point.estimate is None else f"{figure(point.estimate)}{unit}"
        said = escape(f"{point.run}: {value}, {point.verdict}")
        mark = f'<circle cx="{across:.1f}" cy="{down:.1f}" r="8" fill-opacity="0"/>'
        if (name, point.run) in pdfs:
            where = escape(cells.report_of(name, point.run))
            marks.append(f'<a href="{where}"><title>{said}; report</title>{mark}</a>')
        else:
            marks.append(f"<g><title>{said}; no report</title>{mark}</g>")
    source = f"/trend/{quote(name, '')}/{number}.svg?{quote(trend.version, '')}"
    title = f"{escape(trend.requirement)}, {escape(trend.what)} of {escape(trend.scenario)}"
    return (
        f"<h3>{title} <small>by run; a mark opens its report</small></h3>"
        f'<div class="wide"><svg class="trend" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        f'aria-label="{title}, by run">'
        f'<image href="{source}" width="{WIDTH}" height="{HEIGHT}"/>{"".join(marks)}</svg></div>'
    )


def _runs(rigs: Mapping[str, Rig], pdfs: set[Key]) -> str:
    every = [(run.at_s, name, run) for name, rig in rigs.items() for run in list(rig.ended)]
    every.sort(key=lambda entry: entry[0], reverse=True)
    rows = []
    for at_s, name, run in every[:RUNS_SHOWN]:
        link = (
            f'<a href="{escape(cells.report_of(name, run.run))}">PDF</a>' if (name, run.run) in pdfs else "–"
        )
        verdict = cells.verdict(run.verdict)
        rows.append(cells.row(RUNS, cells.at(at_s), escape(name), verdict, link, escape(run.run)))
    if not rows:
        return "<p>None has ended yet.</p>"
    more = len(every) - len(rows)
    rest = f'<p class="note">{more} earlier ones are in their folders.</p>' if more else ""
    return cells.table(RUNS, rows) + rest
