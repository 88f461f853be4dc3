"""What comes back from services and actions: replies, accepted goals, feedback, results."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from harness.adapters.ros2 import messages, paths
from harness.adapters.ros2.port_options import CallResponseOptions, ResponseOptions
from harness.adapters.ros2.response import TopicResponse, is_number
from harness.clock import HostClock
from harness.errors import ConfigurationError
from harness.model import HOST_REALTIME, NO_STAMP, Finding, ObservationFlag
from harness.ports import Sink

PREFIX_BYTES = 8
"""A goal's id: so many bytes of the harness's own, then the key."""
_KEYS_KEPT = 100_000


class CallResponse:
    """Observes the replies of a service, or what became of an action's goals. ``message``: the class that
    ``value`` and ``accepted_if`` are paths in."""

    stamp_clock = HOST_REALTIME
    received_clock = HOST_REALTIME
    received_is = "middleware receive stamp"

    def __init__(self, name: str, options: CallResponseOptions, message: type) -> None:
        self.name = name
        self.options = options
        try:
            check_paths(message, options)
        except ConfigurationError as error:
            raise ConfigurationError(f"port {name}: {error.message}", hint=error.hint) from error
        self._value = paths.parse(options.value) if options.value is not None else None
        self._wanted = [
            (paths.parse(path), messages.converted(message, path, paths.resolve(message, path), value))
            for path, value in options.accepted_if.items()
        ]
        self._sinks: tuple[Sink, ...] = ()

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on; several sinks may listen."""
        self._sinks = (*self._sinks, sink)

    def take(self, key: int, reply: Any, received: int, seen: int, flags: int, *, refused: bool) -> None:
        """One answer came. ``refused``: whatever it says, the device said no."""
        value = math.nan
        if not refused:
            try:
                refused = any(paths.read(reply, steps) != wanted for steps, wanted in self._wanted)
                if self._value is not None:
                    value = float(paths.read(reply, self._value))
            except LookupError:
                refused = True  # a list is too short for the path: what was asked for is not there
        if refused:
            flags |= ObservationFlag.REJECTED.value
        for sink in self._sinks:
            sink(key, NO_STAMP, received, seen, value, flags)


def check_paths(message: type, options: CallResponseOptions) -> None:
    """Raise ConfigurationError for a path or value that the message does not have, or cannot take."""
    for path, value in options.accepted_if.items():
        messages.converted(message, path, paths.resolve(message, path), value)
    if options.value is not None:
        check_value(message, options.value)


def check_value(message: type, path: str) -> None:
    """Raise ConfigurationError where ``path`` is of no number."""
    if not is_number(kind := paths.resolve(message, path)):
        raise ConfigurationError(
            f"value {path!r} of {paths.full_name(message)} is of type {kind}",
            hint="name a field that is a number",
        )


class FeedbackResponse(TopicResponse):
    """Observes the feedback topic of an action: that of our own goals, whose id holds their key. The first of
    each goal is its answer; the others are flagged FURTHER."""

    def __init__(
        self,
        name: str,
        options: CallResponseOptions,
        action: Any,
        topic: str,
        prefix: bytes,
        clock: HostClock,
        report: Callable[[Finding], None],
    ) -> None:
        message = action.Impl.FeedbackMessage
        try:
            check_paths(action.Feedback, options)
        except ConfigurationError as error:
            raise ConfigurationError(f"port {name}: {error.message}", hint=error.hint) from error
        as_topic = ResponseOptions(
            topic=topic,
            type=paths.full_name(message),
            value=f"feedback.{options.value}" if options.value is not None else None,
        )
        self._prefix = prefix
        self._known: dict[int, None] = {}
        super().__init__(name, as_topic, HOST_REALTIME, clock, report, message=message)

    def goal_of(self, data: bytes) -> tuple[int, int] | None:
        """Key and flags of a serialised feedback message; None for one of somebody else's goal.

        The id is the first field, 16 bytes: no alignment, no length.
        """
        start = 4
        if data[start : start + PREFIX_BYTES] != self._prefix:
            return None
        key = int.from_bytes(data[start + PREFIX_BYTES : start + 16], "big", signed=True)
        if key in self._known:
            return key, ObservationFlag.FURTHER.value
        self._known[key] = None
        if len(self._known) > _KEYS_KEPT:
            del self._known[next(iter(self._known))]
        return key, 0

    def take(self, key: int, reply: Any, received: int, seen: int, flags: int, *, refused: bool) -> None:
        """The goal was refused, so that no feedback will come."""
        for sink in self._sinks:
            sink(key, NO_STAMP, received, seen, math.nan, flags | ObservationFlag.REJECTED.value)
