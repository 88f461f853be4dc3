"""``harness regressions``: since when a rig is slower, or faster, and by how much."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import click
from rich.console import Console

from harness.atomic import to_json
from harness.errors import ConfigurationError
from harness.history import History, PastRun
from harness.history.ages import since as parse_since
from harness.history.command import find
from harness.model import Verdict
from harness.regressions.confirming import rerun_until_decided
from harness.regressions.plot import write_plot
from harness.regressions.series import series_of
from harness.regressions.terminal import show
from harness.regressions.told import Examined, as_dict, examine
from harness.regressions.wording import level_words
from harness.report.picture import check_kind


def run_regressions(
    console: Console,
    reports: Path,
    rig: str,
    *,
    requirements: Sequence[str] = (),
    confirm: int = 0,
    plot: Path | None = None,
    as_json: bool = False,
    fail: bool = False,
    since: str | None = None,
) -> int:
    """Print the changes in the history of ``rig``. Exit status 0; with ``fail`` that of :func:`status`.

    ``confirm``: reruns of a simulated rig at most, while a suspicion waits for them. Raises
    ConfigurationError for a rig or requirement without runs and for what cannot be understood,
    UnavailableError without ruptures, and what :func:`rerun_until_decided` raises.
    """
    if not reports.is_dir():
        raise ConfigurationError(
            f"there is no folder {reports}", hint="say where the runs are: --reports DIR"
        )
    if plot is not None:
        check_kind(plot)
    start = None if since is None else parse_since(since, "--since")
    with History.open(reports) as history:
        name = find(rig, history.rigs(), reports)

        def again() -> tuple[Sequence[PastRun], list[Examined]]:
            history.refresh()
            runs = history.runs(name)
            return runs, examine(series_of(runs, requirements))

        def tell(number: int, run: PastRun) -> None:
            if not as_json:
                figures = ", ".join(
                    f"{asked.id} {level_words(asked, asked.estimate)}" for asked in run.requirements.values()
                )
                console.print(f"  rerun {number}: {run.run_id}  {figures}", highlight=False)

        runs, found = again()
        # Not the newest run of all: that one may have been cut short.
        suspected = next((each.series.runs[-1] for each in found if each.watched.suspicion), None)
        made: list[PastRun] = []
        if confirm and suspected is not None:
            made = rerun_until_decided(rig, reports, suspected, confirm, again, tell)
            runs, found = again()
    if plot is not None and found:
        write_plot(name, found, plot)
    if as_json:
        click.echo(to_json(as_dict(name, found, [each.run_id for each in made]), indent=1))
    else:
        if made:
            _other_code(console, made, suspected)
            console.print()
        show(console, rig, str(reports), runs, found)
        if plot is not None and found:
            console.print(f"plot: {plot}", highlight=False, soft_wrap=True)
    return status(found, start) if fail else 0


def _other_code(console: Console, made: Sequence[PastRun], suspected: PastRun | None) -> None:
    """Reruns measure what is checked out now: say so where that is not what raised the suspicion."""
    if suspected is not None and made[0].commit_words != suspected.commit_words:
        console.print(
            f"  the reruns measured commit {made[0].commit_words}, the newest run before them"
            f" {suspected.commit_words}: a change in between is in them",
            style="yellow",
            highlight=False,
            soft_wrap=True,
        )


def status(found: Sequence[Examined], since: datetime | None) -> int:
    """Exit status for CI: FAIL's where a confirmed regression is in force (that began ``since`` then), else
    INCONCLUSIVE's where one is suspected or a series is too short to tell, else 0."""
    for each in found:
        change = each.in_force
        if change is not None and (since is None or each.series.runs[change.latest].started >= since):
            return Verdict.FAIL.exit_status
    unknown = not found or any(
        (each.watched.suspicion is not None and each.worse(each.watched.suspicion.up))
        or (each.watched.missing > 0 and not each.watched.changes)
        for each in found
    )
    return Verdict.INCONCLUSIVE.exit_status if unknown else 0
