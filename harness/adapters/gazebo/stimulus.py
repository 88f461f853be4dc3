"""Stimuli: a message made once, its key written into it for each send; and calls of services."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.adapters.gazebo import fields, messages
from harness.adapters.gazebo.asker import Asker, Call, Replied
from harness.adapters.gazebo.fields import Field
from harness.adapters.gazebo.port_options import ServiceCallOptions, StimulusOptions
from harness.clock import HostClock
from harness.errors import ConfigurationError, OperationError
from harness.ports import KeyKind


@dataclass
class PreparedMessage:
    """A message and what writes its key into it (None: it carries none). Not shared by threads."""

    message: Any
    put: Callable[[int], None] | None

    @property
    def message_bytes(self) -> int:
        """Its size as sent, without its key."""
        return int(self.message.ByteSize())


class SimStamps:
    """Keys that travel as simulated time, and back: each stamp stands for one key."""

    def __init__(self) -> None:
        self._keys: dict[int, int] = {}
        self._last = 0
        self._lock = threading.Lock()

    def stamp(self, key: int, now_ns: int) -> int:
        """A stamp at, or a few nanoseconds after, ``now_ns`` of simulated time, that stands for ``key``."""
        with self._lock:
            self._last = max(self._last + 1, now_ns)
            self._keys[self._last] = key
            return self._last

    def key(self, stamp_ns: int) -> int | None:
        """The key that went out with that stamp; None for a stamp that is none of ours."""
        return self._keys.get(stamp_ns)


class TopicStimulus:
    """Publishes one topic. ``publisher`` None: may prepare, may not send. ``gate``: held while the message is
    handed over, where the harness steps the simulation. ``sim_now``: the last simulated time that was seen,
    in ns."""

    def __init__(
        self, name: str, options: StimulusOptions, limits: Mapping[str, float], clock: HostClock
    ) -> None:
        self.name, self.options = name, options
        self.message = messages.message_class(options.type)
        self.type = messages.type_name(options.type)
        self.publisher: Any = None
        self.last_key: int | None = None
        self.delivered: Callable[[bytes], None] | None = None
        """Where the harness steps the simulation: told what was sent, while the gate is held."""
        self.gate: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()
        self.sim_now: Callable[[], int] = int
        self.stamps = SimStamps()
        self.key_kind, self.key_path, self._key_type, self._simulated = key_of(self.message, options)
        self.key_max = 2**31 - 1 if self._key_type is None else fields.integer_range(self._key_type)[1]
        self._limits, self._now = limits, clock.monotonic_ns

    @property
    def simulated_key(self) -> bool:
        """Whether the key travels as simulated time."""
        return self._simulated

    def prepare(self, values: Mapping[str, Any]) -> PreparedMessage:
        """One message with ``values`` by path over the type's defaults. Raises ConfigurationError for a wrong
        path or type, SafetyError for a value beyond the device's limits."""
        made = self.message()
        for path, value in values.items():
            fields.assign(made, path, value)
        fields.refuse_beyond(made, self._limits, self.name)
        return PreparedMessage(made, None if self.key_path is None else fields.setter(made, self.key_path))

    def send(self, key: int, prepared: PreparedMessage) -> tuple[int, int]:
        """Publish. Returns CLOCK_MONOTONIC in ns just before and just after. Raises OperationError."""
        publisher = self.publisher
        if publisher is None:
            raise OperationError(f"port {self.name} is not open to send", hint="open the device first")
        with self.gate:
            try:
                if prepared.put is not None:
                    prepared.put(self.stamps.stamp(key, self.sim_now()) if self._simulated else key)
                data = prepared.message.SerializeToString()
            except (ValueError, OverflowError) as error:
                raise OperationError(
                    f"port {self.name}: key {key} does not fit {self.key_path!r} ({self._key_type})",
                    hint="send fewer stimuli, or carry the key in a wider field",
                ) from error
            before = self._now()
            taken = publisher.publish_raw(data, self.type)
            after = self._now()
            if self.delivered is not None:
                self.delivered(data)
        if not taken:
            raise OperationError(f"Gazebo's transport did not take a message on {self.options.topic}")
        self.last_key = key
        return before, after

    def disconnect(self) -> None:
        """Send nothing any more."""
        self.publisher = None


class ServiceStimulus:
    """Calls one service. The instants are around the hand-over to the process that calls; ``take`` gets the
    key and what was replied."""

    key_kind = KeyKind.CALL

    def __init__(
        self,
        name: str,
        options: ServiceCallOptions,
        limits: Mapping[str, float],
        take: Callable[[int, Replied], None],
    ) -> None:
        self.name, self.options = name, options
        self.message = messages.message_class(options.type)
        self.asker: Asker | None = None
        self.steers: Callable[[bool, bool], None] | None = None
        """Of world control: told whether the harness lets the simulation run, and whether it resets it."""
        self._limits, self._take = limits, take

    def prepare(self, values: Mapping[str, Any]) -> Call:
        """The request. Raises as :meth:`TopicStimulus.prepare` does."""
        made = self.message()
        for path, value in {**self.options.values, **values}.items():
            fields.assign(made, path, value)
        fields.refuse_beyond(made, self._limits, self.name)
        return Call(
            self.options.service,
            made.SerializeToString(),
            messages.type_name(self.options.type),
            messages.type_name(self.options.reply),
            self.options.reply_timeout_ms,
        )

    def send(self, key: int, prepared: Call) -> tuple[int, int]:
        """Hand the call over; its reply comes later. Raises OperationError."""
        if self.asker is None:
            raise OperationError(f"port {self.name} is not open to send", hint="open the device first")
        if self.steers is not None:
            request = self.message()
            request.ParseFromString(prepared.data)
            self.steers(not request.pause, request.reset.all or request.reset.time_only)
        return self.asker.send(prepared, lambda reply: self._take(key, reply))

    def disconnect(self) -> None:
        """Call nothing any more."""
        self.asker = None


def key_of(message: Any, options: StimulusOptions) -> tuple[KeyKind, str | None, Field | None, bool]:
    """What the key is, where it lies, of which type, and whether it travels as simulated time. Raises
    ConfigurationError for a field that carries none."""
    if options.key is None:
        return KeyKind.NONE, None, None, False
    wanted: str | None = None
    if isinstance(options.key, dict):
        ((path, wanted),) = options.key.items()
    else:
        path = options.key
    kind = fields.resolve(message, path)
    if not kind.is_time and not kind.is_integer:
        raise ConfigurationError(
            f"key {path!r} of {options.type} is of type {kind}, which carries no key",
            hint="the key goes into a field of type gz.msgs.Time or of an integer type",
        )
    wide = kind.is_time or kind.base.endswith("64")
    if wanted in ("stamp", "sim_stamp") and not wide:
        raise ConfigurationError(
            f"key {path!r} of {options.type} is of type {kind}, too narrow for a stamp in nanoseconds",
            hint=f"write `key: {{{path}: sequence}}`, or name a gz.msgs.Time or a 64-bit integer",
        )
    if wanted is None:
        wanted = "stamp" if kind.is_time else "sequence"
    simulated = wanted == "sim_stamp"
    return KeyKind.STAMP if simulated else KeyKind(wanted), path, kind, simulated
