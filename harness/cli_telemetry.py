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
@click.option(
    "--path",
    "paths",
    multiple=True,
    metavar="NAME=HOST",
    help="Watch the network path to that host, too, beside those to devices of rigs that run; repeatable.",
)
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Evaluate the rules of this file, too (docs/alerts.md).",
)
def metrics(
    reports: Path,
    folder: Path | None,
    path: Path | None,
    port: int,
    address: str,
    host: bool,
    paths: tuple[str, ...],
    alerts: Path | None,
) -> int:
    """Serve what the rigs of this bench do to Prometheus, until Ctrl-C (docs/dashboards.md)."""
    from harness.telemetry.bench.command import serve
    from harness.telemetry.paths import parse_paths

    hosts = parse_paths(paths)
    serve(reports, folder, path, port, address, host=host, paths=hosts, alerts=alerts)
    return 0


@click.command()
@_reports
@_folder
@_budgets
@click.option("--port", type=click.IntRange(0, 65535), default=8765, show_default=True, help="0: a free one.")
@click.option("--address", default="127.0.0.1", show_default=True, help="The interface to listen on.")
def dashboard(reports: Path, folder: Path | None, path: Path | None, port: int, address: str) -> int:
    """Serve a page of what the rigs of this bench do, until Ctrl-C (docs/dashboards.md)."""
    from harness.telemetry.page.command import serve

    serve(reports, folder, path, port, address)
    return 0


@click.command()
@click.argument("run_dir", type=click.Path(exists=True, path_type=Path, file_okay=False))
def export(run_dir: Path) -> int:
    """Send RUN_DIR over OTLP: its trace, its events as logs, its latencies with exemplars.

    To the collector that OTEL_EXPORTER_OTLP_ENDPOINT names (docs/performance-budget.md). Repeatable.
    """
    from harness.telemetry.export.runs import export_run

    sent = export_run(run_dir)
    click.echo(f"sent {sent.spans} spans, {sent.records} records of the log, {sent.histograms} histograms")
    return 0


@click.group()
def alerts() -> None:
    """Alerts without Prometheus: rules in a file, told to a webhook or a command (docs/alerts.md)."""


@alerts.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def check(file: Path) -> int:
    """Check a file of rules, and say what each of them does."""
    from harness.telemetry.alerts.command import check as check_file

    check_file(file)
    return 0
