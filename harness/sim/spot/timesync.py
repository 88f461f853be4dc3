"""Time synchronisation: the robot keeps the filter, the client reports each round trip with the next one."""

from __future__ import annotations

import secrets
from collections import deque
from dataclasses import dataclass, field

from bosdyn.api import time_sync_pb2

from harness.sim.spot.clock import ns_of

ENOUGH = 3
KEPT = 25


@dataclass
class Client:
    """Round trips of one client: (round trip, skew) in ns, the newest last."""

    seen: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=KEPT))


class TimeSync:
    """The best estimate for every client: that of its shortest recent round trip."""

    def __init__(self) -> None:
        self._clients: dict[str, Client] = {}

    def known(self, identifier: str) -> bool:
        """Whether that clock identifier was given out here, and its time is synchronised."""
        client = self._clients.get(identifier)
        return client is not None and len(client.seen) >= ENOUGH

    @property
    def identifiers(self) -> list[str]:
        """Those of all clients whose time is synchronised."""
        return [name for name in self._clients if self.known(name)]

    def forget(self) -> None:
        """Nobody is synchronised any longer."""
        self._clients.clear()

    def update(self, request: time_sync_pb2.TimeSyncUpdateRequest) -> tuple[str, time_sync_pb2.TimeSyncState]:
        """Take the client's last round trip; its identifier and the state of its estimate."""
        state = time_sync_pb2.TimeSyncState
        identifier = request.clock_identifier
        if identifier not in self._clients:
            identifier = secrets.token_hex(8)
            self._clients[identifier] = Client()
        client = self._clients[identifier]
        if request.HasField("previous_round_trip"):
            trip = request.previous_round_trip
            t1, t2 = ns_of(trip.client_tx), ns_of(trip.server_rx)
            t3, t4 = ns_of(trip.server_tx), ns_of(trip.client_rx)
            if t4 >= t1 and t3 >= t2:
                client.seen.append(((t4 - t1) - (t3 - t2), ((t2 - t1) + (t3 - t4)) // 2))
        found = state(status=state.STATUS_MORE_SAMPLES_NEEDED)
        if client.seen:
            trip_ns, skew_ns = min(client.seen)
            found.best_estimate.round_trip_time.FromNanoseconds(trip_ns)
            found.best_estimate.clock_skew.FromNanoseconds(skew_ns)
            if len(client.seen) >= ENOUGH:
                found.status = state.STATUS_OK
        return identifier, found
