"""The appendix on the tail: caveats, whether a limit law fits, and levels only where it does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy.typing as npt

from harness.analysis.tail import Tail, tail
from harness.report import text as t
from harness.report.blocks import Block, bullets, figure, heading, table
from harness.report.series import extract, places
from harness.results import Results


def appendix(
    results: Results, samples: npt.NDArray[Any], run: Mapping[str, Any], root: Path
) -> Iterator[Block]:
    """Blocks of every scenario with samples; its plot is written to ``root`` as SVG."""
    found = []
    for place, (name, number) in enumerate(places(results, run).items()):
        series = extract(samples, number)
        if len(series):
            found.append((place, name, tail(series.intent_ms)))
    if not found:
        return
    yield heading("Appendix: the tail (informative)")
    yield bullets(_sentence(line) for line in found[0][2].caveats)
    for place, name, fitted in found:
        yield heading(f"Tail of “{name}”", 2)
        yield from _one(f"scenario-{place}-tail", fitted, root)


def _one(stem: str, fitted: Tail, root: Path) -> Iterator[Block]:
    from harness.report import tail_figure  # matplotlib takes a second to import; only a PDF needs it

    lines = list(fitted.lines[len(fitted.caveats) :])
    if fitted.fits and not fitted.levels:
        lines.append("no level is given" + ("" if fitted.stable else ": the shape is not shown to be stable"))
    yield bullets(map(_sentence, lines))
    if not fitted.fits:
        return
    (root / f"{stem}.svg").write_text(tail_figure.stability(fitted), encoding="utf-8")
    yield figure(
        f"{stem}.svg",
        f"Shape of the fitted tail over thresholds: {', '.join(f'{fit.shape:+.2f}' for fit in fitted.fits)}.",
        "Shape ξ of generalised Pareto distributions of the excesses over rising thresholds, with 95 % "
        "intervals (bootstrap, or maximum likelihood where that is wider); filled: the threshold used. A "
        "limit law fits where the shape no longer moves.",
    )
    if not fitted.levels:
        return
    rows = [
        [f"1 in {t.integer(round(1 / share))}", *(t.number(value) for value in (middle, low, high))]
        for share, middle, low, high in fitted.levels
    ]
    yield table(
        [("Exceeded by about", "left", 1), ("Level in ms", "right"), ("from", "right"), ("to", "right")],
        rows,
        "Extrapolated latency from intent with 95 % bootstrap intervals. Never a worst case, and no part "
        "of the verdict.",
    )


def _sentence(line: str) -> str:
    return f"{line[:1].upper()}{line[1:]}."
