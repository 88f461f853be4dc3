"""The safe stop of a ROS 2 device: what the rig file calls stopped, sent and acknowledged."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.stimulus import PreparedMessage, TopicStimulus
from harness.clock import HostClock
from harness.config.changing import plain
from harness.errors import HarnessError, OperationError, UnavailableError
from harness.ports import KeyKind

_POLL_NS = 20_000_000
_ACKNOWLEDGE_NS = 200_000_000


class SafeStop:
    """The stop of one open device, made ready beforehand; without ``stop`` in the rig file it does nothing.

    Raises ConfigurationError or SafetyError for values that cannot be sent.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        stimuli: Mapping[str, TopicStimulus],
        profiles: Mapping[str, Any],
        clock: HostClock,
    ) -> None:
        self._name = name
        self._options = options
        self._clock = clock
        self._stimulus: TopicStimulus | None = None
        self._prepared: PreparedMessage | None = None
        stop = options.stop
        if stop is None:
            return
        stimulus = stimuli[stop.port]
        # Texts of the port (frame ids) belong to a stop as well; its numbers are what moves the robot, and do
        # not.
        texts = {path: value for path, value in stimulus.options.values.items() if isinstance(value, str)}
        sent = {path: plain(value) for path, value in stop.values.items()}
        self._stimulus = stimulus
        self._prepared = stimulus.prepare({**texts, **sent})
        self._reliable = profiles[stop.port].reliability.name == "RELIABLE"

    def await_listener(self) -> None:
        """Return once somebody can hear the stop: discovery may take seconds, in which it would reach nobody.

        Raises UnavailableError after ``patience_s``.
        """
        if self._stimulus is None:
            return
        publisher: Any = self._stimulus.publisher
        clock = self._clock
        deadline = clock.monotonic_ns() + round(self._options.patience_s * 1e9)
        while not publisher.get_subscription_count():
            if clock.monotonic_ns() >= deadline:
                topic = self._stimulus.options.topic
                raise UnavailableError(
                    f"nobody who could hear the stop of device {self._name} subscribes to {topic}",
                    hint="is the robot running, in this domain and discovery range, with a QoS that matches?",
                )
            clock.sleep_until(clock.monotonic_ns() + _POLL_NS)

    def run(self) -> None:
        """Publish the stop values as often as the rig file says, each with a fresh key.

        Raises OperationError when none of them could be handed over.
        """
        stop, stimulus, prepared = self._options.stop, self._stimulus, self._prepared
        if stop is None or stimulus is None or prepared is None:
            return
        # A copy: another thread may be stopping as well.
        prepared = PreparedMessage(bytearray(prepared.buffer), prepared.offset)
        clock, failure, handed = self._clock, None, 0
        for number in range(stop.repeat):
            if number:
                clock.sleep_until(clock.monotonic_ns() + round(stop.interval_ms * 1e6))
            try:
                stimulus.send(self._fresh_key(stimulus, number), prepared)
                handed += 1
            except HarnessError as error:
                failure = error
        if not handed and failure is not None:
            raise OperationError(f"device {self._name} could not be stopped: {failure.message}") from failure
        publisher = stimulus.publisher
        if publisher is not None and self._reliable:
            with contextlib.suppress(Exception):  # a robot that is gone acknowledges nothing
                publisher.wait_for_all_acked(
                    vendor.load("rclpy.duration").Duration(nanoseconds=_ACKNOWLEDGE_NS)
                )

    def _fresh_key(self, stimulus: TopicStimulus, number: int) -> int:
        last = stimulus.last_key
        if stimulus.key_kind is KeyKind.STAMP:
            now = self._clock.realtime_ns()
            return now if last is None else max(now, last + 1)
        # The guardian does not know what was sent: the upper half of the field keeps its stops from looking
        # like the answers to early stimuli.
        top = stimulus.key_max if stimulus.key_max is not None else 2**31
        return min(top // 2 + 1 + number if last is None else last + 1, top)
