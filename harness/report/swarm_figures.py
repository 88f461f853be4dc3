"""The pictures of a swarm: timelines of single trials, and the phases of all of them. Milliseconds."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.patches import Patch

from harness.report import style
from harness.report.text import cut
from harness.results import SwarmChange, SwarmResult, SwarmTimeline, SwarmTrial

LEADERS = (style.SKY, style.ORANGE, style.GREEN, "#CC79A7", style.BLUE, "#F0E442", style.VERMILLION)
"""Of those whom somebody follows, in the order in which they appear."""
HATCHES = ("", "///", "...", "xxx", "\\\\\\", "---", "+++")
"""So that a grey printer tells them apart as well."""
PHASES = {
    "detection_ms": ("detection", style.BLUE, ""),
    "election_ms": ("election", style.ORANGE, "///"),
    "agreement_ms": ("agreement", style.GREEN, "..."),
    "re_forming_ms": ("re-forming", "#CC79A7", "xxx"),
}
BARS = 150
"""Trials that are drawn one by one; of more, the slowest."""
LABEL_SHARE = 0.09
"""Least share of the axis that a bar needs to have its words inside."""


def timeline(shown: SwarmTimeline, trial: SwarmTrial, limit_ms: float | None) -> str:
    """What every robot said around the fault of one trial: whom it followed, when that changed."""
    robots = list(shown.robots)
    colours = _colours(shown)
    with style.drawing(0.85 + 0.22 * len(robots)) as figure:
        axes = figure.subplots()
        axes.grid(visible=False)
        for row, robot in enumerate(robots):
            lost = [fault.at_ms for fault in trial.faults if fault.robot == robot]
            _row(axes, row, shown, shown.robots[robot], colours, lost[0] if lost else None)
        axes.set_yticks(range(len(robots)), [cut(robot, 16) for robot in robots])
        axes.set_ylim(len(robots) - 0.4, -1.7)
        axes.set_xlim(shown.begin_ms, shown.end_ms)
        axes.set_xlabel("ms after the fault")
        for fault in trial.faults:
            axes.axvline(fault.at_ms, color=style.VERMILLION, linewidth=1.2, zorder=4)
        if limit_ms is not None and limit_ms < shown.end_ms:
            axes.axvline(
                limit_ms, color=style.VERMILLION, linewidth=0.9, linestyle=(0, (6, 2, 1, 2)), zorder=4
            )
        _marks(axes, trial, shown, limit_ms)
        handles = [
            Patch(
                facecolor=colour,
                hatch=hatch,
                edgecolor=style.INK,
                linewidth=0.3,
                label=f"follows {cut(name, 16)}",
            )
            for name, (colour, hatch) in colours.items()
        ]
        handles.append(Patch(facecolor="white", edgecolor=style.GREY, linewidth=0.4, label="follows nobody"))
        handles.append(Patch(facecolor=style.PALE, edgecolor="none", label="broken"))
        figure.legend(handles=handles, loc="outside lower center", ncols=min(5, len(handles)))
        return style.svg(figure)


def _colours(shown: SwarmTimeline) -> dict[str, tuple[str, str]]:
    names = dict.fromkeys(
        change.follows
        for _, change in sorted(
            ((change.at_ms, change) for told in shown.robots.values() for change in told),
            key=lambda pair: pair[0],
        )
        if change.follows is not None
    )
    return {
        name: (LEADERS[place % len(LEADERS)], HATCHES[place % len(HATCHES)])
        for place, name in enumerate(names)
    }


def _row(
    axes: Axes,
    row: int,
    shown: SwarmTimeline,
    told: Sequence[SwarmChange],
    colours: dict[str, tuple[str, str]],
    lost_ms: float | None,
) -> None:
    """One robot: a bar for each leader that it followed, a notch where its role changed."""
    if lost_ms is not None:
        axes.barh(row, shown.end_ms - lost_ms, left=lost_ms, height=0.62, color=style.PALE, zorder=2)
    known = [each for each in told if lost_ms is None or each.at_ms < lost_ms or each.at_ms > lost_ms + 1.0]
    for place, each in enumerate(known):
        end = known[place + 1].at_ms if place + 1 < len(known) else shown.end_ms
        if lost_ms is not None and each.at_ms < lost_ms:
            end = min(end, lost_ms)
        colour, hatch = colours.get(each.follows or "", ("white", ""))
        edge = style.GREY if each.follows is None else style.INK
        axes.barh(
            row,
            end - each.at_ms,
            left=each.at_ms,
            height=0.62,
            color=colour,
            hatch=hatch,
            edgecolor=edge,
            linewidth=0.3,
            zorder=3,
        )
        before = known[place - 1] if place else None
        if before is not None and before.slot != each.slot:
            axes.plot([each.at_ms] * 2, [row - 0.42, row + 0.42], color=style.INK, linewidth=0.9, zorder=5)
        if (end - each.at_ms) / (shown.end_ms - shown.begin_ms) > LABEL_SHARE:
            role = "no role" if each.slot is None else f"role {each.slot}"
            style.remark(
                axes, (each.at_ms + end) / 2, row, f"term {each.term}, {role}", ha="center", va="center"
            )


def _marks(axes: Axes, trial: SwarmTrial, shown: SwarmTimeline, limit_ms: float | None) -> None:
    """The instants of the trial above its rows; those that fall together share their words."""
    marks = [(fault.at_ms, f"{cut(fault.robot, 12)} {fault.kind}") for fault in trial.faults]
    marks += [
        (at_ms, words)
        for at_ms, words in (
            (trial.noticed_ms, "noticed"),
            (trial.stood_ms, "stands"),
            (trial.first_follows_ms, "elected"),
            (trial.last_follows_ms, "all follow"),
            (trial.total_ms, "all hold roles"),
        )
        if at_ms is not None
    ]
    if limit_ms is not None and limit_ms < shown.end_ms:
        marks.append((limit_ms, "limit"))
    width = shown.end_ms - shown.begin_ms
    groups: list[tuple[float, list[str]]] = []
    for at_ms, name in sorted(marks):
        if shown.begin_ms <= at_ms <= shown.end_ms:
            axes.axvline(at_ms, color=style.INK, linewidth=0.4, linestyle=":", zorder=4)
            if groups and at_ms - groups[-1][0] < 0.02 * width:
                groups[-1][1].append(name)
            else:
                groups.append((at_ms, [name]))
    for place, (at_ms, words) in enumerate(groups):
        height = -0.62 - 0.42 * (place % 3)
        right = at_ms > shown.begin_ms + 0.8 * width
        style.remark(
            axes, at_ms, height, ", ".join(words), ha="right" if right else "left", va="center", offset=(1, 0)
        )


def phases(swarm: SwarmResult, limit_ms: float | None) -> str:
    """Every trial that reorganised as a stack of its phases, in order of time."""
    trials = [each for each in swarm.trials if each.total_ms is not None and not each.warm_up]
    if len(trials) > BARS:
        slow = sorted(trials, key=lambda each: -(each.total_ms or 0.0))[:BARS]
        trials = [each for each in trials if each in slow]
    with style.drawing(2.0) as figure:
        axes = figure.subplots()
        axes.grid(visible=False, axis="x")
        left = [0.0] * len(trials)
        for name, (label, colour, hatch) in PHASES.items():
            parts = [getattr(each, name) or 0.0 for each in trials]
            axes.bar(
                range(len(trials)),
                parts,
                bottom=left,
                width=0.9,
                color=colour,
                hatch=hatch,
                edgecolor="white",
                linewidth=0.2,
                label=label,
            )
            left = [before + part for before, part in zip(left, parts, strict=True)]
        bad = [place for place, each in enumerate(trials) if each.violations]
        if bad:
            axes.plot(bad, [left[place] for place in bad], "x", color=style.VERMILLION, label="violation")
        if limit_ms is not None:
            style.limit_line(axes, limit_ms, f"{style.plain(limit_ms)} ms", vertical=False)
        axes.set_xlim(-0.7, len(trials) - 0.3)
        axes.set_xlabel("trial, in order of time")
        axes.set_ylabel("ms after the fault")
        figure.legend(loc="outside upper right", ncols=5)
        return style.svg(figure)
