"""``harness metrics``: serves the metrics of a bench until it is ended."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import click

from harness.telemetry.bench.families import BenchCollector
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.export.prometheus import PrometheusEndpoint
from harness.telemetry.host import HostSampler


@contextlib.contextmanager
def serving(
    reports: Path, folder: Path | None, budgets: Path | None, port: int, address: str, *, host: bool = True
) -> Iterator[PrometheusEndpoint]:
    """An endpoint with what the rigs under ``reports`` do, what programs observe into ``folder``, the budgets
    of a file or of the catalogue, and, with ``host``, samples of this machine.

    Raises ConfigurationError for a mistake in a file, UnavailableError where the port is taken or the extra
    ``telemetry`` is missing.
    """
    book = Budgets(gather=False if folder is None else folder, reports=reports)
    book.load(budgets)
    with contextlib.ExitStack() as stack:
        if host:
            stack.enter_context(HostSampler(book))
        watch = stack.enter_context(BenchWatch(book, reports))
        yield stack.enter_context(PrometheusEndpoint(book, port, address, [BenchCollector(watch)]))


def serve(
    reports: Path, folder: Path | None, budgets: Path | None, port: int, address: str, *, host: bool
) -> None:
    """Serve until Ctrl-C. It is nice: what is measured on this machine comes first."""
    with contextlib.suppress(OSError):
        os.nice(10)
    with serving(reports, folder, budgets, port, address, host=host) as endpoint:
        click.echo(f"http://{address}:{endpoint.port}/metrics")
        threading.Event().wait()
