"""A robot on a serial line as a device: its port, its start, its stop, what went wrong on the line."""

from __future__ import annotations

import re
import threading
import time
from typing import TYPE_CHECKING, NoReturn

from harness.config.problems import port_named
from harness.errors import ConfigurationError, OperationError, UnavailableError
from harness.model import ClockInfo, Finding, Severity
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus
from harness.rigs.serial_board import line
from harness.rigs.serial_text.options import SIMULATED, Options
from harness.rigs.serial_text.ports import TextResponse, TextStimulus
from harness.rigs.serial_text.reading import Found, Lines, Piece
from harness.rigs.serial_text.start import await_boot, line_errors

if TYPE_CHECKING:
    import serial

TEXT_VARIABLE = "HARNESS_SIM_SERIAL_ROBOT"
"""Environment: where ``harness sim serial_robot`` is to put its terminal."""
QUIET_NS = 1_000_000_000
"""What is wrong with the line is told at once, and then no more often than this."""
PARITY = {"none": "N", "even": "E", "odd": "O"}


class SerialText:
    """A robot that speaks text or bytes on a serial line; see :class:`.options.Options`.

    As GUARDIAN it opens the port beside the harness and only writes: a message goes out whole.
    """

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name, self.options = name, options
        self.simulated = options.port == SIMULATED
        self._context = context
        self._opened = self._closing = self._broken = False
        self._path = ""
        self._port: serial.Serial | None = None
        self._reader: threading.Thread | None = None
        self._lock = threading.Lock()
        self._lines = Lines(options.line_end.encode("latin-1"))
        self._damaged = self._strange = 0
        self._errors_before: int | None = None
        self._told_ns = 0
        self._banner: re.Pattern[bytes] | None = None
        self._stimuli = {
            port: TextStimulus(name, port, how.stimulus, options.limits, self.write)
            for port, how in options.ports.items()
            if how.stimulus is not None
        }
        self._responses = {
            port: TextResponse(how.response, self._stimuli.get(how.response.of or ""))
            for port, how in options.ports.items()
            if how.response is not None
        }

    # -- opening and closing ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Open the port and wait until the robot has started; as CHECK do nothing.

        Raises UnavailableError where the port cannot be opened, DeadlineError where the robot does not start.
        """
        if self._opened:
            return
        self._opened, self._closing, self._broken = True, False, False
        if self._context.role is Role.CHECK:
            return
        try:
            self._path = self._find()
            self._port = self._open_port(exclusive=self._context.role is Role.HARNESS)
            if self._context.role is Role.HARNESS:
                self._start(self._port)
        except BaseException:
            self.close()
            raise

    def _find(self) -> str:
        if self.options.port == SIMULATED:
            return line.simulated_path(self._context.run_id, self.name)
        return self.options.port

    def _open_port(self, exclusive: bool) -> serial.Serial:
        how = self.options
        return line.open_port(
            self._path,
            self.name,
            exclusive,
            baudrate=how.baud,
            bytesize=how.data_bits,
            parity=PARITY[how.parity],
            stopbits=how.stop_bits,
        )

    def _start(self, port: serial.Serial) -> None:
        self._lines = Lines(self.options.line_end.encode("latin-1"))
        self._banner = None
        await_boot(port, self.name, self._path, self.options.boot, self.options.settle_s)
        if self.options.boot is not None:
            self._banner = self.options.boot.compiled
        self._errors_before = line_errors(port)
        reader = threading.Thread(
            target=self._read, args=(port,), name=f"serial-text-{self.name}", daemon=True
        )
        try:
            reader.start()
        except RuntimeError as error:
            raise UnavailableError(f"{self.name}: its reader cannot be started: {error}") from error
        self._reader = reader

    def close(self) -> None:
        """Let go of the port. Repeatable."""
        self._opened, self._closing = False, True
        port, self._port = self._port, None
        reader, self._reader = self._reader, None
        try:
            if port is not None:
                if reader is not None:
                    port.cancel_read()
                    reader.join()
                port.close()
        finally:
            for response in self._responses.values():
                response.deaf()
            strange, self._strange = self._strange, 0
            if strange > 1:
                self._report("unknown message", f"{strange} messages in all", "", Severity.WARNING)

    def safe_stop(self) -> None:
        """Send the stop's message as often as the rig file says. Repeatable.

        Raises OperationError when it could not be handed over.
        """
        stop = self.options.stop
        if not self._opened or self._context.role is Role.CHECK or stop is None:
            return
        chosen = self._stimuli[stop.port]
        message = chosen.message(0, chosen.prepare(stop.values))
        for turn in range(stop.repeat):
            if turn:
                time.sleep(stop.interval_ms * 1e-3)
            self._write_stop(message)

    def _write_stop(self, message: bytes) -> None:
        """Over a line that was lost, try once whether it is there again."""
        try:
            if not self._broken:
                self.write(message)
                return
        except OperationError:
            pass
        again = self._open_port(exclusive=False)
        try:
            again.write(message)
        except (OSError, line.library().SerialException) as error:
            raise OperationError(
                f"{self.name}: the stop was not taken: {error}", hint="cut the power"
            ) from error
        finally:
            again.close()

    # -- the line --------------------------------------------------------------------------------------------

    def write(self, message: bytes) -> tuple[int, int]:
        """Hand a message to the line; the instants around that. Raises OperationError if it is not taken."""
        port = self._port
        if port is None or self._broken:
            raise OperationError(f"{self.name}: the line is gone", hint="look at its cable; open it again")
        with self._lock:
            before_ns = self._context.clock.monotonic_ns()
            try:
                port.write(message)
            except (OSError, TypeError, line.library().SerialException) as error:
                raise OperationError(
                    f"{self.name}: the line failed: {error}", hint="look at its cable"
                ) from error
            return before_ns, self._context.clock.monotonic_ns()

    def _read(self, port: serial.Serial) -> None:
        errors = (OSError, TypeError, line.library().SerialException)
        looked_ns = 0
        while not self._closing:
            try:
                data = port.read(port.in_waiting or 1)
                now_ns = self._context.clock.monotonic_ns()
                if now_ns - looked_ns > QUIET_NS:
                    looked_ns = now_ns
                    self._look_at_line(port)
            except errors as error:
                if not self._closing:
                    self._broken = True
                    self._report("robot lost", f"the line ended: {error}", "look at its cable and its power")
                return
            if data:
                self._take(data, now_ns)

    def _take(self, data: bytes, now_ns: int) -> None:
        if self.options.framing == "bytes":
            for response in self._responses.values():
                for found in response.reader.stream(data, now_ns):
                    self._give(response, found, now_ns)
            return
        for piece in self._lines.take(data, now_ns):
            if self._banner is not None and self._banner.search(piece.data):
                self._report("robot restarted", f"it said {piece.data[:80]!r} again", "look at its power")
            known = False
            for response in self._responses.values():
                whole = response.reader.line(piece)
                if whole is not None:
                    known = True
                    self._give(response, whole, now_ns)
            if not known:
                self._unknown(piece)

    def _unknown(self, piece: Piece) -> None:
        self._strange += 1
        if self._strange == 1:
            self._report(
                "unknown message",
                f"no pattern knows {piece.data[:80]!r}: another message, or a damaged one",
                "give it a response port if it is meant to come",
                Severity.WARNING,
            )

    def _give(self, response: TextResponse, found: Found, now_ns: int) -> None:
        if response.take(found, now_ns):
            return
        self._damaged += 1
        if now_ns - self._told_ns > QUIET_NS:
            self._told_ns = now_ns
            self._report(
                "messages lost",
                f"{self._damaged} messages were damaged on the line, the last: {found.piece.data[:80]!r}",
                "look at the cable and at `checksum`",
            )

    def _look_at_line(self, port: serial.Serial) -> None:
        errors = line_errors(port)
        if errors is not None and self._errors_before is not None and errors > self._errors_before:
            more, self._errors_before = errors - self._errors_before, errors
            self._report(
                "messages lost", f"{more} bytes were damaged or dropped by the driver", "lower `baud`"
            )

    # -- the contract ----------------------------------------------------------------------------------------

    def identity(self) -> dict[str, str]:
        """What it is, for the report."""
        how = self.options
        return {
            "model": "robot on a serial line",
            "port": self._path or how.port,
            "line": f"{how.baud} baud, {how.data_bits}{PARITY[how.parity]}{how.stop_bits}, {how.framing}",
        }

    def clocks(self) -> list[ClockInfo]:
        """None: what it writes carries no stamp."""
        return []

    def exchange(self, clock_name: str) -> None:
        """None: it has no clock that could be asked."""

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "stimulus", port, self._stimuli)

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "response", port, self._responses)

    def fault(self, port: str) -> Fault:
        """It has none. Raises ConfigurationError."""
        return port_named(self.name, "fault", port, dict[str, Fault]())

    def process_environment(self) -> dict[str, str]:
        """Where a simulated robot that the rig starts puts its terminal."""
        return {TEXT_VARIABLE: self._find()} if self.simulated else {}

    def is_ready(self, condition: str, argument: str) -> NoReturn:
        """It knows no condition: its process says itself when it is ready. Raises ConfigurationError."""
        raise ConfigurationError(
            f"{self.name}: unknown condition {condition!r}", hint="use `ready: {log: ...}`"
        )

    def preflight(self) -> list[Finding]:
        """Whether the port is there, and what slows the line down."""
        if self._port is None:
            return self._look()
        timer_ms = line.latency_timer_ms(self._path)
        if timer_ms is None or timer_ms <= 1:
            return []
        message = f"{self.name}: its USB converter keeps bytes for up to {timer_ms} ms"
        remedy = f"echo 1 | sudo tee {line.USB_SERIAL}/*/latency_timer"
        return [Finding("slow serial converter", Severity.WARNING, message, remedy=remedy)]

    def _look(self) -> list[Finding]:
        if self.simulated:
            return [Finding("robot", Severity.INFO, f"{self.name}: a run starts the simulated robot")]
        why = line.trouble(self.options.port)
        if why is not None:
            remedy = "see docs/serial-text.md"
            return [Finding("nobody there", Severity.ERROR, f"{self.name}: {why}", remedy=remedy)]
        return [Finding("robot", Severity.INFO, f"{self.name}: a serial port at {self.options.port}")]

    def _report(self, what: str, message: str, remedy: str, severity: Severity = Severity.ERROR) -> None:
        self._context.report(Finding(what, severity, f"{self.name}: {message}", remedy=remedy))
