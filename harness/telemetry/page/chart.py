"""Distribution and heat map of latencies as one SVG."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from harness.telemetry.bench.columns import Line, Shown
from harness.telemetry.budget.words import figure as figures

lock = threading.Lock()
"""Held while drawing: fonts are not safe for threads."""
ROWS = 60
LIMIT = "#cc3311"


def chart(lines: Sequence[Line], shown: Shown) -> bytes:
    """An SVG of the columns with every limit in both panels, and the quantiles of each column over the heat
    map. Source of the counts: buckets of 1.1 %, put into 60 rows of equal ratio."""
    cells = [[(upper * 1e3, count) for _, upper, count in each if upper > 0] for each in shown.columns]
    limits = [each.limit_s * 1e3 for each in lines]
    seen = [value for column in cells for value, _ in column] + [each for each in limits if each > 0]
    edges = np.geomspace(min(seen, default=1.0) * 0.8, max(seen, default=1.0) * 1.25, ROWS + 1)
    counts = np.zeros((ROWS, max(1, len(cells))))
    for index, column in enumerate(cells):
        counts[:, index] = np.histogram(
            [value for value, _ in column], edges, weights=[float(count) for _, count in column]
        )[0]
    with lock:
        # Places by hand: a layout engine would draw everything twice, on a processor that has to measure.
        whole = Figure(figsize=(9, 3.2))
        left = whole.add_axes((0.075, 0.15, 0.235, 0.76))
        right = whole.add_axes((0.325, 0.15, 0.58, 0.76), sharey=left)
        right.tick_params(labelleft=False)
        left.stairs(counts.sum(axis=1), edges, orientation="horizontal", fill=True, color="#4477aa")
        left.set_yscale("log")
        left.yaxis.set_major_formatter("{x:g}")
        left.yaxis.set_minor_formatter("")
        left.set_xscale("symlog", linthresh=1)
        left.set_xlim(left=0)
        left.set_xlabel("samples at that latency")
        left.set_ylabel("latency from intent (ms)")
        left.set_title("distribution", fontsize=10)
        starts = np.arange(counts.shape[1] + 1) * shown.width_s
        mesh = right.pcolormesh(
            starts,
            edges,
            np.ma.masked_equal(counts, 0),
            norm=LogNorm(1, max(2.0, float(counts.max()))),
            cmap="Blues",
            rasterized=True,
        )
        _quantiles(right, shown)
        right.set_xlim(0, float(starts[-1]))
        right.set_xlabel("seconds into the measurement")
        right.set_title("over time", fontsize=10)
        beside = whole.add_axes((0.92, 0.15, 0.015, 0.76))
        bar = whole.colorbar(mesh, cax=beside, label="samples", format="{x:g}")
        bar.ax.minorticks_off()
        for panel in (left, right):
            for limit in limits:
                panel.axhline(limit, color=LIMIT, linestyle="--", linewidth=1)
        _names(right, lines)
        out = io.BytesIO()
        whole.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _quantiles(panel: Axes, shown: Shown) -> None:
    at = (np.arange(len(shown.columns)) + 0.5) * shown.width_s
    for share, style in ((0.5, "-"), (0.99, ":")):
        values = [each.quantile(share) for each in shown.columns]
        drawn = [np.nan if value is None else value * 1e3 for value in values]
        panel.plot(
            at, drawn, style, color="#222222", linewidth=1.2, marker=".", markersize=2,
            label=f"p{100 * share:g}",
        )  # fmt: skip
    panel.legend(loc="upper right", fontsize=7, ncols=2, framealpha=0.8)


def _names(panel: Axes, lines: Sequence[Line]) -> None:
    """Each limit by name above its line; those that are at the same value share one, and neighbours stand
    beside each other."""
    at: dict[float, list[str]] = {}
    for each in lines:
        sign = "≤" if each.limit_is == "upper" else "≥"
        at.setdefault(each.limit_s, []).append(f"{each.requirement}: {each.what} {sign} ")
    for index, (limit_s, names) in enumerate(sorted(at.items())):
        said = (", ".join(names) + f"{figures(limit_s * 1e3)} ms").replace("$", r"\$")
        panel.annotate(
            said, (0.01 + 0.32 * (index % 3), limit_s * 1e3), xycoords=("axes fraction", "data"),
            xytext=(0, 2), textcoords="offset points", ha="left", va="bottom", fontsize=7, color=LIMIT,
            bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.85, "pad": 0.6},
        )  # fmt: skip
