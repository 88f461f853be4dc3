"""A comparison as JSON, Markdown, HTML and PDF."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from datetime import datetime, timezone
from math import isfinite
from pathlib import Path
from typing import Any

from harness import __version__
from harness.atomic import replacing, to_json, write_text
from harness.compare import page, words
from harness.compare.comparison import Comparison, Scenario
from harness.compare.gates import Decided
from harness.compare.sides import Interval, Shift
from harness.compare.traces import Traces
from harness.errors import ConfigurationError
from harness.report.pages import html, markdown

SCHEMA = 1


def write(comparison: Comparison, out: Path, command: str = "") -> None:
    """Write the page to ``out``; its ending says as what. ``command``: the one that repeats it.

    Markdown has its pictures beside it, in a folder ``NAME-figures``. Raises ConfigurationError for another
    ending, OperationError when a PDF cannot be set, RecordingError when the file cannot be written.
    """
    writer = check_ending(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="harness-compare-") as name:
        writer(comparison, out, command, Path(name))


def check_ending(out: Path) -> Callable[[Comparison, Path, str, Path], None]:
    """What writes ``out``. Raises ConfigurationError where nothing does."""
    writer = _WRITERS.get(out.suffix.lower())
    if writer is None:
        raise ConfigurationError(
            f"--out {out}: the ending says what is written, and {out.suffix or 'none'!r} is none of "
            f"{', '.join(_WRITERS)}",
            hint="write --out compare.html, for example",
        )
    return writer


def short_markdown(comparison: Comparison, command: str = "") -> str:
    """The page without pictures, for the summary page of a CI job."""
    return markdown(page.title(comparison), page.blocks(comparison, None, command))


def _markdown(comparison: Comparison, out: Path, command: str, root: Path) -> None:
    found = page.blocks(comparison, root, command)
    folder = out.with_name(f"{out.stem}-figures")
    folder.mkdir(exist_ok=True)
    for picture in root.glob("*.svg"):
        write_text(folder / picture.name, picture.read_text(encoding="utf-8"))
    text = markdown(page.title(comparison), found, lambda file: f"{folder.name}/{file}".replace(" ", "%20"))
    write_text(out, text)


def _html(comparison: Comparison, out: Path, command: str, root: Path) -> None:
    found = page.blocks(comparison, root, command)
    note = f"harness {__version__}. What is said holds for the runs that are named."
    write_text(out, html(page.title(comparison), found, root, mark=comparison.simulated, note=note))


def _pdf(comparison: Comparison, out: Path, command: str, root: Path) -> None:
    from harness.report.pdf import set_document

    # Dated by the newest run: the same runs give the same bytes.
    when = max(each.started for each in [*comparison.chosen.a, *comparison.chosen.b])
    when = when.astimezone(timezone.utc).replace(microsecond=0)
    verdict = comparison.verdict
    document = {
        "title": page.title(comparison),
        "date": [when.year, when.month, when.day],
        "header": {
            "version": __version__,
            "item": comparison.simulated,
            "verdict": "" if verdict is None else verdict.value,
        },
        "blocks": page.blocks(comparison, root, command),
    }
    (root / "results.json").write_text(as_json(comparison), encoding="utf-8")
    pdf = set_document(document, root, when, "compare.typ")
    with replacing(out, len(pdf)) as partial:
        partial.write_bytes(pdf)


def _json(comparison: Comparison, out: Path, _command: str, _root: Path) -> None:
    write_text(out, as_json(comparison))


_WRITERS: dict[str, Callable[[Comparison, Path, str, Path], None]] = {
    ".md": _markdown,
    ".html": _html,
    ".pdf": _pdf,
    ".json": _json,
}


def as_json(comparison: Comparison) -> str:
    """Every figure; docs/compare.md has the keys. A number that does not exist, or has no bound, is null."""
    chosen, verdict = comparison.chosen, comparison.verdict
    whole = {
        "schema": SCHEMA,
        "harness_version": __version__,
        "a": [_run(each) for each in chosen.a],
        "b": [_run(each) for each in chosen.b],
        "item": comparison.simulated.lower(),
        "confidence": comparison.confidence,
        "verdict": None if verdict is None else verdict.value,
        "cautions": list(words.cautions(comparison)),
        "forced": chosen.forced,
        "left_out": [{"run": str(run.path), "reason": reason} for run, reason in chosen.left_out],
        "fail_on": [_decided(each) for each in comparison.decided],
        "security": _security(comparison),
        "scenarios": {each.name: _scenario(each) for each in comparison.scenarios},
        "changed": {name: {"a": a, "b": b} for name, (a, b) in comparison.changed.items()},
    }
    return to_json(whole, indent=1) + "\n"


def _run(run: Any) -> dict[str, Any]:
    started: datetime = run.started
    return {
        "run": str(run.path),
        "run_id": run.run_id,
        "rig": run.rig,
        "started": started.isoformat(),
        "commit": run.commit,
        "simulated": run.simulated,
        "verdict": run.verdict.value,
    }


def _number(value: float) -> float | None:
    return float(value) if isfinite(value) else None


def _interval(found: Interval) -> dict[str, float | None]:
    return {"estimate": _number(found.estimate), "low": _number(found.low), "high": _number(found.high)}


def _shift(found: Shift) -> dict[str, Any]:
    return {
        "quantile": found.quantile,
        "a_ms": _number(found.a),
        "b_ms": _number(found.b),
        "difference_ms": _interval(found.difference),
        "relative": _interval(found.relative),
        "shown": words.shown(found),
    }


def _decided(found: Decided) -> dict[str, Any]:
    return {
        "gate": found.gate.text,
        "scenario": found.scenario,
        "verdict": found.verdict.value,
        "threshold": found.gate.most,
        "relative": found.gate.relative,
        "from_intent": _interval(found.intent),
        "from_sent": _interval(found.sent),
    }


def _security(comparison: Comparison) -> dict[str, Any] | None:
    found = comparison.security
    if found is None:
        return None
    return {
        "verdict": found.verdict.value,
        "acceptance": words.acceptance(comparison),
        "folder": str(found.folder),
        "budgets": [
            {
                "name": each.name,
                "limit": each.limit,
                "verdict": each.verdict.value,
                "n": each.n,
                "why": each.why,
            }
            for each in found.budgets
        ],
    }


def _scenario(found: Scenario) -> dict[str, Any]:
    effect = found.effect
    return {
        "n": {"a": found.n[0], "b": found.n[1]},
        "lost_share": {"a": found.lost[0], "b": found.lost[1]},
        "block_samples": {"a": found.blocks[0], "b": found.blocks[1]},
        "quantiles": [_shift(each) for each in found.shifts],
        "shift_plot": [_shift(each) for each in found.plotted],
        "superiority": _interval(effect.superiority),
        "cliffs_delta": _interval(effect.cliffs_delta),
        "effect_size": effect.size,
        "kolmogorov": _interval(effect.kolmogorov),
        "wasserstein_ms": _interval(effect.wasserstein_ms),
        "lost_at_ms": effect.lost_at_ms,
        "sim_to_real": _foretold(found),
    }


def _foretold(found: Scenario) -> dict[str, Any] | None:
    if found.foretold is None:
        return None
    return {
        "accuracy": _interval(found.foretold.accuracy),
        "tolerance": found.foretold.tolerance,
        "signals": _traces(found.foretold.traces),
    }


def _traces(found: Traces | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "port": found.port,
        "rms_share": found.rms_share,
        "largest_share": found.largest_share,
        "time_ms": found.time_ms.tolist(),
        "real": found.real.mean.tolist(),
        "simulated": found.simulated.mean.tolist(),
    }
