"""When a signal left its rest band: the arrival of a robot that echoes nothing. Pure, on recorded tables.

For each stimulus, level and noise of the signal are learnt in the window of ``rest_ms`` before it: the
median and 1.4826 times the median absolute deviation, which half of the values may be wrong without spoiling
(Rousseeuw, Croux, J. Am. Stat. Assoc. 88 (1993) 1273). The band is the level +- ``threshold``, or +-
``sigma`` times the noise. The onset is the first of ``hold_samples`` consecutive values beyond the band, on
the side that is waited for.

What is measured is the time until the signal had left its band: dead time, and what the signal needs to get
that far. It is by definition later than the first movement.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.matching import NOBODY, Arrivals, Matched
from harness.config.match import Match, commanded_field, commanded_numbers
from harness.model import NO_STAMP, ObservationFlag, SampleFlag

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
NEVER = np.iinfo(np.int64).max

MAD_TO_SD = 1.4826
"""1 / the 75 % quantile of the standard normal distribution."""
FEWEST_TO_MOVE = 12
"""Values of which it can be told that a signal moves while it should be at rest."""
FEWEST_AT_REST = 5
"""Values that the window before a stimulus has to hold; of fewer, level and noise are anybody's guess."""


@dataclass(frozen=True)
class Onsets:
    """``matched`` as of any other kind, and per stimulus:

    ``gap_ms`` between the last value inside and the first outside, ``crossing_ms`` by which the noise of one
    value moves the crossing (its standard deviation over the slope there), both NaN where there is no onset;
    ``level``, ``noise`` and ``band`` in the unit of the signal, NaN where nothing could be learnt.
    ``sampled``: whether the signal goes on between its values.
    """

    matched: Matched
    gap_ms: Floats
    crossing_ms: Floats
    level: Floats
    noise: Floats
    band: Floats
    sampled: bool = True


@dataclass(frozen=True)
class Signal:
    """Finite values in order of time, the rows of the table they are from, and when each was there."""

    at: Integers
    value: Floats
    row: Integers
    tolerance: Integers


def level_and_noise(values: Floats) -> tuple[float, float]:
    """Median, and the standard deviation that the median absolute deviation stands for in normal noise."""
    level = float(np.median(values))
    return level, MAD_TO_SD * float(np.median(np.abs(values - level)))


def find(
    sent_ns: Integers,
    observations: NDArray[Any],
    when: Arrivals,
    timeout_ns: int,
    rule: Match,
    directions: NDArray[np.int8] | None = None,
    trials: NDArray[np.bool_] | None = None,
    still: bool = False,
) -> Onsets:
    """The onset after each stimulus.

    ``sent_ns``: one per stimulus in the order of the table, NO_STAMP where nothing was sent. ``directions``:
    +1, -1 or 0 (either) for each of them, of ``direction: with_command``. ``trials``: which of them ask for
    an onset (default: all); what brings the robot back does not, and ends the trial before it. ``still``: the
    schedule promises rest before each stimulus.

    Flags: LOST without a departure until the timeout, also when no value came; LATE with one after it; OPEN
    when the next stimulus ended the trial before its timeout, and there is none until then; FALSE_ONSET when
    the signal had left its band before the stimulus, was not ``still`` or too noisy; NO_SIGNAL with fewer
    than FEWEST_AT_REST values before.
    """
    n = len(sent_ns)
    signal = signal_of(observations, when)
    out = Found.of(n)
    out.flags[sent_ns == NO_STAMP] |= SampleFlag.NOT_SENT
    sent = np.flatnonzero(sent_ns != NO_STAMP)
    sent = sent[np.argsort(sent_ns[sent], kind="stable")]
    following = np.append(sent_ns[sent], NEVER)[1:]
    fixed = {"rising": 1, "falling": -1}.get(rule.direction, 0)
    for index, until in zip(sent.tolist(), following.tolist(), strict=True):
        if trials is not None and not trials[index]:
            continue
        wanted = int(directions[index]) if fixed == 0 and directions is not None else fixed
        _trial(signal, out, rule, index, int(sent_ns[index]), until, timeout_ns, wanted, still)
    return out.onsets(len(observations), when, sampled=rule.signal == "state")


@dataclass(frozen=True)
class Found:
    """What is found trial by trial, one row per stimulus."""

    first: Integers
    arrived: Integers
    flags: Integers
    gap_ms: Floats
    crossing_ms: Floats
    level: Floats
    noise: Floats
    band: Floats

    @classmethod
    def of(cls, n: int) -> Found:
        """Nothing found yet, for so many stimuli."""
        return cls(
            np.full(n, NOBODY, dtype=np.int64),
            np.full(n, NO_STAMP, dtype=np.int64),
            np.zeros(n, dtype=np.int64),
            *(np.full(n, np.nan) for _ in range(5)),
        )

    def onsets(self, observed: int, when: Arrivals, *, sampled: bool) -> Onsets:
        """What was found, among so many observations that came at ``when``."""
        answered = np.flatnonzero(self.first != NOBODY)
        rows = self.first[answered]
        seen = np.full(len(self.first), NO_STAMP, dtype=np.int64)
        seen[answered] = when.seen_ns[rows]
        self.flags[answered[when.stepped[rows]]] |= SampleFlag.CLOCK_STEP
        matched = Matched(
            first=self.first,
            arrived_ns=self.arrived,
            seen_ns=seen,
            answers=(self.first != NOBODY).astype(np.uint32),
            flags=self.flags.astype(np.uint32),
            # A signal goes on all the time: none of its values is a stray answer.
            used=np.ones(observed, dtype=bool),
        )
        return Onsets(matched, self.gap_ms, self.crossing_ms, self.level, self.noise, self.band, sampled)


