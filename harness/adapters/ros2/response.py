"""A response: serialised answers, taken with the middleware's receive stamp, their key read in place."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from harness.adapters.ros2 import cdr, messages, paths, vendor
from harness.adapters.ros2.paths import FLOATS, PRIMITIVES, TIME
from harness.adapters.ros2.port_options import ResponseOptions
from harness.adapters.ros2.stamps import Stamps
from harness.clock import HostClock
from harness.config.match import fields_read
from harness.errors import ConfigurationError
from harness.model import HOST_REALTIME, NO_KEY, NO_STAMP, Finding, ObservationFlag, Severity
from harness.ports import Keep, Sink

_NAN = float("nan")
_INT64 = 2**63


class TopicResponse:
    """Observes one topic. ``on_message`` is the subscription's callback."""

    received_clock = HOST_REALTIME
    received_is = "middleware receive stamp"

    def __init__(
        self,
        name: str,
        options: ResponseOptions,
        robot_clock: str,
        clock: HostClock,
        report: Callable[[Finding], None],
        *,
        message: type | None = None,
    ) -> None:
        self.name = name
        self.options = options
        self.message = message or messages.message_class(options.type)
        clocks = {"host": HOST_REALTIME, "sim": sim_clock(robot_clock)}
        self.stamp_clock = clocks.get(options.stamp_clock, robot_clock)
        self.unreadable = 0
        self.dropped = 0
        self.largest_bytes = 0
        """Of the messages that were seen, as they came."""
        self.publisher_count: Callable[[], int] | None = None
        self.keep: Keep | None = None
        """Takes every message into the bag of the run; None where it is left out."""
        self._sinks: tuple[Sink, ...] = ()
        self._report = report
        found = {
            what: self._field(what, path)
            for what, path in fields_read(options.match, options.stamp, options.value)
        }
        self._key, self._stamp, self._value = (found.get(what) for what in ("match.path", "stamp", "value"))
        # Where the stamp is the key, it is ours, copied: a second answer repeats it.
        copied = options.match is not None and options.match.path == options.stamp
        watched = self._stamp is not None and not copied
        self.stamps = Stamps(options.topic, options.stamp_clock, report) if watched else None
        self.on_message = self._callback(clock)

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on; several sinks may listen."""
        self._sinks = (*self._sinks, sink)

    def goal_of(self, data: bytes) -> tuple[int, int] | None:
        """Of an action's feedback: key and flags; None for a message that is not for us."""
        raise NotImplementedError

    def _field(self, what: str, path: str) -> _Field:
        try:
            accepted(self.message, self.options, what, path)
        except ConfigurationError as error:
            raise ConfigurationError(f"port {self.name}: {error.message}", hint=error.hint) from error
        return _Field(self.message, path)

    def _callback(self, clock: HostClock) -> Callable[[bytes, Any], None]:
        monotonic, realtime = clock.monotonic_ns, clock.realtime_ns
        key_field, stamp_field, value_field = self._key, self._stamp, self._value
        names = self.options.names
        number_of: Callable[[Any], float] = float if names is None else partial(named_number, names)
        goal_of = self.goal_of if type(self).goal_of is not TopicResponse.goal_of else None
        watch = None if self.stamps is None else self.stamps.see
        expected: int | None = None

        def on_message(data: bytes, info: Mapping[str, Any]) -> None:
            nonlocal expected
            seen = monotonic()
            sinks = self._sinks
            if not sinks:
                return
            # A shallow or slow reader overwrites without any event: only the writer's count shows it.
            number = info.get("publication_sequence_number")
            if number is not None:
                if expected is not None and number > expected:
                    self._gap(number - expected)
                expected = number + 1
            self.largest_bytes = max(self.largest_bytes, len(data))
            flags, key = 0, NO_KEY
            if goal_of is not None:
                goal = goal_of(data)
                if goal is None:
                    return
                key, flags = goal
            try:
                if key_field is not None:
                    key = int(key_field.read(data))
                stamp = NO_STAMP if stamp_field is None else int(stamp_field.read(data))
                value = _NAN if value_field is None else number_of(value_field.read(data))
                if not -_INT64 <= key < _INT64:
                    key = NO_KEY
            except (LookupError, struct.error, ValueError, OverflowError, RuntimeError) as error:
                key, stamp, value = NO_KEY, NO_STAMP, _NAN
                self._cannot_read(error)
            received = info["received_timestamp"]
            if received <= 0:  # what rmw gives where the middleware has no such stamp
                received, flags = realtime(), flags | ObservationFlag.NOT_MIDDLEWARE.value
            if watch is not None and stamp != NO_STAMP:
                watch(stamp, received)
            for sink in sinks:
                sink(key, stamp, received, seen, value, flags)
            keep = self.keep
            if keep is not None:
                published = info["source_timestamp"]
                keep(data, received, published if published > 0 else received)

        return on_message

    def _gap(self, count: int) -> None:
        if self.publisher_count is None or self.publisher_count() != 1:
            return  # several writers count each for itself, and nothing says whose number this is
        self.dropped += count
        self._report(lost_finding(self.options.topic, count, self.dropped, self.name))

    def _cannot_read(self, error: Exception) -> None:
        self.unreadable += 1
        if self.unreadable == 1:
            self._report(
                Finding(
                    "answer unreadable",
                    Severity.WARNING,
                    f"a message on {self.options.topic} could not be read as {self.options.type}: {error}",
                    remedy="look at it with `ros2 topic echo`; a list may be too short for the path",
                )
            )


