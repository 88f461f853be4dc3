"""From tables to samples: one row per stimulus with the instants matched to it, and what is derived from
them.

Stages: the boundaries of a sample are intended <= sent <= handed <= arrived <= seen. An answer can arrive
before the hand-over call has returned; ``handed`` is then cut at the arrival, so that no stage is negative
and ``lateness + hand_over + robot_and_transport`` is exactly the latency from intent, ``+ harness_receive``
the whole.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.analysis.edges import find_edges
from harness.analysis.matching import Matched, arrivals, match
from harness.analysis.onset import Onsets, find
from harness.analysis.simulated_time import SimulatedTime, fill
from harness.analysis.timebase import Timebase
from harness.config.schema import Match
from harness.model import (
    NO_ANSWER,
    NO_STAMP,
    NOT_COUNTED,
    SAMPLE_DTYPE,
    ObservationFlag,
    SampleFlag,
    StimulusFlag,
)

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

NS_PER_MS = 1e6
"""Divided by, not multiplied with its inverse: a latency of exactly the limit has to compare equal to it."""
_COLUMNS = ("intended_ns", "sent_ns", "arrived_ns", "stimulus_flags", "flags", "scenario")
LATENCIES = np.dtype([(name, SAMPLE_DTYPE[name]) for name in _COLUMNS])
"""The columns that latencies of a scenario are made of: less than half of the bytes of all."""
NEITHER = SampleFlag.NOT_SENT | SampleFlag.OPEN | SampleFlag.FALSE_ONSET | SampleFlag.NO_SIGNAL
"""Flags of stimuli that count neither for nor against the item."""
STAGES = ("lateness", "hand_over", "robot_and_transport", "harness_receive")


@dataclass(frozen=True)
class Sampled:
    """Samples of one scenario (SAMPLE_DTYPE, in order of the stimuli table) and what belongs to no
    stimulus. ``rejected``: observations that said no to a stimulus that counts. ``onsets``: of a match by
    onset, how well each instant is known."""

    samples: NDArray[Any]
    unmatched: int
    rejected: int
    duplicates: int
    by_stamp: int
    onsets: Onsets | None = None


def build(
    stimuli: NDArray[Any],
    observations: NDArray[Any],
    timebase: Timebase,
    rule: Match,
    timeout_ns: int,
    *,
    arrival: Literal["received", "stamp"] = "received",
    recorded_until_ns: int | None = None,
    ended_ns: int | None = None,
    foreign_keys: NDArray[np.int64] | None = None,
    directions: NDArray[np.int8] | None = None,
    still: bool = False,
    simulated: SimulatedTime | None = None,
) -> Sampled:
    """Samples of one scenario.

    ``stimuli`` are the scenario's rows (STIMULUS_DTYPE), probes and warm-up included; ``observations`` all
    rows of its response port from the first stimulus on. ``arrival``: the receive stamp, or the
    device's own. ``recorded_until_ns``: for a run that was cut short, the last recorded instant; a
    stimulus without an answer whose timeout had not passed then is OPEN, not
    lost. So is one whose hand-over never returned. ``ended_ns``: when the scenario was over; what is
    observed later, such as the echo of a stop, is not unmatched. ``foreign_keys``: keys of other
    scenarios, whose answers are not unmatched. ``directions``: for onsets, which way each command went;
    ``still``: the schedule promises rest before it. ``simulated``: the clock of simulated time that the
    answers are stamped with.
    """
    when = arrivals(observations, timebase, arrival)
    sent_ns = stimuli["sent_ns"].astype(np.int64)
    onsets = None
    if rule.kind == "onset":
        trials = stimuli["flags"] & StimulusFlag.RETURN == 0
        onsets = find(sent_ns, observations, when, timeout_ns, rule, directions, trials, still)
        matched = onsets.matched
    elif rule.kind == "edge":
        trials = stimuli["flags"] & StimulusFlag.RETURN == 0
        onsets = find_edges(sent_ns, observations, when, timeout_ns, rule, trials)
        matched = onsets.matched
    else:
        matched = match(
            stimuli["key"].astype(np.int64),
            sent_ns,
            observations,
            when,
            timeout_ns,
            kind=rule.kind,
            answers=rule.answers,
        )
    out = np.zeros(len(stimuli), dtype=SAMPLE_DTYPE)
    for name in ("key", "intended_ns", "sent_ns", "handed_ns", "scenario", "variant"):
        out[name] = stimuli[name]
    out["stimulus_flags"] = stimuli["flags"]
    out["arrived_ns"], out["seen_ns"] = matched.arrived_ns, matched.seen_ns
    out["answers"] = matched.answers
    fill(out, observations, matched.first, simulated)
    out["flags"] = _with_open(matched, stimuli, timeout_ns, recorded_until_ns)
    stray = ~matched.used & (observations["flags"] & NO_ANSWER == 0)
    if ended_ns is not None:
        stray &= observations["seen_ns"] <= ended_ns
    if foreign_keys is not None and rule.keyed:
        stray &= ~np.isin(observations["key"], foreign_keys)
    measured = counted(out)
    stamped = measured & (matched.first >= 0) & ~has(out, SampleFlag.CLOCK_STEP)
    return Sampled(
        samples=out,
        unmatched=int(stray.sum()),
        rejected=_rejected(observations, out[measured], rule),
        duplicates=_duplicates(out[measured]),
        by_stamp=int(when.stamped[matched.first[stamped]].sum()),
        onsets=onsets,
    )


def _rejected(observations: NDArray[Any], measured: NDArray[Any], rule: Match) -> int:
    """Observations that said no to a stimulus that counts; without keys, all that said no."""
    said_no = observations["flags"] & ObservationFlag.REJECTED != 0
    if rule.keyed:
        said_no &= np.isin(observations["key"], measured["key"][measured["sent_ns"] != NO_STAMP])
    return int(said_no.sum())


def _duplicates(samples: NDArray[Any]) -> int:
    """Answers beyond the first, of stimuli that count; one that a newer answer served is not doubled by
    that."""
    superseded = (samples["flags"] & SampleFlag.SUPERSEDED) != 0
    surplus = samples["answers"].astype(np.int64) - 1 - superseded
    return int(np.maximum(surplus, 0).sum())


def _with_open(
    matched: Matched, stimuli: NDArray[Any], timeout_ns: int, recorded_until_ns: int | None
) -> NDArray[np.uint32]:
    flags: NDArray[np.uint32] = matched.flags.copy()
    unanswered = (flags & SampleFlag.LOST != 0) & (flags & SampleFlag.LATE == 0)
    pending = unanswered & (stimuli["handed_ns"] == NO_STAMP)
    if recorded_until_ns is not None:
        pending |= unanswered & (stimuli["sent_ns"] > recorded_until_ns - timeout_ns)
    # Of an unanswered row exactly LOST is set, so one exclusive-or swaps it for OPEN.
    flags[pending] ^= np.uint32(int(SampleFlag.LOST | SampleFlag.OPEN))
    return flags


def counted(samples: NDArray[Any]) -> Booleans:
    """Rows that belong to the measurement: neither warm-up nor probe nor return."""
    return np.asarray(samples["stimulus_flags"] & NOT_COUNTED == 0)


def tried(samples: NDArray[Any]) -> Booleans:
    """Rows that count for or against the item: measured, sent, and with their outcome known."""
    return np.asarray(counted(samples) & (samples["flags"] & NEITHER == 0))


def has(samples: NDArray[Any], flag: SampleFlag) -> Booleans:
    """Rows with that flag."""
    return np.asarray(samples["flags"] & flag != 0)


def latency_ms(samples: NDArray[Any], start: str = "sent_ns") -> Floats:
    """arrived - ``start`` in ms: +inf where lost or late, NaN where it counts neither way. ``start``:
    ``sent_ns`` for the latency from sent, ``intended_ns`` for the latency from intent."""
    out: Floats = (samples["arrived_ns"] - samples[start]).astype(np.float64) / NS_PER_MS
    out[samples["arrived_ns"] == NO_STAMP] = np.nan
    out[has(samples, SampleFlag.LOST)] = np.inf
    out[samples["flags"] & NEITHER != 0] = np.nan
    return out


def lateness_ms(samples: NDArray[Any]) -> Floats:
    """sent - intended in ms: +inf where skipped, NaN where unsent for another reason."""
    out: Floats = (samples["sent_ns"] - samples["intended_ns"]).astype(np.float64) / NS_PER_MS
    skipped = samples["stimulus_flags"] & StimulusFlag.SKIPPED != 0
    out[samples["sent_ns"] == NO_STAMP] = np.nan
    out[skipped] = np.inf
    return out


def stages_ms(samples: NDArray[Any]) -> dict[str, Floats]:
    """Stages of the answered samples in ms, see the module's text; arrays of one length, without gaps."""
    rows = samples[(samples["arrived_ns"] != NO_STAMP) & ~has(samples, SampleFlag.LOST)]
    sent, arrived = rows["sent_ns"], rows["arrived_ns"]
    handed = np.where(rows["handed_ns"] == NO_STAMP, sent, rows["handed_ns"])
    handed = np.clip(handed, sent, arrived)
    edges = [rows["intended_ns"], sent, handed, arrived, np.maximum(rows["seen_ns"], arrived)]
    parts = [(b - a).astype(np.float64) / NS_PER_MS for a, b in pairwise(edges)]
    return dict(zip(STAGES, parts, strict=True))
