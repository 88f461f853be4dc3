"""The plots of one scenario as SVG, out of its series and the requirements on it. Milliseconds throughout."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap, LogNorm

from harness.report import style
from harness.report.series import Floats, Series, envelope, exceedance_curve, thin_marks
from harness.report.text import cut, decimals_for, integer, number, percent, plural, words
from harness.results import Distribution
from harness.wording import quantile_name

COLUMNS = 900
"""Groups of samples that a series over time is thinned to: about one per printed dot."""
POINTS = 4000
"""Up to this many samples each is drawn by itself."""


# Without its brightest end, which would vanish on white paper.
_SHADES = ListedColormap(colormaps["cividis_r"](np.linspace(0.18, 1, 200)))


@dataclass(frozen=True)
class Mark:
    """A requirement as the plots show it, in milliseconds; None where there is no such figure."""

    id: str
    quantile: float
    limit: float
    estimate: float | None
    lower: float | None
    upper: float | None
    limit_is: str = "upper"

    def beyond(self, values: Floats) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which values are over the limit, or below it where it is a lower one; lost ones are."""
        return (
            values > self.limit if self.limit_is == "upper" else (values < self.limit) | np.isposinf(values)
        )

    @property
    def side(self) -> str:
        """over, or below."""
        return "over" if self.limit_is == "upper" else "below"

    @property
    def short(self) -> str:
        """The id, cut where it would not fit into a plot."""
        return cut(self.id, 24)

    @property
    def label(self) -> str:
        """What stands beside the limit."""
        return f"{self.short}: {style.plain(self.limit)} ms"


def beyond_words(marks: Sequence[Mark]) -> str:
    """over, below, or both of them: what a triangle is."""
    return " or ".join(dict.fromkeys(mark.side for mark in marks)) or "over"


def _limits(marks: Sequence[Mark]) -> list[float]:
    return [mark.limit for mark in marks]


def exceedance(series: Series, marks: Sequence[Mark]) -> str:
    """The complementary distribution function with a logarithmic tail; limits, and bounds at the quantile."""
    intent, share = exceedance_curve(series.intent_ms)
    sent, sent_share = exceedance_curve(series.latency_ms)
    n = len(series)
    bounds = [value for mark in marks for value in (mark.lower, mark.upper) if value is not None]
    low, high = style.span(intent[[0, -1]], sent[[0, -1]], _limits(marks), bounds)
    lowest = min([1 / n, *(1 - mark.quantile for mark in marks)])
    with style.drawing(2.9) as figure:
        axes = figure.subplots()
        style.value_axis(axes.xaxis, low, high)
        axes.set_yscale("log")
        style.share_axis(axes.yaxis, lowest * 0.7)
        gone = float(series.lost.mean())
        dashed = {"color": style.INK, "linewidth": 0.8, "dashes": (3, 1.5)}
        curves: tuple[tuple[Floats, Floats, str, dict[str, Any]], ...] = (
            (intent, share, "from intent (decides PASS)", {"color": style.BLUE, "linewidth": 1.3}),
            (sent, sent_share, "from sent (decides FAIL)", dashed),
        )
        for x, y, label, look in curves:
            # Beyond the largest finite value the curve stays at the share of the lost ones, or drops out.
            end = (high, gone) if gone else (x[-1], lowest * 0.5)
            steps = np.r_[1.0, y, end[1]].clip(lowest * 0.5)
            axes.plot(np.r_[low, x, end[0]], steps, drawstyle="steps-post", label=label, **look)
        for mark in marks:
            style.limit_line(axes, mark.limit, mark.label, vertical=True)
            _interval(axes, mark)
        if gone:
            note = f"{percent(gone, 3)} lost"
            style.remark(axes, high, gone, note, offset=(-2, 3), ha="right", va="bottom")
        axes.set_xlim(low, high)
        axes.set_ylim(lowest * 0.7, 1.3)
        axes.set_xlabel("latency in ms")
        axes.set_ylabel("share of stimuli that took longer")
        figure.legend(loc="outside upper right", ncols=2)
        return style.svg(figure)


