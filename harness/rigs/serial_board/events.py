"""What the board tells of itself: to which ports it goes, and whether any of it was lost on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from harness.model import Severity
from harness.rigs.serial_board.frames import Frame
from harness.rigs.serial_board.messages import (
    ARMED,
    HOLD_LAPSED,
    SCHEDULED,
    THRESHOLD,
    Edge,
    Event,
    Hello,
    Output,
    Request,
    Statistics,
    armed,
    went_safe,
)
from harness.rigs.serial_board.options import ANALOGS, FULL_SCALE_V, INPUTS, TOP, Options
from harness.rigs.serial_board.ports import BoardResponse

EDGES = {"rising": 1, "falling": 2, "both": 3}
WRAP = 1 << 16
QUIET_NS = 1_000_000_000
"""Losses are told at once, and then no more often than this."""

Report = Callable[[str, Severity, str, str], None]
Ask = Callable[[Request, bytes], tuple[int, Frame, int]]


class Losses:
    """How many events never came: they carry a running number, and how many the board had no room for."""

    def __init__(self) -> None:
        self._next: int | None = None
        self._dropped = 0

    def begin(self, dropped: int) -> None:
        """The board has dropped so many up to now, modulo 2**16."""
        self._dropped = dropped

    def after(self, sequence: int) -> None:
        """The next event has the number after that one; a board that has just started begins anew."""
        self._next = (sequence + 1) % WRAP

    def damaged(self, frame: Frame) -> int:
        """How many were damaged on the line since the last event."""
        missed = 0 if self._next is None else (frame.sequence - self._next) % WRAP
        self.after(frame.sequence)
        return missed

    def no_room(self, edge: Edge) -> int:
        """How many the board has dropped since the last edge."""
        more = (edge.dropped - self._dropped) % WRAP
        self._dropped = edge.dropped
        return more


class Events:
    """Sorts events to response ports. All but :meth:`begin` and :meth:`arm` on the reader's thread."""

    def __init__(self, name: str, responses: Mapping[str, BoardResponse], report: Report) -> None:
        self.tick_ns = 500
        self._name, self._responses, self._report = name, responses, report
        self._inputs: dict[int, list[BoardResponse]] = {}
        self._analogs: dict[int, list[BoardResponse]] = {}
        self._outputs: dict[str, list[BoardResponse]] = {}
        for response in responses.values():
            how = response.how
            if how.input is not None:
                self._inputs.setdefault(INPUTS[how.input], []).append(response)
            elif how.analog is not None:
                self._analogs.setdefault(ANALOGS[how.analog], []).append(response)
            else:
                self._outputs.setdefault(str(how.of), []).append(response)
        self._begun = False
        self._scheduled: dict[int, tuple[str, int]] = {}
        self._losses = Losses()
        self._untold = self._told_ns = 0

    def begin(self, hello: Hello) -> None:
        """The board is there; from now on a new start of it is a fault of the bench."""
        self.tick_ns = 1_000_000_000 // hello.tick_hz
        self._scheduled.clear()
        self._losses = Losses()
        self._begun = True

    def arm(self, ask: Ask, options: Options) -> None:
        """Have the board watch what the ports want, and take the levels that are there."""
        _, frame, _ = ask(Request.STATS, b"")
        self._losses.begin(Statistics.read(frame.body, len(INPUTS)).events_dropped)
        for number, ports in self._inputs.items():
            how = ports[0].how
            debounce = round(how.debounce_ms * 1e6) // self.tick_ns
            _, frame, now_ns = ask(Request.ARM, ARMED.pack(number, EDGES[how.edges], how.pull_up, debounce))
            level, at = armed(frame.body)
            for port in ports:
                port.knows(level, now_ns, now_ns, at * self.tick_ns)
        for number, ports in self._analogs.items():
            how = ports[0].how
            low, high = (round(volts * TOP / FULL_SCALE_V) for volts in (how.low_v, how.high_v))
            ask(Request.ANALOG, THRESHOLD.pack(number, 1, low, high))

    def driven(self, port: str, key: int, at: int, level: int, now_ns: int) -> None:
        """An output had its level at that tick, as the stimulus with that key asked."""
        for response in self._outputs.get(port, ()):
            response.take(level, now_ns, now_ns, at * self.tick_ns, key)

    def expect(self, sequence: int, port: str, key: int) -> None:
        """The event with that sequence will be of that stimulus."""
        self._scheduled[sequence] = (port, key)

    def take(self, frame: Frame, now_ns: int) -> None:
        """One event. Raises OperationError for one that is too short."""
        if frame.type == Event.BOOT:
            if self._begun:
                cause = Hello.read(frame.body).reset_cause
                self._error("board restarted", f"the board started anew (cause {cause})", "look at its power")
            self._losses.after(frame.sequence)
            return
        if missed := self._losses.damaged(frame):
            self._error("messages lost", f"{missed} events were damaged on the line", "look at the cable")
        if frame.type in (Event.EDGE, Event.ANALOG):
            self._edge(frame, now_ns)
        elif frame.type == Event.OUTPUT:
            self._output(Output.read(frame.body), now_ns)
        elif frame.type == Event.SAFE:
            went_safe(frame.body)
            self._error(
                "board went safe", "it heard nothing for longer than dead_man_ms", "find what stalled"
            )

    def _edge(self, frame: Frame, now_ns: int) -> None:
        edge = Edge.read(frame.body)
        self._untold += self._losses.no_room(edge)
        # A storm of edges is no storm of findings.
        if self._untold and now_ns - self._told_ns > QUIET_NS:
            lost, self._untold, self._told_ns = self._untold, 0, now_ns
            self._error(
                "messages lost", f"the board had no room for {lost} events", "fewer edges: debounce_ms"
            )
        ports = self._inputs if frame.type == Event.EDGE else self._analogs
        for port in ports.get(edge.index, ()):
            port.take(edge.flags & 1, now_ns, now_ns, edge.at * self.tick_ns)

    def _output(self, output: Output, now_ns: int) -> None:
        if output.cause == HOLD_LAPSED:
            self._error("cut lapsed", f"output {output.index} fell back by itself: not renewed in time", "")
        elif output.cause == SCHEDULED and output.sequence in self._scheduled:
            port, key = self._scheduled.pop(output.sequence)
            self.driven(port, key, output.at, output.level, now_ns)

    def _error(self, what: str, message: str, remedy: str) -> None:
        self._report(what, Severity.ERROR, message, remedy)
