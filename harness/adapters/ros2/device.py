"""The ROS 2 device: nodes, ports, preflight and watch put together."""

from __future__ import annotations

import atexit
import threading
from typing import Any

from harness.adapters.ros2 import (
    call_rules,
    definitions,
    domain,
    graph,
    limits,
    loop,
    paths,
    qos,
    recorded,
    vendor,
)
from harness.adapters.ros2.call_response import CallResponse, FeedbackResponse
from harness.adapters.ros2.call_stimulus import ActionStimulus, CallStimulus, ServiceStimulus
from harness.adapters.ros2.looking import Lookout
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import (
    ActionOptions,
    AnyStimulus,
    CallResponseOptions,
    ResponseOptions,
    ServiceOptions,
    StimulusOptions,
)
from harness.adapters.ros2.readers import Readers
from harness.adapters.ros2.response import TopicResponse, sim_clock
from harness.adapters.ros2.servers import ServerGraph
from harness.adapters.ros2.session import Session
from harness.adapters.ros2.shm import clean_shared_memory
from harness.adapters.ros2.stimulus import TopicStimulus
from harness.adapters.ros2.stopping import AnySending, SafeStop
from harness.errors import ConfigurationError, OperationError
from harness.model import ClockInfo, ClockKind, Finding
from harness.ports import BagTopic, DeviceContext, Fault, Keep, Response, Role, Stimulus


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
        for name, port in self.options.ports.items():
            if port.stimulus is not None and (role is not Role.GUARDIAN or self._stops_by(name)):
                self._stimuli[name] = self._make_stimulus(session, name, port.stimulus)
        for name, port in self.options.ports.items():
            if port.response is not None and role is not Role.GUARDIAN:
                self._responses[name] = self._make_response(name, port.response)
        if role is not Role.GUARDIAN:
            self._check_limits()
        self._stop = SafeStop(
            self.name,
            self.options,
            self._stimuli,
            self._profiles,
            self.context.clock,
            None if role is Role.CHECK else session.node,
            direct=self._direct,
        )
        if role is not Role.GUARDIAN:
            self._take_templates()
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
        """None here. Raises ConfigurationError."""
        raise ConfigurationError(f"device {self.name} (ros2) has no fault ports, so there is no {port!r}")

    def _port(self, ports: dict[str, Any], port: str, kind: str) -> Any:
        if not self._opened:
            raise OperationError(f"device {self.name} is not open", hint="call open() first")
        if port not in ports:
            known = ", ".join(sorted(ports)) or "none"
            raise ConfigurationError(
                f"device {self.name} has no {kind} port {port!r}", hint=f"{kind} ports: {known}"
            )
        return ports[port]

    def _make_stimulus(self, session: Session, name: str, options: AnyStimulus) -> AnySending:
        if not isinstance(options, StimulusOptions):
            return self._make_call(session, name, options)
        made = TopicStimulus(name, options, self.options.limits, None, self.context.clock)
        made.real = self.context.real
        self._profiles[name] = qos.profile(options.qos)
        if self.context.role is not Role.CHECK:
            events = vendor.load("rclpy.event_handler").PublisherEventCallbacks(use_default_callbacks=False)
            made.publisher = session.node.create_publisher(
                made.message, options.topic, self._profiles[name], event_callbacks=events
            )
            made.keep = self._keep(name, made.message, options.topic)
        return made

    def _take_templates(self) -> None:
        """To be called once the stop is made ready, which is what the rig file says, over nothing
        recorded."""
        for name, stimulus in self._stimuli.items():
            if isinstance(stimulus, TopicStimulus) and (told := stimulus.options.template) is not None:
                folder = self.context.rig_folder
                stimulus.template = recorded.template(told, folder, stimulus.message, name)

    def _make_response(
        self, name: str, options: ResponseOptions | CallResponseOptions
    ) -> TopicResponse | CallResponse:
        if isinstance(options, CallResponseOptions):
            return self._make_call_response(name, options)
        self._profiles[name] = qos.profile(options.qos, reader_depth=self.options.reader_depth)
        made = TopicResponse(name, options, self._robot_clock, self.context.clock, self.context.report)
        made.keep = self._keep(name, made.message, options.topic)
        return made

    def _keep(self, port: str, message: type, topic: str) -> Keep | None:
        """Where the messages of that topic go for the bag of the run, if one is recorded."""
        if self.context.record is None:
            return None
        return self.context.record(
            BagTopic(
                name=self._connected().node.resolve_topic_name(topic),
                type=paths.full_name(message),
                port=port,
                schema=definitions.definition(message),
                qos=definitions.qos_text(self._profiles[port]),
            )
        )

    @property
    def _direct(self) -> bool:
        # The guardian has no loop: it takes what it waits for itself.
        return self.context.role is Role.GUARDIAN or loop.DirectLoop.available()

    def _calls(self) -> list[CallStimulus]:
        return [one for one in self._stimuli.values() if isinstance(one, CallStimulus)]

    def _make_call(
        self, session: Session, name: str, options: ServiceOptions | ActionOptions
    ) -> ServiceStimulus | ActionStimulus:
        made: ServiceStimulus | ActionStimulus
        if isinstance(options, ServiceOptions):
            made = ServiceStimulus(name, options, self.options.limits)
        else:
            made = ActionStimulus(name, options, self.options.limits)
        self._profiles[name] = None
        if self.context.role is not Role.CHECK:
            made.connect(
                session.node, self.context.clock, depth=self.options.reader_depth, direct=self._direct
            )
        return made

    def _make_call_response(self, name: str, options: CallResponseOptions) -> TopicResponse | CallResponse:
        called = self._stimuli[options.of]
        assert isinstance(called, CallStimulus)  # call_rules has seen to that
        made: FeedbackResponse | CallResponse
        if options.event == "feedback":
            assert isinstance(called, ActionStimulus)
            clock, report = self.context.clock, self.context.report
            made = FeedbackResponse(
                name, options, called.action, called.feedback_topic, called.prefix, clock, report
            )
            self._profiles[name] = qos.profile(None, reader_depth=self.options.reader_depth)
            made.keep = self._keep(name, made.message, made.options.topic)
        else:
            made = CallResponse(name, options, called.answer_class(options.event))
        called.answer_port(made)
        return made

    def _check_limits(self) -> None:
        for path in self.options.limits:
            errors: list[ConfigurationError] = []
            for stimulus in self._stimuli.values():
                error = limits.unknown(stimulus.message, path)
                if error is None:
                    break
                errors.append(error)
            else:
                reason = errors[0] if errors else ConfigurationError("there is no stimulus port")
                raise ConfigurationError(
                    f"limit {path!r} of device {self.name}: {reason.message}", hint=reason.hint
                )

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

    @property
    def _robot_clock(self) -> str:
        return f"{self.name}.clock"

    def clocks(self) -> list[ClockInfo]:
        """The robot's clock, and that of simulated time, when ports read stamps of them."""
        found = []
        for said, name, kind, words in (
            ("robot", self._robot_clock, ClockKind.UNKNOWN, "what the robot stamps {} with"),
            ("sim", sim_clock(self._robot_clock), ClockKind.SIMULATED, "simulated time, stamped on {}"),
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
        stamps = {
            f"{name}.stamps": one.stamps.words()
            for name, one in self._responses.items()
            if isinstance(one, TopicResponse) and one.stamps is not None
        }
        return {
            "adapter": "ros2",
            **self._connected().software(),
            **dict(self._lookout().identity()),
            **stamps,
        }
