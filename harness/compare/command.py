"""``harness compare``: choose the runs, compare them, write the pages; the exit status for CI."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import click

from harness.cli_run import new_console
from harness.compare.comparison import Comparison, compare
from harness.compare.document import as_json, check_ending, short_markdown, write
from harness.compare.gates import parse
from harness.compare.runs import choose
from harness.compare.security import security
from harness.compare.shown import show
from harness.compare.sim_to_real import INDICATOR
from harness.errors import ConfigurationError
from harness.report.summary import append_step_summary


def run_compare(
    runs: Sequence[Path],
    *,
    baseline: Sequence[Path] = (),
    scenarios: Sequence[str] = (),
    fail_on: Sequence[str] = (),
    confidence: float = 0.95,
    sim_to_real: bool = False,
    tolerance: float = 10.0,
    observe_into: Path | None = None,
    security_folder: Path | None = None,
    budgets: Path | None = None,
    despite: Sequence[str] = (),
    out: Sequence[Path] = (),
    as_json_only: bool = False,
    arguments: Sequence[str] = (),
) -> int:
    """Compare, print, write; 0, or the status of what ``fail_on`` and the security budgets decide.

    Raises ConfigurationError for runs that must not be compared and options that make no sense,
    RecordingError for damaged folders.
    """
    for path in out:
        check_ending(path)
    if observe_into is not None and not sim_to_real:
        raise ConfigurationError(
            "--observe-into is of the accuracy of a simulation", hint="use it with --sim-to-real"
        )
    chosen = choose(runs, baseline, scenarios=scenarios, despite=despite, sim_to_real=sim_to_real)
    gates = [parse(text, chosen.scenarios) for text in fail_on]
    held = None if security_folder is None else security(security_folder, budgets)
    comparison = compare(chosen, gates, confidence=confidence, security=held, tolerance=tolerance / 100)
    command = shlex.join(["harness", "compare", *arguments]) if arguments else ""
    for path in out:
        write(comparison, path, command)
    if observe_into is not None:
        _observe(comparison, observe_into, budgets)
    if as_json_only:
        click.echo(as_json(comparison), nl=False)
    else:
        console = new_console()
        show(console, comparison)
        for path in out:
            click.echo(f"\n  page: {path}")
    append_step_summary(short_markdown(comparison, command))
    verdict = comparison.verdict
    return 0 if verdict is None else verdict.exit_status


def _observe(comparison: Comparison, folder: Path, budgets: Path | None) -> None:
    """Count the accuracy of every scenario as an observation of the budget of the simulation pillar."""
    from harness.telemetry.budget.registry import Budgets

    book = Budgets(gather=folder, reports=None)
    book.load(budgets)
    for scenario in comparison.scenarios:
        if scenario.foretold is not None:
            book.observe(INDICATOR, 100 * scenario.foretold.accuracy.estimate, "%")
    book.flush()
