"""What the harness sends a Spot. Every hand-over ends before an answer is waited for."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from harness.adapters.spot import requests
from harness.adapters.spot.options import StimulusOptions
from harness.adapters.spot.requests import Ready
from harness.adapters.spot.session import Session
from harness.adapters.spot.times import RobotTime, stamp_request
from harness.adapters.spot.translate import sdk
from harness.clock import HostClock
from harness.errors import OperationError
from harness.ports import KeyKind

ANSWER_S = 5.0
"""A call that has no answer by then is given up: it is lost long since."""

Answered = Callable[[int, str, Any, int], None]
"""Takes the key, the kind of question, the answer or the error, and the instant it was here
(CLOCK_MONOTONIC)."""


class Desk(Protocol):
    """What a stimulus needs of its device while it is open."""

    clock: HostClock

    @property
    def session(self) -> Session:
        """The login."""

    @property
    def time(self) -> RobotTime:
        """The robot's clock."""

    @property
    def pose(self) -> tuple[float, float, float]:
        """Of the body in the frame ``odom``: m, m, rad."""

    @property
    def lease(self) -> Any:
        """The lease as a command has to carry it. Raises OperationError where there is none."""


class SpotStimulus:
    """One stimulus port. ``connect`` gives it the device, from opening to closing."""

    def __init__(self, place: str, how: StimulusOptions, limits: Mapping[str, float]) -> None:
        self.how = how
        self.key_kind = KeyKind(how.key_kind)
        self.place = place
        self._limits = limits
        self._desk: Desk | None = None

    def connect(self, desk: Desk) -> None:
        """The device is open."""
        self._desk = desk

    def disconnect(self) -> None:
        """It no longer is."""
        self._desk = None

    @property
    def desk(self) -> Desk:
        """The device. Raises OperationError while it is closed."""
        if self._desk is None:
            raise OperationError(f"{self.place} is not open", hint="open the device first")
        return self._desk

    def prepare(self, values: Mapping[str, Any]) -> Ready:
        """Raises ConfigurationError for a wrong field or value, SafetyError beyond a limit, UnavailableError
        without the SDK."""
        return requests.build(self.place, self.how.command, values, self._limits)

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Hand it over."""
        raise NotImplementedError


class CallStimulus(SpotStimulus):
    """A command or a question that is answered by one message, over a channel of the harness's own."""

    def __init__(
        self, place: str, how: StimulusOptions, limits: Mapping[str, float], answered: Answered
    ) -> None:
        super().__init__(place, how, limits)
        self._answered = answered
        self._kind = how.command if how.command in ("state", "time") else "command"
        self._end_ns = round(how.end_ms * 1e6)
        self._call: Any = None
        self._read: Any = None
        self._timeout = ANSWER_S

    def connect(self, desk: Desk) -> None:
        """Have the channel connected."""
        super().connect(desk)
        desk.session.warm(self._kind)
        self._call = desk.session.method(self._kind)
        module, name = {
            "command": ("robot_command_pb2", "RobotCommandResponse"),
            "state": ("robot_state_pb2", "RobotStateResponse"),
            "time": ("time_sync_pb2", "TimeSyncUpdateResponse"),
        }[self._kind]
        self._read = getattr(sdk(f"bosdyn.api.{module}"), name).FromString

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Hand one call to gRPC. Raises OperationError where it does not take it."""
        desk = self.desk
        now = desk.clock.monotonic_ns
        before_ns = now()
        request = prepared.request
        if request is None:
            request = desk.time.request()
        else:
            stamp_request(request.header, desk.session.client_name, desk.clock.realtime_ns())
        if self._kind == "command":
            request.lease.CopyFrom(desk.lease)
            request.clock_identifier = desk.time.identifier
            if prepared.end is not None:
                prepared.end.FromNanoseconds(desk.time.at(before_ns) + self._end_ns)
            if prepared.feet:
                requests.place_feet(prepared, desk.pose)
        try:
            future = self._call.future(
                request.SerializeToString(), timeout=self._timeout, metadata=desk.session.metadata()
            )
        except ValueError as error:  # gRPC's word for a channel that was closed
            raise OperationError(f"{self.place}: not handed over: {error}") from error
        after_ns = now()

        def done(future: Any) -> None:
            seen_ns = now()
            try:
                answer = self._read(future.result())
                if self._kind == "time":
                    desk.time.take(request, answer, before_ns, seen_ns)
            except Exception as error:
                answer = error
            self._answered(key, self._kind, answer, seen_ns)

        future.add_done_callback(done)
        return before_ns, after_ns


class WordStimulus(SpotStimulus):
    """A posture or a level of the e-stop: done by the SDK's helpers, which wait, on a thread of its own."""

    def __init__(
        self,
        place: str,
        how: StimulusOptions,
        act: Callable[[str], None],
        failed: Callable[[Exception], None],
    ) -> None:
        super().__init__(place, how, {})
        self._act, self._failed = act, failed
        self._words: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def connect(self, desk: Desk) -> None:
        """Start the thread."""
        super().connect(desk)
        self._thread = threading.Thread(target=self._work, name=f"spot {self.how.command}", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            self._thread = None
            raise

    def disconnect(self) -> None:
        """Let it finish what it does: every wait of the SDK's is bounded."""
        super().disconnect()
        thread, self._thread = self._thread, None
        if thread is not None:
            self._words.put(None)
            thread.join()

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Hand the word over."""
        clock = self.desk.clock
        before_ns = clock.monotonic_ns()
        self._words.put(prepared.word)
        return before_ns, clock.monotonic_ns()

    def _work(self) -> None:
        while (word := self._words.get()) is not None:
            try:
                self._act(word)
            except Exception as error:
                self._failed(error)


class JointStimulus(SpotStimulus):
    """One update on the stream of joint commands, which is opened with the first one.

    The key travels as ``user_command_key``, which may not be 0: it is the key plus one.
    """

    def __init__(
        self,
        place: str,
        how: StimulusOptions,
        limits: Mapping[str, float],
        ended: Callable[[Exception | str], None],
    ) -> None:
        super().__init__(place, how, limits)
        self._ended = ended
        self._end_ns = round(how.end_ms * 1e6)
        self._updates: queue.SimpleQueue[bytes | None] | None = None
        self._stream: Any = None

    def send(self, key: int, prepared: Ready) -> tuple[int, int]:
        """Hand one update to gRPC."""
        desk = self.desk
        now = desk.clock.monotonic_ns
        before_ns = now()
        request = prepared.request
        stamp_request(request.header, desk.session.client_name, desk.clock.realtime_ns())
        request.joint_command.user_command_key = (key + 1) & 0xFFFFFFFF
        prepared.end.FromNanoseconds(desk.time.at(before_ns) + self._end_ns)
        if self._updates is None:
            self._begin(desk)
        assert self._updates is not None
        self._updates.put(request.SerializeToString())
        return before_ns, now()

    def _begin(self, desk: Desk) -> None:
        updates: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._updates = updates
        self._stream = desk.session.stream_in("joint stream").future(
            iter(updates.get, None), metadata=desk.session.metadata()
        )
        self._stream.add_done_callback(self._over)

    def _over(self, future: Any) -> None:
        if future.cancelled() or self._updates is None:
            return
        pb = sdk("bosdyn.api.robot_command_pb2").JointControlStreamResponse
        try:
            answer = pb.FromString(future.result())
            said = f"{pb.Status.Name(answer.status)} {answer.message}".strip()
            self._ended(said)
        except Exception as error:
            self._ended(error)

    def halt(self) -> None:
        """End the stream; the next update opens another."""
        updates, self._updates = self._updates, None
        stream, self._stream = self._stream, None
        if updates is not None:
            updates.put(None)
        if stream is not None:
            stream.cancel()

    def disconnect(self) -> None:
        """End the stream."""
        self.halt()
        super().disconnect()
