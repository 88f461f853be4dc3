"""The loopback device: ports, stop, clocks and checks over a :class:`.link.Link` to its robot."""

from __future__ import annotations

import socket
import time
from pathlib import Path

from harness import __version__
from harness.adapters.loopback.link import Link
from harness.adapters.loopback.options import Options
from harness.adapters.loopback.peer import ProcessPeer, ThreadPeer
from harness.adapters.loopback.ports import LoopbackResponse, LoopbackStimulus
from harness.adapters.loopback.wire import ADDRESS_VARIABLE, Frame, Kind, connect, default_address
from harness.config.problems import port_named
from harness.errors import ConfigurationError, DeadlineError, HarnessError, OperationError, UnavailableError
from harness.model import (
    NO_KEY,
    ClockInfo,
    ClockKind,
    Finding,
    Severity,
)
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus

REPLY_TIMEOUT_S = 2.0
EXCHANGE_TIMEOUT_S = 0.25


class LoopbackDevice:
    """A device that is answered by a robot of the harness's own; see :class:`.options.Options`.

    As GUARDIAN it opens no robot: it connects to the one the harness started, at the address both derive from
    the run id (or at ``path``), at the latest when it has to deliver the stop. With ``echo: thread`` the
    robot lives and dies with the harness, and there is nothing to stop.
    """

    simulated = True

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name = name
        self.options = options
        self.link: Link | None = None
        self.clock_name = f"{name}.robot"
        self._context = context
        self._address = options.path or default_address(context.run_id, name)
        self._peer: ProcessPeer | ThreadPeer | None = None
        self._opened = False
        self._answers = 0
        numbers = {port: number for number, port in enumerate(options.ports)}
        self._stimuli = {
            port: LoopbackStimulus(name, options, port, numbers[port], self.need_link)
            for port, how in options.ports.items()
            if how.stimulus is not None
        }
        self._responses = {
            port: LoopbackResponse(options, port, numbers[how.response.of], self.clock_name)
            for port, how in options.ports.items()
            if how.response is not None
        }

    def open(self) -> None:
        """Start the robot and connect; as CHECK or GUARDIAN, or when it is ``external``, start nothing.

        Raises UnavailableError when the robot cannot be started.
        """
        if self._opened:
            return
        self._opened = True
        self._answers = 0
        if self._context.role is not Role.HARNESS or self.options.external:
            self._try_link()
            return
        how = self.options.behaviour()
        try:
            if self.options.echo == "thread":
                self._peer = ThreadPeer(self.name, how)
            else:
                log = Path(self.options.log) if self.options.log else None
                self._peer = ProcessPeer(self.name, how, self._address, log, self._context.run_id)
            assert self._peer.connection is not None
            self._start_link(self._peer.connection)
            self._hello()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Let go of the connection and end the robot that was started. Repeatable."""
        self._opened = False
        link, self.link = self.link, None
        peer, self._peer = self._peer, None
        try:
            if link is not None:
                link.close()
        finally:
            if peer is not None:
                peer.close()
            for response in self._responses.values():
                response.deaf()

    def safe_stop(self) -> None:
        """Send the stop values of the rig file, as often as it says. Repeatable.

        Raises UnavailableError when nobody listens, OperationError when the robot is gone.
        """
        stop = self.options.stop
        if not self._opened:
            return
        if self._context.role is Role.GUARDIAN and self.options.echo == "thread":
            return
        port = stop.port if stop else next(iter(self._stimuli), None)
        if port is None:
            return
        value = stop.values.get("value", 0.0) if stop else 0.0
        if not isinstance(value, (int, float)):
            raise ConfigurationError(f"{self.name}: stop.values.value is {value!r}", hint="give one number")
        link = self.need_link()
        raw = self._stimuli[port].frame(Kind.STOP, float(value))
        for turn in range(stop.repeat if stop else 1):
            if turn and stop:
                time.sleep(stop.interval_ms * 1e-3)
            link.send(raw, NO_KEY)

    def identity(self) -> dict[str, str]:
        """What it is, for the report."""
        how = self.options.behaviour().arguments()
        where = "external process" if self.options.external else self.options.echo
        return {
            "model": "loopback robot",
            "software": f"harness {__version__}",
            "echo": where,
            "transport": "Unix stream socket" if self.options.echo == "process" else "socket pair",
            "message": f"{self.options.payload_bytes} B",
            "behaviour": " ".join(how) or "answers at once",
        }

    def clocks(self) -> list[ClockInfo]:
        """The robot's own clock."""
        return [ClockInfo(self.clock_name, ClockKind.ESTIMATED, "own clock of the loopback robot")]

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """One four-timestamp exchange with the robot's clock, or None if it takes too long to be of use.

        Raises OperationError when the robot is gone.
        """
        if clock != self.clock_name:
            return None
        try:
            t1_ns, reply, t4_ns = self.need_link().ask(Kind.EXCHANGE, EXCHANGE_TIMEOUT_S)
        except DeadlineError:
            return None
        return t1_ns, reply.stamp_ns, reply.extra_ns, t4_ns

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "stimulus", port, self._stimuli)

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "response", port, self._responses)

    def fault(self, port: str) -> Fault:
        """None of its ports is a fault: raises ConfigurationError."""
        return port_named(self.name, "fault", port, dict[str, Fault]())

    def process_environment(self) -> dict[str, str]:
        """The address, for a robot that the rig file starts."""
        return {ADDRESS_VARIABLE: self._address} if self.options.external else {}

    def is_ready(self, condition: str, argument: str) -> bool:
        """``echo``: the robot replies. ``publishes``: the same, of a response port or ``echo``."""
        if condition not in ("publishes", "echo"):
            raise ConfigurationError(
                f"{self.name}: unknown condition {condition!r}", hint="known: publishes, echo"
            )
        if condition == "publishes" and argument != "echo":
            self.response(argument)
        self._try_link()
        try:
            self._hello()
        except HarnessError:
            return False
        return True

    def preflight(self) -> list[Finding]:
        """Whether somebody is there to answer."""
        if self._context.role is Role.CHECK and not self.options.external:
            where = "a child process" if self.options.echo == "process" else "a thread"
            return [Finding("robot", Severity.INFO, f"{self.name}: a run starts its robot in {where}")]
        if self.is_ready("echo", ""):
            return []
        return [
            Finding(
                "nobody there",
                Severity.ERROR,
                f"{self.name}: no robot answers at {self._address}",
                remedy="start it as a process of the rig file: python -m harness.sim.loopback_robot",
            )
        ]

    def need_link(self) -> Link:
        """The connection, made now if need be. Raises OperationError, UnavailableError."""
        if self.link is not None:
            return self.link
        if not self._opened:
            raise OperationError(f"{self.name} is not open", hint="open the device first")
        link = self._try_link()
        if link is None:
            raise UnavailableError(
                f"{self.name}: no robot listens at {self._address}", hint="start it, or check `path`"
            )
        return link

    def _try_link(self) -> Link | None:
        reachable = self.options.external or self._context.role is Role.GUARDIAN
        if self.link is None and reachable and self.options.echo == "process":
            try:
                self._start_link(connect(self._address))
            except OSError:
                pass  # nobody there yet
        return self.link

    def _start_link(self, connection: socket.socket) -> None:
        try:
            self.link = Link(self.name, connection, self._context.clock, self._take, self._lost)
        except RuntimeError as error:
            connection.close()
            raise UnavailableError(f"{self.name}: its reader cannot be started: {error}") from error

    def _hello(self) -> None:
        self.need_link().ask(Kind.HELLO, 20.0 if self._peer is not None else REPLY_TIMEOUT_S)

    def _take(self, frame: Frame, realtime_ns: int, monotonic_ns: int) -> None:
        self._answers += 1
        every = self.options.lose_inside_every
        if every and self._answers % every == 0:
            self._context.report(
                Finding(
                    "messages lost",
                    Severity.ERROR,
                    f"{self.name}: an answer was lost inside the harness, as `lose_inside_every` asks",
                    value="1",
                    remedy="take lose_inside_every out of the rig file",
                )
            )
            return
        for response in self._responses.values():
            if response.is_signal if frame.kind == Kind.SIGNAL else response.number == frame.port:
                response.take(frame, realtime_ns, monotonic_ns)

    def _lost(self) -> None:
        if self._context.role is Role.GUARDIAN:
            return  # whether the robot's end was meant is for the harness to judge
        how = self._peer.describe_end() if self._peer is not None else "it closed the connection"
        self._context.report(
            Finding(
                "robot lost",
                Severity.ERROR,
                f"{self.name}: the robot is gone: {how}",
                remedy="see the robot's own log",
            )
        )
