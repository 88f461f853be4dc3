"""The safe stop of a ROS 2 device: what the rig file calls stopped, sent and acknowledged."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

from harness.adapters.ros2 import vendor
from harness.adapters.ros2.call_stimulus import ActionStimulus, CallStimulus, ServiceStimulus
from harness.adapters.ros2.calls import Caller
from harness.adapters.ros2.cancelling import ACKNOWLEDGE_NS, CancelAll
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import StopOptions
from harness.adapters.ros2.stimulus import PreparedMessage, TopicStimulus
from harness.adapters.stop_sending import fresh_key, interval_ns, send_often
from harness.clock import HostClock
from harness.config.changing import plain
from harness.errors import HarnessError, OperationError, UnavailableError

_POLL_NS = 20_000_000
AnySending = TopicStimulus | ServiceStimulus | ActionStimulus


class _Part(Protocol):
    """One thing that a stop does. ``where``: in words, who has to hear it."""

    where: str

    def heard(self) -> bool:
        """Whether somebody is there who can hear it."""

    def run(self) -> None:
        """Do it. Raises HarnessError when it could not be handed over."""


class SafeStop:
    """The stop of one open device, made ready beforehand; without ``stop`` in the rig file it does nothing.

    ``node`` None: looks only. ``callers``: clients of its own; ``direct`` as of :class:`.calls.Caller`.
    Raises ConfigurationError or SafetyError for values that cannot be sent.
    """

    def __init__(
        self,
        name: str,
        options: Options,
        stimuli: Mapping[str, AnySending],
        profiles: Mapping[str, Any],
        clock: HostClock,
        node: Any | None,
        *,
        direct: bool,
    ) -> None:
        self.callers: list[Caller] = []
        self._name = name
        self._options = options
        self._clock = clock
        self._parts: list[_Part] = []
        stop = options.stop
        if stop is None:
            return
        if stop.cancel:
            action = stimuli[stop.port]
            assert isinstance(action, ActionStimulus)  # call_rules has seen to that
            if node is not None:
                cancel = CancelAll(action, stop, node, clock, direct)
                self._parts.append(cancel)
                self.callers.append(cancel.caller)
        else:
            self._parts.append(_part(stimuli[stop.port], stop.values, stop, profiles[stop.port], clock))
        if stop.hold is not None:
            hold = stop.hold
            self._parts.append(_part(stimuli[hold.port], hold.values, stop, profiles[hold.port], clock))

    def await_listener(self) -> None:
        """Return once somebody can hear the stop: discovery may take seconds, in which it would reach nobody.

        Raises UnavailableError after ``patience_s``.
        """
        clock = self._clock
        deadline = clock.monotonic_ns() + round(self._options.patience_s * 1e9)
        for part in self._parts:
            while not part.heard():
                if clock.monotonic_ns() >= deadline:
                    raise UnavailableError(
                        f"nobody who could hear the stop of device {self._name} {part.where}",
                        hint="is the robot running, in this domain and discovery range, with a QoS that"
                        " matches?",
                    )
                clock.sleep_until(clock.monotonic_ns() + _POLL_NS)

    def run(self) -> None:
        """Do every part of the stop, whatever becomes of the others; bounded in time, dead robot or not.

        Raises OperationError when one of them could not be handed over, or was not acknowledged by a server.
        """
        failures = []
        for part in self._parts:
            try:
                part.run()
            except HarnessError as error:
                failures.append(error)
        if failures:
            reasons = "; ".join(error.message for error in failures)
            raise OperationError(f"device {self._name} could not be stopped: {reasons}") from failures[0]


def _part(
    stimulus: AnySending, values: Mapping[str, Any], stop: StopOptions, profile: Any, clock: HostClock
) -> _Part:
    # Texts of the port (frame ids) belong to a stop as well; its numbers are what moves the robot, and do
    # not.
    texts = {path: value for path, value in stimulus.options.values.items() if isinstance(value, str)}
    sent = {**texts, **{path: plain(value) for path, value in values.items()}}
    if isinstance(stimulus, TopicStimulus):
        return _Publish(stimulus, sent, stop, profile, clock)
    return _Call(stimulus, sent, stop, clock)


class _Publish:
    """Publishes stop values as often as the rig file says, each with a fresh key."""

    def __init__(
        self,
        stimulus: TopicStimulus,
        values: Mapping[str, Any],
        stop: StopOptions,
        profile: Any,
        clock: HostClock,
    ) -> None:
        self._stimulus = stimulus
        self._prepared = stimulus.prepare(values)
        self._stop = stop
        self._reliable = profile.reliability.name == "RELIABLE"
        self._clock = clock
        self.where = f"subscribes to {stimulus.options.topic}"

    def heard(self) -> bool:
        """Whether somebody subscribes."""
        publisher: Any = self._stimulus.publisher
        return bool(publisher.get_subscription_count())

    def run(self) -> None:
        """Publish. Raises OperationError when nothing at all could be handed over."""
        # A copy: another thread may be stopping as well.
        prepared = PreparedMessage(bytearray(self._prepared.buffer), self._prepared.offset)
        send_often(
            self._clock,
            self._stop,
            lambda number: self._stimulus.send(self._fresh_key(number), prepared),
        )
        publisher = self._stimulus.publisher
        if publisher is not None and self._reliable:
            with contextlib.suppress(Exception):  # a robot that is gone acknowledges nothing
                publisher.wait_for_all_acked(
                    vendor.load("rclpy.duration").Duration(nanoseconds=ACKNOWLEDGE_NS)
                )

    def _fresh_key(self, number: int) -> int:
        stimulus = self._stimulus
        top = stimulus.key_max if stimulus.key_max is not None else 2**31
        return fresh_key(self._clock, stimulus.key_kind, stimulus.last_key, top, number)


class _Call:
    """Calls a service, or sends a goal, until it is acknowledged."""

    def __init__(
        self, stimulus: CallStimulus, values: Mapping[str, Any], stop: StopOptions, clock: HostClock
    ) -> None:
        self._stimulus = stimulus
        self._values = values
        stimulus.prepare(values)  # says now what cannot be sent
        self._stop = stop
        self._clock = clock
        self.where = f"serves {stimulus.called}"

    def heard(self) -> bool:
        """Whether a server is known."""
        return all(one.ready for one in self._stimulus.callers[:1])

    def run(self) -> None:
        """Call. Raises OperationError when nobody acknowledges."""
        prepared = self._stimulus.prepare(self._values)
        first = 2**62 + self._clock.monotonic_ns()  # goals of a stop are none of a scenario
        last = self._stop.repeat - 1
        for number in range(last + 1):
            timeout_ns = ACKNOWLEDGE_NS if number in (0, last) else interval_ns(self._stop)
            reply = self._stimulus.call(first + number, prepared, timeout_ns)
            if reply is None:
                continue
            if getattr(reply, "accepted", True) is False:
                raise OperationError(f"{self._stimulus.called} refused the goal that stops")
            return
        raise OperationError(f"{self._stimulus.called} did not acknowledge the stop")
