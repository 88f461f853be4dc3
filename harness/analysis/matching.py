"""Which observation answers which stimulus: pure, vectorised, on plain arrays.

One rule for all kinds: an answer cannot be seen before its stimulus was sent, the first answer counts,
further ones are duplicates, one that comes after the timeout is late and the stimulus lost. Answers are
ordered by arrival.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from harness.analysis.statistics import reordered
from harness.analysis.timebase import Timebase
from harness.errors import RecordingError
from harness.model import NO_ANSWER, NO_KEY, NO_STAMP, ObservationFlag, SampleFlag

Integers = NDArray[np.int64]
Booleans = NDArray[np.bool_]

NOBODY = -1
"""Index of the observation that answers a stimulus which nobody answered."""


@dataclass(frozen=True)
class Arrivals:
    """The instants of a port's observations on CLOCK_MONOTONIC, one row per observation.

    ``at_ns`` is the arrival to be used: the converted stamp where there is a trustworthy one, otherwise
    ``seen_ns``. ``stepped``: ``seen_ns`` was used because the stamp's clock was set nearby, or says what
    cannot be. ``tolerance_ns``: how far a converted stamp can be off. ``placed_ns``: by which the order of
    observations among the stimuli is told; of the host's own clocks, for another may be off by more than what
    lies between.
    """

    at_ns: Integers
    seen_ns: Integers
    stepped: Booleans
    stamped: Booleans
    tolerance_ns: Integers
    placed_ns: Integers


@dataclass(frozen=True)
class Matched:
    """What was found: per stimulus ``first`` (index of the observation, NOBODY), ``arrived_ns``, ``seen_ns``
    (NO_STAMP), ``answers`` (how many), ``flags`` (SampleFlag); per observation ``used``: belongs to a
    stimulus."""

    first: Integers
    arrived_ns: Integers
    seen_ns: Integers
    answers: NDArray[np.uint32]
    flags: NDArray[np.uint32]
    used: Booleans


def arrivals(
    observations: NDArray[Any], timebase: Timebase, arrival: Literal["received", "stamp"] = "received"
) -> Arrivals:
    """Arrival of each observation (OBSERVATION_DTYPE): the middleware's receive stamp where there is one, or
    with ``stamp`` the device's own."""
    seen = observations["seen_ns"].astype(np.int64)
    if arrival == "stamp":
        stamps, clocks = observations["stamp_ns"].astype(np.int64), observations["stamp_clock"]
    else:
        stamped = (observations["flags"] & ObservationFlag.NOT_MIDDLEWARE) == 0
        stamps, clocks = (
            np.where(stamped, observations["received_ns"], NO_STAMP),
            observations["received_clock"],
        )
    converted = timebase.convert(stamps, clocks, seen)
    hosts = timebase.of_host(clocks) if arrival == "received" else np.zeros(len(seen), dtype=bool)
    return Arrivals(
        converted.instant_ns,
        seen,
        converted.stepped,
        converted.usable,
        converted.bound_ns,
        np.where(hosts, converted.instant_ns, seen),
    )


def match(
    keys: Integers,
    sent_ns: Integers,
    observations: NDArray[Any],
    when: Arrivals,
    timeout_ns: int,
    *,
    kind: Literal["stamp", "sequence", "call", "order"],
    answers: Literal["each", "latest"] = "each",
) -> Matched:
    """Match all observations of a port to the stimuli of a scenario.

    ``keys`` and ``sent_ns`` have one row per stimulus, in order; ``sent_ns`` is NO_STAMP where nothing was
    sent. ``order`` takes the first observation after the send and before the next send. Observations that are
    flagged NO_ANSWER answer nothing. Raises RecordingError when two stimuli that were sent share a key.
    """
    offered = (observations["flags"] & NO_ANSWER) == 0
    if kind == "order":
        return _by_order(_Task(keys, sent_ns, offered, when, timeout_ns))
    offered &= observations["key"] != NO_KEY
    task = _Task(keys, sent_ns, offered, when, timeout_ns)
    return _by_key(task, observations["key"].astype(np.int64), latest=answers == "latest")


@dataclass(frozen=True)
class _Task:
    """What is to be matched: stimuli, which observations are on offer, when they arrived."""

    keys: Integers
    sent_ns: Integers
    offered: Booleans
    when: Arrivals
    timeout_ns: int


@dataclass(frozen=True)
class _Candidates:
    """Observations that may be answers, in order of arrival: index in the table, instant, clock set
    nearby."""

    rows: Integers
    at: Integers
    stepped: Booleans


def _by_key(task: _Task, observed: Integers, *, latest: bool) -> Matched:
    keys = task.keys
    sent = np.flatnonzero(task.sent_ns != NO_STAMP)
    sent = sent[np.argsort(keys[sent], kind="stable")]
    own, candidates = _own_answers(task, observed, sent)
    n = len(keys)
    # Position, in order of arrival, of the first answer with the stimulus's own key.
    chosen = _first_of(own, n)
    exact = np.bincount(own, minlength=n)
    flags = np.zeros(n, dtype=np.int64)
    firsts = own[chosen[own] == np.arange(len(own))]  # stimuli in the order of their first answers
    flags[firsts[reordered(keys[firsts])]] |= SampleFlag.OUT_OF_ORDER
    flags[exact > 1] |= SampleFlag.DUPLICATED
    found = exact.copy()
    if latest and len(own):
        # For each stimulus the earliest arrival among all answers with its key or a greater one.
        by_key = np.argsort(keys[own], kind="stable")
        earliest = np.minimum.accumulate(by_key[::-1])[::-1]
        start = np.searchsorted(keys[own][by_key], keys[sent])
        some = start < len(by_key)
        served = sent[some]
        chosen[served] = earliest[start[some]]
        newer = served[own[chosen[served]] != served]
        flags[newer] |= SampleFlag.SUPERSEDED
        found[newer] += 1
    return _finish(task, candidates, chosen, found, flags)


