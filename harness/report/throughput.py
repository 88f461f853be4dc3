"""A search for what the robot sustains: the curve, its steps, and what they say."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.report import style
from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, figure, heading, table
from harness.results import ScenarioResult, SearchResult, SearchStep
from harness.wording import quantile_name

_LOOKS = {
    "sustained": (style.BLUE, "o", "sustained"),
    "not sustained": (style.VERMILLION, "X", "not sustained"),
    "undecided": (style.INK, "d", "undecided: the harness was late"),
}
RATE: list[Column] = [("Rate in Hz", "right")]
_TONE = {"sustained": "plain", "not sustained": "bad", "undecided": "warn"}


def searched(stem: str, scenario: ScenarioResult, root: Path) -> Iterator[Block]:
    """Blocks of a throughput scenario, none of any other; the curve is written to ``root`` as SVG."""
    search = scenario.search
    if search is None:
        return
    yield heading(f"What is sustained: {search.varies}", 2)
    yield bullets(search.words)
    drawn = [step for step in search.steps if step.p50_ms is not None]
    if len(drawn) > 1:
        (root / f"{stem}.svg").write_text(curve(search), encoding="utf-8")
        yield figure(
            f"{stem}.svg",
            f"Latency over {search.varies}. " + "; ".join(map(_words, search.steps)),
            f"Latency from sent over the {search.varies}; dashed: median, solid:"
            f" {quantile_name(search.quantile)}. A step is sustained where nothing is lost and"
            f" {quantile_name(search.quantile)} is within {search.within_ms:g} ms.",
        )
    yield _steps(search)


def _words(step: SearchStep) -> str:
    return f"{step.value:g}: {t.number(step.quantile_ms)} ms, {step.outcome}"


def _steps(search: SearchResult) -> Block:
    rows = []
    for step in sorted(search.steps, key=lambda each: each.value):
        tone = _TONE[step.outcome]
        rows.append(
            [
                t.short(step.value),
                *([] if search.unit == "Hz" else [t.number(step.rate_hz, 1)]),
                t.integer(step.sent),
                t.integer(step.skipped),
                cell(t.integer(step.lost), "bad" if step.lost else "plain"),
                *(t.number(each, 2) for each in (step.p50_ms, step.quantile_ms, step.max_ms)),
                t.number(step.lateness_ms, 2),
                cell(step.outcome + (" (cut short)" if step.cut else ""), tone),  # type: ignore[arg-type]
            ]
        )
    columns: list[Column] = [
        ("Rate in Hz", "right") if search.unit == "Hz" else (f"{search.unit.capitalize()}", "right"),
        *([] if search.unit == "Hz" else RATE),
        ("Sent", "right"),
        ("Skipped", "right"),
        ("Lost", "right"),
        ("p50", "right"),
        (quantile_name(search.quantile), "right"),
        ("max", "right"),
        ("Lateness", "right"),
        ("Outcome", "left", 1),
    ]
    return table(
        columns,
        rows,
        "Every step of the search; times in ms, from sent. Lateness: of the harness, at the same quantile."
        " A step was cut short when too many in a row were not answered in time.",
    )


def curve(search: SearchResult) -> str:
    """Latency over what was varied, median and quantile, with the limit; lost answers at the upper edge."""
    steps = sorted((each for each in search.steps if each.p50_ms is not None), key=lambda each: each.value)
    known = [each.quantile_ms for each in steps if each.quantile_ms is not None]
    top = 2 * max([*known, search.within_ms])
    with style.drawing(2.6) as drawing:
        axes = drawing.subplots()
        values = [each.value for each in steps]
        high = [top if each.quantile_ms is None else each.quantile_ms for each in steps]
        middle = [each.p50_ms or 0.0 for each in steps]
        axes.plot(values, middle, color=style.SKY, linestyle="--", linewidth=1)
        axes.plot(values, high, color=style.BLUE, linewidth=1, zorder=2)
        for outcome, (colour, marker, label) in _LOOKS.items():
            chosen = [
                (x, y, step)
                for x, y, step in zip(values, high, steps, strict=True)
                if step.outcome == outcome
            ]
            if chosen:
                axes.plot(
                    [x for x, _, _ in chosen],
                    [y for _, y, _ in chosen],
                    marker,
                    color=colour,
                    markersize=5,
                    label=label,
                    zorder=3,
                )
            for x, y, step in chosen:
                if step.lost:
                    style.remark(axes, x, y, f"{step.lost} lost", offset=(0, 5), ha="center")
        style.limit_line(axes, search.within_ms, f"{search.within_ms:g} ms", vertical=False)
        low, upper = style.span(middle, high, [search.within_ms])
        axes.set_ylim(low, upper)
        style.value_axis(axes.yaxis, low, upper)
        style.value_axis(axes.xaxis, *style.span(values))
        axes.set_xlabel("Hz" if search.unit == "Hz" else f"{search.varies}, {search.unit}")
        axes.set_ylabel("latency in ms")
        drawing.legend(loc="outside upper center", ncols=3)
        return style.svg(drawing)
