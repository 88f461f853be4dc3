"""The history of a rig as a picture: each requirement over time, with its limit, versions and commits."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.history.marks import Marked
from harness.history.past import PastRequirement
from harness.model import Verdict
from harness.report.picture import check_kind, save
from harness.wording import amount, measured_name, sign

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_LABELS = 16
"""Of more commits than this the ticks are drawn without their names."""
PANEL_IN = 2.1
LEGEND = (
    "bar: confidence bounds; dash-dotted: limit; ▲ another commit; dashed: another version or setting\n"
    "grey: not comparable with what was before"
)


def write_plot(shown: Sequence[Marked], chosen: Sequence[str], out: Path) -> None:
    """Draw the ``chosen`` requirements of the runs of one rig to ``out``, an SVG, PNG or PDF by its name.

    Raises ConfigurationError for another kind of file, RecordingError when it cannot be written.
    """
    check_kind(out)
    from harness.report import style

    with style.drawing(0.75 + PANEL_IN * len(chosen)) as drawing:
        draw(drawing, shown, chosen)
        save(drawing, out)


def draw(drawing: Figure, shown: Sequence[Marked], chosen: Sequence[str]) -> None:
    """One panel a requirement, one below the other on the same time axis."""
    newest = shown[-1].run
    panels = drawing.subplots(len(chosen), 1, sharex=True, squeeze=False)[:, 0]
    first, last = _at(shown[0]), _at(shown[-1])
    margin = max((last - first) * 0.03, 1 / (24 * 60))
    for number, (axes, name) in enumerate(zip(panels, chosen, strict=True)):
        _panel(axes, shown, name)
        _marks(axes, shown, labels=number == 0)
        axes.set_xlim(first - margin, last + margin)
    item = "simulated" if newest.simulated else "real"
    drawing.suptitle(f"{newest.rig} ({item}): {len(shown)} runs", fontsize=9, x=0.01, ha="left")
    panels[-1].set_xlabel(f"started (UTC)\n{LEGEND}")
    _dates(panels[-1])


def _at(each: Marked) -> float:
    """Matplotlib's number of an instant: days since 1970."""
    return each.run.started.timestamp() / 86400


def _panel(axes: Axes, shown: Sequence[Marked], name: str) -> None:
    from harness.report import style

    looks = {
        Verdict.PASS: ("o", style.GREEN),
        Verdict.FAIL: ("X", style.VERMILLION),
        Verdict.INCONCLUSIVE: ("D", style.ORANGE),
        Verdict.ERROR: ("s", style.INK),
    }
    points = [(each, each.run.requirements[name]) for each in shown if name in each.run.requirements]
    asked = points[-1][1]
    measured = [(each, one) for each, one in points if one.estimate is not None]
    # A line joins what may be compared, and no more.
    part = 0
    lines: list[tuple[int, float, float]] = []
    for each, one in points:
        part += bool(each.breaks)
        if one.estimate is not None:
            lines.append((part, _at(each), one.estimate))
    for _, members in groupby(lines, key=lambda entry: entry[0]):
        stretch = list(members)
        axes.plot(
            [entry[1] for entry in stretch], [entry[2] for entry in stretch],
            color=style.GREY, linewidth=0.7, zorder=2,
        )  # fmt: skip
    for each, one in measured:
        assert one.estimate is not None
        low = one.estimate if one.lower_bound is None else min(one.lower_bound, one.estimate)
        high = one.estimate if one.upper_bound is None else max(one.upper_bound, one.estimate)
        axes.plot([_at(each)] * 2, [low, high], color=style.SKY, linewidth=2.2, zorder=1)
    for verdict, (marker, colour) in looks.items():
        chosen = [(_at(each), one.estimate) for each, one in measured if one.verdict is verdict]
        if chosen:
            axes.plot(
                [entry[0] for entry in chosen], [entry[1] or 0.0 for entry in chosen],
                marker, color=colour, markersize=4, label=verdict.value, zorder=4,
            )  # fmt: skip
    values = [value for _, one in measured for value in (one.estimate, one.lower_bound, one.upper_bound)]
    _limits(axes, points)
    low, high = style.span([value for value in values if value is not None], [asked.limit])
    if style.value_axis(axes.yaxis, low, high):
        axes.set_ylim(low, high)
    else:
        axes.set_ylim(min(0.0, low), high)
    unit = "" if asked.unit == "1" else f" in {asked.unit}"
    axes.set_ylabel(f"{measured_name(asked)}{unit}")
    without = len(points) - len(measured)
    title = f"{name}: {measured_name(asked)} {sign(asked)} {amount(asked.limit, asked.unit)}"
    axes.set_title(title + (f"; {without} without a value" if without else ""), loc="left", pad=4)
    if measured:
        axes.legend(loc="upper left", ncols=4, handletextpad=0.2, columnspacing=1.0, bbox_to_anchor=(0, 1.0))


def _limits(axes: Axes, points: Sequence[tuple[Marked, PastRequirement]]) -> None:
    """The limit in force at each run, as steps, so that one that was changed is seen."""
    from harness.report import style

    times = [_at(each) for each, _ in points]
    limits = [one.limit for _, one in points]
    line: dict[str, Any] = {"color": style.VERMILLION, "linewidth": 1.0, "linestyle": (0, (6, 2, 1, 2))}
    if len(set(limits)) == 1:
        axes.axhline(limits[0], zorder=3, **line)
    else:
        axes.step(times, limits, where="post", zorder=3, **line)


def _marks(axes: Axes, shown: Sequence[Marked], *, labels: bool) -> None:
    """Ticks where the commit is another, lines where a version or setting is, grey bands where comparing
    ends."""
    from harness.report import style
    from harness.report.text import cut

    across = axes.get_xaxis_transform()
    look: dict[str, Any] = {"xycoords": across, "rotation": 90, "color": style.BLUE}
    named = labels and sum(each.new_commit for each in shown) <= MOST_LABELS
    told = labels and sum(bool(each.changes) for each in shown) <= MOST_LABELS
    for each in shown:
        at = _at(each)
        if each.breaks:
            axes.axvline(at, color=style.PALE, linewidth=5, zorder=0)
        elif each.changes:
            axes.axvline(at, color=style.BLUE, linewidth=0.6, linestyle="--", zorder=1)
            if told:
                words = cut(", ".join(each.changes), 26)
                # Behind the points, and without the halo that would hide them.
                axes.annotate(
                    words, (at, 0.0), (-2, 5), textcoords="offset points", fontsize=6.5, ha="right",
                    va="bottom", zorder=1, **look,
                ).set_in_layout(False)  # fmt: skip
        if each.new_commit:
            axes.plot([at], [0.0], "^", color=style.BLUE, markersize=3.5, transform=across, clip_on=False)
            if named:
                words = each.run.commit_words
                style.remark(axes, at, 0.0, words, offset=(2, 5), ha="left", va="bottom", **look)


def _dates(axes: Axes) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(minticks=3, maxticks=9)  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
