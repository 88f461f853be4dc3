"""The safe stop: what the rig file calls stopped, published as often as it says."""

from __future__ import annotations

from harness.adapters.gazebo.stimulus import TopicStimulus
from harness.clock import HostClock
from harness.config.changing import plain
from harness.config.schema import Stop
from harness.errors import HarnessError, UnavailableError
from harness.ports import KeyKind

_POLL_NS = 20_000_000


class SafeStop:
    """Made ready beforehand. Raises ConfigurationError or SafetyError for values that cannot be sent."""

    def __init__(self, name: str, stop: Stop, stimulus: TopicStimulus, clock: HostClock) -> None:
        self._name, self._stop, self._stimulus, self._clock = name, stop, stimulus, clock
        texts = {path: value for path, value in stimulus.options.values.items() if isinstance(value, str)}
        self._values = {**texts, **{path: plain(value) for path, value in stop.values.items()}}
        stimulus.prepare(self._values)  # says now what cannot be sent

    def await_listener(self, patience_s: float) -> None:
        """Return once somebody can hear the stop. Raises UnavailableError after ``patience_s``."""
        deadline = self._clock.monotonic_ns() + round(patience_s * 1e9)
        publisher = self._stimulus.publisher
        while not publisher.has_connections():
            if self._clock.monotonic_ns() >= deadline:
                raise UnavailableError(
                    f"nobody who could hear the stop of device {self._name} subscribes to"
                    f" {self._stimulus.options.topic}",
                    hint="does the simulator run, in this partition, with that model?",
                )
            self._clock.sleep_until(self._clock.monotonic_ns() + _POLL_NS)

    def run(self) -> None:
        """Publish. Raises OperationError when nothing at all could be handed over."""
        # A copy: another thread may be stopping, or sending, as well.
        prepared = self._stimulus.prepare(self._values)
        failure, handed = None, 0
        for number in range(self._stop.repeat):
            if number:
                self._clock.sleep_until(self._clock.monotonic_ns() + round(self._stop.interval_ms * 1e6))
            try:
                self._stimulus.send(self._fresh_key(number), prepared)
                handed += 1
            except HarnessError as error:
                failure = error
        if not handed and failure is not None:
            raise failure

    def _fresh_key(self, number: int) -> int:
        last = self._stimulus.last_key
        if self._stimulus.key_kind is KeyKind.STAMP:
            now = self._clock.realtime_ns()
            return now if last is None else max(now, last + 1)
        # The guardian does not know what was sent: the upper half of the field keeps its stops from looking
        # like the answers to early stimuli.
        top = self._stimulus.key_max
        return min(top // 2 + 1 + number if last is None else last + 1, top)
