"""``harness dashboard``: serves the page until it is ended."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from harness.errors import UnavailableError
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.budget.registry import Budgets
from harness.telemetry.export.extra import library


@contextlib.contextmanager
def page_server(
    reports: Path, folder: Path | None, budgets: Path | None, port: int, address: str
) -> Iterator[tuple[Any, socket.socket]]:
    """A uvicorn server that is not running yet, and the socket that it is to serve.

    Raises ConfigurationError for a mistake in a file, UnavailableError where the port is taken or the extra
    ``dashboard`` is missing.
    """
    uvicorn = library("uvicorn", "dashboard")
    library("starlette", "dashboard")
    from harness.telemetry.page.app import application
    from harness.telemetry.page.columns import Columns

    book = Budgets(gather=False if folder is None else folder, reports=reports)
    book.load(budgets)
    try:
        listening = socket.create_server((address, port))
    except OSError as error:
        raise UnavailableError(
            f"a page at {address}:{port}: {error.strerror or error}",
            hint="choose another port, or 0 for a free one",
        ) from error
    with listening, BenchWatch(book, reports) as watch, Columns(watch, reports) as columns:
        hosts = ["localhost", "127.0.0.1", address, socket.gethostname()]
        app = application(watch, columns, reports, hosts)
        config = uvicorn.Config(app, log_level="warning", lifespan="off", ws="none", access_log=False)
        yield uvicorn.Server(config), listening


def serve(reports: Path, folder: Path | None, budgets: Path | None, port: int, address: str) -> None:
    """Serve until Ctrl-C, or SIGTERM; that is how it is meant to end. It is nice: what is measured on this
    machine comes first."""
    # Not yet nice: on a busy machine the page would take minutes to come.
    library("uvicorn", "dashboard")
    library("starlette", "dashboard")
    import_module("harness.telemetry.page.app")
    with contextlib.suppress(OSError):
        os.nice(10)
    with page_server(reports, folder, budgets, port, address) as (server, listening):
        click.echo(f"http://{address}:{listening.getsockname()[1]}/  (Ctrl-C ends it)")
        # The server ends by itself, and then hands the signal on to whoever else waits for it.
        with contextlib.suppress(KeyboardInterrupt):
            server.run(sockets=[listening])
