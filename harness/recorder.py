"""Tables, clocks and observed ports of a run: what an observation passes on its way to the journal."""

from __future__ import annotations

from dataclasses import asdict

from harness.clock import HostClock
from harness.errors import RecordingError
from harness.folder import RunFolder
from harness.journal import TableWriter
from harness.live import PortState, Tracker
from harness.model import (
    HOST_MONOTONIC,
    HOST_REALTIME,
    NO_STAMP,
    ClockInfo,
    ClockKind,
    ObservationFlag,
)
from harness.ports import Response, Sink

OBSERVATION_ROWS = 65536
HOST_CLOCKS = [
    ClockInfo(HOST_MONOTONIC, ClockKind.HOST, "CLOCK_MONOTONIC of this host"),
    ClockInfo(HOST_REALTIME, ClockKind.HOST, "CLOCK_REALTIME of this host"),
]


class Recorder:
    """Writes what the ports of a run observe. ``failure``: the first row that could not be written."""

    def __init__(self, folder: RunFolder, clock: HostClock) -> None:
        self._folder = folder
        self._clock = clock
        self._clocks = list(HOST_CLOCKS)
        self._owners: dict[str, str] = {}
        self._ports: dict[str, dict[str, str]] = {}
        self._trackers: dict[str, Tracker] = {}
        self.tables: list[TableWriter] = []
        self.states: dict[str, PortState] = {}
        self.failure: RecordingError | None = None

    def table(self, name: str, rows: int) -> TableWriter:
        """A new table of the journal, which grows ahead of its writer from now on."""
        table = self._folder.create_table(name, rows)
        self.tables.append(table)
        return table

    def know(self, device: str, info: ClockInfo) -> int:
        """A clock of that device, which stamps may name; returns its number in the tables."""
        self._clocks.append(info)
        self._owners[info.name] = device
        return len(self._clocks) - 1

    def clock_number(self, name: str) -> int:
        """Number of that clock in the tables; one that nobody knows gets a number as well."""
        for number, info in enumerate(self._clocks):
            if info.name == name:
                return number
        self._clocks.append(ClockInfo(name, ClockKind.UNKNOWN, "not related to the host's clock"))
        return len(self._clocks) - 1

    def observe(self, reference: str, response: Response) -> None:
        """Record everything that this port sees; ``reference`` is its name in the tables."""
        self._ports[reference] = {
            "stamp_clock": response.stamp_clock,
            "received_clock": response.received_clock,
            "received_is": response.received_is,
        }
        table = self.table(reference, OBSERVATION_ROWS)
        response.listen(
            self.sink(
                reference,
                table,
                self.clock_number(response.stamp_clock),
                self.clock_number(response.received_clock),
            )
        )

    def save(self) -> None:
        """Ports and clocks into run.json."""
        clocks = [
            {**asdict(info), "kind": info.kind.value, "device": self._owners.get(info.name)}
            for info in self._clocks
        ]
        self._folder.save_run(ports=self._ports, clocks=clocks)

    def track(self, reference: str, tracker: Tracker | None) -> None:
        """Let ``tracker`` see what that port observes; None ends it."""
        if tracker is None:
            self._trackers.pop(reference, None)
        else:
            self._trackers[reference] = tracker

    def sink(self, reference: str, table: TableWriter, stamp_clock: int, received_clock: int) -> Sink:
        """What a port gives its observations to."""
        state = self.states.setdefault(reference, PortState())
        append, trackers, monotonic = table.append, self._trackers, self._clock.monotonic_ns

        def sink(
            key: int,
            stamp_ns: int = NO_STAMP,
            received_ns: int = NO_STAMP,
            seen_ns: int = NO_STAMP,
            value: float = float("nan"),
            flags: int = 0,
        ) -> None:
            if seen_ns == NO_STAMP:
                seen_ns = monotonic()
            if received_ns == NO_STAMP:
                flags |= ObservationFlag.NOT_MIDDLEWARE
            try:
                append(key, stamp_ns, received_ns, seen_ns, value, int(flags), stamp_clock, received_clock)
            except RecordingError as failure:
                self.failure = self.failure or failure
                return
            if not flags & ObservationFlag.REJECTED:
                state.count += 1
                # In this order: whoever sees the instant sees the value that belongs to it.
                state.value = value
                state.seen_ns = seen_ns
            tracker = trackers.get(reference)
            if tracker is not None:
                tracker.observed(key, seen_ns, flags, value)

        return sink
