"""The state stream: 333 messages a second, read on a thread of its own as long as the device is open."""

from __future__ import annotations

import contextlib
import math
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from harness.adapters.spot.answers import AnswerResponse, SignalResponse
from harness.adapters.spot.session import Session
from harness.adapters.spot.times import RobotTime, stamp_request
from harness.adapters.spot.translate import sdk
from harness.clock import HostClock
from harness.errors import UnavailableError

FIRST_S = 5.0
"""How long the first message may take."""
Reader = Callable[[Any, int], float]
"""From a message and the robot's time now, the value of a signal."""


def _yaw(turn: Any) -> float:
    """Of a quaternion, in rad."""
    return math.atan2(2 * (turn.w * turn.z + turn.x * turn.y), 1 - 2 * (turn.y * turn.y + turn.z * turn.z))


def _velocity(message: Any) -> tuple[float, float, float]:
    """m/s forward and to the left, rad/s to the left, of the body in its own frame."""
    kinematic = message.kinematic_state
    velocity = kinematic.velocity_of_body_in_odom
    yaw = _yaw(kinematic.odom_tform_body.rotation)
    x, y = velocity.linear.x, velocity.linear.y
    along, across = math.cos(yaw), math.sin(yaw)
    return along * x + across * y, along * y - across * x, velocity.angular.z


def _age_ms(message: Any, robot_ns: int) -> float:
    taken_ns: int = message.kinematic_state.acquisition_timestamp.ToNanoseconds()
    return (robot_ns - taken_ns) * 1e-6


READERS: dict[str, Reader] = {
    "speed": lambda message, now: math.hypot(
        message.kinematic_state.velocity_of_body_in_odom.linear.x,
        message.kinematic_state.velocity_of_body_in_odom.linear.y,
    ),
    "v_x": lambda message, now: _velocity(message)[0],
    "v_y": lambda message, now: _velocity(message)[1],
    "v_rot": lambda message, now: message.kinematic_state.velocity_of_body_in_odom.angular.z,
    "joint_speed": lambda message, now: max(map(abs, message.joint_states.velocity), default=math.nan),
    "age": _age_ms,
}


class StateStream:
    """Reads until it is closed. ``broken`` is called once if the stream ends by itself, ``left`` with the
    distance in m when the body is further from where it was at the beginning than ``area_m``."""

    def __init__(
        self,
        session: Session,
        time: RobotTime,
        clock: HostClock,
        signals: Sequence[SignalResponse],
        applied: Sequence[AnswerResponse],
        *,
        area_m: float | None,
        broken: Callable[[Exception], None],
        left: Callable[[float], None],
    ) -> None:
        self._session, self._time, self._clock = session, time, clock
        self._signals = [(port, READERS[port.how.signal]) for port in signals]
        self._applied = applied
        self._area_m, self._broken, self._left = area_m, broken, left
        self._origin: tuple[float, float] | None = None
        self.pose = (0.0, 0.0, 0.0)
        """Where the body was last, in the frame ``odom``: x, y in m, yaw in rad."""
        self._pb = sdk("bosdyn.api.robot_state_pb2")
        self._key = 0
        self._closed = False
        self._first = threading.Event()
        self._call: Any = None
        self._thread: threading.Thread | None = None

    def open(self) -> None:
        """Start reading, and wait for the first message. Raises UnavailableError."""
        request = self._pb.RobotStateStreamRequest()
        stamp_request(request.header, self._session.client_name, self._clock.realtime_ns())
        self._call = self._session.stream_out("state stream")(
            request.SerializeToString(), metadata=self._session.metadata()
        )
        thread = threading.Thread(target=self._read, name="spot state stream", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            self.close()
            raise
        self._thread = thread
        if not self._first.wait(FIRST_S):
            self.close()
            raise UnavailableError(
                f"{self._session.name}: no state within {FIRST_S:g} s",
                hint="is the robot's software 4.0 or later, which has the state stream?",
            )

    def close(self) -> None:
        """Read no longer. Repeatable."""
        self._closed = True
        call, self._call = self._call, None
        if call is not None:
            call.cancel()
        thread, self._thread = self._thread, None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def _read(self) -> None:
        parse = self._pb.RobotStateStreamResponse.FromString
        call = self._call
        try:
            for raw in call:
                seen_ns = self._clock.monotonic_ns()
                if self._closed:
                    return
                self._take(parse(raw), seen_ns)
                self._first.set()
            raise EOFError("the robot ended it")
        except Exception as error:
            if not self._closed:
                with contextlib.suppress(Exception):
                    self._broken(error)

    def _take(self, message: Any, seen_ns: int) -> None:
        kinematic = message.kinematic_state
        stamp_ns = kinematic.acquisition_timestamp.ToNanoseconds()
        if self._signals:
            robot_ns = self._time.at(seen_ns)
            for port, read in self._signals:
                port.take(read(message, robot_ns), stamp_ns, seen_ns)
        key = message.last_command.user_command_key
        if key != self._key:
            self._key = key
            if key:
                had_ns = message.last_command.received_timestamp.ToNanoseconds()
                for answer in self._applied:
                    answer.applied(key, had_ns, seen_ns)
        pose = kinematic.odom_tform_body
        self.pose = (pose.position.x, pose.position.y, _yaw(pose.rotation))
        if self._area_m is not None:
            self._check_area(pose.position)

    def _check_area(self, position: Any) -> None:
        if self._origin is None:
            self._origin = position.x, position.y
        away_m = math.hypot(position.x - self._origin[0], position.y - self._origin[1])
        if self._area_m is not None and away_m > self._area_m:
            self._area_m = None
            self._left(away_m)


def of_stream(signals: Mapping[str, SignalResponse]) -> list[SignalResponse]:
    """Those that the stream has."""
    return [port for port in signals.values() if port.how.signal in READERS]
