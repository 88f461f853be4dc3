"""The runs of a rig one after the other: what each showed of a requirement, against its limit."""

from __future__ import annotations

import io
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from harness.telemetry.bench.past import Ended, Requirement
from harness.telemetry.budget.words import figure as figures
from harness.telemetry.page.chart import LIMIT, lock

WIDTH, HEIGHT = 900, 200
"""Of the picture, in the units in which :meth:`Trend.places` answers."""
LEFT, RIGHT, BOTTOM, TOP = 0.075, 0.985, 0.17, 0.87
MOST = 60
"""Runs that are drawn; the newest."""
COLOURS = {
    "PASS": ("#117733", "o"),
    "FAIL": (LIMIT, "s"),
    "INCONCLUSIVE": ("#996600", "^"),
    "ERROR": ("#882255", "X"),
}
"""Colour and mark of each verdict."""


@dataclass(frozen=True)
class Point:
    """What one run showed; ``estimate``, ``bound`` and ``limit`` in the unit that is drawn, None where there
    is none. ``unanswered``: there is no value because no answer came, which is worse than any."""

    run: str
    verdict: str
    limit: float
    estimate: float | None
    bound: float | None
    unanswered: bool = False


@dataclass(frozen=True)
class Trend:
    """One requirement of one rig over its runs, oldest first."""

    scenario: str
    requirement: str
    what: str
    unit: str
    limit_is: str
    points: tuple[Point, ...]

    @property
    def version(self) -> str:
        """Another one whenever the picture is another one."""
        return f"{self.points[-1].run}-{len(self.points)}"

    @property
    def logarithmic(self) -> bool:
        """Whether values lie too far apart for a scale that begins at zero."""
        values = self._values()
        return min(values) > 0 and min(values) * 25 < max(values)

    def _values(self) -> list[float]:
        return [
            value
            for each in self.points
            for value in (each.limit, each.estimate, each.bound)
            if value is not None
        ]

    @property
    def range(self) -> tuple[float, float]:
        """Lower and upper end of the vertical axis."""
        values = self._values()
        if self.logarithmic:
            return min(values) / 1.6, max(values) * 1.8
        low, high = min(0.0, *values), max(values)
        return low * 1.15, high * 1.25 if high > 0 else 1.0

    def height(self, point: Point) -> float:
        """Where the mark of a run is; one without a value stands on the lower edge, one without an answer on
        the upper."""
        if point.estimate is not None:
            return point.estimate
        return self.range[1 if point.unanswered else 0]

    def places(self) -> list[tuple[float, float]]:
        """Centres of the marks in the picture, from its upper left corner."""
        from math import log

        low, high = self.range
        count = len(self.points)
        found = []
        for index, point in enumerate(self.points):
            value = self.height(point)
            share = log(value / low) / log(high / low) if self.logarithmic else (value - low) / (high - low)
            across = LEFT + (RIGHT - LEFT) * (index + 0.5) / count
            found.append((WIDTH * across, HEIGHT * (1 - BOTTOM - (TOP - BOTTOM) * share)))
        return found


def trends(ended: Iterable[Ended]) -> list[Trend]:
    """Of the newest 60 runs, a trend of each requirement, in the order in which the newest run has them.
    Values of time are in milliseconds. A requirement whose unit has changed begins anew."""
    runs = sorted(ended, key=lambda each: each.run)[-MOST:]
    found: dict[tuple[str, str, str], list[tuple[str, Requirement]]] = {}
    for run in reversed(runs):
        for asked in run.requirements:
            found.setdefault((asked.scenario, asked.id, asked.unit), []).append((run.run, asked))
    made = []
    for (scenario, name, unit), entries in found.items():
        newest = entries[0][1]
        factor = 1e3 if unit == "s" else 1.0
        points = tuple(_point(run, asked, factor) for run, asked in reversed(entries))
        shown = "ms" if unit == "s" else unit
        made.append(Trend(scenario, name, newest.what, shown, newest.limit_is, points))
    return made


def _point(run: str, asked: Requirement, factor: float) -> Point:
    estimate, bound = (None if each is None else each * factor for each in (asked.estimate, asked.bound))
    return Point(run, asked.verdict, asked.limit * factor, estimate, bound, asked.unanswered)


def picture(trend: Trend) -> bytes:
    """An SVG: a mark for each run in the colour of its verdict, a line from it to what was shown, and the
    limit that held for it."""
    unit = "" if trend.unit == "1" else f" {trend.unit}"
    at = range(len(trend.points))
    with lock:
        whole = Figure(figsize=(WIDTH / 100, HEIGHT / 100), dpi=100)
        panel = whole.add_axes((LEFT, BOTTOM, RIGHT - LEFT, TOP - BOTTOM))
        if trend.logarithmic:
            panel.set_yscale("log")
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_minor_locator(NullLocator())
        panel.set_ylim(trend.range)
        panel.set_xlim(-0.5, len(trend.points) - 0.5)
        panel.yaxis.set_major_formatter("{x:g}")
        panel.tick_params(labelsize=8)
        panel.set_ylabel(unit.strip() or "1", fontsize=8)
        panel.grid(axis="y", color="#e4e4e4", linewidth=0.6)
        for side in ("top", "right"):
            panel.spines[side].set_visible(False)
        panel.set_xticks(list(at), _days(trend), fontsize=8)
        drawn = [each.estimate for each in trend.points]
        for before, after in pairwise(at):
            first, second = drawn[before], drawn[after]
            if first is not None and second is not None:
                panel.plot([before, after], [first, second], color="#bbbbbb", linewidth=0.8, zorder=1)
        for index, point in zip(at, trend.points, strict=True):
            panel.hlines(point.limit, index - 0.5, index + 0.5, color=LIMIT, linestyle="--", linewidth=1.2)
            colour, mark = COLOURS.get(point.verdict, ("#555555", "d"))
            if point.estimate is not None and point.bound is not None:
                panel.vlines(index, point.estimate, point.bound, color=colour, linewidth=1.2, zorder=2)
            panel.plot(
                [index], [trend.height(point)], mark, color=colour, markersize=6, clip_on=False, zorder=3
            )
        newest = trend.points[-1]
        sign = "≤" if trend.limit_is == "upper" else "≥"
        panel.annotate(
            f"limit {sign} {figures(newest.limit)}{unit}", (1, newest.limit),
            xycoords=("axes fraction", "data"), xytext=(0, 2), textcoords="offset points",
            ha="right", va="bottom", fontsize=8, color=LIMIT,
        )  # fmt: skip
        for verdict in dict.fromkeys(each.verdict for each in trend.points):
            colour, mark = COLOURS.get(verdict, ("#555555", "d"))
            panel.plot([], [], mark, color=colour, markersize=5, label=verdict)
        panel.legend(
            loc="lower left", bbox_to_anchor=(0, 1.0), ncols=4, fontsize=8, frameon=False, borderpad=0.1,
            handletextpad=0.1, columnspacing=1.0,
        )  # fmt: skip
        out = io.BytesIO()
        whole.savefig(out, format="svg", metadata={"Date": None})
    return out.getvalue()


def _days(trend: Trend) -> list[str]:
    """When each run began, as its name says it: at most eight of them, so that none runs into the next."""
    step = -(-len(trend.points) // 8)
    said = []
    for index, point in enumerate(reversed(trend.points)):
        moment = point.run[:16].replace("T", " ")
        said.append(moment[5:13] + ":" + moment[14:16] if index % step == 0 else "")
    return said[::-1]
