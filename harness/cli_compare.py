"""The command that holds runs against each other."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click


@click.command()
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="A B")
@click.option(
    "--baseline",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="A run, or a folder of runs (reports/RIG), that all RUNS are compared with; may be repeated.",
)
@click.option("--scenario", "scenarios", multiple=True, help="Only this scenario; may be repeated.")
@click.option(
    "--fail-on",
    multiple=True,
    metavar="QUANTILE:MOST",
    help="What must not get worse by more: p99:5%, p99.9:0.5ms, SCENARIO:p99:5%; may be repeated.",
)
@click.option(
    "--confidence", type=click.FloatRange(0.5, 0.99), default=0.95, show_default=True, help="Of intervals."
)
@click.option(
    "--sim-to-real", is_flag=True, help="Hold the run of a simulated rig against that of the real one."
)
@click.option(
    "--tolerance",
    type=click.FloatRange(0, 100, min_open=True),
    default=10.0,
    show_default=True,
    metavar="PERCENT",
    help="Of --sim-to-real: how close a latency has to be to count as foretold.",
)
@click.option(
    "--observe-into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Of --sim-to-real: count the accuracy for the budget simulation.sim_to_real_accuracy there.",
)
@click.option(
    "--security",
    "security_folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="What the programs of B have observed: B is accepted only when the security budgets hold.",
)
@click.option(
    "--budgets",
    type=click.Path(path_type=Path, exists=True),
    help="A file or folder of budgets, instead of the catalogue.",
)
@click.option(
    "--despite",
    multiple=True,
    type=click.Choice(["host"]),
    help="Compare although the hosts are of another class; the page says so.",
)
@click.option(
    "--out",
    multiple=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the page there: .pdf, .html, .md or .json; may be repeated.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output, nothing else.")
def compare(
    runs: tuple[Path, ...],
    baseline: tuple[Path, ...],
    scenarios: tuple[str, ...],
    fail_on: tuple[str, ...],
    confidence: float,
    sim_to_real: bool,
    tolerance: float,
    observe_into: Path | None,
    security_folder: Path | None,
    budgets: Path | None,
    despite: tuple[str, ...],
    out: tuple[Path, ...],
    as_json: bool,
) -> int:
    """Compare run B with run A, or with a baseline of runs: is it slower, by how much, and how sure is that?

    Exit status without --fail-on and --security 0; with them 0 what was agreed is kept, 1 it is not, 3 the
    runs cannot tell. Runs that are not comparable are refused with the reason: status 2.
    """
    # Its matrix products are small: threads would only wait for each other where the host is busy.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from harness.compare.command import run_compare

    return run_compare(
        runs,
        baseline=baseline,
        scenarios=scenarios,
        fail_on=fail_on,
        confidence=confidence,
        sim_to_real=sim_to_real,
        tolerance=tolerance,
        observe_into=observe_into,
        security_folder=security_folder,
        budgets=budgets,
        despite=despite,
        out=out,
        as_json_only=as_json,
        arguments=sys.argv[2:] if sys.argv[1:2] == ["compare"] else (),
    )
