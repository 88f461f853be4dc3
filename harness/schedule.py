"""When stimuli are due, and the sender that keeps to it without ever ending a stall in a burst."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.clock import HostClock
from harness.config.schema import OpenLoop, Paced
from harness.model import NO_KEY, NO_STAMP

NANO = 1_000_000_000
SLICE_NS = 50_000_000
"""Longest single sleep, so that a request to stop is seen in time."""

Stopped = Callable[[], bool]
"""Whether the sending has to end; asked at least every 50 ms."""


def paced_offsets(spec: Paced, count: int, seed: int) -> npt.NDArray[np.int64]:
    """Instants at which ``count`` stimuli are due, in ns after the start; shape (count,).

    Jittered (the default): gaps are independent and uniform on [0.5, 1.5] periods. The phase within a robot
    loop of
    the same period, or of a divisor of it, is then uniform and independent from one stimulus to the next, two
    stimuli are never due closer than half a period apart, and the mean rate is kept. Periodic: exact
    multiples.
    """
    period = NANO / spec.rate_hz
    if spec.periodic:
        exact: npt.NDArray[np.int64] = np.rint(np.arange(count) * period).astype(np.int64)
        return exact
    gaps = np.random.default_rng(seed).uniform(0.5, 1.5, size=count) * period
    gaps[:1] = 0.0
    offsets: npt.NDArray[np.int64] = np.rint(np.cumsum(gaps)).astype(np.int64)
    return offsets


def largest_lateness_ns(spec: OpenLoop) -> int:
    """Lateness beyond which a stimulus is skipped instead of sent: half a period.

    Because gaps are at least half a period, at most one stimulus is sent late after a stall of any length;
    :func:`paced` keeps the one after it at a distance.
    """
    return int(0.5 * NANO / spec.rate_hz)


@dataclass(frozen=True)
class PacedLine:
    """What is due when, and who sends it: ``send(number, intended_ns)``, or ``skip`` for what is not sent.

    ``offsets``: shape (n,), ascending, in ns after the common start. A stimulus is skipped when the harness
    is later for it than ``largest_lateness_ns``, or when it would follow one that was sent late by less than
    half the smallest gap of the line; with ``own_gaps``, for gaps of any length, half of the gap before it.
    """

    offsets: npt.NDArray[np.int64]
    largest_lateness_ns: int
    send: Callable[[int, int], None]
    skip: Callable[[int, int], None]
    own_gaps: bool = False

    def least_gaps(self) -> npt.NDArray[np.int64]:
        """Shortest time from the send before to each stimulus, in ns; shape (n,)."""
        gaps = np.diff(self.offsets, prepend=self.offsets[:1]) // 2
        if not self.own_gaps:
            gaps[:] = gaps[1:].min() if len(gaps) > 1 else 0
        return gaps


def paced(lines: Sequence[PacedLine], clock: HostClock, stopped: Stopped) -> None:
    """Send what the lines have due, on absolute deadlines, in the order in which it is due.

    All lines start together, 5 ms from now; each keeps its own distances, so that no stall ends in a burst.
    """
    due = np.concatenate([line.offsets for line in lines])
    least = np.concatenate([line.least_gaps() for line in lines])
    owner = np.repeat(np.arange(len(lines)), [len(line.offsets) for line in lines])
    number = np.concatenate([np.arange(len(line.offsets)) for line in lines])
    order = np.argsort(due, kind="stable")
    start = clock.monotonic_ns() + 5_000_000
    last = [start - int(line.least_gaps()[:1].sum()) for line in lines]
    columns = (column[order].tolist() for column in (owner, number, due, least))
    for which, count, offset, least_gap in zip(*columns, strict=True):
        line, intended = lines[which], start + offset
        if not sleep_until(clock, intended, stopped):
            return
        now = clock.monotonic_ns()
        if now - intended > line.largest_lateness_ns or now - last[which] < least_gap:
            line.skip(count, intended)
        else:
            line.send(count, intended)
            # Not ``now``: the process may have been halted in between, and the stimulus gone out later.
            last[which] = clock.monotonic_ns()


class SendingThread:
    """Runs a sending loop off the main thread, which stays free for housekeeping and for Ctrl-C.

    ``loop`` is given a function that tells whether it has to end. An exception in it is kept in ``failure``.
    """

    def __init__(self, loop: Callable[[Stopped], None]) -> None:
        self._loop = loop
        self._stop = threading.Event()
        self.finished = threading.Event()
        self.failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="harness-sender", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End the sending and wait for the stimulus in hand. Repeatable."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _run(self) -> None:
        try:
            self._loop(self._stop.is_set)
        except BaseException as failure:
            self.failure = failure
        finally:
            self.finished.set()


def sleep_until(clock: HostClock, deadline_ns: int, stopped: Stopped) -> bool:
    """Sleep to ``deadline_ns``; False as soon as ``stopped()``, which is asked at least every 50 ms."""
    while True:
        if stopped():
            return False
        now = clock.monotonic_ns()
        if now >= deadline_ns:
            return True
        clock.sleep_until(min(deadline_ns, now + SLICE_NS))


class KeyMaker:
    """Gives each stimulus the key that its port can carry."""

    def __init__(self, kind: str, clock: HostClock) -> None:
        self._stamp = kind == "stamp"
        self._clock = clock
        self._next = 0
        self._last_stamp = NO_STAMP
        self._lock = threading.Lock()  # several streams may send at once

    def next_key(self) -> int:
        """The next key: a strictly increasing CLOCK_REALTIME stamp, or a number counted from 0."""
        with self._lock:
            if self._stamp:
                self._last_stamp = max(self._last_stamp + 1, self._clock.realtime_ns())
                return self._last_stamp
            self._next += 1
            return self._next - 1

    def skipped_key(self) -> int:
        """The key of a stimulus that is not sent: none for a stamp, the next number otherwise."""
        return NO_KEY if self._stamp else self.next_key()
