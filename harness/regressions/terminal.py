"""``harness regressions`` in the terminal: the levels of each requirement, and what is known of a change."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.history import PastRun
from harness.regressions.placing import level
from harness.regressions.shift import Floats
from harness.regressions.told import (
    ALARM_RUNS,
    ALARMS,
    ALARMS_IF_CORRELATED,
    Examined,
    circumstances,
    commit_range,
    commits,
    word,
)
from harness.regressions.watching import FULL_BASELINE, Change
from harness.regressions.wording import (
    CONFIDENCE_WORDS,
    level_words,
    run_words,
    size_words,
    to_do,
    what_decides,
)
from harness.wording import measured_name

STYLES = {"regression": "bold red", "improvement": "green"}
BARS = "▁▂▃▄▅▆▇█"
MOST_COMMITS, MOST_CIRCUMSTANCES = 6, 8


def show(
    console: Console, rig: str, reports: str, runs: Sequence[PastRun], found: Sequence[Examined]
) -> None:
    """All requirements of one rig, whose history is ``runs``."""
    newest = runs[-1]
    item = "SIMULATED" if newest.simulated else "REAL"
    console.print(Text.assemble((newest.rig, "bold"), f"  {item}  {_runs(len(runs))}"))
    for each in found:
        console.print()
        _requirement(console, each)
    if not found:
        console.print(Text("  no run of it has ended by itself and judged a requirement", style="yellow"))
    waiting = [each.watched.suspicion for each in found if each.watched.suspicion is not None]
    if waiting:
        newest = next(each.series.runs[-1] for each in found if each.watched.suspicion is not None)
        console.print()
        console.print(Text("to decide:", style="bold"))
        for line in to_do(newest, rig, reports, waiting):
            console.print(Text(f"  {line}"), soft_wrap=True)
    console.print()
    note = (
        f"False alarms: at most {ALARMS:g} expected in {ALARM_RUNS} comparable runs of a rig, all its"
        f" requirements together ({ALARMS_IF_CORRELATED:g} where a run resembles the one before), once"
        f" {FULL_BASELINE} are there: docs/regressions.md"
    )
    console.print(Text(note, style="dim"))


def _requirement(console: Console, examined: Examined) -> None:
    series, watched = examined.series, examined.watched
    asked = series.requirement
    left = ", ".join(f"{n} {why}" for why, n in series.left_out)
    head = f"  {measured_name(asked)} of {asked.scenario}, {_runs(watched.n, 'comparable ')}"
    console.print(Text.assemble((asked.id, "bold"), head + (f"; left out: {left}" if left else "")))
    if watched.n:
        width = max(20, min(console.width - 4, 100))
        console.print(Text("  " + strip(series.values, width), style="cyan"), no_wrap=True)
    if watched.changes:
        console.print(_levels(examined))
        console.print(Text(f"  {CONFIDENCE_WORDS}", style="dim"))
    for change in watched.changes:
        _change(console, examined, change)
    for line, style in state(examined):
        console.print(Text(f"  {line}", style=style))


def strip(values: Floats, width: int) -> str:
    """The newest ``width`` figures as a row of bars between the smallest and the largest; ``×`` is a figure
    that fell among the lost."""
    shown = values[-width:]
    finite = shown[np.isfinite(shown)]
    if not len(finite):
        return "×" * len(shown)
    # An outlier would flatten all the others: bars end at the quantiles, and it is drawn at the end.
    low, high = np.quantile(finite, [0.02, 0.98])
    span = high - low

    def bar(value: float) -> str:
        if not np.isfinite(value):
            return "×"
        at = 0.5 if span <= 0 else min(1.0, max(0.0, (value - low) / span))
        return BARS[round(at * (len(BARS) - 1))]

    return "".join(bar(float(value)) for value in shown)


def _levels(examined: Examined) -> Table:
    series, changes = examined.series, examined.watched.changes
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=True)
    for heading in ("  from (UTC)", "runs", "level", "change", "", "commit"):
        right = heading in ("runs", "level")
        table.add_column(heading, justify="right" if right else "left", no_wrap=True)
    edges = [changes[0].since, *(each.first for each in changes), examined.watched.n]
    for (begin, end), change in zip(pairwise(edges), [None, *changes], strict=True):
        run = series.runs[begin]
        size, kind = Text(""), Text("")
        if change is not None:
            style = STYLES[word(examined, change.up)]
            size = Text(size_words(series.requirement, change.effect), style=style)
            kind = Text("worse" if examined.worse(change.up) else "better", style=style)
        here = level_words(series.requirement, level(series.values[begin:end]))
        when = f"  {run.started:%Y-%m-%d %H:%M}"
        table.add_row(when, str(end - begin), here, size, kind, run.commit_words)
    return table


def _change(console: Console, examined: Examined, change: Change) -> None:
    runs = examined.series.runs
    kind = word(examined, change.up)
    console.print(Text.assemble("  ", (kind, STYLES[kind]), f" since {run_words(runs[change.first])}"))
    many = change.latest - change.earliest + 1
    said: list[tuple[str, str]] = []
    if many > 1:
        ends = f"{runs[change.earliest].run_id} .. {runs[change.latest].run_id}"
        said.append(("first run", f"one of {many}: {ends}"))
    if names := commits(runs, change):
        more = f" and {len(names) - MOST_COMMITS} more" if len(names) > MOST_COMMITS else ""
        said.append(("commits", ", ".join(names[:MOST_COMMITS]) + more))
    if between := commit_range(runs, change):
        said.append(("look at", f"git log --oneline {between}"))
    changed = circumstances(runs, change)
    for name in list(changed)[:MOST_CIRCUMSTANCES]:
        before, after = _short(*changed[name])
        said.append(("changed too", f"{name}: {before} -> {after}"))
    if len(changed) > MOST_CIRCUMSTANCES:
        said.append(("", f"and {len(changed) - MOST_CIRCUMSTANCES} more: --json"))
    reruns = change.confirmed - change.raised
    said.append(("confirmed", f"by the {reruns} runs after {runs[change.raised].run_id}, p = {change.p:.1g}"))
    before_it = change.first - change.since
    if before_it < FULL_BASELINE:
        said.append(
            ("baseline", f"{before_it} runs, fewer than the {FULL_BASELINE} of the stated error rates")
        )
    for name, words in said:
        console.print(Text(f"    {name:12}{words}"), soft_wrap=True)


def state(examined: Examined) -> list[tuple[str, str]]:
    """What the newest runs show, each line with its style."""
    watched, runs = examined.watched, examined.series.runs
    if (waiting := watched.suspicion) is not None:
        kind = word(examined, waiting.up)
        so_far = f"not confirmed: {_runs(waiting.so_far)} since it was raised; {what_decides(waiting)}"
        return [(f"SUSPICION of a {kind} since {run_words(runs[waiting.first])}", "yellow"), (so_far, "")]
    have = _runs(watched.baseline, "comparable ")
    lacking = (f"{watched.missing_for_rates} more are needed for the stated error rates", "")
    if watched.missing:
        what = f"since the last change, {have}" if watched.changes else f"to look for changes, {have}"
        return [(f"too few {what}: {watched.missing} more are needed to find one", "yellow"), lacking]
    since = " since the last change" if watched.changes else ""
    quiet = (f"no change is suspected now: {have}{since}", "")
    return [quiet, lacking] if watched.missing_for_rates else [quiet]


def _runs(n: int, kind: str = "") -> str:
    return f"{n} {kind}run{'' if n == 1 else 's'}"


def _short(before: str, after: str) -> tuple[str, str]:
    """Both texts where they begin to differ, and no longer than fits a line."""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    begin = same - 8 if same > 16 else 0
    cut = [("…" if begin else "") + each[begin:] if each else "nothing" for each in (before, after)]
    first, second = (each if len(each) <= 36 else f"{each[:35]}…" for each in cut)
    return first, second
