"""A run folder with results in, its three documents out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from harness.atomic import write_text
from harness.errors import RecordingError
from harness.report.junit import render_junit
from harness.report.pdf import render_pdf
from harness.report.series import joined
from harness.report.summary import render_summary
from harness.results import Results


def render(folder_path: Path) -> list[Path]:
    """Write ``report.pdf``, ``junit.xml`` and ``summary.md`` of a run with its ``results.json``; their paths.

    The PDF comes last: when it cannot be set, the verdict is still there for machines and for people.
    Raises RecordingError when something is missing, damaged or cannot be written, OperationError when the
    document cannot be set.
    """
    from harness.folder import RunFolder

    folder = RunFolder.open(folder_path)
    path = Path(folder.path)
    results = results_of(path)
    run: Mapping[str, Any] = folder.run
    junit, summary, pdf = path / "junit.xml", path / "summary.md", path / "report.pdf"
    write_text(junit, render_junit(results, agreed(run)))
    write_text(summary, render_summary(results))
    # A run that broke early has no samples; its report says so.
    every = [*folder.parts(), folder]
    samples = joined([each.samples() for each in every if (each.path / "samples.parquet").exists()])
    render_pdf(results, samples, run, pdf, folder.events())
    return [pdf, junit, summary]


def agreed(run: Mapping[str, Any]) -> list[str]:
    """Ids of the requirements in the rig file of a run, whether or not they came to be decided."""
    resolved = (run.get("rig") or {}).get("resolved") or {}
    return [str(entry["id"]) for entry in resolved.get("requirements") or [] if "id" in entry]


def results_of(folder: Path) -> Results:
    """``results.json`` of a run folder. Raises RecordingError where there is none of this version."""
    path = folder / "results.json"
    try:
        return Results.model_validate_json(path.read_bytes())
    except FileNotFoundError as error:
        raise RecordingError(
            f"{path} is not there", hint=f"derive it first: harness report {path.parent}"
        ) from error
    except ValidationError as error:
        raise RecordingError(
            f"{path} is not the results of this version of the harness: {error.error_count()} mistakes, "
            f"the first: {error.errors()[0]['loc']}: {error.errors()[0]['msg']}",
            hint=f"derive it again from the raw tables: harness report {path.parent}",
        ) from error
