"""``harness plan RIG``: what the planned run can show, before anything is started."""

from __future__ import annotations

import json
from dataclasses import asdict

import click
from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.analysis.planning import CHANCE
from harness.config import find_rig, load_rig
from harness.prospects import Prospect, Row, never_passes, percent, prospects


def run_plan(console: Console, rig: str, overrides: tuple[str, ...], *, as_json: bool = False) -> int:
    """Print the prospects of every requirement; exit status 0, 2 when one of them cannot pass."""
    planned = load_rig(find_rig(rig), overrides).rig
    found, never = prospects(planned), never_passes(planned)
    if as_json:
        plan = {
            "chance": CHANCE,
            "never_passes": never,
            "requirements": [asdict(each) for each in found],
        }
        click.echo(json.dumps(plan, indent=2, ensure_ascii=False))
    else:
        for each in found:
            _show(console, each)
        if never:
            console.print(Text(never, style="bold yellow"))
        console.print(
            Text(
                "PASS, FAIL, INCONCLUSIVE: how likely the planned run ends so at that true share. "
                f"`n for PASS`: samples that end in PASS with a chance of {CHANCE:.0%}, and their time. "
                "Bursts are an approximation. U and J, which only a run measures, are taken as 0.",
                style="dim",
            )
        )
    return 2 if any(each.refusal for each in found) else 0


def _show(console: Console, each: Prospect) -> None:
    console.print(Text.assemble((each.id, "bold"), f"  {each.what}"))
    allowed = "" if each.share is None else f"; {100 * each.share:.6g} % may be {each.beyond}"
    before = f"{_time(each.before_s / 60)} of probing and warm-up"
    pace = f"{_time(each.minutes)} at {each.rate_hz:.4g} Hz after {before}"
    line = f"{each.scenario}: {each.plan}, {pace}{allowed}"
    console.print(Padding(Text(line), (0, 0, 0, 2)))
    if each.refusal:
        console.print(Padding(Text(each.refusal, style="bold red"), (0, 0, 0, 2)))
    if each.rows:
        console.print(Padding(_table(each), (0, 0, 0, 2)))
    for note in each.notes:
        grid = Table.grid(padding=(0, 1))
        grid.add_row("-", Text(note))
        console.print(Padding(grid, (0, 0, 0, 2)))
    console.print()


def _table(each: Prospect) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    early = any(abs(row.mean_samples - each.samples) > 0.5 for row in each.rows)
    table.add_column(f"truly {each.beyond or 'over the limit'}", no_wrap=True)
    for heading in ("PASS", "FAIL", "INCONCL."):
        table.add_column(heading, justify="right", no_wrap=True)
    if early:
        table.add_column("mean n", justify="right", no_wrap=True)
    for heading in ("n for PASS", "time"):
        table.add_column(heading, justify="right", no_wrap=True)
    burst = None
    for row in each.rows:
        if row.burst != burst:
            burst = row.burst
            title = "each sample by itself:" if burst == 1 else f"in bursts of {burst:g} samples:"
            table.add_row(Text(title, style="italic"))
        cells = [f"  {100 * row.rate:.3g} %{' (allowed)' if row.share == 1 else ''}"]
        cells += [percent(chance) for chance in (row.passes, row.fails, row.inconclusive)]
        if early:
            cells.append(f"{row.mean_samples:.0f}")
        cells += [_needed(row), "" if row.minutes is None else _time(row.minutes)]
        table.add_row(*cells)
    return table


def _needed(row: Row) -> str:
    if row.share >= 1:
        return "-"
    return "> 10^8" if row.samples is None else f"{row.samples:,}".replace(",", " ")


def _time(minutes: float) -> str:
    if minutes < 2:
        return f"{60 * minutes:.3g} s"
    return f"{minutes:.3g} min" if minutes < 180 else f"{minutes / 60:.3g} h"