def _interval(axes: Axes, mark: Mark) -> None:
    """The confidence bounds at the requirement's quantile, drawn at the height 1 − q."""
    height = 1 - mark.quantile
    axes.axhline(height, color=style.GREY, linewidth=0.5, linestyle=":")
    across = axes.get_yaxis_transform()
    style.remark(axes, 0, height, quantile_name(mark.quantile), xycoords=across, offset=(3, 3))
    known = [value for value in (mark.lower, mark.upper) if value is not None]
    if known:
        axes.plot(
            known,
            [height] * len(known),
            color=style.ORANGE,
            linewidth=2.2,
            marker="|",
            markersize=8,
            zorder=4,
        )
    if mark.estimate is not None:
        axes.plot(mark.estimate, height, "o", color=style.INK, markersize=3, zorder=5)


def histogram(series: Series, marks: Sequence[Mark]) -> str:
    """How often each latency occurred: log counts, limits, and how many were lost."""
    values = series.intent_ms[~series.lost]
    low, high = style.span([values.min(), values.max()], _limits(marks))
    with style.drawing(2.1) as figure:
        axes = figure.subplots()
        count = int(np.clip(4 * np.sqrt(len(values)), 10, 140))
        logarithmic = style.value_axis(axes.xaxis, low, high)
        edges = np.geomspace(low, high, count + 1) if logarithmic else np.linspace(low, high, count + 1)
        axes.hist(
            values,
            list(edges),
            histtype="stepfilled",
            facecolor=style.SKY,
            edgecolor=style.BLUE,
            linewidth=0.6,
        )
        axes.set_yscale("log")
        style.count_axis(axes.yaxis)
        # Room above the highest bar for the remark.
        axes.set_ylim(0.7, axes.get_ylim()[1] * 2.5)
        for mark in marks:
            style.limit_line(axes, mark.limit, mark.label, vertical=True)
        lost = int(series.lost.sum())
        if lost:
            note = f"{integer(lost)} lost, beyond every limit, not drawn"
            style.remark(axes, 0.0, 1.0, note, xycoords="axes fraction", va="top", offset=(3, -1))
        axes.set_xlim(low, high)
        axes.set_xlabel("latency from intent in ms")
        axes.set_ylabel("stimuli")
        return style.svg(figure)


def over_time(
    series: Series,
    marks: Sequence[Mark],
    medians: Sequence[float | None] = (),
    unusual: Sequence[tuple[str, float, float]] = (),
) -> str:
    """Latency against time: every sample, or min, median and max of groups; exceedances and losses marked.

    ``medians`` in ms of as many blocks of equal count are drawn over it, None where there is none;
    ``unusual``: letter, begin and end (s) of anomalies.
    """
    kept = ~series.lost
    time, values = series.time_s[kept], series.intent_ms[kept]
    low, high = style.span([values.min(), values.max()], _limits(marks))
    with style.drawing(2.5) as figure:
        axes = figure.subplots()
        style.value_axis(axes.yaxis, low, high)
        if len(values) <= POINTS:
            axes.plot(
                time,
                values,
                ".",
                color=style.BLUE,
                markersize=_dot(len(values)),
                markeredgewidth=0,
                label="answered",
            )
        else:
            band = envelope(time, values, COLUMNS)
            axes.fill_between(
                band.time_s,
                band.low,
                band.high,
                step="mid",
                color=style.SKY,
                linewidth=0,
                label="smallest to largest",
            )
            axes.plot(band.time_s, band.middle, color=style.BLUE, linewidth=0.8, label="median")
        _block_medians(axes, series, medians)
        _unusual(axes, series, unusual)
        if marks:
            over = np.logical_or.reduce([mark.beyond(values) for mark in marks])
            x, y = thin_marks(time[over], values[over], COLUMNS)
            if len(x):
                axes.plot(
                    x,
                    y,
                    "^",
                    color=style.VERMILLION,
                    markersize=3.5,
                    markeredgewidth=0,
                    label=f"{beyond_words(marks)} the limit",
                )
            for mark in marks:
                style.limit_line(axes, mark.limit, mark.label, vertical=False)
        lost, _ = thin_marks(series.time_s[series.lost], series.time_s[series.lost], COLUMNS)
        if len(lost):
            axes.plot(
                lost,
                np.full(len(lost), 1.0),
                "x",
                color=style.INK,
                markersize=4,
                markeredgewidth=0.9,
                transform=axes.get_xaxis_transform(),
                clip_on=False,
                label="lost",
            )
        axes.set_ylim(low, high)
        _time_axis(axes, series)
        axes.set_ylabel("latency from intent in ms")
        figure.legend(loc="outside upper right", ncols=5, markerscale=1.4)
        return style.svg(figure)


