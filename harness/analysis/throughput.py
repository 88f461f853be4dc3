"""The steps of a search for what a robot sustains: each judged by itself, and what they say together.

The search looks at every step before it chooses the next one, so that it is exploration: no verdict rests on
it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from harness.analysis.samples import has, latency_ms, lateness_ms
from harness.analysis.statistics import finite, order_quantile, ordered
from harness.config.searching import Search
from harness.model import NO_STAMP, SampleFlag, StimulusFlag
from harness.results import SearchResult, SearchStep

LATENESS_SHARE = 0.1
"""Of ``within_ms``: a harness that is later than this, at the quantile, was not sending at that rate."""
SKIPPED_SHARE = 0.01
"""Nor was one that skipped more than this share."""
LONGEST_GAP = 1.05
"""What is not sustained, over what is: the words then call the two neighbours, whatever the resolution."""


def step_result(samples: NDArray[Any], record: Mapping[str, Any], search: Search) -> SearchStep:
    """One step. ``samples``: SAMPLE_DTYPE, those of the scenario; ``record``: its entry in run.json, with
    ``value``, ``rate_hz``, ``begin_ns``, ``end_ns`` and ``cut``, why it ended before its time, or empty.

    Sustained: nothing lost, and ``quantile`` of the latencies from sent within ``within_ms``. Undecided: the
    harness itself did not keep to the schedule.
    """
    due = samples["intended_ns"]
    within = (due >= record["begin_ns"]) & (due <= record["end_ns"])
    rows = samples[within & (samples["stimulus_flags"] & StimulusFlag.SEARCH != 0)]
    sent = rows[rows["sent_ns"] != NO_STAMP]
    lost = int(has(sent, SampleFlag.LOST).sum())
    skipped = int((rows["stimulus_flags"] & StimulusFlag.SKIPPED != 0).sum())
    latency = ordered(latency_ms(sent))
    late = order_quantile(ordered(lateness_ms(rows)), search.quantile)
    high = order_quantile(latency, search.quantile)
    enough = len(latency) >= search.least_samples
    kept = skipped <= SKIPPED_SHARE * len(rows) and late <= LATENESS_SHARE * search.within_ms
    if not kept or not (enough or record["cut"]):
        outcome = "undecided"
    else:
        sustained = not record["cut"] and not lost and high <= search.within_ms
        outcome = "sustained" if sustained else "not sustained"
    return SearchStep(
        value=float(record["value"]),
        rate_hz=float(record["rate_hz"]),
        outcome=outcome,
        cut=str(record["cut"]),
        sent=len(sent),
        skipped=skipped,
        lost=lost,
        p50_ms=finite(order_quantile(latency, 0.5)),
        quantile_ms=finite(high),
        max_ms=finite(float(latency[-1])) if len(latency) else None,
        lateness_ms=finite(late),
    )


def bracket(steps: Sequence[SearchStep]) -> tuple[float | None, float | None]:
    """The highest value below which nothing failed and that was sustained, and the lowest that was not; None
    where there is none."""
    failed = [each.value for each in steps if each.outcome == "not sustained"]
    lowest = min(failed, default=None)
    held = [
        each.value
        for each in steps
        if each.outcome == "sustained" and (lowest is None or each.value < lowest)
    ]
    return max(held, default=None), lowest


def search_result(
    samples: NDArray[Any], records: Sequence[Mapping[str, Any]], search: Search
) -> SearchResult:
    """All steps of a search, and what they say together."""
    steps = [step_result(samples, record, search) for record in records]
    held, failed = bracket(steps)
    return SearchResult(
        varies="rate" if search.rate_hz is not None else f"length of {search.path}",
        unit=search.unit,
        within_ms=search.within_ms,
        quantile=search.quantile,
        sustained=held,
        not_sustained=failed,
        steps=steps,
        words=_words(steps, held, failed, search),
    )


def _words(
    steps: Sequence[SearchStep], held: float | None, failed: float | None, search: Search
) -> list[str]:
    if not steps:
        return ["The search was not begun."]
    unit, (low, high) = search.unit, search.ends
    said = []
    if held is None and failed is not None:
        said.append(f"Not even {failed:g} {unit} was sustained.")
    elif held is None:
        said.append(f"Nothing is known: at {low:g} {unit} the harness itself did not keep to the schedule.")
    elif failed is not None:
        said.append(f"Sustained up to {held:g} {unit}; not sustained at {failed:g} {unit}.")
        if failed / held > (1 + search.resolution) * LONGEST_GAP:
            said.append("The search ended before the two were as close as it was to bring them.")
    elif held >= high:
        said.append(f"Sustained up to {held:g} {unit}, the highest that was to be tried: at least that.")
    else:
        said.append(f"Sustained up to {held:g} {unit}: at least that.")
    decided = {each.value for each in steps if each.outcome != "undecided"}
    unknown = sorted({each.value for each in steps} - decided)
    if unknown:
        values = ", ".join(f"{value:g}" for value in unknown)
        said.append(f"At {values} {unit} the harness itself did not keep to the schedule: undecided.")
    said.append(
        "Every step was looked at before the next was chosen: exploration, on which no verdict rests."
    )
    return said
