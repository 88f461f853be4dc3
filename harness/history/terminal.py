"""The history of a rig in the terminal: a table a requirement, with a bar that shows the limit used up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness.history.marks import Marked
from harness.history.past import Broken, PastRequirement, PastRun
from harness.model import Verdict
from harness.wording import amount, measured_name, outward, places, sign

STYLES = {
    Verdict.PASS: "green",
    Verdict.FAIL: "bold red",
    Verdict.INCONCLUSIVE: "yellow",
    Verdict.ERROR: "magenta",
}
WIDE, NARROW = 16, 8
"""Characters of a bar up to its limit."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"


def show_rigs(console: Console, runs: Sequence[PastRun]) -> None:
    """One line a rig: how many runs, of which verdicts, and the newest."""
    table = Table(box=None, padding=(0, 2), pad_edge=False)
    for heading in ("rig", "runs", "verdicts", "newest (UTC)", "verdict", "commit"):
        table.add_column(heading, justify="right" if heading == "runs" else "left", no_wrap=True)
    by_rig: dict[str, list[PastRun]] = {}
    for run in runs:
        by_rig.setdefault(run.rig, []).append(run)
    for rig, members in sorted(by_rig.items()):
        newest = members[-1]
        table.add_row(
            Text(rig), str(len(members)), verdict_counts(members), f"{newest.started:%Y-%m-%d %H:%M}",
            Text(newest.verdict.value, style=STYLES[newest.verdict]), newest.commit_words,
        )  # fmt: skip
    _print(console, table)


def show_history(console: Console, shown: Sequence[Marked], of: int, chosen: Sequence[str]) -> None:
    """The runs of one rig, of ``of`` that there are: for each of the ``chosen`` requirements a table."""
    newest = shown[-1].run
    item = "SIMULATED" if newest.simulated else "REAL"
    runs = [each.run for each in shown]
    part = f"{len(runs)} of {of} runs" if len(runs) < of else f"{of} run{'s' if of != 1 else ''}"
    console.print(Text.assemble((newest.rig, "bold"), f"  {item}  {part}: {verdict_counts(runs)}"))
    beside = False
    for name in chosen:
        asked = next(run.requirements[name] for run in reversed(runs) if name in run.requirements)
        console.print()
        console.print(
            Text.assemble(
                (name, "bold"), f"  {measured_name(asked)} {sign(asked)} {amount(asked.limit, asked.unit)}"
            )
        )
        table = _table(shown, name, narrow=False)
        narrow = console.is_terminal and _width(console, table) > console.width
        _print(console, _table(shown, name, narrow=True) if narrow else table)
        beside = narrow
    if beside:
        for each in shown:
            if each.changes:
                words = f"  {each.run.started:%m-%d %H:%M}  {', '.join(each.changes)}"
                console.print(Text(words), highlight=False)
    if breaks := [each for each in shown if each.breaks]:
        console.print()
        for each in breaks:
            console.print(
                Text(f"  ⌇ {each.run.run_id} may not be compared with the one before:"),
                Text("; ".join(each.breaks)),
                soft_wrap=True,
            )


def _table(shown: Sequence[Marked], name: str, *, narrow: bool) -> Table:
    table = Table(box=None, padding=(0, 1), pad_edge=True)
    for heading, right in (
        ("started (UTC)", False), ("verdict", False),
        *([] if narrow else [("estimate", True)]), ("shown", True), *([] if narrow else [("exceed.", True)]),
        ("limit used", False), ("commit", False), *([] if narrow else [("new", False)]),
    ):  # fmt: skip
        table.add_column(heading, justify="right" if right else "left", no_wrap=heading != "new")
    for each in shown:
        asked = each.run.requirements.get(name)
        # A commit is written where it is another one: a change is to be seen at a glance.
        commit = each.run.commit_words if each.new_commit or each is shown[0] else "┊"
        when = f"{each.run.started:{'%m-%d %H:%M' if narrow else '%Y-%m-%d %H:%M'}}"
        when += " ⌇" if each.breaks else ""
        if asked is None:
            figures = [Text("not required", style="dim"), *[Text("")] * (2 if narrow else 4)]
        else:
            word = asked.verdict.value + (" aborted" if each.run.aborted else "")
            figures = [
                Text(word, style=STYLES[asked.verdict]),
                *([] if narrow else [Text(value_words(asked, asked.estimate))]),
                Text(bound_words(asked)),
                *([] if narrow else [Text(f"{asked.exceedances}/{asked.n}")]),
                _bar(asked, NARROW if narrow else WIDE),
            ]
        new = [] if narrow else [Text(", ".join(each.changes))]
        table.add_row(when, *figures, commit, *new)
    return table


def _bar(asked: PastRequirement, limit_at: int) -> Text:
    """The share of the limit that the bound has used up, cut off a quarter beyond it; the limit is at
    ``limit_at`` characters."""
    length = limit_at * 5 // 4
    share = asked.used
    if share is None:
        return Text(" " * limit_at + "┆")
    full, rest = divmod(min(round(share * limit_at * 8), length * 8), 8)
    bar = ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(length)
    return Text(f"{bar[:limit_at]}┆{bar[limit_at:]} {100 * share:.0f} %", style=STYLES[asked.verdict])


def value_words(asked: PastRequirement, value: float | None) -> str:
    """A value with its unit, ``-`` without one."""
    unit = "" if asked.unit == "1" else f" {asked.unit}"
    return "-" if value is None else f"{value:.{places(asked)}f}{unit}"


def bound_words(asked: PastRequirement) -> str:
    """The bound that was shown, rounded outward: ``≤ 1.343 ms``."""
    if asked.bound is None:
        return "-"
    bound = outward(asked.bound, places(asked), up=asked.limit_is == "upper")
    return f"{sign(asked)} {value_words(asked, bound)}"


def verdict_counts(runs: Sequence[PastRun]) -> str:
    """``20 PASS, 1 FAIL``, in the order in which verdicts are told."""
    counted = Counter(run.verdict for run in runs)
    return ", ".join(f"{counted[verdict]} {verdict.value}" for verdict in Verdict if counted[verdict])


def show_broken(console: Console, broken: Sequence[Broken]) -> None:
    """Folders that were left out, and why."""
    for each in broken:
        console.print(
            Text(f"left out: {each.path}: {each.why}", style="yellow"), soft_wrap=True, highlight=False
        )


def _print(console: Console, table: Table) -> None:
    if not console.is_terminal:  # for another program: a row is a line
        console.width = max(console.width, _width(console, table))
    console.print(table, highlight=False)


def _width(console: Console, table: Table) -> int:
    return console.measure(table, options=console.options.update(max_width=10_000)).maximum
