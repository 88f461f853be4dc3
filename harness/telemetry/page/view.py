"""The page as HTML. Every name is escaped: rigs and operations are named by whoever wrote their files."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timezone
from html import escape
from urllib.parse import quote

from harness.telemetry.bench.live import LiveRun
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.words import figure, pillar_name
from harness.telemetry.page.columns import Key

SHELL = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>harness</title>
<link rel="stylesheet" href="/page.css"><script src="/page.js" defer></script></head>
<body><h1>harness</h1><p id="lost" hidden>No answer: what is below is old.</p>
<main id="live">{}</main></body></html>"""
SCRIPT = """"use strict";
setInterval(async () => {
  try {
    const answer = await fetch("/live");
    if (!answer.ok) throw new Error(answer.status);
    document.getElementById("live").innerHTML = await answer.text();
    document.getElementById("lost").hidden = true;
  } catch { document.getElementById("lost").hidden = false; }
}, 2000);
"""
STYLE = """body{font:15px sans-serif;margin:1.5em;max-width:75em}
table{border-collapse:collapse;margin:.5em 0 1.5em}
td,th{border-bottom:1px solid #ccc;padding:.2em .7em;text-align:left}#lost{color:#cc3311}img{max-width:100%}
.PASS{color:#117733}.FAIL{color:#cc3311;font-weight:bold}.INCONCLUSIVE{color:#996600}.ERROR{color:#cc3311}
"""


def live(watch: BenchWatch, charts: Iterable[Key], pdfs: set[Key]) -> str:
    """What changes: rigs, charts, budgets by pillar, runs. ``pdfs``: (rig, run) that have a report."""
    return "".join((_rigs(watch), _charts(charts), _budgets(watch), _history(watch, pdfs)))


def _table(title: str, head: str, rows: list[str]) -> str:
    if not rows:
        return f"<h2>{title}</h2><p>None yet.</p>"
    cells = "".join(f"<th>{each}</th>" for each in head.split("|"))
    return f"<h2>{title}</h2><table><tr>{cells}</tr>{''.join(rows)}</table>"


def _row(*cells: str) -> str:
    return "<tr>" + "".join(f"<td>{each}</td>" for each in cells) + "</tr>"


def _verdict(verdict: str) -> str:
    return f'<span class="{escape(verdict)}">{escape(verdict)}</span>'


def _rigs(watch: BenchWatch) -> str:
    rows = []
    for name in sorted(watch.past.rigs):
        rig = watch.past.rigs[name]
        followed = watch.live.get(name)
        if followed is not None:
            rows += _running(escape(name), followed)
        elif rig.newest is not None:
            found = rig.newest
            for scenario in sorted({scenario for scenario, _ in found.quantiles}) or [""]:
                times = [found.quantiles.get((scenario, q)) for q in ("0.5", "0.99")]
                shown = ["–" if each is None else f"{figure(each * 1e3)} ms" for each in times]
                state = f"ended {_at(found.at_s)}" + (", simulated" if found.simulated else "")
                rows.append(_row(escape(name), state, escape(scenario), "", *shown, _verdict(found.verdict)))
    return _table("Rigs", "rig|state|scenario|samples|p50|p99|verdict", rows)


def _running(name: str, followed: LiveRun) -> list[str]:
    life = followed.life
    state = f"running; last sign of life {_at(life.heartbeat_s)}" if life.heartbeat_s else "starting"
    rows = []
    for scenario, now in list(life.figures.items()):
        verdicts = list(life.verdicts.items())
        looks = ", ".join(_verdict(found.value) for each, found in verdicts if each.scenario == scenario)
        samples = f"{now.done} of {now.planned}, {now.lost} lost"
        times = (f"{figure(now.p50_ms)} ms", f"{figure(now.p99_ms)} ms")
        rows.append(_row(name, state, escape(scenario), samples, *times, looks and f"by now: {looks}"))
    return rows or [_row(name, state, "", "", "", "", "")]


def _at(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%d %H:%M:%S UTC")


def _charts(charts: Iterable[Key]) -> str:
    stamp = int(datetime.now(timezone.utc).timestamp())
    return "".join(
        f'<img alt="{escape(rig)} {escape(scenario)}: distribution and heat map" '
        f'src="/chart/{quote(rig, "")}/{quote(scenario, "")}.svg?{stamp}">'
        for rig, scenario in sorted(charts)
    )


def _budgets(watch: BenchWatch) -> str:
    found = sorted(watch.verdicts.items(), key=lambda entry: (entry[0][1], entry[0][0]))
    rows = [
        _row(escape(pillar_name(pillar)), escape(name), _verdict(verdict.value))
        for (name, pillar), verdict in found
    ]
    return _table("Budgets by pillar", "pillar|operation|verdict", rows)


def _history(watch: BenchWatch, pdfs: set[Key]) -> str:
    every = [(run.at_s, name, run) for name, rig in list(watch.past.rigs.items()) for run in list(rig.ended)]
    rows = []
    for at_s, name, run in sorted(every, key=lambda entry: entry[0], reverse=True)[:200]:
        where = f"/runs/{quote(name, '')}/{quote(run.run, '')}/report.pdf"
        link = f'<a href="{where}">PDF</a>' if (name, run.run) in pdfs else ""
        rows.append(_row(_at(at_s), escape(name), escape(run.run), _verdict(run.verdict), link))
    return _table("Runs", "ended|rig|run|verdict|report", rows)
