"""When a level changed: the arrival of a robot whose answer is an edge. Pure, on recorded tables.

A contact, a lamp, a digital input is high (``threshold`` and above) or low. The answer is the first change of
level after the stimulus, in the ``direction`` that is waited for. Nothing is learnt: the level before the
stimulus is that of the last value before it, however long ago, so that topics serve that are published only
when they change.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.matching import Arrivals
from harness.analysis.onset import NEVER, Found, Integers, Onsets, Signal, signal_of
from harness.config.match import Match
from harness.model import NO_STAMP, SampleFlag


def find_edges(
    sent_ns: Integers,
    observations: NDArray[Any],
    when: Arrivals,
    timeout_ns: int,
    rule: Match,
    trials: NDArray[np.bool_] | None = None,
) -> Onsets:
    """The edge after each stimulus; arguments and result as of :func:`harness.analysis.onset.find`.

    Flags: LOST without an edge until the timeout; LATE with one after it; OPEN when the next stimulus ended
    the trial before its timeout, and there is none until then; FALSE_ONSET when the level was already what is
    waited for, or had changed within ``rest_ms`` before the stimulus; NO_SIGNAL without any value before.
    """
    signal = signal_of(observations, when)
    high = signal.value >= rule.edge_threshold
    # Of each value but the first: +1 where the level rose, -1 where it fell, 0 where it stayed.
    change = np.diff(high.astype(np.int8), prepend=high[:1].astype(np.int8))
    wanted = {"rising": 1, "falling": -1}.get(rule.direction, 0)
    edges = np.flatnonzero(change == wanted if wanted else change != 0)
    changes = np.flatnonzero(change)
    out = Found.of(len(sent_ns))
    out.flags[sent_ns == NO_STAMP] |= SampleFlag.NOT_SENT
    sent = np.flatnonzero(sent_ns != NO_STAMP)
    sent = sent[np.argsort(sent_ns[sent], kind="stable")]
    following = np.append(sent_ns[sent], NEVER)[1:]
    for index, until in zip(sent.tolist(), following.tolist(), strict=True):
        if trials is not None and not trials[index]:
            continue
        at = int(sent_ns[index])
        before = int(np.searchsorted(signal.at, at, side="left"))
        if before == 0:
            out.flags[index] |= SampleFlag.NO_SIGNAL
        elif _unready(signal, changes, at, rule) or (wanted and high[before - 1] == (wanted > 0)):
            out.flags[index] |= SampleFlag.FALSE_ONSET
        else:
            place = int(np.searchsorted(edges, before, side="left"))
            _place(
                signal, out, index, int(edges[place]) if place < len(edges) else None, until, timeout_ns, at
            )
    return out.onsets(len(observations), when, sampled=rule.signal == "state")


def _unready(signal: Signal, changes: Integers, sent: int, rule: Match) -> bool:
    """Whether the level changed just before the stimulus; of a clock known to +-tolerance only, an edge that
    seems to be from just before may be from after."""
    at = signal.at[changes]
    begin, end = np.searchsorted(at, [sent - round(rule.rest_ms * 1e6), sent], side="left").tolist()
    return bool((at[begin:end] < sent - signal.tolerance[changes[begin:end]]).any())


def _place(
    signal: Signal, out: Found, index: int, edge: int | None, until: int, timeout_ns: int, sent: int
) -> None:
    if edge is None or signal.at[edge] >= until:
        out.flags[index] |= SampleFlag.OPEN if until < sent + timeout_ns else SampleFlag.LOST
        return
    out.first[index], out.arrived[index] = signal.row[edge], signal.at[edge]
    # Between the last value of the old level and the first one of the new nobody has looked.
    out.gap_ms[index] = (int(signal.at[edge]) - int(signal.at[edge - 1])) / 1e6
    out.crossing_ms[index] = 0.0
    if int(signal.at[edge]) - sent > timeout_ns:
        out.flags[index] |= SampleFlag.LOST | SampleFlag.LATE
