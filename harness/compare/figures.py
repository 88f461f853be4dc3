"""The pictures of a comparison as SVG: both distributions, the shift of every quantile, both signals."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from harness.compare.comparison import Curve, Scenario
from harness.compare.sides import Interval, Shift
from harness.compare.traces import Trace, Traces
from harness.report import style
from harness.report.text import percent
from harness.wording import quantile_name

MOST_CURVES = 40
"""Runs of a side that are drawn one by one."""
A_LOOK: dict[str, Any] = {"color": style.GREY, "linewidth": 1.3, "dashes": (3, 1.5)}
B_LOOK: dict[str, Any] = {"color": style.BLUE, "linewidth": 1.3}


def distributions(scenario: Scenario, names: tuple[str, str]) -> str:
    """The complementary distribution functions of both sides, every run a line, with a logarithmic tail."""
    sides = [side[:MOST_CURVES] for side in scenario.curves]
    finite = [curve.x[[0, -1]] for side in sides for curve in side if len(curve.x)]
    low, high = style.span(*finite) if finite else (0.0, 1.0)
    smallest = [float(share[share > 0].min()) for share in _shares(sides) if (share > 0).any()]
    lowest = min([*smallest, 1 - 1 / (1 + 1 / max(scenario.n))])
    with style.drawing(2.9) as figure:
        axes = figure.subplots()
        style.value_axis(axes.xaxis, low, high)
        axes.set_yscale("log")
        style.share_axis(axes.yaxis, lowest * 0.7)
        for side, name, look in zip(sides, names, (A_LOOK, B_LOOK), strict=True):
            thin = {"linewidth": 0.6, "alpha": 0.7} if len(side) > 1 else {}
            for number, curve in enumerate(side):
                _curve(axes, curve, (low, high), lowest, name if number == 0 else "", look | thin)
        for lost, name in zip(scenario.lost, ("A", "B"), strict=True):
            if lost:
                note = f"{name}: {percent(lost, 3)} lost"
                style.remark(axes, high, lost, note, offset=(-2, 3), ha="right", va="bottom")
        axes.set_xlim(low, high)
        axes.set_ylim(lowest * 0.7, 1.3)
        axes.set_xlabel("latency from intent in ms")
        axes.set_ylabel("share of stimuli that took longer")
        figure.legend(loc="outside upper right", ncols=2)
        return style.svg(figure)


def _shares(sides: Sequence[Sequence[Curve]]) -> list[np.ndarray[Any, Any]]:
    return [curve.share for side in sides for curve in side]


def _curve(
    axes: Axes, curve: Curve, span: tuple[float, float], lowest: float, label: str, look: dict[str, Any]
) -> None:
    gone = float(curve.share[-1]) if len(curve.share) else 1.0
    end = (span[1], gone) if gone else (float(curve.x[-1]), lowest * 0.5)
    steps = np.r_[1.0, curve.share, end[1]].clip(lowest * 0.5)
    axes.plot(
        np.r_[span[0], curve.x, end[0]], steps, drawstyle="steps-post", label=label or "_nolegend_", **look
    )


def shifts(plotted: Sequence[Shift]) -> str:
    """How far every quantile of B is from that of A: in ms, and as a share of A; intervals as bars."""
    with style.drawing(2.5) as figure:
        left, right = figure.subplots(1, 2)
        names = [quantile_name(each.quantile) for each in plotted]
        _shift(left, [each.difference for each in plotted], names, 1.0)
        left.set_ylabel("B − A in ms")
        _shift(right, [each.relative for each in plotted], names, 100.0)
        right.set_ylabel("(B − A) / A in %")
        return style.svg(figure)


def _shift(axes: Axes, intervals: Sequence[Interval], names: Sequence[str], factor: float) -> None:
    axes.axhline(0, color=style.INK, linewidth=0.8, linestyle="--")
    known = [one for one in intervals if np.isfinite(one.estimate)]
    ends = [each * factor for one in known for each in (one.estimate, one.low, one.high)]
    low, high = style.span(_symmetric(ends), [0.0])
    for place, one in enumerate(intervals):
        if np.isnan(one.estimate):
            style.remark(axes, place, 0, "?", ha="center", va="center", color=style.GREY)
            continue
        colour = style.VERMILLION if one.low > 0 else style.GREEN if one.high < 0 else style.GREY
        bar = np.clip([one.low * factor, one.high * factor], low, high)
        axes.plot([place, place], bar, color=colour, linewidth=1.6)
        if np.isfinite(one.estimate):
            axes.plot(place, one.estimate * factor, _shape(one), color=colour, markersize=4.5, zorder=4)
        else:
            edge, up = (high, "top") if one.estimate > 0 else (low, "bottom")
            look = {"ha": "center", "va": up, "rotation": 90, "color": colour}
            style.remark(axes, place, edge, "lost", offset=(0, -4 if up == "top" else 4), **look)
        # A bar without an end goes on beyond the plot.
        for end, edge, shape in ((one.low, low, "v"), (one.high, high, "^")):
            if not np.isfinite(end):
                axes.plot(place, edge, shape, color=colour, markersize=4, clip_on=False)
    axes.set_ylim(low, high)
    axes.set_xticks(range(len(names)), names, rotation=90)
    axes.grid(False, axis="x")
    axes.yaxis.set_major_formatter(lambda value, _position: style.plain(round(value, 9)))


def _shape(one: Interval) -> str:
    return "^" if one.low > 0 else "v" if one.high < 0 else "o"


def _symmetric(ends: Sequence[float]) -> list[float]:
    """Both signs of the largest: an axis through 0 must not be taken for a logarithmic one."""
    known = [abs(each) for each in ends if np.isfinite(each)]
    return [min([each for each in ends if np.isfinite(each)], default=-1.0), max(known, default=1.0), 0.0]


def signals(found: Traces) -> str:
    """Both mean signals after a stimulus, with the tenth to ninth decile of their trials."""
    with style.drawing(2.3) as figure:
        axes = figure.subplots()
        sides: tuple[tuple[str, Trace, dict[str, Any]], ...] = (
            ("real", found.real, A_LOOK),
            ("simulated", found.simulated, B_LOOK),
        )
        for name, trace, look in sides:
            axes.fill_between(
                found.time_ms, trace.low, trace.high, color=look["color"], alpha=0.2, linewidth=0
            )
            axes.plot(found.time_ms, trace.mean, label=f"{name}, mean of {trace.trials}", **look)
        axes.set_xlabel("time since the stimulus was sent in ms")
        axes.set_ylabel(f"change of {found.port}")
        axes.xaxis.set_major_formatter(lambda value, _position: style.plain(round(value, 9)))
        axes.yaxis.set_major_formatter(lambda value, _position: style.plain(round(value, 9)))
        figure.legend(loc="outside upper right", ncols=2)
        return style.svg(figure)
