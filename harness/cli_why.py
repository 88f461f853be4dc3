"""``harness why RUN_DIR``: since when, because of what, and what to change."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from harness.errors import RecordingError

if TYPE_CHECKING:
    from rich.console import Console

    from harness.results import Bottlenecks, Cause, Results


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
def why(run_dir: Path, as_json: bool) -> int:
    """Tell what made the slow answers of RUN_DIR slow, and what to change. Opinions; no verdict is changed.

    Exit status 0, whether or not a cause is found.
    """
    from harness.analysis.causes.of_run import bottlenecks
    from harness.cli_run import new_console
    from harness.folder import RunFolder
    from harness.report.render import results_of

    folder = RunFolder.open(run_dir)
    if folder.run.get("status") == "running":
        raise RecordingError(
            f"{folder.path} is of a run that has not ended", hint="wait for it, or: harness recover RUN_DIR"
        )
    results = results_of(folder.path)
    found = bottlenecks(folder, results, folder.samples())
    if as_json:
        click.echo(json.dumps([each.model_dump(mode="json") for each in found], indent=2))
        return 0
    console = new_console()
    _head(console, results)
    for each in found:
        _show(console, each)
    if not found:
        console.print("nothing was measured that could have been slow")
    return 0


def _head(console: Console, results: Results) -> None:
    console.print(
        f"[bold]{results.verdict.value}[/]  {results.rig['name']}  {results.run_id}", highlight=False
    )
    for requirement in results.requirements:
        for reason in requirement.reasons:
            console.print(f"  {requirement.id}: {reason}", highlight=False, markup=False)


def _show(console: Console, found: Bottlenecks) -> None:
    console.print(f"\n[bold]{found.scenario}[/]", highlight=False)
    for words in found.words:
        console.print(f"  {words}", highlight=False, markup=False)
    for place, cause in enumerate(found.causes, 1):
        _cause(console, place, cause)
    if found.causes:
        console.print("\n  Opinions of the program: verify each before you rely on it.", style="dim")


def _cause(console: Console, place: int, cause: Cause) -> None:
    console.print()
    console.print(f"  {place}. {cause.words}", style="bold", highlight=False, markup=False)
    if cause.since:
        console.print(f"     since: {cause.since}", highlight=False, markup=False)
    console.print(f"     because: {cause.evidence}", highlight=False, markup=False)
    told: set[str] = set()
    for action in cause.actions:
        console.print(f"     change: {action.what}", highlight=False, markup=False, style="yellow")
        # As it is, so that it can be copied.
        console.print(f"       {action.command}", highlight=False, markup=False, soft_wrap=True, style="cyan")
        for name, words in (
            ("expected", action.expected),
            ("verify", action.verify),
            ("caution", action.caution),
        ):
            if words not in told:
                console.print(f"       {name}: {words}", highlight=False, markup=False)
            told.add(words)
