"""Hop by hop: where the time of a command goes between the ports that it passes, and which stage makes the
tail."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from harness.report import text as t
from harness.report.blocks import Block, Column, bullets, cell, figure, heading, paragraph, save, table
from harness.results import HopResult, HopsTail, ScenarioResult, StageShare
from harness.wording import quantile_name

ARROW = "→"


def hop_by_hop(stem: str, scenario: ScenarioResult, root: Path) -> Iterator[Block]:
    """Blocks of a scenario with stages, none of one without; its plots are written to ``root`` as SVG."""
    hops = scenario.hops
    if not hops:
        return
    yield heading(f"Hop by hop: {scenario.stimulus} to {scenario.response}", 2)
    if all(hop.stage_ms.p50 is None for hop in hops):
        yield paragraph("No answered stimulus was seen at two ports in a row: there are no stages.", "bad")
    else:
        yield from _stages(stem, hops, root)
    if scenario.hops_words:
        yield bullets(_sentence(words) for words in scenario.hops_words)
    yield from _tails(stem, scenario.hops_tail, root)


def stage_name(hop: HopResult | StageShare) -> str:
    """``from → name``."""
    return f"{hop.from_} {ARROW} {hop.name}"


def _stages(stem: str, hops: list[HopResult], root: Path) -> Iterator[Block]:
    from harness.report import figures  # matplotlib takes a second to import; only a PDF needs it

    parts = {stage_name(hop): hop.stage_ms for hop in hops}
    words = "; ".join(
        f"{name}: p50 {t.number(part.p50)} ms, p99 {t.number(part.p99)} ms" for name, part in parts.items()
    )
    yield figure(
        save(root, stem, figures.stages(parts)),
        f"Bars of the stage that ends at each port. {words}",
        "Stages between the ports that the command passes, median and p99. Quantiles of stages do not add up "
        "to those of the whole.",
    )
    places = [min(4, t.decimals_for(hop.stage_ms.p50)) for hop in hops]
    rows = [
        [
            stage_name(hop),
            t.integer(hop.stage_ms.n),
            _count(hop.missing),
            _count(hop.negative),
            *(t.number(value, digits) for value in (hop.stage_ms.mean, hop.stage_ms.p50, hop.stage_ms.p99)),
            *(t.number(value, digits) for value in (hop.since_sent_ms.p50, hop.since_sent_ms.p99)),
            t.number(hop.correlation, 2),
        ]
        for hop, digits in zip(hops, places, strict=True)
    ]
    columns: list[Column] = [
        ("Stage", "left", 1),
        ("n", "right"),
        ("Missing", "right"),
        ("Below 0", "right"),
        ("mean", "right"),
        ("p50", "right"),
        ("p99", "right"),
        ("p50 since sent", "right"),
        ("p99 since sent", "right"),
        ("ρ", "right"),
    ]
    caption = (
        "In ms, of answered stimuli that were seen at both ends. Missing: answered, and not seen at the "
        "second port. Below 0: seen there first; counted as it is. ρ: rank correlation (Spearman) with the "
        "stage before."
    )
    if stepped := sum(hop.clock_steps for hop in hops):
        caption += f" {t.integer(stepped)} instants are left out: their clock was set nearby."
    yield table(columns, rows, caption)
    unlike = {hop.arrival_is for hop in hops if hop.arrival_is}
    if len(unlike) > 1:
        yield paragraph(
            "Instants: " + "; ".join(f"{hop.name}: {hop.arrival_is}" for hop in hops) + ".", "muted"
        )


def _count(value: int) -> dict[str, str]:
    return cell(t.integer(value), "warn" if value else "plain")


def _tails(stem: str, tails: list[HopsTail], root: Path) -> Iterator[Block]:
    for place, tail in enumerate(tails):
        quantile = quantile_name(tail.quantile)
        yield paragraph(f"Beyond {quantile}: {tail.words}.", "strong")
        if any(part.share is None for part in tail.stages):
            continue
        if all(part.middle_ms >= 0 and part.tail_ms >= 0 for part in tail.stages):
            from harness.report import hop_figures

            described = "; ".join(
                f"{stage_name(part)}: {t.number(part.middle_ms)} ms and {t.number(part.tail_ms)} ms"
                for part in tail.stages
            )
            yield figure(
                save(root, f"{stem}-tail-{place}", hop_figures.middle_and_tail(tail)),
                f"Mean of each stage, in the middle and in the tail beyond {quantile}. {described}",
                f"Mean of each stage around the median (40 to 60 % of the ranks) and beyond {quantile}: "
                "these add up.",
            )
        yield _shares(tail, quantile)


def _shares(tail: HopsTail, quantile: str) -> Block:
    most = max(part.share or 0.0 for part in tail.stages)
    rows = []
    for part in tail.stages:
        share = f"{100 * (part.share or 0.0):.1f}".replace("-", "−")
        rows.append(
            [
                stage_name(part),
                t.number(part.middle_ms, 3),
                t.number(part.tail_ms, 3),
                t.number(part.tail_ms - part.middle_ms, 3),
                cell(share, "strong" if part.share == most else "plain"),
                f"{t.integer(part.largest)} of {t.integer(tail.slowest)}",
            ]
        )
    rows.append(
        [
            cell("whole", "muted"),
            t.number(tail.middle_ms, 3),
            t.number(tail.tail_ms, 3),
            t.number(tail.tail_ms - tail.middle_ms, 3),
            "100.0",
            "",
        ]
    )
    columns: list[Column] = [
        ("Stage", "left", 1),
        ("Middle in ms", "right"),
        ("Tail in ms", "right"),
        ("Excess in ms", "right"),
        ("Share in %", "right"),
        ("Largest excess in", "right"),
    ]
    return table(
        columns,
        rows,
        f"The {t.integer(tail.slowest)} slowest of {t.integer(tail.n)} stimuli that were seen at every port, "
        f"late answers too (over {t.with_unit(t.number(tail.threshold_ms), 'ms')}, {quantile} of their "
        "latency from sent), against those around the median. Excess: mean in the tail − mean in the middle. "
        "Share: of the excess of the whole.",
    )


def _sentence(words: str) -> str:
    return words[:1].upper() + words[1:] + "."
