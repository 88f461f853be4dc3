"""A sensor that goes on publishing: its newest values again and again, a stimulus among them."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from harness.ports import KeyKind, Stimulus
from harness.schedule import NANO, KeyMaker, SendingThread, Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench


class BackgroundStream:
    """A stimulus port that is never silent: what was sent last is sent again at ``rate_hz``, first ``rest``.

    A stimulus goes out when it is due, between two messages of the stream, which goes on a period after it
    with the stimulus's values. The phase of the stream within the robot's loop so changes with every trial.
    ``sent`` counts the messages of the stream, ``left_out`` those it was too late for: a stall does not end
    in a burst.

    Whoever sends a stimulus holds ``turn`` from the making of its key to the hand-over, so that keys go out
    in their order.
    """

    def __init__(self, stimulus: Stimulus, keys: KeyMaker, rest: Any, rate_hz: float, bench: Bench) -> None:
        self.key_kind: KeyKind = stimulus.key_kind
        self.turn = threading.RLock()
        self.sent = 0
        self.left_out = 0
        self._stimulus = stimulus
        self._keys = keys
        self._shown = rest
        self._period_ns = max(1, round(NANO / rate_hz))
        self._bench = bench
        self._due_ns = 0

    def prepare(self, values: Mapping[str, Any]) -> Any:
        """As the port does."""
        return self._stimulus.prepare(values)

    def send(self, key: int, prepared: Any) -> tuple[int, int]:
        """Send now, and from now on. Returns CLOCK_MONOTONIC in ns just before and just after."""
        with self.turn:
            self._shown = prepared
            before, after = self._stimulus.send(key, prepared)
            self._due_ns = after + self._period_ns
        return before, after

    @contextmanager
    def running(self) -> Iterator[None]:
        """The stream flows within the ``with`` block."""
        self._bench.tick()  # nobody may have kept house for longer than anything moves unwatched
        self._due_ns = self._bench.clock.monotonic_ns()
        self._thread = SendingThread(self._flow)
        self._thread.start()
        try:
            yield
        finally:
            self._thread.stop()

    def check(self) -> None:
        """Raise what has ended the stream, if anything has."""
        if self._thread.failure is not None:
            raise self._thread.failure

    def _flow(self, stopped: Stopped) -> None:
        clock = self._bench.clock
        while sleep_until(clock, self._due_ns, stopped):
            with self.turn:
                now = clock.monotonic_ns()
                if now < self._due_ns:
                    continue  # a stimulus was sent meanwhile
                self._bench.require_housekeeping(now)
                self._stimulus.send(self._keys.next_key(), self._shown)
                self.sent += 1
                late_ns = now - self._due_ns
                self.left_out += late_ns // self._period_ns
                # As with stimuli: no two are closer than half a period, whatever the stall.
                self._due_ns = (now if late_ns > self._period_ns // 2 else self._due_ns) + self._period_ns
