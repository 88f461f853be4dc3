"""``harness metrics``: serves the metrics of a bench until it is ended."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path

import click

from harness.telemetry.alerts.watch import Alerts
from harness.telemetry.bench.families import BenchCollector
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.export.extra import library
from harness.telemetry.export.prometheus import Collector, PrometheusEndpoint
from harness.telemetry.host import HostSampler
from harness.telemetry.paths import PathSampler


@contextlib.contextmanager
def serving(
    reports: Path,
    folder: Path | None,
    budgets: Path | None,
    port: int,
    address: str,
    *,
    host: bool = True,
    paths: Mapping[str, str] | None = None,
    alerts: Path | None = None,
) -> Iterator[PrometheusEndpoint]:
    """An endpoint with what the rigs under ``reports`` do, what programs observe into ``folder``, the budgets
    of a file or of the catalogue, and, with ``host``, samples of this machine and of the network path to
    the devices of the rigs that run and to ``paths`` (hosts by name). ``alerts``: a file of rules that are
    evaluated meanwhile.

    Raises ConfigurationError for a mistake in a file, UnavailableError where the port is taken or the extra
    ``telemetry`` is missing.
    """
    book = Budgets(gather=False if folder is None else folder, reports=reports)
    book.load(budgets)
    with contextlib.ExitStack() as stack:
        if host:
            stack.enter_context(HostSampler(book))
        watch = stack.enter_context(BenchWatch(book, reports))
        if host:
            stack.enter_context(PathSampler(book, lambda: {**watch.paths(), **(paths or {})}))
        collector = BenchCollector(watch)
        endpoint = stack.enter_context(PrometheusEndpoint(book, port, address, [collector]))
        if alerts is not None:
            stack.enter_context(Alerts(book, alerts, collectors=[collector, Collector(book)]))
        yield endpoint


def serve(
    reports: Path,
    folder: Path | None,
    budgets: Path | None,
    port: int,
    address: str,
    *,
    host: bool,
    paths: Mapping[str, str],
    alerts: Path | None,
) -> None:
    """Serve until Ctrl-C, which is how it is meant to end. It is nice: what is measured on this machine comes
    first."""
    # Not yet nice: on a busy machine it would take minutes until it serves.
    library("prometheus_client")
    import_module("harness.telemetry.budget.verdict")
    with contextlib.suppress(OSError):
        os.nice(10)
    with (
        contextlib.suppress(KeyboardInterrupt),
        serving(reports, folder, budgets, port, address, host=host, paths=paths, alerts=alerts) as endpoint,
    ):
        click.echo(f"http://{address}:{endpoint.port}/metrics  (Ctrl-C ends it)")
        threading.Event().wait()
