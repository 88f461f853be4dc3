"""Slow samples that come back with a period: a spectrum of the instants at which samples become slow.

The sum over harmonics of a spectrum that was levelled by its own running median, as in the search for pulsars
(Taylor & Huguenin 1969; Ransom, Eikenberry & Middleditch 2002, AJ 124): the instants may be irregular, the
stalls may be short, and slow samples that merely come in clusters raise the background with them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import gammaincc

from harness.analysis.anomalies.model import Anomaly, Batch, Bools, Floats, Kind, share_of_budget
from harness.analysis.anomalies.reference import Reference

WINDOW = 4096
HOP = 1024
LEAST_EVENTS = 12
LEAST_CYCLES = 8
MOST_SLOW = 0.4
"""Where more samples are slow than this, slow is not what it was: the level has moved."""
PER_SAMPLE = 4
"""Cells of the time grid for one sample."""
HARMONICS = (1, 2, 4)
BACKGROUND = 128
"""Cells of a spectrum that make one value of its background."""
SAME_PERIOD = 0.02
EMPTY = 0.3
"""What a gap as long as the usual one between events costs a stretch."""
KEPT = 32


@dataclass
class Spectrum:
    """The best period of one window, in seconds, with the probability ``p`` that noise does as well."""

    period: float
    p: float


class PeriodWatch:
    """``alpha``: false-alarm budget over the whole series. Memory: the newest 4096 samples."""

    def __init__(self, reference: Reference, alpha: float) -> None:
        self._level = reference.median
        self._alpha = alpha
        self._time, self._latency, self._slow = (np.empty(0) for _ in range(3))
        self._new = 0
        self._looks = 0
        self._found: list[Anomaly] = []

    def feed(self, batch: Batch) -> None:
        """Take samples, in order."""
        at = 0
        while at < len(batch.time):
            hop = HOP if self._looks < WINDOW // HOP else 2 * HOP
            end = min(len(batch.time), at + hop - self._new)
            part = slice(at, end)
            self._time = np.concatenate([self._time, batch.time[part]])[-WINDOW:]
            self._latency = np.concatenate([self._latency, batch.latency[part]])[-WINDOW:]
            self._slow = np.concatenate([self._slow, batch.slow[part]])[-WINDOW:]
            self._new += end - at
            at = end
            if self._new == hop:
                self.look()

    def look(self) -> None:
        """Search the newest samples, whether or not a whole step of them is new."""
        if not self._new:
            return
        self._new = 0
        self._looks += 1
        slow = self._slow > 0
        best = search(self._time, slow, share_of_budget(self._alpha, self._looks))
        if best is not None:
            self._take(best, slow)

    def _take(self, best: Spectrum, slow: Bools) -> None:
        times, latency = self._time[slow], self._latency[slow]
        begin, end = stretch(times, best.period)
        inside = (times >= begin) & (times <= end)
        finite = latency[inside & np.isfinite(latency)]
        found = Anomaly(
            Kind.PERIODIC,
            begin,
            end,
            float(self._time[-1]),
            float(np.median(finite)) - self._level if len(finite) else math.inf,
            1 - best.p,
            open=bool(self._time[-1] - end < 3 * best.period),
            period_ms=best.period * 1e3,
            slow=int(inside.sum()),
            lost=int((inside & ~np.isfinite(latency)).sum()),
        )
        last = self._found[-1] if self._found else None
        if last is None or not _goes_on(last, found):
            self._found = [*self._found[-KEPT + 1 :], found]
            return
        new = times[inside] > last.end_s
        self._found[-1] = replace(
            last if last.confidence >= found.confidence else replace(found, found_s=last.found_s),
            begin_s=min(last.begin_s, begin),
            end_s=max(last.end_s, end),
            open=found.open,
            slow=last.slow + int(new.sum()),
            lost=last.lost + int((new & ~np.isfinite(latency[inside])).sum()),
        )

    def found(self) -> Iterator[Anomaly]:
        """All that are remembered."""
        now = float(self._time[-1]) if len(self._time) else 0.0
        for each in self._found:
            assert each.period_ms is not None
            still = each.open and each is self._found[-1] and now - each.end_s < 0.5 * (now - self._time[0])
            yield replace(each, open=still)


def _goes_on(last: Anomaly, new: Anomaly) -> bool:
    """Whether ``new`` is of the same stalls; a period may be named as a whole multiple of the other's."""
    assert last.period_ms is not None and new.period_ms is not None
    times = max(last.period_ms, new.period_ms) / min(last.period_ms, new.period_ms)
    return abs(times - round(times)) < SAME_PERIOD * round(times) and last.overlaps(new)


