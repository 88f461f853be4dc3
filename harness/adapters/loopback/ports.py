"""The ports of the loopback device: a command that is one number, and the answers to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from harness.adapters.loopback.link import Link
from harness.adapters.loopback.options import Options
from harness.adapters.loopback.wire import Frame, Kind
from harness.errors import ConfigurationError, SafetyError
from harness.model import HOST_MONOTONIC, HOST_REALTIME, NO_KEY
from harness.ports import KeyKind, Sink


class LoopbackStimulus:
    """A command of the robot. Its values are one number, ``value``."""

    def __init__(
        self, device: str, options: Options, port: str, number: int, link: Callable[[], Link]
    ) -> None:
        how = options.ports[port].stimulus
        assert how is not None
        self.key_kind = KeyKind(how.key)
        self._place = f"{device}.{port}"
        self._limit = options.limits.get("value")
        self._length = options.payload_bytes
        self._number = number
        self._link = link

    def prepare(self, values: Mapping[str, Any]) -> bytearray:
        """The frame, all but its key. Raises ConfigurationError, and SafetyError beyond a limit."""
        for name in values:
            if name != "value":
                raise ConfigurationError(
                    f"{self._place}: no field {name!r}", hint="the only field is 'value', a number"
                )
        value = values.get("value", 0.0)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ConfigurationError(f"{self._place}: value is {value!r}", hint="give a number")
        limit = self._limit
        if limit is not None and not abs(value) <= limit:
            raise SafetyError(f"{self._place}: value {value} is beyond the limit {limit:g}", hint="lower it")
        return self.frame(Kind.COMMAND, float(value))

    def frame(self, kind: Kind, value: float) -> bytearray:
        """A frame of this port."""
        return Frame(kind, self._number, self._length, NO_KEY, 0, 0, value).pack()

    def send(self, key: int, prepared: bytearray) -> tuple[int, int]:
        """Hand one command to the socket; never waits for the answer."""
        return self._link().send(prepared, NO_KEY if self.key_kind is KeyKind.NONE else key)


class LoopbackResponse:
    """The robot's answers to one of its commands, or its signal."""

    def __init__(self, options: Options, port: str, number: int, clock: str) -> None:
        how = options.ports[port].response
        assert how is not None
        self.number = number
        self.stamp_clock = clock
        self.is_signal = how.match.of_signal
        self._keyed = how.match.keyed
        self._realtime = options.received_clock == "realtime"
        self.received_clock = HOST_REALTIME if self._realtime else HOST_MONOTONIC
        self.received_is = f"instant the reader took it from the socket ({self.received_clock})"
        self._sinks: tuple[Sink, ...] = ()

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every answer from now on."""
        self._sinks = (*self._sinks, sink)

    def deaf(self) -> None:
        """Forget the sinks; the device was closed."""
        self._sinks = ()

    def take(self, frame: Frame, realtime_ns: int, monotonic_ns: int) -> None:
        """Hand one answer to every sink."""
        for sink in self._sinks:
            sink(
                frame.key if self._keyed else NO_KEY,
                stamp_ns=frame.stamp_ns,
                received_ns=realtime_ns if self._realtime else monotonic_ns,
                seen_ns=monotonic_ns,
                value=frame.value,
            )
