"""The series of a rig's requirements as a picture, with levels, change points and their intervals."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.regressions.placing import level
from harness.regressions.told import Examined, word
from harness.regressions.wording import size_words
from harness.report.picture import check_kind, save
from harness.wording import measured_name

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PANEL_IN = 2.3
ROWS = 3


def write_plot(rig: str, found: Sequence[Examined], out: Path) -> None:
    """Draw each requirement, one below the other. Raises ConfigurationError for another kind of file,
    RecordingError when it cannot be written."""
    check_kind(out)
    from harness.report import style

    with style.drawing(0.6 + PANEL_IN * len(found)) as drawing:
        panels = drawing.subplots(len(found), 1, squeeze=False)[:, 0]
        for axes, each in zip(panels, found, strict=True):
            _panel(axes, each)
        simulated = all(run.simulated for each in found for run in each.series.runs)
        drawing.suptitle(f"{rig} ({'simulated' if simulated else 'real'})", fontsize=9, x=0.01, ha="left")
        panels[-1].set_xlabel("comparable runs, oldest first")
        save(drawing, out)


def _panel(axes: Axes, examined: Examined) -> None:
    from harness.report import style

    series, watched = examined.series, examined.watched
    asked = series.requirement
    values = series.values
    places = np.arange(1, watched.n + 1)
    known = np.isfinite(values)
    axes.plot(places[known], values[known], "o", color=style.BLUE, markersize=2.6, zorder=3)
    low, high = style.span(values[known].tolist())
    logarithmic = style.value_axis(axes.yaxis, low, high)
    # Room above for what is said of each change, in turns on ROWS lines.
    axes.set_ylim(low, high if logarithmic else high + 0.09 * ROWS * (high - low))
    if not known.all():
        axes.plot(
            places[~known], np.full(int((~known).sum()), 0.97), "x", color=style.INK, markersize=3.5,
            transform=axes.get_xaxis_transform(), zorder=3, label="among the lost",
        )  # fmt: skip
        axes.legend(loc="upper left")
    edges = [0, *(each.first for each in watched.changes), watched.n]
    for begin, end in pairwise(edges):
        if (here := level(values[begin:end])) is not None:
            axes.hlines(here, begin + 0.5, end + 0.5, color=style.INK, linewidth=1.1, zorder=4)
    for number, change in enumerate(watched.changes):
        kind = word(examined, change.up)
        colour = style.VERMILLION if kind == "regression" else style.GREEN
        axes.axvspan(change.earliest + 0.5, change.latest + 1.5, color=colour, alpha=0.18, linewidth=0)
        axes.axvline(change.first + 0.5, color=colour, linewidth=1.0, zorder=2)
        right = change.first > 0.5 * watched.n
        run = series.runs[change.first]
        words = f"{kind} {size_words(asked, change.effect)}, {run.started:%Y-%m-%d} {run.commit_words}"
        offset = (-3 if right else 3, -2 - 10 * (number % ROWS))
        look: dict[str, Any] = {"xycoords": axes.get_xaxis_transform(), "color": colour, "va": "top"}
        look["ha"] = "right" if right else "left"
        style.remark(axes, change.first + 0.5, 1.0, words.removesuffix(" -"), offset=offset, **look)
    if (waiting := watched.suspicion) is not None:
        axes.axvspan(waiting.first + 0.5, watched.n + 0.5, color=style.ORANGE, alpha=0.25, linewidth=0)
        style.remark(
            axes, waiting.first + 0.5, 0.0, "suspicion, not confirmed", color=style.INK, va="bottom",
            ha="right", xycoords=axes.get_xaxis_transform(), offset=(-3, 2),
        )  # fmt: skip
    axes.set_xlim(0, max(watched.n, 10) + 1)
    unit = "" if asked.unit == "1" else f" in {asked.unit}"
    axes.set_ylabel(f"{measured_name(asked)}{unit}")
    axes.set_title(f"{asked.id}: levels, and where they change (band: interval of the first run)", loc="left")
