"""A Spot as a device: ports, stop, clock and checks over a :class:`.session.Session` with it."""

from __future__ import annotations

import contextlib
from functools import partial
from typing import Any

from harness.adapters.spot import guarding, place, refusals, translate
from harness.adapters.spot.answers import AnswerResponse, SignalResponse
from harness.adapters.spot.holding import Holding
from harness.adapters.spot.options import ASKED, SIMULATED, AnswerOptions, Options, SignalOptions
from harness.adapters.spot.session import CALL_S, Session
from harness.adapters.spot.stimuli import CallStimulus, JointStimulus, SpotStimulus, WordStimulus
from harness.adapters.spot.stream import StateStream, of_stream
from harness.adapters.spot.times import RobotTime
from harness.adapters.spot.watch import Watch, battery_percent, stops, troubles
from harness.config.problems import port_named
from harness.errors import ConfigurationError, HarnessError, OperationError, UnavailableError
from harness.model import ClockInfo, ClockKind, Finding, Severity
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus


class SpotDevice:
    """Boston Dynamics Spot, or the simulated one; see :class:`.options.Options`.

    Lease, e-stop endpoint and motor power are taken only where a port can move the robot. As GUARDIAN it logs
    in and no more: it stops the robot with a sub-lease of the run's, see :mod:`.guarding`.
    """

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name, self.options, self.clock = name, options, context.clock
        self.simulated = options.address == SIMULATED
        self.clock_name = f"{name}.robot"
        self.holding: Holding | None = None
        self._context = context
        self._opened = False
        self._session: Session | None = None
        self._time: RobotTime | None = None
        self._stream: StateStream | None = None
        self._watch: Watch | None = None
        self._about: dict[str, str] = {}
        self._told: set[str] = set()
        self._posture_ready = False
        self._answers: dict[str, AnswerResponse] = {}
        self._signals: dict[str, SignalResponse] = {}
        self._by_stimulus: dict[str, list[AnswerResponse]] = {}
        for port, how in options.ports.items():
            if isinstance(how.response, AnswerOptions):
                answer = AnswerResponse(how.response, self.clock_name)
                self._answers[port] = answer
                self._by_stimulus.setdefault(how.response.of, []).append(answer)
            elif isinstance(how.response, SignalOptions):
                self._signals[port] = SignalResponse(how.response, self.clock_name)
        self._stimuli: dict[str, SpotStimulus] = {
            port: self._make_stimulus(port) for port, how in options.ports.items() if how.stimulus is not None
        }

    def _make_stimulus(self, port: str) -> SpotStimulus:
        how = self.options.ports[port].stimulus
        assert how is not None
        label, limits = f"{self.name}.{port}", self.options.limits
        if how.command == "posture":
            return WordStimulus(label, how, self._assume, partial(self._failed, port))
        if how.command == "estop":
            return WordStimulus(label, how, self._press, partial(self._failed, port))
        if how.command == "joints":
            return JointStimulus(label, how, limits, partial(self._joints_ended, port))
        return CallStimulus(label, how, limits, partial(self._answered, port))

    # -- opening and closing ---------------------------------------------------------------------------------

    def open(self) -> None:
        """Log in, synchronise the clocks, take lease and e-stop; nothing moves yet. As CHECK nothing.

        Raises UnavailableError where it cannot be reached, SafetyError where somebody else has it.
        """
        if self._opened:
            return
        self._opened = True
        if self._context.role is Role.CHECK:
            return
        try:
            self._session = self._new_session()
            self._session.open()
            if self._context.role is Role.HARNESS:
                self._connect(self._session)
        except BaseException:
            self.close()
            raise

    def _new_session(self) -> Session:
        run_id = self._context.run_id
        where = place.of(self.name, self.options, run_id, self._context.rig_folder)
        return Session(self.name, where, run_id)

    def _connect(self, session: Session) -> None:
        self._about = {**session.identity, "address": f"{session.place.address}:{session.place.port}"}
        self._told.clear()
        self._time = RobotTime(session, self.clock)
        self._time.synchronise()
        self._about["round trip, shortest"] = f"{self._time.round_trip_ms():.2f} ms"
        if self.options.moves or self.options.stops:
            self.holding = Holding(session, self.options, self._lease_lost)
            self.holding.take()
            whose = "an endpoint of the harness's own" if self.options.stops else "the operator's"
            self._about["e-stop"] = whose
        try:
            self._open_stream(session, self._time)
            for stimulus in self._stimuli.values():
                stimulus.connect(self)
            asked = [one for one in self._signals.values() if one.how.signal in ASKED]
            self._watch = Watch(
                session,
                self.options,
                self.clock,
                self.holding,
                asked,
                lambda: self._posture_ready,
                lambda what, message, remedy: self._report(what, Severity.ERROR, message, remedy),
            )
            self._watch.open()
        except RuntimeError as error:
            raise UnavailableError(f"{self.name}: no thread can be started: {error}") from error

    def _open_stream(self, session: Session, time: RobotTime) -> None:
        signals = of_stream(self._signals)
        applied = [one for one in self._answers.values() if one.how.event == "applied"]
        stances = any(one.how.command == "stance" for one in self._stimuli.values())
        if signals or applied or stances or self.options.area_m is not None:
            self._stream = StateStream(
                session,
                time,
                self.clock,
                signals,
                applied,
                area_m=self.options.area_m,
                broken=self._stream_broken,
                left=self._left_area,
            )
            self._stream.open()

    def close(self) -> None:
        """Sit, power off, give everything back, log out. Repeatable; goes on past failures; bounded."""
        self._opened = False
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.close()
            if watch.battery_percent is not None:
                self._about["battery at the end"] = f"{watch.battery_percent:.0f} %"
        for stimulus in self._stimuli.values():
            stimulus.disconnect()
        holding, self.holding = self.holding, None
        stream, self._stream = self._stream, None
        session, self._session = self._session, None
        self._time = None
        try:
            if holding is not None:
                holding.release()
        finally:
            if stream is not None:
                stream.close()
            if session is not None:
                session.close()
            for response in (*self._answers.values(), *self._signals.values()):
                response.deaf()

    def safe_stop(self) -> None:
        """Have it stand still, and wait until it has acknowledged that. Repeatable.

        As GUARDIAN only where this run still has the lease. Raises OperationError, DeadlineError where it
        could not be handed over; then the robot stops by itself when its last command is over.
        """
        if not self._opened or self._context.role is Role.CHECK or not self.options.moves:
            return
        if self._context.role is Role.GUARDIAN:
            guarding.stop(self.session, self._context.run_id)
            return
        for stimulus in self._stimuli.values():
            if isinstance(stimulus, JointStimulus):
                stimulus.halt()
        if self.holding is not None:
            self.holding.stop()

    # -- what ports need -------------------------------------------------------------------------------------

    @property
    def session(self) -> Session:
        """The login. Raises OperationError while the device is closed."""
        if self._session is None:
            raise translate.not_open(self.name)
        return self._session

    @property
    def time(self) -> RobotTime:
        """The robot's clock. Raises OperationError while the device is closed."""
        if self._time is None:
            raise translate.not_open(self.name)
        return self._time

    @property
    def pose(self) -> tuple[float, float, float]:
        """Where the body is, by the state stream. Raises OperationError while the device is closed."""
        if self._stream is None:
            raise translate.not_open(self.name)
        return self._stream.pose

    @property
    def lease(self) -> Any:
        """The lease as a command has to carry it. Raises OperationError where there is none."""
        if self.holding is None or self.holding.lease is None:
            raise OperationError(f"{self.name}: there is no lease to command it with")
        return self.holding.lease

    def _assume(self, posture: str) -> None:
        self._posture_ready = False
        assert self.holding is not None
        self.holding.assume(posture)
        self._posture_ready = True

    def _press(self, level: str) -> None:
        assert self.holding is not None
        self._posture_ready = False
        self.holding.press(level)

    # -- what happens on other threads -----------------------------------------------------------------------

    def _answered(self, port: str, key: int, kind: str, answer: Any, seen_ns: int) -> None:
        refusal = None
        if isinstance(answer, Exception):
            refusal = refusals.of_error(self.name, answer)
        elif kind == "command":
            refusal = refusals.of_command(answer)
        if refusal is not None and self._opened:
            self._refused(port, refusal)
        if not isinstance(answer, Exception):
            for response in self._by_stimulus.get(port, ()):
                response.take(key, answer, seen_ns, refusal is not None)

    def _refused(self, port: str, refusal: refusals.Refusal) -> None:
        watch, holding, message = self._watch, self.holding, f"{port}: {refusal.message}"
        if refusal.name in refusals.OF_STATE and watch is not None:
            watch.explain(refusal.name, message, refusal.remedy)
            return
        if refusal.name == refusals.LEASE_LOST and holding is not None:
            holding.lose(message)
        self._report(refusal.name, refusal.severity, message, refusal.remedy)

    def _failed(self, port: str, error: Exception) -> None:
        told = translate.of(self.name, port, error)
        self._report(f"{port} failed", Severity.ERROR, _without(self.name, told.message), told.hint or "")

    def _joints_ended(self, port: str, how: Exception | str) -> None:
        said = (
            how if isinstance(how, str) else _without(self.name, translate.of(self.name, port, how).message)
        )
        remedy = "send `posture` to `joints` in set-up; every update has to come before the last one is over"
        self._report(
            "joint stream ended", Severity.ERROR, f"{port}: the robot ended the stream: {said}", remedy
        )

    def _lease_lost(self, error: Exception) -> None:
        told = translate.of(self.name, "keeping the lease", error)
        self._report(refusals.LEASE_LOST, Severity.ERROR, _without(self.name, told.message), told.hint or "")

    def _stream_broken(self, error: Exception) -> None:
        told = translate.of(self.name, "the state stream", error)
        self._report("state stream ended", Severity.ERROR, _without(self.name, told.message), told.hint or "")

    def _left_area(self, away_m: float) -> None:
        message = f"it is {away_m:.2f} m from where it was; area_m is {self.options.area_m:g}"
        self._report(
            "area left", Severity.ERROR, message, "command less, or clear more space and raise area_m"
        )

    def _report(self, what: str, severity: Severity, message: str, remedy: str = "") -> None:
        if what not in self._told:  # a storm of refusals is no storm of findings
            self._told.add(what)
            self._context.report(Finding(what, severity, f"{self.name}: {message}", remedy=remedy))

    # -- the contract ----------------------------------------------------------------------------------------

    def identity(self) -> dict[str, str]:
        """What it is, for the report."""
        found = {"model": "Spot", "address": self.options.address, **self._about}
        if self._watch is not None and self._watch.battery_percent is not None:
            found["battery at the end"] = f"{self._watch.battery_percent:.0f} %"
        return found

    def clocks(self) -> list[ClockInfo]:
        """The robot's own clock."""
        return [ClockInfo(self.clock_name, ClockKind.ESTIMATED, "the robot's clock, by its time service")]

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """One exchange with the robot's clock; None where it takes too long.

        Raises OperationError while the device is closed.
        """
        if clock != self.clock_name:
            return None
        time = self.time
        try:
            return time.exchange()
        except translate.sdk("grpc").RpcError:
            return None

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "stimulus", port, self._stimuli)

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        return port_named(self.name, "response", port, {**self._answers, **self._signals})

    def fault(self, port: str) -> Fault:
        """None of its ports is a fault: raises ConfigurationError."""
        return port_named(self.name, "fault", port, dict[str, Fault]())

    def process_environment(self) -> dict[str, str]:
        """Where a simulated Spot that the rig starts has to be."""
        return place.environment(self._context.run_id) if self.simulated else {}

    def is_ready(self, condition: str, argument: str) -> bool:
        """``answers``: the robot does. Raises ConfigurationError for another condition."""
        if condition != "answers":
            raise ConfigurationError(f"{self.name}: unknown condition {condition!r}", hint="known: answers")
        try:
            self.time.exchange()
        except (HarnessError, translate.sdk("grpc").RpcError):
            return False
        return True

    def preflight(self) -> list[Finding]:
        """Faults, e-stops, battery; as CHECK only whether it answers, and as whom."""
        if self._context.role is Role.CHECK:
            return [self._look()]
        if self._session is None or self._context.role is not Role.HARNESS:
            return []
        with translate.translated(self.name, "asking for the state"):
            states = self._session.client("robot_state", "RobotStateClient")
            state = states.get_robot_state(timeout=CALL_S)
        percent = battery_percent(state)
        if percent is not None:
            self._about["battery"] = f"{percent:.0f} %"
        if not self.options.moves:
            return []
        found = troubles(state, self.options.min_battery_percent)
        held = stops(state)
        if held:
            found.append(("e-stopped", f"e-stopped by {'; '.join(held)}", "release it, then run again"))
        return [
            Finding(what, Severity.ERROR, f"{self.name}: {message}", remedy=remedy)
            for what, message, remedy in found
        ]

    def _look(self) -> Finding:
        if self.simulated:
            return Finding("robot", Severity.INFO, f"{self.name}: a run starts the simulated Spot")
        session = None
        try:
            session = self._new_session()
            who = session.look()
        except HarnessError as error:
            return Finding("nobody there", Severity.ERROR, error.message, remedy=error.hint or "")
        finally:
            if session is not None:
                with contextlib.suppress(Exception):
                    session.close()
        words = ", ".join(who[key] for key in ("name", "serial number", "software") if key in who)
        return Finding("robot", Severity.INFO, f"{self.name}: {words} answers at {self.options.address}")


def _without(name: str, message: str) -> str:
    return message.removeprefix(f"{name}: ")
