"""Sensors that go on publishing: their newest values again and again, a stimulus among them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from harness.config import check_limits, expand_variants
from harness.config.devices import background_of
from harness.config.values import settled
from harness.observed import observed_now
from harness.ports import KeyKind, Stimulus
from harness.schedule import NANO, KeyMaker, SendingThread, Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench


@dataclass(frozen=True)
class Course:
    """A stimulus of several messages, made ready: the first one is sent as the stimulus, the others one by
    one by the stream, which stays at the last."""

    messages: tuple[Any, ...]


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
        self._shown = deque([rest])
        self._period_ns = max(1, round(NANO / rate_hz))
        self._bench = bench
        self._due_ns = 0

    def prepare(self, values: Mapping[str, Any]) -> Any:
        """As the port does."""
        return self._stimulus.prepare(values)

    def send(self, key: int, prepared: Any) -> tuple[int, int]:
        """Send now, and from now on. Returns CLOCK_MONOTONIC in ns just before and just after."""
        with self.turn:
            self._shown = deque(prepared.messages if isinstance(prepared, Course) else [prepared])
            before, after = self._stimulus.send(key, self._next())
            self._due_ns = after + self._period_ns
        return before, after

    def _next(self) -> Any:
        """What goes out now; the last one stays."""
        return self._shown.popleft() if len(self._shown) > 1 else self._shown[0]

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
                self._stimulus.send(self._keys.next_key(), self._next())
                self.sent += 1
                late_ns = now - self._due_ns
                self.left_out += late_ns // self._period_ns
                # As with stimuli: no two are closer than half a period, whatever the stall.
                self._due_ns = (now if late_ns > self._period_ns // 2 else self._due_ns) + self._period_ns


class Streams:
    """All ports of a device that go on publishing while one of its scenarios runs.

    ``own``: that of the stimulus, None where it has no background; ``others`` show their values at rest from
    before the first probe until the last trial is over, by their reference in the rig file.
    """

    def __init__(
        self,
        scenario: str,
        stimulus: str,
        own: BackgroundStream | None,
        others: Mapping[str, BackgroundStream],
    ) -> None:
        self._scenario = scenario
        self._streams = {**({stimulus: own} if own is not None else {}), **others}

    @contextmanager
    def running(self, bench: Bench) -> Iterator[None]:
        """They flow within the ``with`` block; afterwards each is an event ``background``."""
        try:
            with ExitStack() as flowing:
                for stream in self._streams.values():
                    flowing.enter_context(stream.running())
                yield
        finally:
            for port, stream in self._streams.items():
                bench.folder.event(
                    "background",
                    scenario=self._scenario,
                    port=port,
                    sent=stream.sent,
                    left_out=stream.left_out,
                )

    def check(self) -> None:
        """Raise what has ended one of them, if anything has."""
        for stream in self._streams.values():
            stream.check()


def other_streams(bench: Bench, stimulus: str) -> dict[str, BackgroundStream]:
    """The sensors of the device beside the port of the stimulus, by their reference in the rig file.

    Raises ConfigurationError or SafetyError for values that cannot be sent.
    """
    device, _, own = stimulus.partition(".")
    options = bench.rig.devices[device]
    found = {}
    for port, port_options in options.ports.items():
        background = background_of(port_options)
        if background is None or port == own:
            continue
        sensor = bench.devices[device].stimulus(port)
        written = expand_variants(bench.stimulus_values(device, port))[0]
        rest = settled(written, partial(observed_now, bench))
        check_limits(options.limits, rest, f"devices.{device}.ports.{port}")
        keys = bench.keys_of(sensor.key_kind.value)
        found[f"{device}.{port}"] = BackgroundStream(
            sensor, keys, sensor.prepare(rest), background.rate_hz, bench
        )
    return found
