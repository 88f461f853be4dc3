"""The command that looks for changes in the history of a rig."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("rig")
@click.option(
    "--reports",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Where run folders are; reruns go there, too.",
)
@click.option(
    "--requirement", "requirements", multiple=True, metavar="ID", help="Only this one; may be repeated."
)
@click.option(
    "--confirm",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Rerun a simulated rig while a suspicion waits for runs, at most N times; 16 always decide.",
)
@click.option(
    "--plot", type=click.Path(path_type=Path, dir_okay=False), help="Draw it to an .svg, .png or .pdf."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
@click.option(
    "--fail-on-regression",
    "fail",
    is_flag=True,
    help="Exit status 1 while a confirmed regression is in force, 3 while one is suspected or too few runs"
    " are there to tell.",
)
@click.option(
    "--since",
    metavar="AGE|DATE",
    help="With --fail-on-regression: only one that began since then.",
)
def regressions(
    rig: str,
    reports: Path,
    requirements: tuple[str, ...],
    confirm: int,
    plot: Path | None,
    as_json: bool,
    fail: bool,
    since: str | None,
) -> int:
    """Tell since when RIG is slower or faster than it was, and by how much (docs/regressions.md)."""
    from harness.cli_run import new_console
    from harness.regressions.command import run_regressions

    return run_regressions(
        new_console(),
        reports,
        rig,
        requirements=requirements,
        confirm=confirm,
        plot=plot,
        as_json=as_json,
        fail=fail,
        since=since,
    )
