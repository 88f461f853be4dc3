"""The commands that hold a system to its budgets, and serve what is known of it."""

from __future__ import annotations

from pathlib import Path

import click

_budgets = click.option(
    "--budgets",
    "path",
    type=click.Path(path_type=Path, exists=True),
    help="A file or folder of budgets, instead of the catalogue.",
)
_reports = click.option(
    "--reports",
    type=click.Path(path_type=Path),
    default=Path("reports"),
    show_default=True,
    help="Runs of rigs.",
)
_folder = click.option(
    "--folder", type=click.Path(path_type=Path, exists=True), help="What programs have observed."
)


@click.command()
@_budgets
@_reports
@_folder
@click.option("--format", "kind", default="text", show_default=True, help="text, json, markdown or pdf.")
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Write it there.")
def budgets(path: Path | None, reports: Path, folder: Path | None, kind: str, out: Path | None) -> int:
    """Hold the runs of rigs, and what programs have observed, to the performance budgets."""
    from harness.telemetry.budget.command import run_budgets

    return run_budgets(path, reports, folder, kind, out)


@click.command()
@_reports
@_folder
@_budgets
@click.option("--port", type=click.IntRange(0, 65535), default=9464, show_default=True, help="0: a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The interface to listen on.")
@click.option("--host/--no-host", default=True, show_default=True, help="Sample this machine, too.")
def metrics(
    reports: Path, folder: Path | None, path: Path | None, port: int, address: str, host: bool
) -> int:
    """Serve what the rigs of this bench do to Prometheus, until Ctrl-C (docs/dashboards.md)."""
    from harness.telemetry.bench.command import serve

    serve(reports, folder, path, port, address, host=host)
    return 0
