"""The doctor's table: grouped by severity, worst first, and the commands below it, ready to be copied."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.doctor.result import Check, Health, worst

STYLES = {Health.ERROR: "bold red", Health.WARNING: "yellow", Health.INFO: "cyan", Health.OK: "green"}
_WORDS = {
    Health.ERROR: "errors: a run would fail or decide nothing",
    Health.WARNING: "warnings: these cost latency, or certainty about it",
    Health.INFO: "for your information",
    Health.OK: "well",
}
_NAME_WIDTH = 22


def show(console: Console, checks: Sequence[Check]) -> None:
    """Print everything; the commands are never wrapped."""
    for health in sorted(Health, key=lambda one: -one.rank):
        group = [check for check in checks if check.severity is health]
        if group:
            console.print(Text(f"{_WORDS[health]} ({len(group)})", style=STYLES[health]))
            console.print(Padding(_table(group, health), (0, 0, 1, 0)))
    mended = [c for c in sorted(checks, key=lambda one: -one.severity.rank) if c.remedy]
    if mended:
        console.print(Text("to mend", style="bold"))
        for remedy in dict.fromkeys(check.remedy for check in mended):
            names = ", ".join(f"{c.name} ({c.severity.value})" for c in mended if c.remedy == remedy)
            console.print(f"  [dim]# {escape(names)}[/dim]", highlight=False, soft_wrap=True)
            for line in remedy.splitlines():
                console.print(f"  {escape(line)}", highlight=False, soft_wrap=True)
        console.print()
    console.print(_summary(checks))


def _table(group: Sequence[Check], health: Health) -> Table:
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False, expand=False)
    table.add_column(style=STYLES[health], width=_NAME_WIDTH, overflow="fold")
    table.add_column(overflow="fold")
    for check in group:
        cell = Text(check.value)
        # What is well needs no reason.
        if health is not Health.OK:
            cell.append(f"\n{check.why}", style="dim")
        table.add_row(check.name, cell)
    return table


def _summary(checks: Sequence[Check]) -> Text:
    counts = {health: sum(check.severity is health for check in checks) for health in Health}
    words = {
        Health.ERROR: "not fit for a run",
        Health.WARNING: "fit for a run, but see the warnings",
        Health.INFO: "fit for a run",
        Health.OK: "fit for a run",
    }
    head = worst(checks)
    return Text.assemble(
        (words[head], STYLES[head]),
        f": {counts[Health.ERROR]} errors, {counts[Health.WARNING]} warnings, "
        f"{counts[Health.INFO]} notes, {counts[Health.OK]} well",
    )
