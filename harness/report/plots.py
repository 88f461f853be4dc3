"""The results section: for each scenario its tables, its plots, and its outliers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from harness.report import measured
from harness.report import text as t
from harness.report.anomalies import stretches, unusual
from harness.report.blocks import Block, figure, heading, paragraph, save
from harness.report.hops import hop_by_hop
from harness.report.series import Series, extract, places
from harness.report.swarm import reorganised
from harness.report.throughput import searched
from harness.results import RequirementResult, Results, ScenarioResult, Trend

if TYPE_CHECKING:
    from harness.report.figures import Mark

_MS = {"us": 1e-3, "ms": 1.0, "s": 1e3}
FEW = 200
"""Fewer samples than this make no heat map."""


def results_section(
    results: Results, samples: npt.NDArray[Any], run: Mapping[str, Any], root: Path
) -> Iterator[Block]:
    """Blocks of every scenario; its plots are written to ``root`` as SVG."""
    yield heading("Results")
    if not results.scenarios:
        yield paragraph("No scenario was measured in this run: there is nothing to show.", "muted")
    numbers = places(results, run)
    for place, (name, scenario) in enumerate(results.scenarios.items()):
        yield heading(f"Scenario “{name}”", 2)
        yield measured.counts(scenario)
        yield from measured.distributions(scenario)
        requirements = [entry for entry in results.requirements if entry.scenario == name]
        yield from reorganised(f"scenario-{place}-swarm", scenario, requirements, root)
        series = extract(samples, numbers[name])
        if not len(series):
            yield paragraph("No stimulus was counted in this scenario: there is nothing to draw.", "bad")
            continue
        # Of a resumed series the drawn times begin with its first part, those of anomalies with its last.
        found = stretches(scenario.anomalies) if not run.get("parts") else []
        yield from _plots(f"scenario-{place}", series, requirements, scenario, root, found)
        yield from _stages(f"scenario-{place}-stages", scenario, root)
        yield from measured.clamped(scenario, series)
        yield from measured.outliers(series)
        yield from hop_by_hop(f"scenario-{place}-hops", scenario, root)
        yield from searched(f"scenario-{place}-search", scenario, root)


def _plots(
    stem: str,
    series: Series,
    requirements: Sequence[RequirementResult],
    scenario: ScenarioResult,
    root: Path,
    found: Sequence[tuple[str, float, float]] = (),
) -> Iterator[Block]:
    from harness.report import figures  # matplotlib takes a second to import; only a PDF needs it

    trend = scenario.trend
    marks = [mark for mark in map(_mark, requirements) if mark is not None]
    summary = figures.describe(series, marks)
    if series.lost.all():
        yield paragraph("Every stimulus was lost: there is no latency to draw.", "bad")
    else:
        bounds = _drawn(marks)
        yield figure(
            save(root, f"{stem}-exceedance", figures.exceedance(series, marks)),
            f"Complementary distribution of latency with a logarithmic tail. {summary}",
            f"Share of stimuli that took longer than x (complementary ECDF, lost ones included).{bounds}",
        )
        yield figure(
            save(root, f"{stem}-histogram", figures.histogram(series, marks)),
            f"Histogram of latency. {summary}",
            "Histogram of latency from intent; the counts are on a logarithmic axis.",
        )
        thinned = (
            " Drawn as groups of samples, each with its smallest, median and largest value."
            if int((~series.lost).sum()) > figures.POINTS
            else ""
        )
        yield figure(
            save(root, f"{stem}-time", figures.over_time(series, marks, _medians(trend), found)),
            f"Latency over time. {summary}",
            f"Latency over time; triangles: {figures.beyond_words(marks)} the limit; crosses at the top: "
            f"lost stimuli.{thinned}"
            f"{_blocks(trend)}{' Shaded, with a letter: anomalies, see the table.' if found else ''}",
        )
        yield from unusual(scenario.anomalies)
        if trend is not None:
            yield paragraph(f"Stationarity: {trend.words}.", "plain" if trend.ok else "warn")
        if len(series) >= FEW:
            yield figure(
                save(root, f"{stem}-heat", figures.heat_map(series, marks)),
                f"Heat map of latency over time. {summary}",
                "How the distribution of latency moves over time: in a stationary run the bands are even.",
            )
    worst = t.with_unit(t.number(float(series.lateness_ms.max())), "ms")
    yield figure(
        save(root, f"{stem}-lateness", figures.lateness(series, marks)),
        f"Lateness of the harness, over time and as complementary distribution; largest {worst}.",
        "Lateness of the harness itself (sent − intended): over time, and as the share that was later than "
        "x.",
    )


def _drawn(marks: Sequence[Mark]) -> str:
    """What is drawn of the requirements, and only that: a sequential test has no bounds."""
    parts = ["dash-dotted: the limit"] if marks else []
    if any(mark.lower is not None or mark.upper is not None for mark in marks):
        parts.append("thick bar: confidence bounds of the required quantile")
    if any(mark.estimate is not None for mark in marks):
        parts.append("dot: estimate of the required quantile")
    words = "; ".join(parts)
    return f" {words[:1].upper()}{words[1:]}." if words else ""


def _medians(trend: Trend | None) -> list[float | None]:
    return [] if trend is None else trend.medians


def _blocks(trend: Trend | None) -> str:
    count = len(_medians(trend))
    return f" Steps: medians of {count} blocks of samples." if count else ""


def _stages(stem: str, scenario: ScenarioResult, root: Path) -> Iterator[Block]:
    from harness.report import figures

    signal = scenario.misses is not None
    stages = {t.stage_words(name, signal=signal): part for name, part in scenario.stages_ms.items()}
    if all(part.p50 is None for part in stages.values()):
        return
    words = "; ".join(
        f"{name}: p50 {t.number(part.p50)} ms, p99 {t.number(part.p99)} ms" for name, part in stages.items()
    )
    few = " Of fewer than 100 values p99 is the largest." if any(p.n < 100 for p in stages.values()) else ""
    waited = (
        " Until the value was here: from the instant of the onset to the arrival of the value that shows it, "
        "which is the signal's sampling and no slowness of the harness."
        if signal
        else ""
    )
    yield figure(
        save(root, stem, figures.stages(stages)),
        f"Bars of each stage. {words}",
        "Stages of a round trip, median and p99. Quantiles of stages do not add up to those of the whole."
        f"{few}{waited}",
    )


def _mark(requirement: RequirementResult) -> Mark | None:
    """Where a requirement on a quantile of latency is drawn; None for others."""
    from harness.report.figures import Mark

    if requirement.quantile is None or requirement.quantity != "latency":
        return None
    factor = _MS.get(requirement.unit, 1.0)
    estimate, lower, upper = (
        None if value is None else value * factor
        for value in (requirement.estimate, requirement.lower_bound, requirement.upper_bound)
    )
    limit = requirement.limit * factor
    return Mark(
        requirement.id, requirement.quantile, limit, estimate, lower, upper, limit_is=requirement.limit_is
    )
