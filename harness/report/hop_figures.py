"""Drawings of stages between ports."""

from __future__ import annotations

from harness.report import style
from harness.report.text import cut, decimals_for, number
from harness.results import HopsTail

# Neighbours differ in lightness and in hatching, for grey printers.
_LOOKS: tuple[tuple[str, str], ...] = (
    (style.SKY, ""),
    (style.ORANGE, "////"),
    (style.BLUE, ""),
    ("#F0E442", "...."),
    (style.VERMILLION, ""),
    (style.PALE, "\\\\\\\\"),
)


def middle_and_tail(tail: HopsTail) -> str:
    """Two bars, the means of the stages one after the other: around the median, and in the tail."""
    with style.drawing(1.15 + 0.12 * ((len(tail.stages) + 2) // 3)) as figure:
        axes = figure.subplots()
        rows = (
            ("middle", [part.middle_ms for part in tail.stages]),
            ("tail", [part.tail_ms for part in tail.stages]),
        )
        left = [0.0, 0.0]
        for index, part in enumerate(tail.stages):
            colour, hatch = _LOOKS[index % len(_LOOKS)]
            widths = [values[index] for _, values in rows]
            axes.barh(
                [0, 1],
                widths,
                0.6,
                left=left,
                facecolor=colour,
                edgecolor=style.INK,
                linewidth=0.4,
                hatch=hatch,
                label=cut(f"{part.from_} → {part.name}", 44),
            )
            left = [start + width for start, width in zip(left, widths, strict=True)]
        for place, whole in enumerate(left):
            style.remark(
                axes, whole, place, number(whole, min(3, decimals_for(whole))), offset=(2, 0), va="center"
            )
        axes.set_yticks([0, 1], [f"{name}, mean" for name, _ in rows])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.margins(x=0.1)
        axes.set_xlim(left=0)
        axes.xaxis.set_major_formatter(lambda value, _position: style.plain(value))
        axes.set_xlabel("ms since the send")
        figure.legend(loc="outside upper center", ncols=3)
        return style.svg(figure)
