"""The ports of a robot on a serial line: messages that are sent, messages that are found."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from harness.config.values import limit_of, return_set
from harness.errors import ConfigurationError, SafetyError
from harness.model import HOST_MONOTONIC, NO_KEY
from harness.ports import KeyKind, Sink
from harness.rigs.serial_text.options import ResponseOptions, StimulusOptions
from harness.rigs.serial_text.reading import Found, Reader

Write = Callable[[bytes], tuple[int, int]]
"""Hands bytes to the line; CLOCK_MONOTONIC in ns just before and just after."""


class TextStimulus:
    """A message to the robot. ``last_key``: of the newest one that was sent."""

    def __init__(
        self, device: str, port: str, how: StimulusOptions, limits: Mapping[str, float], write: Write
    ) -> None:
        self.key_kind = KeyKind(how.key_kind)
        self.last_key = 0
        self._place, self._limits, self._write = f"{device}.{port}", limits, write
        self._template, self._modulo = how.template, how.key_modulo
        self._defaults = return_set(how.values, {})

    def prepare(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """All values of the message; those not given are the constant ones of the rig file.

        Raises ConfigurationError for a wrong name or value, SafetyError beyond a limit of the rig file.
        """
        found = {**self._defaults, **values}
        try:
            self._template.render(0, found)
        except ValueError as error:
            raise ConfigurationError(f"{self._place}: {error}", hint="compare it with `send`") from error
        for name, value in found.items():
            limit = limit_of(self._limits, name)
            if isinstance(value, float) and not math.isfinite(value):
                raise SafetyError(f"{self._place}: {name} = {value} is not a finite number", hint="give one")
            if limit is not None and (isinstance(value, str) or abs(value) > limit):
                raise SafetyError(
                    f"{self._place}: {name} = {value!r} is beyond the limit {limit:g}", hint="lower it"
                )
        return found

    def message(self, key: int, prepared: Mapping[str, Any]) -> bytes:
        """What goes over the line."""
        return self._template.render(key if self._modulo is None else key % self._modulo, prepared)

    def send(self, key: int, prepared: dict[str, Any]) -> tuple[int, int]:
        """Hand one message to the line; never waits for the answer."""
        message = self.message(key, prepared)
        self.last_key = key  # before the answer can come
        return self._write(message)

    def key_of(self, written: int) -> int:
        """The key that a robot has answered with: the newest that is written so."""
        if self._modulo is None:
            return written
        return self.last_key - (self.last_key - written) % self._modulo


class TextResponse:
    """A message of the robot. ``answered``: the stimulus whose keys it carries."""

    stamp_clock = HOST_MONOTONIC
    received_clock = HOST_MONOTONIC

    def __init__(self, how: ResponseOptions, answered: TextStimulus | None) -> None:
        byte = "first" if how.stamp == "first_byte" else "last"
        self.received_is = f"instant the reader took its {byte} byte from the serial line (CLOCK_MONOTONIC)"
        groups = [group for group in (how.match.path, how.value) if group is not None]
        rule = how.checksum.rule if how.checksum is not None else None
        self.reader = Reader(how.compiled, {group: how.unpack.get(group, "") for group in groups}, rule)
        self._how, self._answered = how, answered
        self._sinks: tuple[Sink, ...] = ()

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every such message from now on."""
        self._sinks = (*self._sinks, sink)

    def deaf(self) -> None:
        """Forget the sinks; the device was closed."""
        self._sinks = ()

    def take(self, found: Found, now_ns: int) -> bool:
        """Hand a message to every sink; on the reader's thread. False for one that was damaged."""
        path = self._how.match.path
        if not found.whole or (path is not None and not isinstance(found.numbers[path], int)):
            return False
        key = NO_KEY if path is None else int(found.numbers[path])
        if self._answered is not None and path is not None:
            key = self._answered.key_of(key)
        value = found.numbers[self._how.value] * self._how.scale if self._how.value else math.nan
        at_ns = found.piece.first_ns if self._how.stamp == "first_byte" else found.piece.last_ns
        for sink in self._sinks:
            sink(key, received_ns=at_ns, seen_ns=now_ns, value=value)
        return True