def signal_of(observations: NDArray[Any], when: Arrivals) -> Signal:
    """The values that can be used: finite, and not those of an answer that said no."""
    value = observations["value"].astype(np.float64)
    usable = np.isfinite(value) & (observations["flags"] & ObservationFlag.REJECTED == 0)
    row = np.flatnonzero(usable)
    row = row[np.argsort(when.at_ns[row], kind="stable")]
    return Signal(when.at_ns[row], value[row], row, when.tolerance_ns[row])


def moves(values: Floats, rule: Match) -> bool:
    """Whether a signal that should be at rest is on its way: its halves differ by more than half the band of
    the noise in its second differences, in which a ramp does not show. Few values do not tell."""
    if len(values) < FEWEST_TO_MOVE:
        return False
    noise = MAD_TO_SD * float(np.median(np.abs(np.diff(values, 2)))) / math.sqrt(6.0)
    half = len(values) // 2
    drift = abs(float(np.median(values[:half]) - np.median(values[half:])))
    return drift > float(rule.band(noise)) / 2


def _trial(
    signal: Signal,
    out: Found,
    rule: Match,
    index: int,
    sent: int,
    until: int,
    timeout_ns: int,
    wanted: int,
    still: bool,
) -> None:
    begin, stimulus, end = np.searchsorted(
        signal.at, [sent - round(rule.rest_ms * 1e6), sent, until], side="left"
    ).tolist()
    if stimulus - begin < FEWEST_AT_REST:
        out.flags[index] |= SampleFlag.NO_SIGNAL
        return
    level, noise = level_and_noise(signal.value[begin:stimulus])
    band = float(rule.band(noise))
    out.level[index], out.noise[index], out.band[index] = level, noise, band
    away = signal.value[begin:end] - level
    left = _first_held(np.abs(away) > band, rule.hold_samples)
    before = stimulus - begin
    # Of a clock known to +-tolerance only, a value that seems to be from just before may be from after.
    early = left is not None and signal.at[begin + left] < sent - signal.tolerance[begin + left]
    if early or rule.too_wide(band) or (still and moves(signal.value[begin:stimulus], rule)):
        out.flags[index] |= SampleFlag.FALSE_ONSET
        return
    start = min(before, left) if left is not None else before
    beyond = np.abs(away[start:]) > band if wanted == 0 else wanted * away[start:] > band
    held = _first_held(beyond, rule.hold_samples)
    if held is None:
        cut = until < sent + timeout_ns
        out.flags[index] |= SampleFlag.OPEN if cut else SampleFlag.LOST
        return
    _place(signal, out, rule, index, sent, begin + start + held, timeout_ns)


def _place(
    signal: Signal, out: Found, rule: Match, index: int, sent: int, place: int, timeout_ns: int
) -> None:
    """The onset whose first value outside is at ``place``: its instant, and how well it is known."""
    inside, level, band = max(place - 1, 0), out.level[index], out.band[index]
    t0, t1 = int(signal.at[inside]), int(signal.at[place])
    x0, x1 = float(signal.value[inside]), float(signal.value[place])
    arrived = t1
    side = 1.0 if x1 > level else -1.0
    if rule.interpolate and x1 != x0:
        share = (level + side * band - x0) / (x1 - x0)
        arrived = t0 + round((t1 - t0) * min(max(share, 0.0), 1.0))
    # Nothing is answered before it was sent: the line may say so where values are farther apart than that.
    arrived = max(arrived, sent)
    out.first[index], out.arrived[index] = signal.row[place], arrived
    out.gap_ms[index] = (t1 - t0) / 1e6
    last = min(place + rule.hold_samples - 1, len(signal.at) - 1)
    # Over all the values that confirm it: the slope between two alone would be mostly noise.
    climbed = abs(float(signal.value[last]) - x0)
    lasted_ms = (int(signal.at[last]) - t0) / 1e6
    out.crossing_ms[index] = min(out.noise[index] * lasted_ms / climbed, lasted_ms) if climbed else lasted_ms
    if arrived - sent > timeout_ns:
        out.flags[index] |= SampleFlag.LOST | SampleFlag.LATE


def directions(
    variant: NDArray[Any], sent_ns: Integers, variants: Sequence[Mapping[str, Any]], field: str | None = None
) -> NDArray[np.int8]:
    """Which way each command went: the sign of its value less that of the command before it, 0 where there is
    none or it is the same.

    ``variant``: per stimulus its number among the value sets ``variants``; ``field``: see
    :func:`commanded_field`. Raises ConfigurationError.
    """
    name = commanded_field(variants, field)
    values = np.array([commanded_numbers(each).get(name, 0.0) for each in variants])
    out = np.zeros(len(variant), dtype=np.int8)
    sent = np.flatnonzero(sent_ns != NO_STAMP)
    sent = sent[np.argsort(sent_ns[sent], kind="stable")]
    out[sent[1:]] = np.sign(np.diff(values[variant[sent]]))
    return out


def _first_held(beyond: NDArray[np.bool_], hold: int) -> int | None:
    """Where the first ``hold`` consecutive true ones begin; None where there are not so many in a row."""
    if len(beyond) < hold:
        return None
    runs = np.convolve(beyond, np.ones(hold, dtype=np.int64), mode="valid")
    found = np.flatnonzero(runs == hold)
    return int(found[0]) if len(found) else None
