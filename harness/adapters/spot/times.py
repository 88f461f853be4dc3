"""The robot's clock: exchanges by its own time service, and when a command is over on it."""

from __future__ import annotations

import threading
from collections import deque
from typing import Any

from harness.adapters.spot.session import CALL_S, Session
from harness.adapters.spot.translate import sdk, translated
from harness.clock import HostClock
from harness.errors import OperationError

READINGS = 64
"""Exchanges of which the shortest says what time it is on the robot."""
EXCHANGE_S = 0.2
FIRST = 12
"""Exchanges before anything is commanded: the robot wants a few round trips itself."""


class RobotTime:
    """Exchanges with the time service. The robot keeps a filter of its own from the round trips that are told
    to it; the harness's figures rest on its own estimate."""

    def __init__(self, session: Session, clock: HostClock) -> None:
        self.identifier = ""
        self.synchronised = False
        self._session, self._clock = session, clock
        self._pb = sdk("bosdyn.api.time_sync_pb2")
        self._call = session.method("time")
        self._previous: Any = None
        self._readings: deque[tuple[int, int]] = deque(maxlen=READINGS)
        self._lock = threading.Lock()

    def synchronise(self) -> None:
        """Exchange until the robot says that it knows this client's clock. Raises OperationError."""
        with translated(self._session.name, "time synchronisation"):
            for _ in range(FIRST):
                self.exchange(CALL_S)  # the first has the channel connected, too
        if not self.synchronised:
            raise OperationError(
                f"{self._session.name}: after {FIRST} exchanges the clocks are not synchronised",
                hint="look at the network: the robot needs a few round trips; then run again",
            )

    def request(self) -> Any:
        """The next question to the time service."""
        request = self._pb.TimeSyncUpdateRequest(clock_identifier=self.identifier)
        stamp_request(request.header, self._session.client_name, self._clock.realtime_ns())
        if self._previous is not None:
            request.previous_round_trip.CopyFrom(self._previous)
        return request

    def take(self, request: Any, answer: Any, t1_ns: int, t4_ns: int) -> tuple[int, int, int, int]:
        """Keep what came back between these instants of CLOCK_MONOTONIC: the four timestamps."""
        header = answer.header
        t2_ns = header.request_received_timestamp.ToNanoseconds()
        t3_ns = header.response_timestamp.ToNanoseconds()
        trip = self._pb.TimeSyncRoundTrip()
        begun_ns = request.header.request_timestamp.ToNanoseconds()
        trip.client_tx.FromNanoseconds(begun_ns)
        trip.server_rx.CopyFrom(header.request_received_timestamp)
        trip.server_tx.CopyFrom(header.response_timestamp)
        trip.client_rx.FromNanoseconds(begun_ns + t4_ns - t1_ns)
        with self._lock:
            self._previous = trip
            self.identifier = answer.clock_identifier
            self.synchronised = answer.state.status == self._pb.TimeSyncState.STATUS_OK
            self._readings.append((t4_ns - t1_ns - (t3_ns - t2_ns), (t2_ns + t3_ns - t1_ns - t4_ns) // 2))
        return t1_ns, t2_ns, t3_ns, t4_ns

    def exchange(self, timeout_s: float = EXCHANGE_S) -> tuple[int, int, int, int]:
        """One exchange. Raises grpc.RpcError."""
        request = self.request()
        data = request.SerializeToString()
        t1_ns = self._clock.monotonic_ns()
        raw = self._call(data, timeout=timeout_s, metadata=self._session.metadata())
        t4_ns = self._clock.monotonic_ns()
        return self.take(request, self._pb.TimeSyncUpdateResponse.FromString(raw), t1_ns, t4_ns)

    def round_trip_ms(self) -> float:
        """The shortest recent one."""
        with self._lock:
            return min(self._readings)[0] * 1e-6 if self._readings else float("nan")

    def at(self, monotonic_ns: int) -> int:
        """The robot's time at that instant, by the shortest recent exchange. Raises OperationError before
        the first."""
        with self._lock:
            if not self._readings:
                raise OperationError(f"{self._session.name}: the robot's clock is not known yet")
            return monotonic_ns + min(self._readings)[1]


def stamp_request(header: Any, client_name: str, realtime_ns: int) -> None:
    """Fill the header of a request that goes out now."""
    header.client_name = client_name
    stamp = header.request_timestamp
    stamp.seconds, stamp.nanos = divmod(realtime_ns, 1_000_000_000)
