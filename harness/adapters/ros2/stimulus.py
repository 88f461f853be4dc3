"""A stimulus: one message serialised once, its key patched in place for each send."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from harness.adapters.ros2 import cdr, messages, paths, recorded, vendor
from harness.adapters.ros2.limits import refuse_beyond
from harness.adapters.ros2.paths import INTEGERS, TIME, FieldType
from harness.adapters.ros2.port_options import StimulusOptions
from harness.clock import HostClock
from harness.errors import ConfigurationError, OperationError
from harness.ports import Keep, KeyKind

_SECOND = 1_000_000_000


class PreparedMessage:
    """A serialised message and where its key lies (``offset`` None: it carries none). Not shared by
    threads."""

    __slots__ = ("buffer", "offset")

    def __init__(self, buffer: bytearray, offset: int | None) -> None:
        self.buffer = buffer
        self.offset = offset

    @property
    def message_bytes(self) -> int:
        """Its size as sent."""
        return len(self.buffer)


class TopicStimulus:
    """Publishes one topic. ``publisher`` None: may prepare, may not send (``harness check``)."""

    def __init__(
        self,
        name: str,
        options: StimulusOptions,
        limits: Mapping[str, float],
        publisher: Any | None,
        clock: HostClock,
    ) -> None:
        self.name = name
        self.options = options
        self.message = messages.message_class(options.type)
        self.publisher = publisher
        self.last_key: int | None = None
        self.keep: Keep | None = None
        """Takes every message into the bag of the run; None where it is left out."""
        self.real = False
        """Whether something real moves: numbers of recorded messages then need limits."""
        self.template: Callable[[], Any] | None = None
        """Makes the message that values are laid over; None: the type's defaults."""
        self._limits = limits
        self._now: Callable[[], int] = clock.monotonic_ns
        self._realtime: Callable[[], int] = clock.realtime_ns
        self.key_kind, self._key_path, self._key_type = key_of(self.message, options)
        self._pack = struct.Struct("=" + _code(self._key_type)) if self._key_type else None
        self._is_time = self._key_type is not None and self._key_type.base == TIME
        self.key_max = _key_max(self._key_type)

    def prepare(self, values: Mapping[str, Any]) -> PreparedMessage:
        """Serialise one message with ``values`` by path over the type's defaults, or over the template.

        Raises ConfigurationError for a wrong path or type, SafetyError for a value beyond the device's
        limits.
        """
        made = self.message() if self.template is None else self.template()
        for path, value in values.items():
            messages.assign(made, path, value)
        if self.template is not None and self.real:
            recorded.refuse_uncovered(made, self._limits, self.name)
        refuse_beyond(made, self._limits, self.name)
        return self._serialised(made)

    def prepare_recorded(self, kind: str, data: bytes) -> PreparedMessage:
        """Take a recorded message as it is; its key is patched in. See
        :meth:`harness.ports.ReplayStimulus.prepare_recorded`."""
        made = recorded.deserialized(self.message, kind, data)
        if self.real:
            recorded.refuse_uncovered(made, self._limits, self.name)
        refuse_beyond(made, self._limits, self.name)
        if self._key_path is None:
            return (
                PreparedMessage(bytearray(data), None) if recorded.patchable(data) else self._serialised(made)
            )
        place = recorded.key_place(self.message, self._key_path, data)
        if place is None:
            return self._serialised(made)
        self._pack = struct.Struct("<" + _code(self._key_type))
        return PreparedMessage(bytearray(data), place)

    def _serialised(self, made: Any) -> PreparedMessage:
        serialize = vendor.load("rclpy.serialization").serialize_message
        if self._key_path is None:
            return PreparedMessage(bytearray(serialize(made)), None)
        # The key lies where two messages that differ in it alone hold the one and the other. Comparing the
        # buffers would not do: padding is whatever the memory held before.
        pack: struct.Struct | None = None
        buffers, packed = [], []
        for byte in (0x01, 0x32):
            messages.assign(made, self._key_path, self._example(byte))
            buffers.append(bytes(serialize(made)))
            if not cdr.plain(buffers[-1]):
                head = buffers[-1][:4].hex()
                raise OperationError(
                    f"port {self.name}: the middleware serialises in an unknown way ({head})"
                )
            pack = struct.Struct(("<" if buffers[-1][1] else ">") + _code(self._key_type))
            packed.append(pack.pack(*self._numbers(byte)))
        places = [at for at in _found(packed[0], buffers[0]) if buffers[1].startswith(packed[1], at)]
        if len(places) != 1:
            raise OperationError(
                f"port {self.name}: the key at {self._key_path!r} was found {len(places)} times",
                hint="report this, with the message type and the middleware",
            )
        self._pack = pack
        return PreparedMessage(bytearray(buffers[0]), places[0])

    def send(self, key: int, prepared: PreparedMessage) -> tuple[int, int]:
        """Patch the key and publish the bytes. Returns CLOCK_MONOTONIC in ns just before and just after.

        Raises OperationError when the middleware refuses it or the key does not fit its field.
        """
        try:
            if prepared.offset is not None:
                assert self._pack is not None
                if self._is_time:
                    self._pack.pack_into(prepared.buffer, prepared.offset, *divmod(key, _SECOND))
                else:
                    self._pack.pack_into(prepared.buffer, prepared.offset, key)
            data = bytes(prepared.buffer)
            publish = self.publisher.publish  # type: ignore[union-attr]
            before = self._now()
            publish(data)
            after = self._now()
            keep = self.keep
            if keep is not None:
                sent = self._realtime() - (self._now() - before)
                keep(data, sent, sent)
        except struct.error as error:
            raise OperationError(
                f"port {self.name}: key {key} does not fit {self._key_path!r} ({self._key_type})",
                hint="send fewer stimuli, or carry the key in a wider field",
            ) from error
        except Exception as error:
            if self.publisher is None:
                raise OperationError(f"port {self.name}: opened to look only, so nothing is sent") from None
            raise OperationError(f"could not publish on {self.options.topic}: {error}") from error
        self.last_key = key
        return before, after

    def disconnect(self) -> None:
        """Send nothing any more."""
        self.publisher = None

    def _numbers(self, byte: int) -> tuple[int, ...]:
        """Numbers whose every byte depends on ``byte``; nanoseconds stay below 1e9."""
        if self._is_time:
            return tuple(int.from_bytes([start + i for i in range(4)], "big") for start in (byte, byte // 2))
        width = struct.calcsize(_code(self._key_type))
        return (int.from_bytes([byte + i for i in range(width)], "big"),)

    def _example(self, byte: int) -> Any:
        numbers = self._numbers(byte)
        return paths.nested_class(TIME)(sec=numbers[0], nanosec=numbers[1]) if self._is_time else numbers[0]


def key_of(message: type, options: StimulusOptions) -> tuple[KeyKind, str | None, FieldType | None]:
    """What the key is, where it lies and of which type. Raises ConfigurationError for a field that carries
    none."""
    if options.key is None:
        return KeyKind.NONE, None, None
    wanted: str | None = None
    if isinstance(options.key, dict):
        ((path, wanted),) = options.key.items()
    else:
        path = options.key
    kind = paths.resolve(message, path)
    if kind.plural or (kind.base != TIME and (kind.base not in INTEGERS or kind.base == "octet")):
        raise ConfigurationError(
            f"key {path!r} of {options.type} is of type {kind}, which carries no key",
            hint="the key goes into a field of type builtin_interfaces/Time or of an integer type",
        )
    if wanted == "stamp" and kind.base not in (TIME, "int64", "uint64"):
        raise ConfigurationError(
            f"key {path!r} of {options.type} is of type {kind}, too narrow for a stamp in nanoseconds",
            hint=f"write `key: {{{path}: sequence}}`, or name a builtin_interfaces/Time or a 64-bit integer",
        )
    if wanted is None:
        wanted = "stamp" if kind.base == TIME else "sequence"
    return KeyKind(wanted), path, kind


def _found(key: bytes, data: bytes) -> Iterator[int]:
    """Where the key stands in the body of a message."""
    at = data.find(key, cdr.ENCAPSULATION)
    while at >= 0:
        yield at
        at = data.find(key, at + 1)


def _code(kind: FieldType | None) -> str:
    if kind is None:
        return ""
    return "iI" if kind.base == TIME else INTEGERS[kind.base][0]


def _key_max(kind: FieldType | None) -> int | None:
    if kind is None:
        return None
    if kind.base == TIME:
        return (2**31 - 1) * _SECOND + _SECOND - 1
    return paths.integer_range(kind.base)[1]
