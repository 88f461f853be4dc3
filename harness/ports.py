"""The contracts: what a device, a stimulus, a response and a fault have to do.

They are few and small so that a newcomer writes a device in an afternoon; ``docs/adapters.md`` shows how and
:mod:`harness.testing.conformance` tells whether it is right.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from harness.clock import HostClock
from harness.model import NO_STAMP, ClockInfo, FaultRecord, Finding


class Role(str, enum.Enum):
    """Who opens a device."""

    HARNESS = "harness"
    """The run itself: every port."""
    GUARDIAN = "guardian"
    """The guardian: only what :meth:`Device.safe_stop` needs."""
    CHECK = "check"
    """``harness check``: looks, sends nothing."""


@dataclass(frozen=True)
class BagTopic:
    """A topic whose messages a device hands over as bytes, for the bag of the run.

    ``schema`` is the whole definition of ``type`` in ``schema_encoding``, ``qos`` what rosbag2 keeps of the
    publisher's quality of service: a YAML list of profiles.
    """

    name: str
    type: str
    port: str
    schema: str
    schema_encoding: str = "ros2msg"
    encoding: str = "cdr"
    qos: str = ""


Keep = Callable[[bytes, int, int], None]
"""Takes one message, and the instants it was sent or received at and published at (CLOCK_REALTIME in ns).
From any thread; returns at once and never raises."""


@dataclass(frozen=True)
class DeviceContext:
    """What a device is told about the run that opens it.

    ``report`` is called, from any thread, with a finding that arises while the device is open; an ERROR ends
    the run through the safe stop. ``directory`` is where a device may keep files, or None. ``record`` takes
    a topic into the bag of the run and returns where its messages go, None for one that is left out; it is
    None where no bag is recorded. Paths in the device's options start from ``rig_folder``.
    ``real``: the rig says that it is not simulated.
    """

    run_id: str
    role: Role = Role.HARNESS
    clock: HostClock = field(default_factory=HostClock)
    report: Callable[[Finding], None] = lambda finding: None
    directory: Path | None = None
    record: Callable[[BagTopic], Keep | None] | None = None
    rig_folder: Path | None = None
    real: bool = False


class Sink(Protocol):
    """Takes one observation; called on the device's own thread; returns fast and never raises.

    ``stamp_ns`` is the device's own stamp on the port's ``stamp_clock`` (NO_STAMP if none), ``received_ns``
    when the middleware had it on the port's ``received_clock``, ``seen_ns`` the harness's CLOCK_MONOTONIC,
    ``value`` the signal (NaN if none), ``flags`` of :class:`harness.model.ObservationFlag`.
    """

    def __call__(
        self,
        key: int,
        stamp_ns: int = NO_STAMP,
        received_ns: int = NO_STAMP,
        seen_ns: int = NO_STAMP,
        value: float = float("nan"),
        flags: int = 0,
    ) -> None:
        """Take one observation."""


Prepared = Any
"""A stimulus made ready by :meth:`Stimulus.prepare`; opaque to everybody else."""


class KeyKind(str, enum.Enum):
    """What the key of a stimulus is."""

    STAMP = "stamp"
    """CLOCK_REALTIME in ns at the send, strictly increasing."""
    SEQUENCE = "sequence"
    """The stimulus's number, counted from 0 over the run."""
    CALL = "call"
    """A number, counted from 0 over the run, that no message carries: the middleware tells which reply is to
    which request, and the port gives its answers the key."""
    NONE = "none"
    """The stimulus carries no identity; the number is used in the tables only."""


@runtime_checkable
class Stimulus(Protocol):
    """A way into the device."""

    key_kind: KeyKind

    def prepare(self, values: Mapping[str, Any]) -> Prepared:
        """Make one set of values ready to be sent often. Raises ConfigurationError for a wrong path or
        type."""

    def send(self, key: int, prepared: Prepared) -> tuple[int, int]:
        """Hand one stimulus over; never waits for the answer.

        Returns CLOCK_MONOTONIC in ns just before and just after the hand-over.
        Raises OperationError when it could not be handed over.
        """


@runtime_checkable
class ReplayStimulus(Protocol):
    """A stimulus that can send recorded messages as well; ``send`` takes what it makes ready."""

    def prepare_recorded(self, kind: str, data: bytes) -> Prepared:
        """Make a recorded message of the type ``kind`` ready, unchanged but for its key.

        Raises ConfigurationError for another type than the port's or bytes that are none, SafetyError for a
        value beyond the device's limits.
        """


@runtime_checkable
class Response(Protocol):
    """A way out of the device."""

    stamp_clock: str
    received_clock: str
    received_is: str
    """In words, for the report: what ``received_ns`` is, e.g. ``middleware receive stamp``."""

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on, until the device is closed."""


@runtime_checkable
class Fault(Protocol):
    """A way to break and restore the device, robot by robot. Used by one thread."""

    @property
    def kind(self) -> str:
        """What it does, in one word."""

    def aim(self, target: str) -> list[Mapping[str, Any]]:
        """Find what is to be broken, so that :meth:`inject` need not search; how the guardian undoes it, as
        :mod:`harness.guardian.undo` understands it. Raises OperationError where there is nothing to break."""

    def inject(self, target: str, kind: str) -> FaultRecord:
        """Break it, verify that the fault took hold, and say when."""

    def processes(self) -> dict[str, int]:
        """The robots that are processes of this run, with their pids; who cannot be told is left out."""

    def request(self, target: str) -> str | None:
        """What the operator is to be asked to do before :meth:`restore`; None where nobody is asked."""

    def restore(self, target: str) -> FaultRecord:
        """Undo the fault, and wait until the robot is whole again. Repeatable. Raises DeadlineError."""

    def undo(self) -> None:
        """Undo whatever is broken without waiting for it. Repeatable; never raises."""


@runtime_checkable
class Device(Protocol):
    """Something the harness talks to: an adapter or a rig driver.

    Made with ``Class(name, options, context)``; making one touches nothing, ``open`` does.
    """

    name: str
    simulated: bool

    def open(self) -> None:
        """Connect. Raises UnavailableError when a library, a type or the device is missing."""

    def close(self) -> None:
        """Let go of everything. Repeatable, in reverse order, goes on past failures."""

    def safe_stop(self) -> None:
        """Bring the robot to what the rig file calls stopped. Repeatable; may be called from any state after
        ``open``; returns once the stop was handed over as often as the device needs, after a bounded time.

        Raises OperationError when it could not be handed over, or when a robot that acknowledges stops did
        not.
        """

    def identity(self) -> dict[str, str]:
        """Model, serial number, firmware, software, middleware, QoS: whatever the report should name."""

    def clocks(self) -> list[ClockInfo]:
        """The clocks, beyond the host's two, that stamps of this device belong to."""

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """One four-timestamp exchange with ``clock`` (T1, T4 on CLOCK_MONOTONIC), or None if it has none."""

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name."""

    def response(self, port: str) -> Response:
        """The response port of that name."""

    def fault(self, port: str) -> Fault:
        """The fault port of that name."""

    def process_environment(self) -> dict[str, str]:
        """Environment variables that processes of the rig need to meet this device (before ``open``)."""

    def is_ready(self, condition: str, argument: str) -> bool:
        """Whether ``condition`` (e.g. ``publishes``) holds for ``argument``; for ``ready:`` of processes.

        Raises ConfigurationError for a condition the device does not know.
        """

    def preflight(self) -> list[Finding]:
        """Look, without sending: wrong types, other publishers, QoS that cannot match, nobody there."""
