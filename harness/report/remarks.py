"""What to know beside the verdict: runs before this one, a trend, what kind of bounds these are."""

from __future__ import annotations

from harness.report import text as t
from harness.report.blocks import Block, heading, table
from harness.results import Results
from harness.wording import counted_at, with_uncertainty

_MOST_LISTED = 20
"""As many earlier runs as a run records; there may be more."""

UNCERTAIN = (
    "± U: the uncertainty of the measurement (k = 2); figures in the tables of section Results have more "
    "digits than it leaves."
)


def remarks(results: Results) -> list[str]:
    """For the first page; none of them changes the verdict."""
    lines = [
        f"{name}: {scenario.trend.words}. The verdict speaks of the whole run as one."
        for name, scenario in results.scenarios.items()
        if scenario.trend is not None and scenario.trend.tested and not scenario.trend.ok
    ]
    return [*lines, *filter(None, [_earlier_words(results)])]


def _earlier_words(results: Results) -> str:
    count = len(results.earlier_runs)
    if not count:
        return ""
    same = sum(each.get("same_rig_file") == "yes" for each in results.earlier_runs)
    number = f"Run {count + 1}" if count < _MOST_LISTED else f"At least run {count + 1}"
    return (
        f"{number} of this rig here (earlier ones with the same rig file: {same}). Each run is judged alone; "
        "choosing the best of several would not be a valid test."
    )


def bounds_note(results: Results) -> str:
    """Why the bounds of the first page are closer than the intervals of the tables; what K counts."""
    notes = []
    if any(r.lower_bound is not None or r.upper_bound is not None for r in results.requirements):
        notes.append(
            "Bounds here are one-sided and rounded outward; intervals in the tables are two-sided, hence "
            "wider."
        )
    if any("PASS" in counted_at(r) for r in results.requirements):
        notes.append("K is counted at the PASS threshold.")
    if any(with_uncertainty(r) for r in results.requirements):
        notes.append(UNCERTAIN)
    return " ".join(notes)


def earlier_section(results: Results) -> list[Block]:
    """Every earlier run that was found beside this one, with its verdict."""
    if not results.earlier_runs:
        return []
    same = {"yes": "same", "no": "another"}
    rows = [
        [
            each.get("run_id", ""),
            t.instant(each.get("started")),
            same.get(each.get("same_rig_file", ""), "unknown"),
            each.get("verdict", "") or t.MISSING,
        ]
        for each in results.earlier_runs
    ]
    more = " There may be older ones." if len(rows) >= _MOST_LISTED else ""
    return [
        heading("Earlier runs of this rig in the same folder", 2),
        table(
            [("Run", "left"), ("Started", "left"), ("Rig file", "left"), ("Verdict", "left", 1)],
            rows,
            f"{_earlier_words(results)} The newest first; as they stood when this run started.{more} "
            "A run of the same rig kept elsewhere is not known here.",
        ),
    ]
