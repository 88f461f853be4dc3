"""A board that is talked to by itself, without a rig: for the commands of ``harness board``."""

from __future__ import annotations

import contextlib
import queue
from types import TracebackType

from harness.clock import HostClock
from harness.errors import HarnessError, OperationError, SafetyError
from harness.rigs.serial_board import line
from harness.rigs.serial_board.events import EDGES, Losses
from harness.rigs.serial_board.frames import Frame
from harness.rigs.serial_board.link import Link, Listener
from harness.rigs.serial_board.messages import ARMED, Request, Statistics, armed
from harness.rigs.serial_board.options import INPUTS
from harness.rigs.serial_board.talk import ANSWER_S, greet, statistics_of

NAME = "board"
START_S = 8.0


class Session:
    """An open board; ``events`` holds what it told of itself, with CLOCK_MONOTONIC in ns of its arrival.

    Nothing is changed on the board but what is asked for; at the end its outputs go to their safe levels, if
    any was driven, and its inputs are left alone. Raises UnavailableError where there is none.
    """

    def __init__(self, port: str, start_s: float = START_S) -> None:
        self.clock = HostClock()
        self.path = line.find_alone(port, NAME)
        self.losses = Losses()
        self.events: queue.SimpleQueue[tuple[Frame, int] | None] = queue.SimpleQueue()
        self._driven = False
        self._armed: set[str] = set()
        self._gone = ""
        opened = line.open_port(self.path, NAME, exclusive=True)
        listener = Listener(self._event, lambda _now: None, lambda _count: None, self._lost)
        self.link = Link(NAME, opened, self.clock, listener)
        try:
            self.hello = greet(self.link, NAME, self.path, start_s, self.clock)
        except BaseException:
            self.link.close()
            raise
        # A board that the opening has reset says that it starts; whatever stood before its hello is past.
        while not self.events.empty():
            self.events.get()

    @property
    def tick_ns(self) -> int:
        """Step of the board's counter."""
        return 1_000_000_000 // self.hello.tick_hz

    def ticks(self, milliseconds: float) -> int:
        """So long in ticks."""
        return round(milliseconds * 1e6) // self.tick_ns

    def may_drive(self, output: str, armed: bool) -> None:
        """From now on outputs are driven. Raises SafetyError for a real board without the word for it."""
        if not armed and not line.is_simulated(self.path):
            raise SafetyError(
                f"{output} would be driven, and whatever is wired to it acts",
                hint=f"take everything but the wire off {output}, then add --arm",
            )
        self._driven = True

    def arm(self, pin: str, pull_up: bool = False, debounce_ms: float = 0.0) -> tuple[int, int]:
        """Watch both edges of an input; its level, and the tick at which it was that."""
        if not self._armed:
            self.losses.begin(self.statistics().events_dropped)
        body = ARMED.pack(INPUTS[pin], EDGES["both"], pull_up, self.ticks(debounce_ms))
        _, frame, _ = self.link.ask(Request.ARM, body, ANSWER_S)
        self._armed.add(pin)
        return armed(frame.body)

    def statistics(self) -> Statistics:
        """What the board has counted since its start."""
        return statistics_of(self.link, self.hello.inputs)

    def event(self, timeout_s: float) -> tuple[Frame, int] | None:
        """The next event, or None when none came in time. Raises OperationError when the board is gone."""
        try:
            found = self.events.get(timeout=timeout_s)
        except queue.Empty:
            return None
        if found is None:
            raise OperationError(f"{NAME}: the line ended: {self._gone}", hint="look at the cable")
        return found

    def _event(self, frame: Frame, now_ns: int) -> None:
        self.events.put((frame, now_ns))

    def _lost(self, reason: str) -> None:
        self._gone = reason
        self.events.put(None)

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with contextlib.suppress(HarnessError):
            if self._driven:
                self.link.ask(Request.SAFE, b"", ANSWER_S)
            for pin in self._armed:
                self.link.ask(Request.ARM, ARMED.pack(INPUTS[pin], 0, 0, 0), ANSWER_S)
        self.link.close()
