"""``harness budgets``: the budgets of the catalogue against what is there."""

from __future__ import annotations

from pathlib import Path

from harness.errors import ConfigurationError
from harness.telemetry.budget.registry import Budgets

INCONCLUSIVE = 3


def run_budgets(path: Path | None, reports: Path, folder: Path | None, kind: str, out: Path | None) -> int:
    """Print or write the report; its exit status is that of the verdict, 3 where nothing was observed.

    Raises ConfigurationError for a mistake in a file, an unknown format or a PDF without ``out``,
    RecordingError when ``out`` cannot be written.
    """
    if kind == "pdf" and out is None:
        raise ConfigurationError("a PDF needs a file", hint="harness budgets --format pdf --out budgets.pdf")
    book = Budgets(gather=False if folder is None else folder, reports=reports)
    book.load(path)
    verdict = book.report(kind, out).verdict
    return INCONCLUSIVE if verdict is None else verdict.exit_status
