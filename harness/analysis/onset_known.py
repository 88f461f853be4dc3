"""How well onsets are known, and how many trials told nothing: items of U, checks, counts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.onset import FEWEST_AT_REST, Onsets
from harness.analysis.samples import Sampled, counted, has, tried
from harness.analysis.statistics import order_quantile, ordered
from harness.analysis.uncertainty import Item, sampling_period
from harness.config.match import Match
from harness.model import NO_STAMP, SampleFlag
from harness.results import Check

UNJUDGED_SHARE = 0.1
"""A larger share of trials that tell nothing leaves the requirement undecided."""
CROSSING_QUANTILE = 0.95


def onset_items(onsets: Onsets, samples: NDArray[Any], *, jitter: bool = False) -> list[Item]:
    """What the sampling of the signal and its noise may be wrong by, in either direction.

    Between the last value inside the band and the first one outside it nobody has looked: the largest such
    gap of any onset that counts is a hard limit. That holds for the interpolated instant, too: the line says
    where between the two, and no one vouches for the line. A change of latency (``jitter``) has two such
    instants. Of commands, which are not ``sampled``, there is nothing between two values, and no item.
    ``samples``: the rows of the scenario.
    """
    if not onsets.sampled:
        return []
    rows = tried(samples) & ~has(samples, SampleFlag.LOST) & np.isfinite(onsets.gap_ms)
    if not rows.any():
        return []
    gaps, crossings = onsets.gap_ms[rows], ordered(onsets.crossing_ms[rows])
    largest = float(gaps.max())
    source = (
        f"the largest distance of the two values around an onset; {float(np.median(gaps)):.3g} ms typically"
    )
    items = [sampling_period(2 * largest if jitter else largest, source)]
    sd = float(order_quantile(crossings, CROSSING_QUANTILE))
    if sd > 0:
        items.append(
            Item(
                "noise at the band",
                sd,
                1.0,
                False,
                "normal",
                f"noise at rest over the slope at the onset, its {CROSSING_QUANTILE:g} quantile",
            )
        )
    return items


def with_declared(items: list[Item], declared_ms: float | None) -> list[Item]:
    """A declared sampling period that is longer than the measured one takes its place."""
    if declared_ms is None:
        return items
    declared = sampling_period(declared_ms, "sampling_period_ms of the scenario")
    if not items:
        return [declared]
    return [
        replace(declared, source=f"{declared.source}; measured: {each.half_width_ms:.3g} ms")
        if each.name == declared.name and each.half_width_ms < declared_ms
        else each
        for each in items
    ]


def onset_counts(sampled: Sampled) -> dict[str, int | None]:
    """``misses``, ``false_onsets``, ``no_signal`` of the results; None where answers are no onsets."""
    if sampled.onsets is None:
        return {"misses": None, "false_onsets": None, "no_signal": None}
    rows = _sent(sampled)
    return {
        "misses": int((has(rows, SampleFlag.LOST) & ~has(rows, SampleFlag.LATE)).sum()),
        "false_onsets": int(has(rows, SampleFlag.FALSE_ONSET).sum()),
        "no_signal": int(has(rows, SampleFlag.NO_SIGNAL).sum()),
    }


def onset_checks(sampled: Sampled, rule: Match, *, aborted: bool) -> list[Check]:
    """Whether enough of the trials could be judged; nothing where answers are no onsets."""
    if sampled.onsets is None:
        return []
    rows = _sent(sampled)
    false, blind = has(rows, SampleFlag.FALSE_ONSET), has(rows, SampleFlag.NO_SIGNAL)
    unjudged = int((false | blind).sum())
    ok = unjudged <= UNJUDGED_SHARE * len(rows)
    too_few = f"fewer than {FEWEST_AT_REST} values in the {rule.rest_ms:g} ms"
    remedy = "widen the band, lengthen quiet_ms, or have the signal sampled faster"
    if rule.kind == "edge":
        too_few, remedy = "no value", "bring the level back after each trial, or lengthen quiet_ms"
    found = [
        Check(
            name="rest before the stimulus",
            ok=ok,
            value=f"{int(false.sum())} false onsets and {int(blind.sum())} trials with {too_few}"
            f" before, of {len(rows)}",
            bound=f"at most {UNJUDGED_SHARE:.0%} of the trials; they count neither for nor against the item",
            consequence="" if ok else "INCONCLUSIVE: too many trials could not be judged",
            remedy="" if ok else remedy,
        )
    ]
    if not aborted:
        cut = int(has(rows, SampleFlag.OPEN).sum())
        found.append(
            Check(
                name="trials long enough",
                ok=cut == 0,
                value=f"{cut} of {len(rows)} ended before their timeout and without an onset",
                bound="none: their outcome is not known",
                consequence=""
                if cut == 0
                else "INCONCLUSIVE: what came after the end of those trials is unknown",
                remedy=""
                if cut == 0
                else "the band of this report is wider than the run's own: narrow it, or measure again with a"
                " longer follow_ms",
            )
        )
    return found


def _sent(sampled: Sampled) -> NDArray[Any]:
    samples = sampled.samples
    rows: NDArray[Any] = samples[counted(samples) & (samples["sent_ns"] != NO_STAMP)]
    return rows
