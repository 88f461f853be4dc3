"""Results, samples and run record as one PDF: content and plots handed to typst as data, never as markup."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy.typing as npt

from harness.atomic import replacing
from harness.errors import OperationError
from harness.report import back, front
from harness.report import text as t
from harness.report.blocks import Block, figure, heading, paragraph
from harness.report.series import Series, extract
from harness.results import RequirementResult, Results

TEMPLATES = Path(__file__).parent / "templates"
STANDARDS = ["a-3a", "ua-1"]
"""PDF/A-3a: for archives, results.json attached. PDF/UA-1: for screen readers."""
_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def render_pdf(
    results: Results,
    samples: npt.NDArray[Any],
    run: Mapping[str, Any],
    out: Path,
    events: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the report of a run to ``out``, replacing it only when it is complete.

    ``samples`` has dtype SAMPLE_DTYPE, ``run`` is run.json, ``events`` the lines of events.jsonl worth showing.
    The same input gives the same bytes. Raises OperationError when the
    document cannot be set, RecordingError when it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="harness-report-") as name:
        root = Path(name)
        for template in TEMPLATES.glob("*.typ"):
            shutil.copy(template, root / template.name)
        document = _document(results, samples, run, events, root)
        (root / "document.json").write_text(json.dumps(document, ensure_ascii=False), encoding="utf-8")
        (root / "results.json").write_text(
            results.model_dump_json(by_alias=True, indent=1) + "\n",
            encoding="utf-8",
            errors="backslashreplace",
        )
        pdf = _compile(root, _when(results))
    with replacing(out, len(pdf)) as partial:
        partial.write_bytes(pdf)


def _document(
    results: Results,
    samples: npt.NDArray[Any],
    run: Mapping[str, Any],
    events: Sequence[Mapping[str, Any]],
    root: Path,
) -> Any:
    """All that the template needs, as one JSON document; plots go to files of ``root``."""
    when = _when(results)
    sections: list[Block] = [
        *front.method(results, run),
        *front.item(run, results),
        *front.environment(run, results),
        heading("Results"),
        *_results(results, samples, run, root),
        *back.validity(results, events),
        *back.provenance(results, run),
    ]
    return _printable(
        {
            "title": f"Latency compliance report: {front.rig_name(results)}, {results.run_id}",
            "date": [when.year, when.month, when.day],
            "header": {
                "rig": front.rig_name(results),
                "run": results.run_id,
                "item": "SIMULATED" if results.simulated else "REAL",
                "aborted": results.aborted,
                "version": str(run.get("harness_version") or ""),
            },
            "first_page": front.verdict_page(results, run),
            "blocks": sections,
        }
    )


def _results(
    results: Results, samples: npt.NDArray[Any], run: Mapping[str, Any], root: Path
) -> Iterable[Block]:
    if not results.scenarios:
        yield paragraph("No scenario was measured in this run: there is nothing to show.", "muted")
    # run.json tells the number by which the tables call a scenario; without it the order is the only guess.
    order = [str(entry.get("name")) for entry in run.get("scenarios") or []] or list(results.scenarios)
    for name, scenario in results.scenarios.items():
        yield heading(f"Scenario “{name}”", 2)
        yield back.counts(scenario)
        yield from back.distributions(scenario)
        number = order.index(name) if name in order else -1
        series = extract(samples, number)
        if not len(series):
            yield paragraph("No stimulus was counted in this scenario: there is nothing to draw.", "muted")
            continue
        yield from _plots(
            f"scenario-{list(results.scenarios).index(name)}", series, back.on_scenario(results, name), root
        )
        if any(part.p50 is not None for part in scenario.stages_ms.values()):
            from harness.report import figures

            file = _save(
                root, f"stages-{list(results.scenarios).index(name)}", figures.stages(scenario.stages_ms)
            )
            alt = "; ".join(
                f"{t.words(n)}: p50 {t.number(p.p50)} ms, p99 {t.number(p.p99)} ms"
                for n, p in scenario.stages_ms.items()
            )
            yield figure(
                file,
                f"Bars of each stage. {alt}",
                "Stages of a round trip: median and p99. Quantiles do not add up.",
            )
        yield from back.outliers(series)


def _plots(
    stem: str, series: Series, requirements: Sequence[RequirementResult], root: Path
) -> Iterable[Block]:
    from harness.report import figures  # matplotlib takes a second to import; only a PDF needs it

    marks = [_mark(requirement, figures) for requirement in requirements]
    summary = figures.describe(series, marks)
    if not series.lost.all():
        bounds = " Orange: confidence bounds of the quantile; dot: estimate." if marks else ""
        yield figure(
            _save(root, f"{stem}-exceedance", figures.exceedance(series, marks)),
            f"Complementary distribution of latency with a logarithmic tail. {summary}",
            f"Share of stimuli that took longer (complementary ECDF, lost ones included), logarithmic tail.{bounds}",
        )
        yield figure(
            _save(root, f"{stem}-histogram", figures.histogram(series, marks)),
            f"Histogram of latency. {summary}",
            "Histogram of latency from intent, counts on a logarithmic axis.",
        )
        yield figure(
            _save(root, f"{stem}-time", figures.over_time(series, marks)),
            f"Latency over time. {summary}",
            "Latency over time; crosses at the top: lost stimuli. Groups keep their smallest and largest value.",
        )
        if len(series) >= 50:
            yield figure(
                _save(root, f"{stem}-heat", figures.heat_map(series, marks)),
                f"Heat map of latency over time. {summary}",
                "How the distribution of latency moves over time; an even band means a stationary run.",
            )
    else:
        yield paragraph("Every stimulus was lost: there is no latency to draw.", "bad")
    yield figure(
        _save(root, f"{stem}-lateness", figures.lateness(series, marks)),
        f"Lateness of the harness, over time and as complementary distribution; largest {t.number(float(series.lateness_ms.max()))} ms.",
        "Lateness of the harness itself: sent − intended, over time and as share that was later.",
    )


def _mark(requirement: RequirementResult, figures: Any) -> Any:
    factor = _MS.get(requirement.unit, 1.0)
    estimate, lower, upper = (
        None if value is None else value * factor
        for value in (requirement.estimate, requirement.lower_bound, requirement.upper_bound)
    )
    return figures.Mark(
        requirement.id, requirement.quantile, requirement.limit * factor, estimate, lower, upper
    )


def _save(root: Path, stem: str, svg: str) -> str:
    (root / f"{stem}.svg").write_text(svg, encoding="utf-8")
    return f"{stem}.svg"


def _when(results: Results) -> datetime:
    """The instant that the document is dated: of the run, not of the rendering."""
    return (
        t.parse_instant(results.ended)
        or t.parse_instant(results.started)
        or datetime(1970, 1, 1, tzinfo=timezone.utc)
    )


def _printable(tree: Any) -> Any:
    if isinstance(tree, str):
        return t.printable(tree)
    if isinstance(tree, dict):
        return {key: _printable(value) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_printable(value) for value in tree]
    return tree


def _compile(root: Path, when: datetime) -> bytes:
    import matplotlib
    import typst

    fonts = root / "fonts"
    fonts.mkdir()
    # DejaVu alone: the folder also holds a last-resort font that would draw boxes in place of what is missing.
    for font in (Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"):
        shutil.copy(font, fonts / font.name)
    try:
        return typst.compile(
            root / "report.typ",
            root=root,
            font_paths=[fonts],
            ignore_system_fonts=True,
            pdf_standards=STANDARDS,
            timestamp=when,
        )
    except typst.TypstError as error:
        raise OperationError(f"the report cannot be set: {error.message}\n{error.diagnostic}") from error
