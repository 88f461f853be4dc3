"""The GPIO lines of one chip as a device."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import NoReturn

from harness.config.problems import port_named
from harness.errors import ConfigurationError, HarnessError, OperationError, UnavailableError
from harness.model import HOST_MONOTONIC, ClockInfo, Finding, Severity
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus
from harness.rigs.edges import EdgeResponse
from harness.rigs.gpio_lines import chip
from harness.rigs.gpio_lines.chip import GpiodLines, LineEdge, Lines, Want
from harness.rigs.gpio_lines.options import Options
from harness.rigs.gpio_lines.ports import GpioStimulus, Pulses

TURN_S = 0.05
KERNEL = "the kernel's stamp of the edge (CLOCK_MONOTONIC)"

Open = Callable[[str, Sequence[Want], str], Lines]


class GpioLines:
    """Outputs and kernel-stamped edges of one chip; see :class:`.options.Options`.

    A line belongs to one process at a time. As GUARDIAN it requests nothing until it has to stop: while the
    harness lives the lines are the harness's, and when it has died the kernel has freed them. ``lines``: who
    requests them, for tests.
    """

    simulated = False

    def __init__(self, name: str, options: Options, context: DeviceContext, lines: Open = GpiodLines) -> None:
        self.name, self.options = name, options
        self._context, self._request = context, lines
        self._opened = self._closing = False
        self._lines: Lines | None = None
        self._pulses: Pulses | None = None
        self._reader: threading.Thread | None = None
        self._numbers: dict[int, int] = {}
        self._wants: list[Want] = []
        self._outputs: dict[int, bool] = {}
        self._stimuli: dict[str, GpioStimulus] = {}
        self._responses: dict[str, EdgeResponse] = {}
        self._inputs: dict[int, EdgeResponse] = {}
        for index, (port, how) in enumerate(options.ports.items()):
            if how.stimulus is not None:
                out = how.stimulus
                safe = out.safe == "active"
                self._wants.append(
                    Want(out.line, output=True, active=safe, active_low=out.active_low, drive=out.drive)
                )
                self._outputs[index] = safe
                drive = partial(self._drive, index)
                self._stimuli[port] = GpioStimulus(name, port, out, options.limits, drive, self._need_pulses)
            elif how.response is not None:
                into = how.response
                self._wants.append(
                    Want(
                        into.line,
                        output=False,
                        active_low=into.active_low,
                        bias=into.bias,
                        edges=into.edges,
                        debounce_us=into.debounce_us,
                    )
                )
                response = EdgeResponse(into.match.kind, HOST_MONOTONIC, KERNEL)
                self._responses[port] = self._inputs[index] = response

    def open(self) -> None:
        """Request the lines, outputs at their safe levels; as CHECK and GUARDIAN request none.

        Raises UnavailableError where the chip or a line cannot be had.
        """
        if self._opened:
            return
        self._opened, self._closing = True, False
        if self._context.role is not Role.HARNESS:
            return
        try:
            self._lines = self._request(self.options.chip, self._wants, f"harness {self.name}")
            self._numbers = dict.fromkeys(self._inputs, 0)
            now_ns = self._context.clock.monotonic_ns()
            for index, response in self._inputs.items():
                response.knows(int(self._lines.get(index)), now_ns, now_ns)
            self._pulses = Pulses(self.name, self._context.clock, self._failed)
            reader = threading.Thread(
                target=self._read, args=(self._lines,), name=f"gpio-{self.name}", daemon=True
            )
            reader.start()
            self._reader = reader
        except (OSError, RuntimeError) as error:
            self.close()
            raise UnavailableError(f"{self.name}: the lines cannot be used: {error}") from error
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Outputs to their safe levels, and give the lines back. Repeatable."""
        self._opened, self._closing = False, True
        pulses, self._pulses = self._pulses, None
        reader, self._reader = self._reader, None
        lines, self._lines = self._lines, None
        try:
            if pulses is not None:
                pulses.close()
            if lines is not None and self._context.role is Role.HARNESS:
                self._to_safe(lines)
        except OSError:
            pass  # the lines have gone with their chip
        finally:
            if reader is not None:
                reader.join()
            if lines is not None:
                lines.release()
            for response in self._responses.values():
                response.deaf()

    def safe_stop(self) -> None:
        """Every output to its safe level, then what `stop` says, so often. Repeatable.

        Raises OperationError when the lines cannot be driven; as GUARDIAN also while the harness has them.
        """
        if not self._opened or self._context.role is Role.CHECK or not self._outputs:
            return
        if self._context.role is Role.GUARDIAN:
            self._stop_alone()
            return
        if self._pulses is not None:
            self._pulses.forget()
        try:
            self._to_safe(self._need_lines())
        except OSError as error:
            raise OperationError(
                f"{self.name}: the stop was not taken: {error}", hint="cut the power"
            ) from error
        stop = self.options.stop
        for turn in range(stop.repeat if stop is not None else 0):
            assert stop is not None
            if turn:
                time.sleep(stop.interval_ms * 1e-3)
            chosen = self._stimuli[stop.port]
            chosen.send(-1, chosen.prepare(stop.values))

    def _stop_alone(self) -> None:
        """The harness has died, and its lines are free: have them at their safe levels, and keep them so."""
        if self._lines is None:
            outputs = [self._wants[index] for index in self._outputs]
            try:
                self._lines = self._request(self.options.chip, outputs, f"harness guardian {self.name}")
            except HarnessError as error:
                raise OperationError(
                    f"{self.name}: the stop was not taken: {error}", hint="cut the power"
                ) from error

    def _to_safe(self, lines: Lines) -> None:
        for index, safe in self._outputs.items():
            lines.set(index, safe)

    def _drive(self, index: int, active: bool) -> tuple[int, int]:
        lines = self._need_lines()
        before_ns = self._context.clock.monotonic_ns()
        try:
            lines.set(index, active)
        except OSError as error:
            raise OperationError(
                f"{self.name}: a line cannot be driven: {error}", hint="see gpioinfo"
            ) from error
        return before_ns, self._context.clock.monotonic_ns()

    # -- on the reader's thread ------------------------------------------------------------------------------

    def _read(self, lines: Lines) -> None:
        while not self._closing:
            try:
                edges = lines.wait(TURN_S)
            except OSError as error:
                if not self._closing:
                    self._failed(f"no edge can be read any more: {error}")
                return
            now_ns = self._context.clock.monotonic_ns()
            for edge in edges:
                self._take(edge, now_ns)
            for response in self._responses.values():
                response.greet()

    def _take(self, edge: LineEdge, now_ns: int) -> None:
        missed = edge.number - self._numbers[edge.index] - 1
        self._numbers[edge.index] = edge.number
        if missed > 0:
            line = self._wants[edge.index].line
            self._report(
                "messages lost", f"the kernel had no room for {missed} edges of {line}", "debounce_us"
            )
        self._inputs[edge.index].take(int(edge.active), edge.at_ns, now_ns)

    def _failed(self, why: str) -> None:
        self._report("lines lost", why, "see gpioinfo")

    def _report(self, what: str, message: str, remedy: str) -> None:
        self._context.report(Finding(what, Severity.ERROR, f"{self.name}: {message}", remedy=remedy))

    # -- the contract ----------------------------------------------------------------------------------------

    def identity(self) -> dict[str, str]:
        """What it is, for the report."""
        names = ", ".join(
            f"{port} {want.line}" for port, want in zip(self.options.ports, self._wants, strict=True)
        )
        return {"model": "GPIO lines", "chip": self.options.chip, "lines": names}

    def clocks(self) -> list[ClockInfo]:
        """None but the host's: the kernel stamps by CLOCK_MONOTONIC."""
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
        """None."""
        return {}

    def is_ready(self, condition: str, argument: str) -> NoReturn:
        """It knows no condition. Raises ConfigurationError."""
        raise ConfigurationError(
            f"{self.name}: unknown condition {condition!r}", hint="use `ready: {log: ...}`"
        )

    def preflight(self) -> list[Finding]:
        """Whether the chip is there."""
        if self._lines is not None:
            return []
        try:
            path = chip.find_chip(chip.library(), self.options.chip)
        except UnavailableError as error:
            remedy = error.hint or "see docs/gpio-lines.md"
            return [Finding("nobody there", Severity.ERROR, f"{self.name}: {error.message}", remedy=remedy)]
        return [Finding("lines", Severity.INFO, f"{self.name}: GPIO chip {path}")]

    def _need_lines(self) -> Lines:
        if self._lines is None:
            raise OperationError(f"{self.name} is not open", hint="open the device first")
        return self._lines

    def _need_pulses(self) -> Pulses:
        if self._pulses is None:
            raise OperationError(f"{self.name} is not open", hint="open the device first")
        return self._pulses
