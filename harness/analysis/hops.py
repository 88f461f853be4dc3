"""Where the time goes between a stimulus and its answer: the ports in between that carry its key.

A hop's instant is when its message arrived at the harness (or its stamp), matched as an answer is
(:mod:`harness.analysis.matching`). Stages are the differences of consecutive instants, sent -> hop 1 -> ...
-> response: they add up exactly, sample by sample; their quantiles do not. What a hop's message takes to the
harness is in the stage that ends there and missing from the next: a stage may come out negative, which is
counted and never clamped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata

from harness.analysis.matching import Arrivals, Matched, arrivals, match
from harness.analysis.samples import NS_PER_MS, has, tried
from harness.analysis.statistics import distribution, rank
from harness.analysis.timebase import Timebase
from harness.config.schema import Match
from harness.model import NO_STAMP, SampleFlag
from harness.results import HopResult, HopsTail, StageShare

Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]

SENT = "sent"
"""Where the first stage starts."""
MIDDLE = (0.4, 0.6)
"""The tail is compared with the samples between these shares of the ranks: those around the median."""
FEW = 10
"""A tail of fewer samples than this is said to be of few."""


@dataclass(frozen=True)
class Tap:
    """A port between stimulus and response: all rows it saw in the scenario (OBSERVATION_DTYPE), how they
    match, and what their instants are, in words."""

    port: str
    rule: Match
    observations: NDArray[Any]
    arrival_is: str = ""


@dataclass(frozen=True)
class Hopped:
    """What ``results.json`` says about the hops of one scenario."""

    hops: list[HopResult]
    lost: dict[str, int]
    tail: list[HopsTail]
    words: list[str]


@dataclass(frozen=True)
class Trace:
    """Instants of the stimuli that count, in ms since the send: ``since_ms`` has one row per
    point (sent, hops, response) and one column per stimulus; NaN where it was not seen. ``stepped``, alike:
    seen, and its clock was set nearby or says what cannot be. ``lost``: not answered in time, per stimulus.
    """

    names: tuple[str, ...]
    arrival_is: tuple[str, ...]
    since_ms: Floats
    stepped: Booleans
    lost: Booleans

    @property
    def answered(self) -> Booleans:
        """Answered in time."""
        return ~self.lost


def trace(
    samples: NDArray[Any],
    response: Tap,
    taps: Sequence[Tap],
    timebase: Timebase,
    timeout_ns: int,
    arrival: Literal["received", "stamp"] = "received",
) -> Trace:
    """Find every stimulus that counts at the ``taps``. ``samples``: SAMPLE_DTYPE, with the response matched.

    Of ``response`` only the names are used. Raises RecordingError when two stimuli share a key.
    """
    keep = tried(samples) & (samples["sent_ns"] != NO_STAMP)
    rows = samples[keep]
    sent = rows["sent_ns"].astype(np.int64)
    points, stepped = [np.zeros(len(rows))], [np.zeros(len(rows), dtype=bool)]
    words = [""]
    for tap in taps:
        when = arrivals(tap.observations, timebase, arrival)
        # With all stimuli, warm-up too: under `answers: latest` one of them may be served by a newer one's.
        found = match(
            samples["key"].astype(np.int64),
            samples["sent_ns"].astype(np.int64),
            tap.observations,
            when,
            timeout_ns,
            kind="stamp" if tap.rule.kind == "stamp" else "sequence",  # never without a key
            answers=tap.rule.answers,
        )
        points.append(_since(found.arrived_ns[keep], sent))
        stepped.append((found.flags[keep] & SampleFlag.CLOCK_STEP) != 0)
        words.append(_arrival_is(tap, when, found, keep))
    points.append(_since(rows["arrived_ns"], sent))
    stepped.append(has(rows, SampleFlag.CLOCK_STEP))
    return Trace(
        names=(SENT, *(tap.port for tap in taps), response.port),
        arrival_is=(*words, response.arrival_is),
        since_ms=np.array(points),
        stepped=np.array(stepped),
        lost=has(rows, SampleFlag.LOST),
    )


def _since(arrived_ns: NDArray[Any], sent_ns: NDArray[np.int64]) -> Floats:
    out: Floats = (arrived_ns - sent_ns).astype(np.float64) / NS_PER_MS
    out[arrived_ns == NO_STAMP] = np.nan
    return out


def _arrival_is(tap: Tap, when: Arrivals, found: Matched, keep: Booleans) -> str:
    """What the instants at that port are, and of how many they are only when the harness saw it."""
    first = found.first[keep]
    stepped = (found.flags[keep] & SampleFlag.CLOCK_STEP) != 0
    seen = int((first >= 0).sum())
    by_stamp = int(when.stamped[first[(first >= 0) & ~stepped]].sum())
    otherwise = "the instant the harness saw it"
    if by_stamp == seen:
        return tap.arrival_is
    return f"{tap.arrival_is}; for {seen - by_stamp} of {seen} {otherwise}" if by_stamp else otherwise


def summarise_hops(found: Trace, quantiles: Sequence[float]) -> Hopped:
    """Stages, losses and tails of a trace. ``quantiles``: beyond which a tail is looked at."""
    known = np.where(found.stepped, np.nan, found.since_ms)
    stages = np.diff(known, axis=0)
    hops = []
    for index, name in enumerate(found.names[1:]):
        point, stage = index + 1, stages[index][found.answered]
        hops.append(
            HopResult(
                name=name,
                from_=found.names[index],
                arrival_is=found.arrival_is[point],
                missing=int((found.answered & np.isnan(found.since_ms[point])).sum()),
                clock_steps=int((found.answered & found.stepped[point]).sum()),
                negative=int((stage < 0).sum()),
                correlation=correlation(stages[index - 1][found.answered], stage) if index else None,
                stage_ms=distribution(stage),
                since_sent_ms=distribution(known[point][found.answered]),
            )
        )
    lost = last_seen(found)
    tails = [tail(found, each) for each in quantiles]
    words = [*_lost_words(found, lost), *_missing_words(hops), *order_words(hops)]
    known_tails = [each for each in tails if each is not None]
    if any(map(_swapped, hops)):
        known_tails = [each.model_copy(update={"words": _untold(each)}) for each in known_tails]
    return Hopped(hops, lost, known_tails, words)


def correlation(one: Floats, other: Floats) -> float | None:
    """Spearman's rank correlation of two stages over the samples that have both; None where there are fewer
    than three of them or one of the two never changes."""
    both = ~np.isnan(one) & ~np.isnan(other)
    if both.sum() < 3:
        return None
    a, b = rankdata(one[both]), rankdata(other[both])
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a * a).sum() * (b * b).sum()))
    return float((a * b).sum()) / scale if scale else None


def last_seen(found: Trace) -> dict[str, int]:
    """Lost stimuli by the point of the way where they were last seen; at the response: answered late.

    The values add up to the lost ones.
    """
    seen = ~np.isnan(found.since_ms[:, found.lost])
    last = len(found.names) - 1 - np.argmax(seen[::-1], axis=0)
    counts = np.bincount(last, minlength=len(found.names)) if seen.size else np.zeros(len(found.names), int)
    return {name: int(count) for name, count in zip(found.names, counts, strict=True)}


def tail(found: Trace, quantile: float) -> HopsTail | None:
    r"""Which stage makes the tail beyond ``quantile``; None where no sample lies beyond it.

    Of the n samples that were seen at every hop and at the response (late answers too) the tail T is the
    n - ceil(n q) slowest, the middle M those between 40 and 60 % of the ranks, both by latency from sent.
    With mean(. | M) as what is usual, the excess of stage i is mean(stage i | T) - mean(stage i | M), and

        share_i = excess of stage i / (mean(whole | T) - mean(whole | M)).

    Means of stages add up to the mean of the whole within the same samples, so the shares add up to 1, which
    differences of medians would not. A stage that is shorter in the tail than usual has a share below 0.
    ``largest``: samples of T in which that stage exceeds its usual mean by more than any other stage does
    its own.
    """
    complete = ~np.isnan(found.since_ms).any(axis=0) & ~found.stepped.any(axis=0)
    since = found.since_ms[:, complete]
    n = since.shape[1]
    slowest = n - rank(n, quantile) if n else 0
    if not slowest:
        return None
    order = np.argsort(since[-1], kind="stable")
    beyond = order[n - slowest :]
    middle = order[int(n * MIDDLE[0]) : max(int(n * MIDDLE[0]) + 1, int(np.ceil(n * MIDDLE[1])))]
    stages = np.diff(since, axis=0)
    usual, slow = stages[:, middle].mean(axis=1), stages[:, beyond].mean(axis=1)
    whole = float(since[-1][beyond].mean() - since[-1][middle].mean())
    shares = (slow - usual) / whole if whole > 0 else None
    largest = np.bincount((stages[:, beyond] - usual[:, None]).argmax(axis=0), minlength=len(stages))
    parts = [
        StageShare(
            name=name,
            from_=found.names[index],
            middle_ms=float(usual[index]),
            tail_ms=float(slow[index]),
            share=None if shares is None else float(shares[index]),
            largest=int(largest[index]),
        )
        for index, name in enumerate(found.names[1:])
    ]
    return HopsTail(
        quantile=quantile,
        n=n,
        slowest=slowest,
        threshold_ms=float(since[-1][order[n - slowest - 1]]),
        middle_ms=float(since[-1][middle].mean()),
        tail_ms=float(since[-1][beyond].mean()),
        stages=parts,
        words=_tail_words(parts, slowest, n),
    )


def _tail_words(parts: Sequence[StageShare], slowest: int, n: int) -> str:
    which = f"the tail ({slowest} slowest of {n})"
    shares = [(part.share, part) for part in parts if part.share is not None]
    if not shares:
        return f"{which} is no slower than the middle: there is no excess to attribute"
    share, part = max(shares, key=lambda each: each[0])
    few = f"; of so few samples ({slowest}) the shares say little" if slowest < FEW else ""
    stage, much = f"{part.from_} → {part.name}", f"{100 * share:.0f} % of the excess"
    seconds = f"the largest in {part.largest} of the {slowest}"
    if share > 0.5:
        return f"{which} is made by {stage}: {much}, {seconds}{few}"
    return f"no single stage makes {which}: {stage} has most, {much}, {seconds}{few}"


def _untold(tail: HopsTail) -> str:
    return (
        f"which stage makes the tail ({tail.slowest} slowest of {tail.n}) cannot be told as long as ports"
        " seem swapped"
    )


def _swapped(hop: HopResult) -> bool:
    return 2 * hop.negative > hop.stage_ms.n


def _lost_words(found: Trace, lost: dict[str, int]) -> list[str]:
    total = sum(lost.values())
    if not total:
        return []
    names, parts = found.names, []
    for index, name in enumerate(names[:-1]):
        if lost[name]:
            verb = "was" if lost[name] == 1 else "were"
            where = "sent" if name == SENT else f"seen at {name}"
            parts.append(f"{lost[name]} {verb} {where} and not seen at {names[index + 1]}")
    if lost[names[-1]]:
        parts.append(f"{lost[names[-1]]} came to {names[-1]} after the timeout")
    return [f"of {total} lost, " + "; ".join(parts)]


def _missing_words(hops: Sequence[HopResult]) -> list[str]:
    return [
        f"{hop.missing} answered stimuli were not seen at {hop.name}: its topic lost them on the way to the"
        " harness, or there is a way around it; the stages on either side leave them out"
        for hop in hops
        if hop.missing
    ]


def order_words(hops: Sequence[HopResult]) -> list[str]:
    """What is to be said of stages below zero: ports that seem swapped, or arrivals that crossed."""
    out = []
    for hop in hops:
        if not hop.negative:
            continue
        here = f"{hop.negative} of {hop.stage_ms.n}"
        if _swapped(hop):
            out.append(f"the ports {hop.from_} and {hop.name} seem swapped: in {here} the second was first")
        else:
            out.append(
                f"in {here} {hop.name} was there before {hop.from_}: the stage is no longer than what the"
                " ways of the two to the harness differ by"
            )
    medians = [(hop.since_sent_ms.p50, hop.name) for hop in hops if hop.since_sent_ms.p50 is not None]
    if any(map(_swapped, hops)):
        names = ", ".join(name for _, name in sorted(medians))
        out.append(f"in order of their medians since the send the ports are {names}")
    return out
