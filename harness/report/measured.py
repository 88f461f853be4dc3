"""Tables of the results section: counts, distributions, outliers one by one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from harness.model import SampleFlag
from harness.report import text as t
from harness.report.blocks import Block, Column, paragraph, table
from harness.report.series import Series
from harness.results import Distribution, ScenarioResult
from harness.wording import quantile_name

LISTED = 15
"""Rows of the lists of outliers and of losses."""
_FLAGS = (
    (SampleFlag.DUPLICATED, "duplicated"),
    (SampleFlag.SUPERSEDED, "superseded"),
    (SampleFlag.OUT_OF_ORDER, "out of order"),
    (SampleFlag.CLOCK_STEP, "clock step"),
)


def counts(scenario: ScenarioResult) -> Block:
    """What became of every stimulus that was due, as numbers and as shares."""
    entries = [
        ("Due", scenario.scheduled, None),
        ("Skipped", scenario.skipped, scenario.scheduled),
        ("Unsent", scenario.unsent, scenario.scheduled),
        ("Sent", scenario.sent, scenario.scheduled),
        ("Answered", scenario.answered, scenario.sent),
        ("Lost", scenario.lost, scenario.sent),
        ("late", scenario.late, scenario.sent),
    ]
    # Of a signal every value is one of many: nothing is doubled, out of order or nobody's.
    entries += (
        [
            ("Duplicates", scenario.duplicates, None),
            ("Out of order", scenario.out_of_order, None),
            ("Superseded", scenario.superseded, None),
            ("Unmatched", scenario.unmatched, None),
            ("Rejected", scenario.rejected, None),
        ]
        if scenario.misses is None
        else [
            ("Misses", scenario.misses, scenario.sent),
            ("False onsets", scenario.false_onsets or 0, scenario.sent),
            ("No signal", scenario.no_signal or 0, scenario.sent),
            ("Open", scenario.open, scenario.sent),
        ]
    )
    shares = [f"{100 * count / whole:.2f}" if whole else "" for _, count, whole in entries]
    caption = (
        "Shares: skipped, unsent and sent of those due, answered, lost and late of those sent. Lost includes "
        "late (answered after the timeout)."
    )
    if scenario.misses is None:
        caption += (
            " Unmatched: observations that belong to no stimulus. Rejected: those that said no, which are no"
            " answers."
        )
    else:
        caption += (
            " Misses: lost ones without any departure of the signal. False onsets: it was not at rest before"
            " the stimulus; no signal: too few values to tell; open: the trial ended before its timeout."
            " These three count neither for nor against."
        )
    if scenario.achieved_rate_hz is not None:
        caption += f" Achieved rate: {t.with_unit(t.number(scenario.achieved_rate_hz), 'Hz')}."
    columns: list[Column] = [("Stimuli", "left", 1), *((name, "right") for name, _, _ in entries)]
    rows = [["number", *(t.integer(count) for _, count, _ in entries)], ["share in %", *shares]]
    return table(columns, rows, caption)


def distributions(scenario: ScenarioResult) -> list[Block]:
    """Summary of each quantity, and quantiles of latency with their confidence intervals."""
    named = [
        ("latency from intent", scenario.latency_from_intent_ms),
        ("latency from sent", scenario.latency_ms),
        ("lateness", scenario.lateness_ms),
        *(
            [("latency in simulated time", scenario.simulated_latency_ms)]
            if scenario.simulated_latency_ms is not None
            else []
        ),
        *(
            (f"stage: {t.stage_words(name, signal=scenario.misses is not None)}", part)
            for name, part in scenario.stages_ms.items()
        ),
    ]
    fields = ("mean", "sd", "min", "p50", "p90", "p99", "p99_9", "max")
    quantiles = {"p90": 0.9, "p99": 0.99, "p99_9": 0.999}
    rows = []
    for name, part in named:
        places = min(5, t.decimals_for(part.p50))
        figures = [t.quantile(part, getattr(part, name), quantiles.get(name, 0), places) for name in fields]
        rows.append([name, t.integer(part.n), *figures])
    columns: list[Column] = [("in ms", "left", 1), ("n", "right")]
    columns += [(field.replace("_", "."), "right") for field in fields]
    blocks = [
        table(
            columns,
            rows,
            "Summary of answered stimuli in ms; lost ones have no latency and are counted above."
            f"{largest_note(rows)}",
        )
    ]
    intervals = _intervals(scenario.latency_from_intent_ms, scenario.latency_ms)
    return [*blocks, intervals] if intervals else blocks


def largest_note(rows: Sequence[Sequence[Any]]) -> str:
    """What ``max`` in a column of a quantile says, where it stands there."""
    said = any(
        "max" in (entry, isinstance(entry, dict) and entry.get("text")) for row in rows for entry in row
    )
    return " max: of so few values that quantile is the largest of them." if said else ""


def clamped(scenario: ScenarioResult, series: Series) -> list[Block]:
    """Onsets that were set to the send, since a value before it and one after it are the two around them."""
    count = int((series.latency_ms[~series.lost] == 0).sum())
    if scenario.misses is None or not count:
        return []
    return [
        paragraph(
            f"{t.integer(count)} of {t.integer(len(series))} onsets have a latency from sent of 0: "
            "interpolated between two values of the signal they lay before the send, and were set to it. "
            "All that is known of them is that they came within the gap between these two values; it is part "
            "of U."
        )
    ]


def _intervals(intent: Distribution, sent: Distribution) -> Block | None:
    if not intent.intervals and not sent.intervals:
        return None
    of_sent = {interval.quantile: interval for interval in sent.intervals}
    of_intent = {interval.quantile: interval for interval in intent.intervals}
    rows = []
    for quantile in sorted(of_sent.keys() | of_intent.keys()):
        row = [quantile_name(quantile)]
        for part, interval in ((intent, of_intent.get(quantile)), (sent, of_sent.get(quantile))):
            if interval is None:
                row += [t.MISSING] * 3
                continue
            places = min(5, t.decimals_for(interval.estimate))
            row.append(t.quantile(part, interval.estimate, quantile, places))
            row += [t.number(value, places) for value in (interval.lower, interval.upper)]
        rows.append(row)
    first = (intent.intervals or sent.intervals)[0]
    titles = ["from intent", "lower", "upper", "from sent", "lower", "upper"]
    return table(
        [("Quantile", "left", 1), *((title, "right", 1) for title in titles)],
        rows,
        f"Quantiles of latency in ms with exact order-statistic intervals, {t.percent(first.confidence)} "
        "confidence; they are two-sided, and so wider than the one-sided bounds of the verdict at the same "
        "confidence. "
        f"–: too few samples for that bound.{largest_note(rows)}",
    )


def outliers(series: Series) -> list[Block]:
    """The largest latencies and the first losses, one by one. Listed, never dropped."""
    blocks: list[Block] = []
    answered = np.flatnonzero(~series.lost)
    if len(answered):
        largest = answered[np.argsort(-series.intent_ms[answered], kind="stable")][:LISTED]
        rows = [
            [
                str(rank),
                str(series.key[row]),
                t.number(float(series.time_s[row]), 3),
                t.number(float(series.intent_ms[row]), 3),
                t.number(float(series.latency_ms[row]), 3),
                t.number(float(series.lateness_ms[row]), 3),
                ", ".join(name for flag, name in _FLAGS if series.flags[row] & flag),
            ]
            for rank, row in enumerate(largest, 1)
        ]
        blocks.append(
            table(
                [
                    ("Rank", "right"),
                    ("Key", "right"),
                    ("Time in s", "right"),
                    ("From intent in ms", "right"),
                    ("From sent in ms", "right"),
                    ("Lateness in ms", "right"),
                    ("Remarks", "left", 1),
                ],
                rows,
                f"The {len(rows)} largest latencies of {t.integer(len(answered))}. All samples count; none "
                "was dropped.",
            )
        )
    gone = np.flatnonzero(series.lost)
    if len(gone):
        rows = [
            [
                str(series.key[row]),
                t.number(float(series.time_s[row]), 3),
                t.number(float(series.lateness_ms[row]), 3),
                "no answer"
                if np.isnan(series.late_ms[row])
                else f"answered late, after {t.with_unit(t.number(float(series.late_ms[row]), 3), 'ms')}",
            ]
            for row in gone[:LISTED]
        ]
        shown = "all" if len(gone) <= LISTED else f"the first {LISTED} of {t.integer(len(gone))}"
        blocks.append(
            table(
                [
                    ("Key", "right"),
                    ("Time in s", "right"),
                    ("Lateness in ms", "right"),
                    ("What came", "left", 1),
                ],
                rows,
                f"Lost stimuli ({shown}). Each counts as over every limit.",
            )
        )
    return blocks
