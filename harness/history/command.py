"""``harness history``, ``harness digest`` and ``harness prune``."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from harness.atomic import to_json
from harness.errors import ConfigurationError, HarnessError
from harness.history.ages import age
from harness.history.ages import since as parse_since
from harness.history.index import History
from harness.history.marks import Marked, marked
from harness.history.past import PastRun

SCHEMA = 1
"""Version of what ``--json`` prints: docs/history.md."""


def run_history(
    console: Console,
    reports: Path,
    rig: str | None,
    *,
    requirements: Sequence[str] = (),
    since: str | None = None,
    last: int | None = None,
    plot: Path | None = None,
    as_json: bool = False,
    rebuild: bool = False,
) -> int:
    """Print the runs of ``rig``, or one line for each rig. Exit status 0, whatever their verdicts were.

    Raises ConfigurationError for a rig or requirement that has no run, and for what cannot be understood.
    """
    from harness.history.terminal import show_broken, show_history, show_rigs

    if not reports.is_dir():
        raise ConfigurationError(
            f"there is no folder {reports}", hint="say where the runs are: --reports DIR"
        )
    start = None if since is None else parse_since(since, "--since")
    with History.open(reports, rebuild=rebuild) as history:
        name = None if rig is None else find(rig, history.rigs(), reports)
        everything = history.runs(name, since=start)
        broken = history.broken
    # What a run is set against is the one before it of its own rig.
    by_rig: dict[str, list[PastRun]] = {}
    for run in everything:
        by_rig.setdefault(run.rig, []).append(run)
    shown = [each for runs in by_rig.values() for each in marked(runs)]
    shown.sort(key=lambda each: (each.run.started, each.run.run_id))
    if last is not None:
        shown = shown[-last:]
    if name is not None and not shown:
        raise ConfigurationError(f"{name} has no run since {since}", hint="ask further back with --since")
    chosen = _chosen(name, shown, requirements)
    if plot is not None:
        from harness.history.plot import write_plot

        if name is None:
            raise ConfigurationError("a plot is of one rig", hint="harness history RIG --plot FILE")
        write_plot(shown, chosen, plot)
    if as_json:
        click.echo(to_json(as_dict(shown, requirements, broken), indent=1))
        return 0
    if name is None:
        show_rigs(console, everything)
    else:
        show_history(console, shown, len(everything), chosen)
    if plot is not None:
        console.print(f"\n  plot: {plot}", highlight=False, soft_wrap=True)
    show_broken(console, broken)
    return 0


def find(rig: str, known: Sequence[str], reports: Path) -> str:
    """The name that runs of ``rig`` go by: that of the rig, or of its file. Raises ConfigurationError."""
    wanted = Path(rig).stem if rig.endswith((".yaml", ".yml")) else rig
    for each in (wanted, wanted.replace("_", "-")):
        if each in known:
            return each
    close = difflib.get_close_matches(wanted, known, 3)
    there = f"there are runs of: {', '.join(known)}" if known else f"run one: harness run {rig}"
    raise ConfigurationError(
        f"no run of {rig!r} in {reports}", hint=f"did you mean {' or '.join(close)}?" if close else there
    )


def _chosen(rig: str | None, shown: Sequence[Marked], wanted: Sequence[str]) -> list[str]:
    known: dict[str, None] = {}
    for each in reversed(shown):
        known.update(dict.fromkeys(each.run.requirements))
    for name in wanted:
        if name not in known:
            raise ConfigurationError(
                f"no requirement {name!r} in these runs", hint=f"there are: {', '.join(known) or 'none'}"
            )
    return list(wanted) if wanted else list(known) if rig is not None else []


def as_dict(shown: Sequence[Marked], requirements: Sequence[str], broken: Sequence[Any]) -> dict[str, Any]:
    """For ``--json``; docs/history.md has the keys."""
    return {
        "schema": SCHEMA,
        "runs": [
            {
                **_run(each.run, requirements),
                "new_commit": each.new_commit,
                "changes": each.changes,
                "not_comparable": each.breaks,
            }
            for each in shown
        ],
        "broken": [asdict(each) for each in broken],
    }


def _run(run: PastRun, requirements: Sequence[str]) -> dict[str, Any]:
    plain = asdict(run)
    if requirements:
        plain["requirements"] = {k: v for k, v in plain["requirements"].items() if k in requirements}
    return plain


def run_digest(since: str, reports: Path, budgets: Path | None, folder: Path | None, out: Path | None) -> int:
    """Print the digest as Markdown, or write it to ``out``. Exit status 0: it judges nothing.

    Raises ConfigurationError for what cannot be understood, RecordingError when ``out`` cannot be written.
    """
    from harness.history.digest import gather
    from harness.history.digest_page import as_markdown, write

    _there(reports)
    digest = gather(reports, parse_since(since, "--since"), budgets=budgets, folder=folder)
    if out is None:
        click.echo(as_markdown(digest), nl=False)
    else:
        write(digest, out)
        click.echo(f"wrote {out}")
    return 0


def run_prune(
    console: Console, reports: Path, rig: str | None, *, keep_raw: str, keep_last: int, yes: bool
) -> int:
    """Say what would be let go, or with ``yes`` let it go. Exit status 4 where some run could not be.

    Raises ConfigurationError for what cannot be understood.
    """
    from harness.history.prune import candidates, release

    _there(reports)
    older = age(keep_raw, "--keep-raw")
    with History.open(reports) as history:
        name = None if rig is None else find(rig, history.rigs(), reports)
    found = candidates(reports, older, last=keep_last, rig=name)
    chosen = [each for each in found if not each.kept]
    freed, failed = 0, 0
    for each in chosen:
        where = f"{each.run.path.parent.name}/{each.run.path.name}"
        try:
            freed += release(each) if yes else each.size
        except (HarnessError, OSError) as error:
            failed += 1
            console.print(f"kept      {where}: {error}", highlight=False, markup=False, soft_wrap=True)
            continue
        word = "let go" if yes else "would go"
        console.print(
            f"{word:<9} {where}  {_size(each.size)} in {len(each.files)} files",
            highlight=False,
            soft_wrap=True,
        )
    kept = Counter(each.kept for each in found if each.kept)
    for why, count in kept.most_common():
        console.print(f"kept      {_runs(count)}: {why}", highlight=False)
    if not chosen:
        console.print("nothing to let go", highlight=False)
    elif yes:
        console.print(f"{_size(freed)} freed in {_runs(len(chosen) - failed)}", highlight=False)
    else:
        console.print(
            f"{_size(freed)} in {_runs(len(chosen))}; nothing was removed. Results and reports would stay. "
            "To do it: the same with --yes",
            highlight=False, soft_wrap=True,
        )  # fmt: skip
    return 4 if failed else 0


def _runs(count: int) -> str:
    return f"{count} run{'' if count == 1 else 's'}"


def _size(size: int) -> str:
    for unit, scale in (("GB", 1e9), ("MB", 1e6)):
        if size >= scale:
            return f"{size / scale:.3g} {unit}"
    return f"{size / 1e3:.0f} kB"


def _there(reports: Path) -> None:
    if not reports.is_dir():
        raise ConfigurationError(
            f"there is no folder {reports}", hint="say where the runs are: --reports DIR"
        )
