"""The ROS 2 device: nodes, ports, preflight and watch put together."""

from __future__ import annotations

import atexit
import threading
from typing import Any

from harness.adapters.ros2 import call_rules, domain, graph
from harness.adapters.ros2.call_response import CallResponse
from harness.adapters.ros2.call_stimulus import CallStimulus
from harness.adapters.ros2.looking import Lookout
from harness.adapters.ros2.making import PortMaker, robot_clock
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import ResponseOptions
from harness.adapters.ros2.readers import Readers
from harness.adapters.ros2.response import TopicResponse, sim_clock
from harness.adapters.ros2.servers import ServerGraph
from harness.adapters.ros2.session import Session
from harness.adapters.ros2.shm import clean_shared_memory
from harness.adapters.ros2.stopping import AnySending, SafeStop
from harness.config.problems import port_named
from harness.config.swarm import robot_names
from harness.errors import ConfigurationError, OperationError
from harness.faults import FaultPort, make_fault
from harness.model import ClockInfo, ClockKind, Finding
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus


class Ros2Device:
    """Talks to a robot through topics. See :class:`harness.ports.Device`."""

    simulated = False

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name = name
        self.options = options
        self.context = context
        self._session: Session | None = None
        self._session_ns = 0
        self._graph: graph.Graph | None = None
        self._stimuli: dict[str, AnySending] = {}
        self._responses: dict[str, TopicResponse | CallResponse] = {}
        self._faults: dict[str, FaultPort] = {}
        self._profiles: dict[str, Any] = {}
        self._readers: Readers | None = None
        self._stop: SafeStop | None = None
        self._opened = False
        self._closing = threading.Event()
        self._watcher: threading.Thread | None = None
        self._lock = threading.RLock()

    # -- life ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make node and ports. Raises UnavailableError without ROS 2, ConfigurationError for types and
        paths."""
        with self._lock:
            if self._opened:
                return
            self._closing.clear()
            try:
                self._open()
            except BaseException:
                self.close()
                raise
            self._opened = True

    def _open(self) -> None:
        call_rules.require(self.name, self.options)
        session = self._connected()
        role = self.context.role
        maker = PortMaker(self.name, self.options, self.context, session, self._profiles)
        for name, port in self.options.ports.items():
            if port.stimulus is not None and (role is not Role.GUARDIAN or self._stops_by(name)):
                self._stimuli[name] = maker.stimulus(name, port.stimulus)
        for name, port in self.options.ports.items():
            if port.response is not None and role is not Role.GUARDIAN:
                self._responses[name] = maker.response(name, port.response, self._stimuli)
        if role is Role.HARNESS:
            self._faults = {
                name: make_fault(
                    name,
                    port.fault,
                    robot_names(self.options.robots),
                    self.context.run_id,
                    self.context.clock,
                )
                for name, port in self.options.ports.items()
                if port.fault is not None
            }
        if role is not Role.GUARDIAN:
            maker.check_limits(self._stimuli)
        self._stop = SafeStop(
            self.name,
            self.options,
            self._stimuli,
            self._profiles,
            self.context.clock,
            None if role is Role.CHECK else session.node,
            direct=maker.direct,
        )
        if role is not Role.GUARDIAN:
            maker.take_templates(self._stimuli)
        topics = {name: one for name, one in self._responses.items() if isinstance(one, TopicResponse)}
        callers = [one for each in self._calls() for one in each.callers] + self._stop.callers
        self._readers = Readers(session, topics, self._profiles, self.context.report, callers)
        if role is Role.GUARDIAN:
            self._stop.await_listener()
        elif role is Role.HARNESS:
            self._readers.open()
            self._watcher = threading.Thread(
                target=self._lookout().watch,
                args=(self._closing,),
                name="harness-ros2-watch",
                daemon=True,
            )
            self._watcher.start()

    def _connected(self) -> Session:
        """The node, made at first need: ``ready:`` conditions are asked before the ports are opened."""
        with self._lock:
            if self._session is None:
                clean_shared_memory()
                self._session = Session(self.options, self.context.run_id, self.context.role)
                self._session_ns = self.context.clock.monotonic_ns()
                # A reader still waiting when the interpreter tears down would abort the process.
                atexit.register(self.close)
                self._graph = graph.Graph(self._session.node, domain.own_names(self.context.run_id))
            return self._session

    def close(self) -> None:
        """Let go of threads, ports and node; remove what dead participants left. Repeatable."""
        self._closing.set()
        atexit.unregister(self.close)
        watcher, self._watcher = self._watcher, None
        if watcher is not None and watcher is not threading.current_thread():
            watcher.join(5.0)
        with self._lock:
            readers, self._readers = self._readers, None
            if readers is not None:
                readers.close()
            session, self._session = self._session, None
            self._graph = None
            for stimulus in self._stimuli.values():
                stimulus.disconnect()
            for fault in self._faults.values():
                fault.undo()
            self._faults.clear()
            self._stimuli.clear()
            self._responses.clear()
            self._stop = None
            self._opened = False
            if session is not None:
                session.close()
                clean_shared_memory()

    # -- ports -----------------------------------------------------------------------------------------------

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        found: Stimulus = self._port(self._stimuli, port, "stimulus")
        return found

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        found: Response = self._port(self._responses, port, "response")
        return found

    def fault(self, port: str) -> Fault:
        """The fault port of that name. Raises ConfigurationError for an unknown one."""
        found: Fault = self._port(self._faults, port, "fault")
        return found

    def _port(self, ports: dict[str, Any], port: str, kind: str) -> Any:
        if not self._opened:
            raise OperationError(f"device {self.name} is not open", hint="call open() first")
        return port_named(self.name, kind, port, ports)

    def _calls(self) -> list[CallStimulus]:
        return [one for one in self._stimuli.values() if isinstance(one, CallStimulus)]

    # -- stop ------------------------------------------------------------------------------------------------

    def _stops_by(self, port: str) -> bool:
        stop = self.options.stop
        if stop is None:
            return False
        return port == stop.port or (stop.hold is not None and port == stop.hold.port)

    def safe_stop(self) -> None:
        """Bring about what the rig file calls stopped; see :mod:`.stopping`. Nothing without ``stop``.

        Raises OperationError when nothing could be handed over.
        """
        if self.options.stop is None:
            return
        stop = self._stop
        if stop is None:
            raise OperationError(f"device {self.name} is not open, so it cannot be stopped through ROS 2")
        stop.run()

    # -- looking ---------------------------------------------------------------------------------------------

    def is_ready(self, condition: str, argument: str) -> bool:
        """``publishes`` or ``subscribes``: somebody else does so on topic ``argument``; ``serves``: a service
        or action of that name is served."""
        if condition not in ("publishes", "subscribes", "serves"):
            raise ConfigurationError(
                f"device {self.name} (ros2) knows no condition {condition!r}",
                hint="use publishes, subscribes or serves",
            )
        session = self._connected()
        assert self._graph is not None
        if condition == "serves":
            name = session.node.resolve_service_name(argument)
            return ServerGraph(session.node, self._graph).serves(name)
        found = (
            self._graph.publishers(argument)
            if condition == "publishes"
            else self._graph.subscriptions(argument)
        )
        return any(not one.own for one in found)

    def _lookout(self) -> Lookout:
        session = self._connected()
        assert self._graph is not None
        return Lookout(
            self.options,
            self.context,
            session,
            self._session_ns,
            self._graph,
            self._profiles,
            self._readers,
        )

    def preflight(self) -> list[Finding]:
        """Look until everybody is there, and had time to be, or ``patience_s`` has passed. Sends nothing."""
        return self._lookout().preflight()

    # -- telling ---------------------------------------------------------------------------------------------

    def clocks(self) -> list[ClockInfo]:
        """The robot's clock, and that of simulated time, when ports read stamps of them."""
        found = []
        for said, name, kind, words in (
            ("robot", robot_clock(self.name), ClockKind.UNKNOWN, "what the robot stamps {} with"),
            ("sim", sim_clock(robot_clock(self.name)), ClockKind.SIMULATED, "simulated time, stamped on {}"),
        ):
            topics = [
                port.response.topic
                for port in self.options.ports.values()
                if isinstance(port.response, ResponseOptions)
                and port.response.stamp
                and port.response.stamp_clock == said
            ]
            if topics:
                found.append(ClockInfo(name, kind, words.format(", ".join(topics))))
        return found

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """None: topics offer no exchange of stamps."""
        return None

    def process_environment(self) -> dict[str, str]:
        """Domain and discovery range, so that processes of the rig meet this device."""
        return domain.environment(self.options, self.context.run_id)

    def identity(self) -> dict[str, str]:
        """Middleware and versions, and per port: topic, type, QoS and the nodes across from us."""
        told: dict[str, str] = {}
        sharing = self._readers.sharing if self._readers is not None else {}
        for name, one in self._responses.items():
            if isinstance(one, TopicResponse) and one.stamps is not None:
                told[f"{name}.stamps"] = one.stamps.words()
            if isinstance(one, TopicResponse) and one.largest_bytes:
                told[f"{name}.largest"] = f"{one.largest_bytes} bytes a message"
        told = {**dict(self._lookout().identity()), **told}
        for name, others in sharing.items():
            # The same topic, nodes and QoS: said once. Which stamps are read is each port's own.
            told = {
                key: text
                for key, text in told.items()
                if key.partition(".")[0] not in others or key.endswith(".stamps")
            }
            told[f"{name}.read_by"] = ", ".join([name, *others])
        return {"adapter": "ros2", **self._connected().software(), **told}
