"""What is broken in one trial of a swarm: in which order, with a record of each, and how all is restored."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import TYPE_CHECKING

from harness.analysis.swarm_state import FAULT, RETURNED
from harness.config.schema import SwarmReorganization
from harness.errors import OperationError
from harness.model import FaultRecord
from harness.ports import Fault
from harness.procload import Waits
from harness.scenarios.asking import ask_operator
from harness.schedule import Stopped

if TYPE_CHECKING:
    from harness.bench import Bench

UNDO_FIRST_S = 0.3
ASK_S = 600.0


class Breaking:
    """The fault ports of one scenario, by their ``device.port``."""

    def __init__(self, bench: Bench, name: str, spec: SwarmReorganization) -> None:
        self._bench, self._name, self._robots = bench, name, spec.robots
        self._ports = {
            robot: frozenset(spec.port(column, robot) for column in spec.columns) for robot in spec.robots
        }
        self._faults: dict[str, Fault] = {}
        for reference in spec.fault_ports:
            device, _, port = reference.partition(".")
            self._faults[reference] = bench.devices[device].fault(port)
        self._guarded: set[str] = set()
        self._broken: list[tuple[str, str]] = []

    def kind(self, port: str) -> str:
        """What that port does, in one word."""
        return self._faults[port].kind

    def waits(self) -> Waits:
        """Tells how long the robots of this host have to wait for a CPU."""
        found: dict[str, int] = {}
        for fault in self._faults.values():
            found.update(fault.processes())
        return Waits(found)

    def aim(self, port: str, robot: str) -> None:
        """Find what will be broken, and have the guardian know how it is undone. Raises OperationError."""
        undoings = self._faults[port].aim(robot)
        if undoings and self._bench.guardian is not None:
            self._bench.guardian.breaking(f"{port} of {robot}", undoings)
            self._guarded.add(f"{port} of {robot}")

    def inject(
        self,
        port: str,
        robot: str,
        key: int,
        number: int,
        begun_ns: int,
        *,
        then: Callable[[FaultRecord], None] = lambda record: None,
    ) -> FaultRecord:
        """Break that robot and write the event; ``number``: which fault of the trial it is, from 0; ``then``
        is called with the record first. Raises OperationError where it did not take hold."""
        fault = self._faults[port]
        self._broken.append((port, robot))
        self._bench.broken |= self._ports[robot]
        record = fault.inject(robot, fault.kind)
        then(record)
        self._bench.folder.event(
            FAULT,
            scenario=self._name,
            key=key,
            number=number,
            robot=self._robots.index(robot) + 1,
            port=port,
            begun_ns=begun_ns,
            **asdict(record),
        )
        if not record.verified:
            raise OperationError(
                f"scenario {self._name!r}: the fault {record.kind} of {robot} did not take hold"
                f" ({record.evidence})",
                hint=f"does {port} name what the robot is?",
            )
        return record

    def restore(self, stopped: Stopped) -> list[FaultRecord] | None:
        """Have all that are broken be whole again, the last one first; None when stopped. Raises
        OperationError or DeadlineError where one is not."""
        records = []
        while self._broken:
            port, robot = self._broken[-1]
            fault = self._faults[port]
            request = fault.request(robot)
            where = f"scenario {self._name!r}, {port}"
            if request is not None and not ask_operator(self._bench, where, request, ASK_S, stopped):
                return None
            records.append(fault.restore(robot))
            self._broken.pop()
        self.forget()
        return records

    def restore_one(self, port: str, robot: str, key: int) -> None:
        """Have that robot be whole again in the middle of its trial, with an event. Raises OperationError,
        DeadlineError."""
        record = self._faults[port].restore(robot)
        self._broken.remove((port, robot))
        self._bench.folder.event(RETURNED, scenario=self._name, key=key, **asdict(record))

    def over(self) -> None:
        """The swarm is stable again: whatever is lost from now on is not lost on purpose."""
        self._bench.broken = frozenset()

    def forget(self) -> None:
        """Nothing that was aimed at will be broken: the guardian has nothing to undo."""
        for what in sorted(self._guarded):
            if self._bench.guardian is not None:
                self._bench.guardian.whole(what)
        self._guarded.clear()

    def undo(self) -> None:
        """On every way out. A robot that hangs or is cut off hears no stop; but the stops do not wait for a
        command that takes long either."""
        undoing = threading.Thread(target=self._undo, name="harness-undo")
        undoing.start()
        undoing.join(UNDO_FIRST_S)

    def _undo(self) -> None:
        for fault in self._faults.values():
            fault.undo()
