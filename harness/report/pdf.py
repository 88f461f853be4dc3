"""Results, samples and run record as one PDF: content and plots handed to typst as data, never as markup."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Container, Mapping, Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy.typing as npt

from harness.atomic import replacing
from harness.errors import OperationError
from harness.report import front, method, validity
from harness.report import text as t
from harness.report.appendix import appendix
from harness.report.blocks import Block
from harness.report.host import host_preflight
from harness.report.opinions import opinions
from harness.report.plots import results_section
from harness.report.remarks import earlier_section
from harness.results import Results

TEMPLATES = Path(__file__).parent / "templates"
STANDARDS: list[Any] = ["a-3a", "ua-1"]
"""PDF/A-3a: for archives, results.json attached. PDF/UA-1: for screen readers."""


def render_pdf(
    results: Results,
    samples: npt.NDArray[Any],
    run: Mapping[str, Any],
    out: Path,
    events: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Write the report of a run to ``out``, replacing it only when it is complete.

    ``samples`` has dtype SAMPLE_DTYPE, ``run`` is run.json, ``events`` the lines of events.jsonl.
    The same input gives the same bytes. Raises OperationError when the document cannot be set, RecordingError
    when it cannot be written.
    """
    with tempfile.TemporaryDirectory(prefix="harness-report-") as name:
        root = Path(name)
        document = _document(results, samples, run, events, root)
        (root / "results.json").write_text(
            results.model_dump_json(by_alias=True, indent=1) + "\n",
            encoding="utf-8",
            errors="backslashreplace",
        )
        pdf = set_document(document, root, _when(results))
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
        *method.method(results, run),
        *method.item(run, results),
        *method.environment(run, results),
        *host_preflight(results),
        *results_section(results, samples, run, root),
        *validity.validity(results, events),
        *opinions(results),
        *earlier_section(results),
        *validity.provenance(results, run),
        *appendix(results, samples, run, root),
    ]
    return {
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


def _when(results: Results) -> datetime:
    """The instant that the document is dated: of the run, not of the rendering; in whole seconds."""
    known = t.parse_instant(results.ended) or t.parse_instant(results.started)
    return (known or datetime(1970, 1, 1, tzinfo=timezone.utc)).replace(microsecond=0)


def _printable(tree: Any, glyphs: Container[int] | None) -> Any:
    if isinstance(tree, str):
        return t.printable(tree, glyphs)
    if isinstance(tree, dict):
        return {key: _printable(value, glyphs) for key, value in tree.items()}
    if isinstance(tree, list | tuple):
        return [_printable(value, glyphs) for value in tree]
    return tree


def set_document(document: Any, root: Path, when: datetime, template: str = "report.typ") -> bytes:
    """The PDF that a template makes of ``document`` and the plots (``*.svg``) in ``root``.

    ``results.json`` in ``root`` is attached to it. Raises OperationError when it cannot be set. PDF/A forbids
    a character without a glyph: what DejaVu lacks is looked for among the fonts of this machine, and spelt
    out as a code point where they lack it too.
    """
    import matplotlib
    import typst
    from matplotlib.ft2font import FT2Font

    for each in TEMPLATES.glob("*.typ"):
        shutil.copy(each, root / each.name)
    fonts = root / "fonts"
    fonts.mkdir()
    # DejaVu alone: the folder also holds a last-resort font that draws boxes in place of what is missing.
    for font in (Path(matplotlib.get_data_path()) / "fonts" / "ttf").glob("DejaVuSans*.ttf"):
        shutil.copy(font, fonts / font.name)
    glyphs = FT2Font(fonts / "DejaVuSans.ttf").get_charmap().keys()
    plots = {path: path.read_text(encoding="utf-8") for path in root.glob("*.svg")}

    def attempt(known: Container[int] | None) -> bytes:
        content = json.dumps(_printable(document, known), ensure_ascii=False)
        (root / "document.json").write_text(content, encoding="utf-8")
        for path, svg in plots.items():
            path.write_text(t.printable(svg, known), encoding="utf-8")
        return typst.compile(
            root / template,
            root=root,
            font_paths=[fonts],
            ignore_system_fonts=known is not None,
            pdf_standards=STANDARDS,
            timestamp=when,
        )

    everywhere = _printable(document, None)
    try:
        if everywhere != _printable(document, glyphs):
            try:
                return attempt(None)
            except typst.TypstError:
                pass
        return attempt(glyphs)
    except typst.TypstError as error:
        raise OperationError(f"the report cannot be set: {error.message}\n{error.diagnostic}") from error