def _block_medians(axes: Axes, series: Series, medians: Sequence[float | None]) -> None:
    """Medians of blocks of equal count as level lines from the first to the last of each block."""
    if not medians:
        return
    edges = np.linspace(0, len(series), len(medians) + 1).round().astype(int)
    for place, (start, end, level) in enumerate(zip(edges[:-1], edges[1:], medians, strict=True)):
        if level is None or end <= start:
            continue
        span = series.time_s[[start, end - 1]]
        label = f"median of {len(medians)} blocks" if place == 0 else None
        for width, colour, name in ((3.2, "white", None), (1.6, style.ORANGE, label)):
            axes.plot(span, [level, level], color=colour, linewidth=width, label=name, zorder=4)


def _unusual(axes: Axes, series: Series, found: Sequence[tuple[str, float, float]]) -> None:
    """Anomalies as shaded stretches, each with its letter below the upper edge; near letters in steps."""
    width = float(series.time_s[-1] - series.time_s[0]) or 1.0
    across, taken = axes.get_xaxis_transform(), [-np.inf] * 4
    for letter, begin, end in found:
        thin = max(0.0, width / 500 - (end - begin)) / 2
        axes.axvspan(begin - thin, end + thin, color=style.ORANGE, alpha=0.22, linewidth=0, zorder=0)
        axes.axvline(begin, color=style.ORANGE, linewidth=0.7, zorder=1)
        row = next((at for at, edge in enumerate(taken) if begin > edge), 0)
        taken[row] = begin + width / 40
        style.remark(
            axes, begin, 1 - 0.09 * row, letter, xycoords=across, offset=(2, -2), va="top", weight="bold"
        )


def _dot(n: int) -> float:
    """Size of a dot in points: few samples may be seen from afar."""
    return 3.0 if n <= 1000 else 1.8


def _time_axis(axes: Axes, series: Series) -> None:
    last = float(series.time_s[-1]) or 1.0
    axes.set_xlim(-0.01 * last, 1.01 * last)
    axes.set_xlabel("time since the first counted stimulus in s")


def heat_map(series: Series, marks: Sequence[Mark]) -> str:
    """How the distribution moves over time: counts in cells of time and latency."""
    kept = ~series.lost
    time, values = series.time_s[kept], series.intent_ms[kept]
    low, high = style.span([values.min(), values.max()], _limits(marks))
    with style.drawing(2.3) as figure:
        axes = figure.subplots()
        axes.grid(False)
        logarithmic = style.value_axis(axes.yaxis, low, high)
        rows = np.geomspace(low, high, 61) if logarithmic else np.linspace(low, high, 61)
        columns = np.linspace(time[0], time[-1], int(np.clip(len(values) / 25, 4, 160)) + 1)
        counts, _, _ = np.histogram2d(time, values, (columns, rows))
        shown = np.ma.masked_equal(counts.T, 0)
        cells = axes.pcolormesh(
            columns, rows, shown, cmap=_SHADES, norm=LogNorm(1, max(counts.max(), 2)), rasterized=True
        )
        for mark in marks:
            style.limit_line(axes, mark.limit, mark.label, vertical=False)
        axes.set_ylim(low, high)
        _time_axis(axes, series)
        axes.set_ylabel("latency from intent in ms")
        bar = figure.colorbar(cells, ax=axes, pad=0.01, label="stimuli in a cell")
        style.count_axis(bar.ax.yaxis)
        return style.svg(figure)


