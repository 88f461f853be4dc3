"""A relay of the board as a fault: it cuts a robot's power, and falls back when the host is gone."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from harness.clock import HostClock
from harness.faults.base import FaultPort
from harness.guardian.undo import Undo
from harness.rigs.serial_board.frames import Frame
from harness.rigs.serial_board.link import is_answer
from harness.rigs.serial_board.messages import LEVEL, TIMED, Request, instant
from harness.rigs.serial_board.options import OUTPUTS, RelayFault
from harness.rigs.serial_board.ports import Desk

RENEWALS = 4
"""How often a cut is renewed within the time after which the board would undo it."""


class Relay(FaultPort):
    """One relay; its robots share it. The guardian needs no plan to undo it: its stop does, and so does
    the board itself, since a cut that is not renewed lapses."""

    def __init__(
        self, port: str, options: RelayFault, robots: Sequence[str], run_id: str, clock: HostClock, desk: Desk
    ) -> None:
        super().__init__(port, options, robots, run_id, clock)
        self._desk = desk
        self._output = OUTPUTS[options.output]
        self._cut = int(options.cut == "high")
        self._renewed_ns: int | None = None
        self._at: int | None = None
        self._back_at: int | None = None
        self._turns = threading.Lock()

    def renew(self, now_ns: int) -> None:
        """Keep the cut; on the device's thread, again and again."""
        with self._turns:
            if self._renewed_ns is not None and now_ns - self._renewed_ns > self._hold_ms * 1e6 / RENEWALS:
                self._hold(self._ignore)

    @property
    def _hold_ms(self) -> float:
        return float(self._options.hold_ms)

    def _hold(self, answered: Callable[[Frame, int], None]) -> None:
        self._renewed_ns = self._clock.monotonic_ns()
        body = TIMED.pack(self._output, self._cut, self._desk.ticks(self._hold_ms))
        self._desk.request(Request.HOLD, body, answered)

    def _ignore(self, frame: Frame, now_ns: int) -> None:
        if not is_answer(frame, Request.HOLD):
            self._desk.refused(self._port, "the cut could not be renewed")

    def _find(self, target: str) -> Any:
        return target

    def _still(self, aimed: Any) -> bool:
        return True

    def _break(self, aimed: Any) -> None:
        def answered(frame: Frame, now_ns: int) -> None:
            if is_answer(frame, Request.HOLD):
                self._at = instant(frame.body)

        with self._turns:
            self._at = None
            self._hold(answered)

    def _took_hold(self, aimed: Any) -> bool:
        return self._at is not None

    def _evidence(self, aimed: Any) -> str:
        level = "high" if self._cut else "low"
        return f"the board answered that {self._options.output} is {level} since its tick {self._at}"

    def _undoings(self, aimed: Any) -> list[Undo]:
        return []

    def _undo(self, aimed: Any) -> None:
        def answered(frame: Frame, now_ns: int) -> None:
            if is_answer(frame, Request.SET):
                self._back_at = instant(frame.body)

        with self._turns:
            self._renewed_ns = self._back_at = None
            self._desk.request(Request.SET, LEVEL.pack(self._output, 1 - self._cut), answered)

    def _back(self, target: str, aimed: Any) -> str | None:
        if self._back_at is None:
            return None
        return f"the board answered that {self._options.output} is back since its tick {self._back_at}"

    def _hint(self) -> str:
        return "look at the board's cable"