def sim_clock(robot_clock: str) -> str:
    """Name of the clock of simulated time of the device whose own clock is ``robot_clock``."""
    return f"{robot_clock.removesuffix('.clock')}.sim_time"


def lost_finding(topic: str, count: int, total: int, port: str) -> Finding:
    """Answers that were published and never reached the harness: the bench's fault, not the robot's."""
    return Finding(
        "messages lost",
        Severity.ERROR,
        f"the middleware dropped {count} message(s) on {topic} before the harness",
        str(total),
        "lower the rate, raise the depth (qos), or make the port reliable",
        port,
    )


class _Field:
    """Reads one number or time out of a serialised message."""

    def __init__(self, message: type, path: str) -> None:
        self._message = message
        self._steps = paths.parse(path)
        self._deserialize = vendor.load("rclpy.serialization").deserialize_message
        self._constant: int | None = None
        try:
            self._locator: cdr.Locator | None = None
            if not _is_string(paths.resolve(message, path)):
                self._locator = cdr.locate(message, path)
        except cdr.NotLocatableError:
            pass
        if self._locator is not None:
            self._constant = self._locator.constant
            self._reader = cdr.reader(self._locator.kind)

    def read(self, data: bytes) -> Any:
        """The number; a time in ns. Raises LookupError or struct.error where it is not there."""
        if self._locator is None or data[0] != 0 or data[1] > 1:
            # Also what is not PLAIN_CDR: the middleware's own deserialiser knows, or says that it does not.
            found = paths.read(self._whole(data), self._steps)
            return found.sec * 1_000_000_000 + found.nanosec if hasattr(found, "nanosec") else found
        at = self._constant
        return self._reader(data, self._locator.offset(data) if at is None else at)

    def _whole(self, data: bytes) -> Any:
        """The message. Ports of one topic get the same bytes one after the other: decoded once for all."""
        global _last
        last = _last
        if last is None or last[0] is not data or last[1] is not self._message:
            _last = last = (data, self._message, self._deserialize(data, self._message))
        return last[2]


_last: tuple[bytes, type, Any] | None = None


def accepted(message: type, options: ResponseOptions, what: str, path: str) -> None:
    """Raises ConfigurationError when the field at ``path`` is missing or not of a type that ``what`` can
    be."""
    kind = paths.resolve(message, path)
    time_or_wide = "a builtin_interfaces/Time or a 64-bit integer"
    accepts, wanted = {
        "match.path": (_is_key, "a builtin_interfaces/Time or an integer"),
        "stamp": (_is_stamp, time_or_wide),
        "value": (is_number, "a number") if options.names is None else (_is_string, "a string"),
    }[what]
    if what == "match.path" and options.match is not None and options.match.kind == "stamp":
        accepts, wanted = _is_stamp, f"{time_or_wide}, as a stamp in nanoseconds needs"
    if not accepts(kind):
        raise ConfigurationError(
            f"{what} {path!r} of {options.type} is of type {kind}", hint=f"name a field that is {wanted}"
        )


def _is_key(kind: paths.FieldType) -> bool:
    return not kind.plural and (kind.base == TIME or kind.base in paths.INTEGERS)


def _is_stamp(kind: paths.FieldType) -> bool:
    return not kind.plural and kind.base in (TIME, "int64", "uint64")


def _is_string(kind: paths.FieldType) -> bool:
    return not kind.plural and kind.base in ("string", "wstring")


def named_number(names: Sequence[str], text: str) -> float:
    """The place of ``text`` among ``names``, from 1; else the number that it is, or 0."""
    if text in names:
        return float(names.index(text) + 1)
    try:
        return float(text)
    except ValueError:
        return 0.0


def is_number(kind: paths.FieldType) -> bool:
    """Whether a field of that type is a single number."""
    return not kind.plural and kind.base in PRIMITIVES and (kind.base in FLOATS or kind.base != "octet")
