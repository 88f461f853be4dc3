"""Distribution and heat map of latencies as one SVG."""

from __future__ import annotations

import io
import threading
from collections.abc import Sequence

import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from harness.telemetry.budget.buckets import Buckets

_lock = threading.Lock()
ROWS = 60


def chart(title: str, limit_s: float, columns: Sequence[Buckets]) -> bytes:
    """An SVG of ``columns`` (seconds, oldest first) with the limit in both panels. Source of the counts:
    buckets of 1.1 %, put into 60 rows of equal ratio."""
    cells = [[(upper * 1e3, count) for _, upper, count in each if upper > 0] for each in columns]
    seen = [value for column in cells for value, _ in column] + [limit_s * 1e3]
    edges = np.geomspace(min(seen) * 0.9, max(seen) * 1.1, ROWS + 1)
    counts = np.array(
        [
            np.histogram([v for v, _ in column], edges, weights=[float(n) for _, n in column])[0]
            for column in cells
        ]
    ).T
    # Fonts are not safe for threads.
    with _lock:
        figure = Figure(figsize=(9, 3), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True, width_ratios=(1, 2))
        left.stairs(counts.sum(axis=1), edges, orientation="horizontal", fill=True, color="#4477aa")
        left.set_yscale("log")
        left.yaxis.set_major_formatter("{x:g}")
        left.set_xscale("symlog", linthresh=1)
        left.set_xlabel("samples")
        left.set_ylabel("latency from intent (ms)")
        steps = np.arange(counts.shape[1] + 1)
        shown = np.ma.masked_equal(counts, 0)
        top = max(2.0, float(counts.max()))
        mesh = right.pcolormesh(steps, edges, shown, norm=LogNorm(1, top), cmap="viridis")
        right.set_xlabel("time, in parts of the run; unanswered ones at their timeout")
        bar = figure.colorbar(mesh, ax=right, label="samples", format="{x:g}")
        bar.ax.minorticks_off()
        for panel in (left, right):
            panel.axhline(limit_s * 1e3, color="#cc3311", linestyle="--", linewidth=1)
        figure.suptitle(title.replace("$", r"\$"), fontsize=10)
        out = io.BytesIO()
        figure.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()
