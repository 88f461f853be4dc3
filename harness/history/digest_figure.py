"""The picture of a digest: every limit, how much of it is used, and where it was before."""

from __future__ import annotations

from collections.abc import Sequence

from harness.history.digest import NEAR, Digest, Used
from harness.report import style
from harness.report.text import cut


def limits_used(drawn: Sequence[Used], digest: Digest) -> str:
    """One row a limit, as SVG: a bar up to the share that is used, a grey band over earlier estimates."""
    looks = {
        "PASS": (style.GREEN, ""),
        "FAIL": (style.VERMILLION, "xx"),
        "INCONCLUSIVE": (style.ORANGE, "//"),
    }
    before = {
        f"{each.rig} {each.id}": [_share(each.asked.limit, each.asked.limit_is, v) for v in each.before]
        for each in digest.shifts
        if each.asked.limit > 0
    }
    with style.drawing(0.55 + 0.17 * len(drawn)) as drawing:
        axes = drawing.subplots()
        for row, each in enumerate(drawn):
            colour, hatch = looks.get(each.verdict, (style.GREY, ""))
            axes.barh(
                row, min(each.share, 1.5), 0.55, color="white" if hatch else colour, edgecolor=colour,
                hatch=hatch, linewidth=0.8, zorder=2,
            )  # fmt: skip
            if earlier := before.get(each.name):
                axes.plot(
                    [min(earlier), max(earlier)], [row + 0.4] * 2, color=style.GREY, linewidth=2, zorder=3
                )
            over = "▶ " if each.share > 1.5 else ""
            style.remark(
                axes, min(each.share, 1.5), row, f"{over}{100 * each.share:.0f} %", offset=(3, 0), va="center"
            )
        axes.axvline(1.0, color=style.VERMILLION, linewidth=1.0, linestyle=(0, (6, 2, 1, 2)), zorder=4)
        axes.axvline(NEAR, color=style.GREY, linewidth=0.6, linestyle=":", zorder=1)
        axes.set_yticks(range(len(drawn)), [cut(each.name, 44) for each in drawn])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.set_xlim(0, 1.65 if drawn[0].share > 1.2 else 1.3)
        axes.xaxis.set_major_formatter(lambda value, _position: f"{100 * value:.0f} %")
        axes.set_xlabel("share of the limit: green PASS, hatched INCONCLUSIVE, crossed FAIL")
        return style.svg(drawing)


def _share(limit: float, limit_is: str, value: float) -> float:
    if limit_is == "lower":
        return limit / value if value > 0 else 1.5
    return value / limit
