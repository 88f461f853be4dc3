"""Anomalies in the report: what is shaded in the plot over time, and the table with the host's events."""

from __future__ import annotations

from collections.abc import Iterator

from harness.report import text as t
from harness.report.blocks import Block, paragraph, table
from harness.results import AnomalyFinding, AnomalyResult

SHOWN = 20
"""Anomalies with a letter and a row; all are in results.json."""


def letter(place: int) -> str:
    """A, B, ... of the anomaly at that place, from 0."""
    return chr(ord("A") + place)


def _shown(found: AnomalyResult) -> list[AnomalyFinding]:
    """The surest ones, in order of time."""
    surest = sorted(found.findings, key=lambda one: -one.confidence)[:SHOWN]
    return [one for one in found.findings if one in surest]


def stretches(found: AnomalyResult | None) -> list[tuple[str, float, float]]:
    """Letter, begin and end in seconds, for the plot over time."""
    if found is None:
        return []
    return [(letter(place), one.begin_s, one.end_s) for place, one in enumerate(_shown(found))]


def unusual(found: AnomalyResult | None) -> Iterator[Block]:
    """What was found, or that nothing was, or why it was not looked for."""
    if found is None:
        return
    if not found.findings:
        looked = "" if found.tested else "not looked for: "
        yield paragraph(f"Anomalies: {looked}{found.words}.", "plain" if found.tested else "muted")
        return
    rows = []
    for place, one in enumerate(_shown(found)):
        kind, _, rest = one.words.partition(":")
        host = "; ".join(one.host) or "nothing stood out"
        rows.append([letter(place), f"{kind}:{rest}", host, _sure(one.confidence)])
    left = len(found.findings) - len(rows)
    yield table(
        [
            ("", "left"),
            ("Anomaly", "left", 1.3),
            ("Harness and host then", "left", 1),
            ("Confidence", "right"),
        ],
        rows,
        "Anomalies of the latency from intent: information, never part of the verdict. Times in s after the "
        f"first counted stimulus; usual is what the first {t.integer(found.learned_from)} samples were. Of "
        f"clean runs at most {t.percent(found.false_alarm)} show any."
        + (f" {t.integer(left)} less sure ones are in results.json alone." if left else ""),
    )


def _sure(confidence: float) -> str:
    return "> 99.99 %" if confidence > 0.9999 else t.percent(confidence, 4)
