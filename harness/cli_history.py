"""The commands that look at runs over time."""

from __future__ import annotations

from pathlib import Path

import click

_reports = click.option(
    "--reports",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where run folders are.",
)


@click.command()
@click.argument("rig", required=False)
@_reports
@click.option(
    "--requirement", "requirements", multiple=True, metavar="ID", help="Only this one; may be repeated."
)
@click.option("--since", metavar="AGE|DATE", help="Runs since then: 7d, 12h, 2026-01-31.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="The newest N runs.  [default: 20]")
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw it to an .svg, .png or .pdf."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
@click.option("--rebuild", is_flag=True, help="Read all run folders again.")
def history(
    rig: str | None,
    reports: Path,
    requirements: tuple[str, ...],
    since: str | None,
    last: int | None,
    plot: Path | None,
    as_json: bool,
    rebuild: bool,
) -> int:
    """Show what RIG has measured over time; without RIG, the rigs that have runs."""
    from harness.cli_run import new_console
    from harness.history.command import run_history

    return run_history(
        new_console(),
        reports,
        rig,
        requirements=requirements,
        since=since,
        # A table that fits a screen, unless more is asked for; a plot and JSON have room for all.
        last=20 if last is None and since is None and plot is None and not as_json and rig else last,
        plot=plot,
        as_json=as_json,
        rebuild=rebuild,
    )


@click.command()
@click.option("--since", default="7d", show_default=True, metavar="AGE|DATE", help="The period: since then.")
@_reports
@click.option(
    "--budgets", type=click.Path(path_type=Path, exists=True), help="Budgets, instead of the catalogue."
)
@click.option("--folder", type=click.Path(path_type=Path, exists=True), help="What programs have observed.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it to an .md or a .pdf.")
def digest(since: str, reports: Path, budgets: Path | None, folder: Path | None, out: Path | None) -> int:
    """One page for a review: what got better, worse, is near its budget, has never been measured."""
    from harness.history.command import run_digest

    return run_digest(since, reports, budgets, folder, out)


@click.command()
@click.argument("rig", required=False)
@_reports
@click.option(
    "--keep-raw", default="30d", show_default=True, metavar="AGE", help="Runs younger than that keep all."
)
@click.option(
    "--keep-last",
    type=click.IntRange(min=0),
    default=1,
    show_default=True,
    metavar="N",
    help="The newest N runs of each rig keep all, however old.",
)
@click.option("--yes", is_flag=True, help="Do it; without it nothing is removed.")
def prune(rig: str | None, reports: Path, keep_raw: str, keep_last: int, yes: bool) -> int:
    """Let raw tables and bags of old runs go; results and reports stay. Without --yes, say which."""
    from harness.cli_run import new_console
    from harness.history.command import run_prune

    return run_prune(new_console(), reports, rig, keep_raw=keep_raw, keep_last=keep_last, yes=yes)
