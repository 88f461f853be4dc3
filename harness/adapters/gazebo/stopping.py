"""The safe stop: what the rig file calls stopped, published as often as it says."""

from __future__ import annotations

from harness.adapters.gazebo.stimulus import TopicStimulus
from harness.adapters.stop_sending import fresh_key, send_often
from harness.clock import HostClock
from harness.config.changing import plain
from harness.config.schema import Stop
from harness.errors import UnavailableError

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
        send_often(
            self._clock,
            self._stop,
            lambda number: self._stimulus.send(self._fresh_key(number), prepared),
        )

    def _fresh_key(self, number: int) -> int:
        stimulus = self._stimulus
        return fresh_key(self._clock, stimulus.key_kind, stimulus.last_key, stimulus.key_max, number)
