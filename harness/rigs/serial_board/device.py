"""The bench board as a device: ports, stop, clock and checks over a :class:`.link.Link` to it."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING

from harness.config.problems import port_named
from harness.errors import ConfigurationError, DeadlineError, HarnessError, OperationError, UnavailableError
from harness.model import ClockInfo, ClockKind, Finding, Severity
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus
from harness.rigs.serial_board import line, talk
from harness.rigs.serial_board.events import Events
from harness.rigs.serial_board.frames import Frame, encode
from harness.rigs.serial_board.link import SEQUENCES, Link, Listener
from harness.rigs.serial_board.messages import MILLISECONDS, Hello, Request, Statistics
from harness.rigs.serial_board.options import OUTPUTS, SIMULATED, Options
from harness.rigs.serial_board.ports import BoardResponse, BoardStimulus
from harness.rigs.serial_board.relay import Relay
from harness.rigs.serial_board.talk import ANSWER_S, PINGS

if TYPE_CHECKING:
    import serial

FAREWELL_S = 1.0
READINGS = 64
"""Exchanges of which the shortest says what time it is on the board."""
KEEP_ALIVES = 4
"""How often the host speaks up within the time after which the board thinks it gone."""
STOP = SEQUENCES
"""Sequence of a stop that nobody waits for the answer of."""


class SerialBoard:
    """A micro-controller that stimulates and witnesses; see :class:`.options.Options`.

    As GUARDIAN it opens the port beside the harness and only writes: the frames of both arrive whole.
    """

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name, self.options = name, options
        self.simulated = options.port == SIMULATED
        self.clock_name = f"{name}.ticks"
        self.link: Link | None = None
        self.hello: Hello | None = None
        self.round_trip_ms = float("nan")
        self._context = context
        self._opened = False
        self._path = ""
        self._bare: serial.Serial | None = None
        self._readings: deque[tuple[int, int]] = deque(maxlen=READINGS)
        self._stimuli = {
            port: BoardStimulus(name, port, how.stimulus, options.limits, self)
            for port, how in options.ports.items()
            if how.stimulus is not None
        }
        self._responses = {
            port: BoardResponse(how.response, self.clock_name)
            for port, how in options.ports.items()
            if how.response is not None
        }
        self._robots = options.robots if isinstance(options.robots, list) else []
        self._relays = {
            port: Relay(port, how.fault, self._robots, context.run_id, context.clock, self)
            for port, how in options.ports.items()
            if how.fault is not None
        }
        self._events = Events(name, self._responses, self._report)

    # -- opening and closing ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Connect and wire the board as the rig file says; as GUARDIAN only open the port, as CHECK nothing.

        Raises UnavailableError where there is no board, or one that speaks another protocol.
        """
        if self._opened:
            return
        self._opened = True
        if self._context.role is Role.CHECK:
            return
        try:
            self._path = line.find(self.options.port, self._context.run_id, self.name)
            port = line.open_port(self._path, self.name, exclusive=self._context.role is Role.HARNESS)
            if self._context.role is Role.GUARDIAN:
                self._bare = port
                return
            self._connect(port)
        except BaseException:
            self.close()
            raise

    def _connect(self, port: serial.Serial) -> None:
        listener = Listener(self._events.take, self._idle, self._unanswered, self._lost)
        try:
            self.link = Link(self.name, port, self._context.clock, listener)
        except RuntimeError as error:
            port.close()
            raise UnavailableError(f"{self.name}: its reader cannot be started: {error}") from error
        self.hello = talk.greet(self.link, self.name, self._path, self.options.start_s, self._context.clock)
        self.link.keep_alive_ns = round(self.options.dead_man_ms * 1e6 / KEEP_ALIVES)
        self._events.begin(self.hello)
        self._wire(self.link)
        self.round_trip_ms = talk.ping(self.link)
        for _ in range(PINGS):
            self.exchange(self.clock_name)

    def _wire(self, link: Link) -> None:
        for how in self.options.ports.values():
            if how.stimulus is not None:
                output, safe = how.stimulus.output, how.stimulus.safe == "high"
            elif how.fault is not None:
                output, safe = how.fault.output, how.fault.cut == "low"
            else:
                continue
            link.ask(Request.CONFIG, bytes([OUTPUTS[output], safe]), ANSWER_S)
        link.ask(Request.DEADMAN, MILLISECONDS.pack(self.options.dead_man_ms), ANSWER_S)
        link.ask(Request.SAFE, b"", ANSWER_S)
        self._events.arm(lambda kind, body: link.ask(kind, body, ANSWER_S), self.options)

    def close(self) -> None:
        """Let go of the port; the board falls to its safe levels. Repeatable."""
        self._opened = False
        link, self.link = self.link, None
        bare, self._bare = self._bare, None
        try:
            for relay in self._relays.values():
                relay.undo()
            if link is not None:
                if not link.broken:
                    with contextlib.suppress(HarnessError):
                        link.ask(Request.SAFE, b"", FAREWELL_S)
                link.close()
        finally:
            if bare is not None:
                bare.close()
            for response in self._responses.values():
                response.deaf()

    def safe_stop(self) -> None:
        """Every output to its safe level, faults undone, then what `stop` says, so often. Repeatable.

        Raises OperationError when it could not be handed over.
        """
        if not self._opened or self._context.role is Role.CHECK:
            return
        stop = self.options.stop
        for turn in range(stop.repeat if stop else 1):
            if turn and stop:
                time.sleep(stop.interval_ms * 1e-3)
            if self.link is not None and not self.link.broken:
                self.link.send(Request.SAFE)
                if stop is not None:
                    chosen = self.stimulus(stop.port)
                    chosen.send(-1, chosen.prepare(stop.values))
            else:
                self._stop_bare()

    def _stop_bare(self) -> None:
        """The stop without a reader: from the guardian, and when the line was lost and is there again."""
        if self._bare is None:
            self._bare = line.open_port(self._path, self.name, exclusive=False)
        try:
            self._bare.write(b"\0" + encode(Frame(Request.SAFE, STOP)))
        except (OSError, line.library().SerialException) as error:
            bare, self._bare = self._bare, None
            bare.close()
            raise OperationError(
                f"{self.name}: the stop was not taken: {error}", hint="cut the power"
            ) from error

    # -- what ports need -------------------------------------------------------------------------------------

    def request(
        self, kind: Request, body: bytes, answered: Callable[[Frame, int], None]
    ) -> tuple[int, int, int]:
        """Hand a request over. Raises OperationError when the device is not open or the board is gone."""
        return self.need_link().send(kind, body, answered)

    def ticks(self, milliseconds: float) -> int:
        """So long in ticks of the board."""
        return round(milliseconds * 1e6) // self._events.tick_ns

    def ticks_now(self) -> int:
        """The board's counter, by the shortest of the latest exchanges."""
        if not self._readings:
            raise OperationError(f"{self.name}: the board's clock is not known yet")
        _, offset_ns = min(self._readings)
        return (self._context.clock.monotonic_ns() + offset_ns) // self._events.tick_ns

    def driven(self, port: str, key: int, at: int, level: int, now_ns: int) -> None:
        """An output had its level."""
        self._events.driven(port, key, at, level, now_ns)

    def expect(self, sequence: int, port: str, key: int) -> None:
        """The board will tell when it has done that."""
        self._events.expect(sequence, port, key)

    def refused(self, port: str, why: str) -> None:
        """The board did not do it: the bench's error."""
        self._report("command refused", Severity.ERROR, f"{port}: {why}", "widen pulses or slow the schedule")

    # -- the contract ----------------------------------------------------------------------------------------

    def identity(self) -> dict[str, str]:
        """What it is, for the report."""
        found = {"model": "bench board", "port": self._path or self.options.port}
        if self.hello is not None:
            hello = self.hello
            found |= {
                "model": hello.name or "bench board",
                "firmware": hello.firmware,
                "protocol": str(hello.version),
                "tick": f"{1e6 / hello.tick_hz:g} us",
                "ping, median": f"{self.round_trip_ms:.2f} ms",
                "dead-man": f"{self.options.dead_man_ms} ms",
            }
        return found

    def clocks(self) -> list[ClockInfo]:
        """The board's counter."""
        step = self._events.tick_ns
        return [ClockInfo(self.clock_name, ClockKind.ESTIMATED, "counter of the bench board", step)]

    def exchange(self, clock_name: str) -> tuple[int, int, int, int] | None:
        """One four-timestamp exchange with the board's counter; None where the line is busy or slow.

        Raises OperationError when the board is gone.
        """
        if clock_name != self.clock_name:
            return None
        link = self.need_link()
        try:
            t1_ns, t2_ns, t3_ns, t4_ns = talk.exchange(link, self._events.tick_ns)
        except (DeadlineError, OperationError):
            if link.broken:
                raise
            return None
        self._readings.append((t4_ns - t1_ns - (t3_ns - t2_ns), (t2_ns + t3_ns - t1_ns - t4_ns) // 2))
        return t1_ns, t2_ns, t3_ns, t4_ns

    def statistics(self) -> Statistics:
        """What the board has counted. Raises OperationError, DeadlineError."""
        assert self.hello is not None
        return talk.statistics_of(self.need_link(), self.hello.inputs)

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "stimulus", port, self._stimuli)

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "response", port, self._responses)

    def fault(self, port: str) -> Fault:
        """The relay of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "fault", port, self._relays)

    def process_environment(self) -> dict[str, str]:
        """Where a simulated board that the rig starts puts its terminal."""
        if not self.simulated:
            return {}
        return {line.BOARD_VARIABLE: line.simulated_path(self._context.run_id, self.name)}

    def is_ready(self, condition: str, argument: str) -> bool:
        """``answers``: the board does. Raises ConfigurationError for another condition."""
        if condition != "answers":
            raise ConfigurationError(f"{self.name}: unknown condition {condition!r}", hint="known: answers")
        try:
            self.need_link().ask(Request.ECHO, b"", ANSWER_S)
        except HarnessError:
            return False
        return True

    def preflight(self) -> list[Finding]:
        """Whether the port is there, and how fast the line is."""
        if self.link is None:
            return self._look()
        found = []
        timer_ms = line.latency_timer_ms(self._path)
        if timer_ms is not None and timer_ms > 1:
            found.append(
                Finding(
                    "slow serial converter",
                    Severity.WARNING,
                    f"{self.name}: its USB converter keeps bytes for up to {timer_ms} ms",
                    remedy=f"echo 1 | sudo tee {line.USB_SERIAL}/*/latency_timer",
                )
            )
        if self.round_trip_ms > self.options.largest_round_trip_ms:
            found.append(
                Finding(
                    "slow line",
                    Severity.WARNING,
                    f"{self.name}: a ping takes {self.round_trip_ms:.1f} ms, median of {PINGS}",
                    remedy="plug it into the host itself; judge by `arrival: stamp`",
                )
            )
        return found

    def _look(self) -> list[Finding]:
        if self.simulated:
            return [Finding("board", Severity.INFO, f"{self.name}: a run starts the simulated board")]
        try:
            path = line.find(self.options.port, self._context.run_id, self.name)
            why = line.trouble(path)
        except UnavailableError as error:
            path, why = self.options.port, error.message
        if why is not None:
            return [
                Finding(
                    "nobody there", Severity.ERROR, f"{self.name}: {why}", remedy="see docs/bench-board.md"
                )
            ]
        return [Finding("board", Severity.INFO, f"{self.name}: a board at {path}")]

    def need_link(self) -> Link:
        """The line. Raises OperationError where there is none."""
        if self.link is None:
            raise OperationError(f"{self.name} is not open", hint="open the device first")
        return self.link

    # -- on the reader's thread ------------------------------------------------------------------------------

    def _idle(self, now_ns: int) -> None:
        for response in self._responses.values():
            response.greet()
        for relay in self._relays.values():
            relay.renew(now_ns)

    def _unanswered(self, count: int) -> None:
        self._report(
            "messages lost", Severity.ERROR, f"{count} requests were not answered", "look at the cable"
        )

    def _lost(self, reason: str) -> None:
        self._report(
            "board lost", Severity.ERROR, f"the line ended: {reason}", "look at the cable and the power"
        )

    def _report(self, what: str, severity: Severity, message: str, remedy: str = "") -> None:
        self._context.report(Finding(what, severity, f"{self.name}: {message}", remedy=remedy))