def search(time: Floats, slow: Bools, most: float = 1.0) -> Spectrum | None:
    """The period of the onsets of slow samples in one window, in order; None where there are too few,
    or ``p`` is more than ``most``.

    Periods from two samples to an eighth of the window. ``p`` is of all frequencies and harmonics together.
    """
    onsets = slow & ~np.concatenate([[False], slow[:-1]])
    n, events = len(time), int(onsets.sum())
    span = float(time[-1] - time[0]) if n else 0.0
    if events < LEAST_EVENTS or span <= 0 or slow.sum() > MOST_SLOW * n:
        return None
    cells = n * PER_SAMPLE
    marks = onsets - events / n
    place = np.minimum(((time - time[0]) / span * cells).astype(np.intp), cells - 1)
    grid = np.bincount(place, marks, cells)
    # Twice the length, so that a period between two frequencies loses little.
    power = np.abs(np.fft.rfft(grid, 2 * cells)) ** 2 / (events * (1 - events / n))
    low, high = 2 * LEAST_CYCLES, n
    level = levelled(power[: high * max(HARMONICS)])
    best: tuple[float, int] = (1.0, 0)
    base = np.arange(low, high)
    for count in HARMONICS:
        usable = base[base * count < len(level)]
        total = np.sum([level[usable * each] for each in range(1, count + 1)], axis=0)
        at = int(np.argmax(total))
        p = float(gammaincc(count, total[at]))
        best = min(best, (p, int(usable[at])))
    p = min(1.0, best[0] * (high - low) * len(HARMONICS))
    if p > most:
        return None
    frequency = _fundamental(time[onsets], best[1] / (2 * span), LEAST_CYCLES / span, 1 / (2 * span))
    return Spectrum(1 / frequency, p)


def levelled(power: Floats) -> Floats:
    """The spectrum over its own background, the median of the cells around: of mean 1 where it is noise."""
    cells = len(power) // BACKGROUND
    medians = np.median(power[: cells * BACKGROUND].reshape(cells, BACKGROUND), axis=1) / math.log(2)
    middles = (np.arange(cells) + 0.5) * BACKGROUND
    return power / np.maximum(np.interp(np.arange(len(power)), middles, medians), 1.0)


def _concentration(times: Floats, frequencies: Floats) -> Floats:
    phases = np.exp(-2j * np.pi * np.outer(frequencies, times - times[0]))
    return np.asarray(np.abs(phases.mean(axis=1)))


def _fundamental(times: Floats, found: float, lowest: float, step: float) -> float:
    """The lowest frequency of which ``found`` is a harmonic and that gathers the events nearly as well as the
    best of them: short stalls gather at every harmonic of their period, and at no fraction of it."""
    candidates: list[tuple[float, float]] = []
    for divisor in range(1, 17):
        if found / divisor < lowest:
            break
        near = found / divisor + np.linspace(-1.5, 1.5, 61) * step
        strength = _concentration(times, near)
        candidates.append((float(strength.max()), float(near[int(np.argmax(strength))])))
    best = max(strength for strength, _ in candidates)
    return min(frequency for strength, frequency in candidates if strength >= 0.8 * best)


def stretch(times: Floats, period: float) -> tuple[float, float]:
    """From when to when the events keep to the phase that most of them have: the stretch with the largest
    sum of +1 for each that does, -1 for each that does not, and a part of what each empty cycle lacks
    (Kadane)."""
    turn = np.exp(2j * np.pi * times / period)
    kept = np.abs(np.angle(turn * np.conj(turn.mean()))) < np.pi / 3
    gaps = np.diff(times, prepend=times[0]) / period
    usual = float(np.median(np.diff(times[kept]) / period)) if kept.sum() > 1 else 1.0
    after = np.cumsum(np.where(kept, 1.0, -1.0) - EMPTY * gaps / max(usual, 0.5))
    before = after - np.where(kept, 1.0, -1.0)
    end = int(np.argmax(after - np.minimum.accumulate(before)))
    begin = int(np.argmin(before[: end + 1]))
    return float(times[begin]), float(times[end])