def _own_answers(task: _Task, observed: Integers, sent: Integers) -> tuple[Integers, _Candidates]:
    """Observations with the key of a stimulus of ``sent`` (sorted by key), and for each that stimulus."""
    known, when = task.keys[sent], task.when
    twice = known[1:][known[1:] == known[:-1]]
    if len(twice):
        raise RecordingError(
            f"stimuli: key {int(twice[0])} was sent more than once, so answers cannot be told apart",
            hint="was the table written by two runs? a key has to be unique within a run",
        )
    place = np.searchsorted(known, observed)
    hit = task.offered & (place < len(known))
    hit[hit] = known[place[hit]] == observed[hit]
    rows = np.flatnonzero(hit)
    own = sent[place[rows]]
    # Nothing is answered before it was sent: a stamp that says so is of a clock that was set; an observation
    # that the harness itself saw before is no answer.
    causal = when.seen_ns[rows] >= task.sent_ns[own]
    rows, own = rows[causal], own[causal]
    at, stepped = _since(when, rows, task.sent_ns[own])
    order = np.argsort(at, kind="stable")
    return own[order], _Candidates(rows[order], at[order], stepped[order])


def _since(when: Arrivals, rows: Integers, send: Integers) -> tuple[Integers, Booleans]:
    """Instants of those observations, none before the ``send`` it answers, and whether the stamp was no
    use."""
    at = when.at_ns[rows]
    impossible = at < send - when.tolerance_ns[rows]
    return np.where(impossible, when.seen_ns[rows], np.maximum(at, send)), when.stepped[rows] | impossible


def _by_order(task: _Task) -> Matched:
    n, when = len(task.sent_ns), task.when
    sent = np.flatnonzero(task.sent_ns != NO_STAMP)
    sent = sent[np.argsort(task.sent_ns[sent], kind="stable")]
    rows = np.flatnonzero(task.offered)
    rows = rows[np.argsort(when.placed_ns[rows], kind="stable")]
    placed = when.placed_ns[rows]
    start = np.searchsorted(placed, task.sent_ns[sent])
    until = np.append(start[1:], len(rows))  # up to the next send
    in_time = np.searchsorted(placed, task.sent_ns[sent] + task.timeout_ns, side="right")
    # A late answer is the one that was waited for; what follows it, or comes after the timeout, is nobody's.
    count = np.where(start < until, np.maximum(np.minimum(in_time, until) - start, 1), 0)
    chosen = np.full(n, NOBODY, dtype=np.int64)
    chosen[sent] = np.where(count > 0, start, NOBODY)
    found = np.zeros(n, dtype=np.int64)
    found[sent] = count
    flags = np.zeros(n, dtype=np.int64)
    flags[found > 1] |= SampleFlag.DUPLICATED
    at, stepped = when.at_ns[rows], when.stepped[rows]
    answers = chosen[sent][count > 0]
    at[answers], stepped[answers] = _since(when, rows[answers], task.sent_ns[sent][count > 0])
    result = _finish(task, _Candidates(rows, at, stepped), chosen, found, flags)
    belongs = np.repeat(start - np.cumsum(count) + count, count) + np.arange(int(count.sum()))
    result.used[:] = False
    result.used[rows[belongs]] = True
    return result


def _first_of(groups: Integers, n: int) -> Integers:
    """Position of the first member of each of ``n`` groups; NOBODY for an empty one."""
    out = np.full(n, NOBODY, dtype=np.int64)
    # With repeated indices the last assignment stays, so assigning backwards leaves the first.
    out[groups[::-1]] = np.arange(len(groups))[::-1]
    return out


def _finish(
    task: _Task, candidates: _Candidates, chosen: Integers, found: Integers, flags: Integers
) -> Matched:
    """Instants and flags of the answers at the positions ``chosen`` of the candidates, one per stimulus."""
    n, sent_ns = len(chosen), task.sent_ns
    answered = np.flatnonzero(chosen != NOBODY)
    pick = chosen[answered]
    rows = candidates.rows[pick]
    first = np.full(n, NOBODY, dtype=np.int64)
    arrived = np.full(n, NO_STAMP, dtype=np.int64)
    seen = np.full(n, NO_STAMP, dtype=np.int64)
    first[answered], arrived[answered], seen[answered] = rows, candidates.at[pick], task.when.seen_ns[rows]
    flags[answered[candidates.stepped[pick]]] |= SampleFlag.CLOCK_STEP
    late = answered[arrived[answered] - sent_ns[answered] > task.timeout_ns]
    flags[late] |= SampleFlag.LOST | SampleFlag.LATE
    flags[(chosen == NOBODY) & (sent_ns != NO_STAMP)] |= SampleFlag.LOST
    flags[sent_ns == NO_STAMP] |= SampleFlag.NOT_SENT
    used = np.zeros(len(task.offered), dtype=bool)
    used[candidates.rows] = True
    return Matched(
        first=first,
        arrived_ns=arrived,
        seen_ns=seen,
        answers=found.astype(np.uint32),
        flags=flags.astype(np.uint32),
        used=used,
    )