def lateness(series: Series, marks: Sequence[Mark]) -> str:
    """How late the harness itself was: over time, and its distribution with a tenth of the limit."""
    values = series.lateness_ms
    tenth = [mark.limit / 10 for mark in marks]
    with style.drawing(2.1) as figure:
        left, right = figure.subplots(1, 2, width_ratios=(3, 2))
        low, high = style.span([values.min(), values.max()], tenth)
        style.value_axis(left.yaxis, low, high)
        if len(values) <= POINTS:
            left.plot(
                series.time_s, values, ".", color=style.BLUE, markersize=_dot(len(values)), markeredgewidth=0
            )
        else:
            band = envelope(series.time_s, values, COLUMNS)
            left.fill_between(band.time_s, band.low, band.high, step="mid", color=style.SKY, linewidth=0)
            left.plot(band.time_s, band.middle, color=style.BLUE, linewidth=0.8)
        left.set_ylim(low, high)
        _time_axis(left, series)
        left.set_xlabel("time in s")
        left.set_ylabel("lateness in ms")
        style.value_axis(right.xaxis, low, high)
        x, share = exceedance_curve(values)
        lowest = 1 / len(values)
        right.set_yscale("log")
        style.share_axis(right.yaxis, lowest * 0.7)
        right.plot(
            np.r_[low, x],
            np.r_[1, share].clip(lowest * 0.5),
            drawstyle="steps-post",
            color=style.BLUE,
            linewidth=1.2,
        )
        right.set_xlim(low, high)
        right.set_ylim(lowest * 0.7, 1.3)
        right.set_xlabel("lateness in ms")
        right.set_ylabel("share that was later")
        for mark in marks:
            style.limit_line(left, mark.limit / 10, f"a tenth of {mark.short}", vertical=False)
            style.limit_line(right, mark.limit / 10, f"a tenth of {mark.short}", vertical=True)
        return style.svg(figure)


def stages(parts: Mapping[str, Distribution]) -> str:
    """Median and p99 of each stage as bars, with their values."""
    known = [(name, part) for name, part in parts.items() if part.p50 is not None and part.p99 is not None]
    with style.drawing(0.7 + 0.36 * len(known)) as figure:
        axes = figure.subplots()
        places = np.arange(len(known), dtype=float)
        rows: tuple[tuple[str, float, Floats, dict[str, object]], ...] = (
            ("p50", -0.19, np.array([part.p50 for _, part in known]), {"facecolor": style.BLUE}),
            (
                "p99",
                0.19,
                np.array([part.p99 for _, part in known]),
                {"facecolor": "white", "edgecolor": style.BLUE, "hatch": "/////", "linewidth": 0.6},
            ),
        )
        for label, offset, values, look in rows:
            axes.barh(places + offset, values, 0.34, label=label, **look)  # type: ignore[arg-type]
            for place, value in zip(places + offset, values, strict=True):
                note = number(value, min(4, decimals_for(value)))
                side = {"offset": (-2, 0), "ha": "right"} if value < 0 else {"offset": (2, 0)}
                style.remark(axes, value, place, note, va="center", **side)
        axes.set_yticks(places, [cut(words(name), 40) for name, _ in known])
        axes.invert_yaxis()
        axes.grid(False, axis="y")
        axes.margins(x=0.12)
        axes.xaxis.set_major_formatter(lambda value, _position: style.plain(value))
        axes.set_xlabel("ms")
        figure.legend(loc="outside upper right", ncols=2)
        return style.svg(figure)


def describe(series: Series, marks: Sequence[Mark]) -> str:
    """What the plots of latency show, in words, for readers who cannot see them."""
    values = series.intent_ms[~series.lost]
    if not len(values):
        return f"{plural(len(series), 'stimulus')}, none answered."
    over = "".join(
        f" {integer(int(mark.beyond(series.intent_ms).sum()))} {mark.side} the limit of "
        f"{style.plain(mark.limit)} ms."
        for mark in marks
    )
    return (
        f"{integer(len(series))} stimuli, {integer(int(series.lost.sum()))} lost; answered in "
        f"{number(float(values.min()))} to {number(float(values.max()))} ms, median "
        f"{number(float(np.median(values)))} ms.{over}"
    )
