"""Responses: messages of topics, replies of services, numbers of the simulation itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.adapters.field_paths import parse
from harness.adapters.gazebo import fields, messages
from harness.adapters.gazebo.asker import Replied
from harness.adapters.gazebo.port_options import ReplyOptions, ServiceCallOptions, TopicOptions
from harness.config.match import fields_read
from harness.errors import ConfigurationError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_KEY, NO_STAMP, Finding, ObservationFlag, Severity
from harness.ports import Sink

_NAN = float("nan")
_INT64 = 2**63


class GazeboResponse:
    """What every response has: its sinks. Gazebo's transport has no receive stamp of its own."""

    received_clock = HOST_MONOTONIC
    received_is = "instant the transport's thread handed it to the harness (CLOCK_MONOTONIC)"

    def __init__(self, stamp_clock: str) -> None:
        self.stamp_clock = stamp_clock
        self.sinks: tuple[Sink, ...] = ()

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on; several sinks may listen."""
        self.sinks = (*self.sinks, sink)

    def tell(self, key: int, stamp_ns: int, seen_ns: int, value: float, flags: int = 0) -> None:
        """Give every sink one observation."""
        for sink in self.sinks:
            sink(key, stamp_ns, seen_ns, seen_ns, value, flags)

    def deaf(self) -> None:
        """The device is closed."""
        self.sinks = ()


class TopicResponse(GazeboResponse):
    """Observes one topic. ``to_key``: of a copied stamp that was simulated time, the key it stands for."""

    def __init__(
        self,
        name: str,
        options: TopicOptions,
        clocks: Mapping[str, str],
        report: Callable[[Finding], None],
    ) -> None:
        super().__init__(clocks.get(options.stamp_clock, HOST_REALTIME))
        self.name, self.options = name, options
        self.message = messages.message_class(options.type)
        self.type = messages.type_name(options.type)
        self.unreadable = 0
        self.count = 0
        self.to_key: Callable[[int], int | None] | None = None
        self._report = report
        paths = {}
        for what, path in fields_read(options.match, options.stamp, options.value):
            try:
                accepted(self.message, options, what, path)
            except ConfigurationError as error:
                raise ConfigurationError(f"port {name}: {error.message}", hint=error.hint) from error
            paths[what] = parse(path)
        self._key, self._stamp, self._value = (paths.get(what) for what in ("match.path", "stamp", "value"))

    @property
    def copies_stamp(self) -> bool:
        """Whether its answers carry a stamp that the robot copied."""
        return self.options.match is not None and self.options.match.kind == "stamp"

    def unreadable_bytes(self, error: Exception) -> None:
        """A message that is none of this type."""
        self._cannot_read(error)

    def take(self, message: Any, seen_ns: int) -> None:
        """One message, on the transport's thread."""
        if not self.sinks:
            return
        self.count += 1
        try:
            key = NO_KEY if self._key is None else int(fields.read(message, self._key))
            stamp = NO_STAMP if self._stamp is None else int(fields.read(message, self._stamp))
            value = _NAN if self._value is None else float(fields.read(message, self._value))
            if self.to_key is not None and key != NO_KEY:
                known = self.to_key(key)
                key = NO_KEY if known is None else known
            if not -_INT64 <= key < _INT64:
                key = NO_KEY
        except (LookupError, ValueError, OverflowError, TypeError) as error:
            key, stamp, value = NO_KEY, NO_STAMP, _NAN
            self._cannot_read(error)
        self.tell(key, stamp, seen_ns, value)

    def _cannot_read(self, error: Exception) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            self._report(
                Finding(
                    "answer unreadable",
                    Severity.WARNING,
                    f"a message on {self.options.topic} could not be read as {self.options.type}: {error}",
                    remedy="look at it with `gz topic -e -t`; a list may be too short for the path",
                    port=self.name,
                )
            )


class ReplyResponse(GazeboResponse):
    """What a service replies."""

    received_is = "instant the process that called had the reply (CLOCK_MONOTONIC)"

    def __init__(self, name: str, options: ReplyOptions, called: ServiceCallOptions, clock_name: str) -> None:
        super().__init__(clock_name)
        self.name, self.options = name, options
        self._message = messages.message_class(called.reply)
        expected = self._message()
        self._accepted: list[tuple[Any, Any]] = []
        for path, value in options.accepted_if.items():
            fields.assign(expected, path, value)
            self._accepted.append((parse(path), fields.read(expected, parse(path))))
        if options.value is not None and not fields.resolve(expected, options.value).is_number:
            raise ConfigurationError(
                f"port {name}: value {options.value!r} of {called.reply} is no number",
                hint="name a field that is one",
            )
        self._value = None if options.value is None else parse(options.value)

    def take(self, key: int, reply: Replied, seen_ns: int) -> None:
        """One reply; a call that was given up has none. One that cannot be read is none that is accepted."""
        if not reply.ok:
            return
        message = self._message()
        try:
            message.ParseFromString(reply.data)
            said_no = any(fields.read(message, path) != value for path, value in self._accepted)
            value = _NAN if self._value is None else float(fields.read(message, self._value))
        except Exception:  # bytes that protobuf refuses, a list that is too short for a path
            said_no, value = True, _NAN
        flags = ObservationFlag.REJECTED.value if said_no else 0
        for sink in self.sinks:
            sink(key, NO_STAMP, reply.done_ns, max(seen_ns, reply.done_ns), value, flags)


class SignalResponse(GazeboResponse):
    """A number of the simulation itself; told by :class:`.watch.Watch`."""


def accepted(message: Any, options: TopicOptions, what: str, path: str) -> None:
    """Raises ConfigurationError when the field at ``path`` is missing or not of a type that ``what`` can
    be."""
    kind = fields.resolve(message, path)
    stamp = kind.is_time or (kind.is_integer and kind.base.endswith("64"))
    if what == "value":
        fits, wanted = kind.is_number, "a number"
    elif what == "stamp" or (options.match is not None and options.match.kind == "stamp"):
        fits, wanted = stamp, "a gz.msgs.Time or a 64-bit integer, as a stamp in nanoseconds needs"
    else:
        fits, wanted = kind.is_time or kind.is_integer, "a gz.msgs.Time or an integer"
    if not fits:
        raise ConfigurationError(
            f"{what} {path!r} of {options.type} is of type {kind}", hint=f"name a field that is {wanted}"
        )
