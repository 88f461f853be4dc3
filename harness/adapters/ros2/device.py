"""The ROS 2 device: nodes, ports, preflight and watch put together."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from harness.adapters.ros2 import domain, graph, messages, paths, qos, vendor
from harness.adapters.ros2.options import Options, ResponseOptions, StimulusOptions
from harness.adapters.ros2.readers import Readers
from harness.adapters.ros2.response import TopicResponse
from harness.adapters.ros2.session import Session
from harness.adapters.ros2.shm import clean_shared_memory
from harness.adapters.ros2.stimulus import PreparedMessage, TopicStimulus
from harness.config.changing import plain
from harness.errors import ConfigurationError, HarnessError, OperationError, UnavailableError
from harness.model import ClockInfo, ClockKind, Finding, Severity
from harness.ports import DeviceContext, Fault, KeyKind, Response, Role, Stimulus

_POLL_NS = 20_000_000
_SETTLE_NS = 400_000_000
_WATCH_S = 1.0
_ACKNOWLEDGE_NS = 200_000_000
_ANNOUNCED_NS = 4_000_000_000
"""Fast DDS participants announce themselves every 3 s. Most answer our first announcement in 0.2 s; in a
third of all cases tried they were heard only at their next one. Seeing nobody any earlier says little."""


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
        self._stimuli: dict[str, TopicStimulus] = {}
        self._responses: dict[str, TopicResponse] = {}
        self._profiles: dict[str, Any] = {}
        self._readers: Readers | None = None
        self._stop: PreparedMessage | None = None
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
        session = self._connected()
        role = self.context.role
        for name, port in self.options.ports.items():
            if port.stimulus is not None and (role is not Role.GUARDIAN or self._stops_by(name)):
                self._stimuli[name] = self._make_stimulus(session, name, port.stimulus)
            elif port.response is not None and role is not Role.GUARDIAN:
                self._responses[name] = self._make_response(name, port.response)
        if role is not Role.GUARDIAN:
            self._check_limits()
        self._stop = self._prepare_stop()
        self._readers = Readers(session, self._responses, self._profiles, self.context.report)
        if role is Role.GUARDIAN:
            self._await_listener()
        elif role is Role.HARNESS:
            self._readers.open()
            self._watcher = threading.Thread(target=self._watch, name="harness-ros2-watch", daemon=True)
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
                stimulus.publisher = None
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

    def _make_stimulus(self, session: Session, name: str, options: StimulusOptions) -> TopicStimulus:
        made = TopicStimulus(name, options, self.options.limits, None, self.context.clock)
        self._profiles[name] = qos.profile(options.qos)
        if self.context.role is not Role.CHECK:
            events = vendor.load("rclpy.event_handler").PublisherEventCallbacks(use_default_callbacks=False)
            made.publisher = session.node.create_publisher(
                made.message, options.topic, self._profiles[name], event_callbacks=events
            )
        return made

    def _make_response(self, name: str, options: ResponseOptions) -> TopicResponse:
        self._profiles[name] = qos.profile(options.qos, reader_depth=self.options.reader_depth)
        return TopicResponse(name, options, self._robot_clock, self.context.clock, self.context.report)

    def _check_limits(self) -> None:
        for path in self.options.limits:
            errors: list[ConfigurationError] = []
            for stimulus in self._stimuli.values():
                try:
                    paths.resolve(stimulus.message, path)
                    break
                except ConfigurationError as error:
                    errors.append(error)
            else:
                reason = errors[0] if errors else ConfigurationError("there is no stimulus port")
                raise ConfigurationError(
                    f"limit {path!r} of device {self.name}: {reason.message}", hint=reason.hint
                )

    # -- stop ------------------------------------------------------------------------------------------------

    def _await_listener(self) -> None:
        """Return once somebody can hear the stop: discovery may take seconds, in which it would reach nobody.

        Raises UnavailableError after ``patience_s``.
        """
        stop = self.options.stop
        if stop is None:
            return
        publisher: Any = self._stimuli[stop.port].publisher
        clock = self.context.clock
        deadline = clock.monotonic_ns() + round(self.options.patience_s * 1e9)
        while not publisher.get_subscription_count():
            if clock.monotonic_ns() >= deadline:
                topic = self._stimuli[stop.port].options.topic
                raise UnavailableError(
                    f"nobody who could hear the stop of device {self.name} subscribes to {topic}",
                    hint="is the robot running, in this domain and discovery range, with a QoS that matches?",
                )
            clock.sleep_until(clock.monotonic_ns() + _POLL_NS)

    def _stops_by(self, port: str) -> bool:
        return self.options.stop is not None and self.options.stop.port == port

    def _prepare_stop(self) -> PreparedMessage | None:
        stop = self.options.stop
        if stop is None:
            return None
        stimulus = self._stimuli[stop.port]
        # Texts of the port (frame ids) belong to a stop as well; its numbers are what moves the robot, and do
        # not.
        texts = {path: value for path, value in stimulus.options.values.items() if isinstance(value, str)}
        sent = {path: plain(value) for path, value in stop.values.items()}
        return stimulus.prepare({**texts, **sent})

    def safe_stop(self) -> None:
        """Publish the stop values as often as the rig file says, each with a fresh key. Nothing without
        ``stop``.

        Raises OperationError when none of them could be handed over.
        """
        stop = self.options.stop
        if stop is None:
            return
        prepared, stimulus = self._stop, self._stimuli.get(stop.port)
        if prepared is None or stimulus is None:
            raise OperationError(f"device {self.name} is not open, so it cannot be stopped through ROS 2")
        # A copy: another thread may be stopping as well.
        prepared = PreparedMessage(bytearray(prepared.buffer), prepared.offset)
        clock, failure, handed = self.context.clock, None, 0
        for number in range(stop.repeat):
            if number:
                clock.sleep_until(clock.monotonic_ns() + round(stop.interval_ms * 1e6))
            try:
                stimulus.send(self._fresh_key(stimulus, number), prepared)
                handed += 1
            except HarnessError as error:
                failure = error
        if not handed and failure is not None:
            raise OperationError(f"device {self.name} could not be stopped: {failure.message}") from failure
        publisher = stimulus.publisher
        if publisher is not None and self._profiles[stop.port].reliability.name == "RELIABLE":
            with contextlib.suppress(Exception):  # a robot that is gone acknowledges nothing
                publisher.wait_for_all_acked(
                    vendor.load("rclpy.duration").Duration(nanoseconds=_ACKNOWLEDGE_NS)
                )

    def _fresh_key(self, stimulus: TopicStimulus, number: int) -> int:
        last = stimulus.last_key
        if stimulus.key_kind is KeyKind.STAMP:
            now = self.context.clock.realtime_ns()
            return now if last is None else max(now, last + 1)
        # The guardian does not know what was sent: the upper half of the field keeps its stops from looking
        # like the answers to early stimuli.
        top = stimulus.key_max if stimulus.key_max is not None else 2**31
        return min(top // 2 + 1 + number if last is None else last + 1, top)

    # -- looking ---------------------------------------------------------------------------------------------

    def is_ready(self, condition: str, argument: str) -> bool:
        """``publishes`` or ``subscribes``: somebody else does so on topic ``argument``."""
        if condition not in ("publishes", "subscribes"):
            raise ConfigurationError(
                f"device {self.name} (ros2) knows no condition {condition!r}",
                hint="use publishes or subscribes",
            )
        self._connected()
        assert self._graph is not None
        found = (
            self._graph.publishers(argument)
            if condition == "publishes"
            else self._graph.subscriptions(argument)
        )
        return any(not one.own for one in found)

    def _look(self) -> list[graph.Look]:
        session = self._connected()
        assert self._graph is not None
        found = []
        for name, port in self.options.ports.items():
            options = port.stimulus or port.response
            if options is not None and name in self._profiles:
                topic = session.node.resolve_topic_name(options.topic)
                type_name = paths.full_name(messages.message_class(options.type))
                stimulus = port.stimulus is not None
                found.append(self._graph.look(name, topic, type_name, stimulus, self._profiles[name]))
        return found

    def _adapt(self, looks: list[graph.Look]) -> bool:
        readers = self._readers
        changed = [readers.adapt(look) for look in looks] if readers is not None else []
        return any(changed)

    def preflight(self) -> list[Finding]:
        """Look until everybody is there, and had time to be, or ``patience_s`` has passed. Sends nothing."""
        self._connected()
        clock = self.context.clock
        deadline = clock.monotonic_ns() + round(self.options.patience_s * 1e9)
        known: frozenset[str] = frozenset()
        since = clock.monotonic_ns()
        while True:
            looks = self._look()
            if self._adapt(looks):
                looks = self._look()
            now = clock.monotonic_ns()
            gids = frozenset(one.gid for look in looks for one in (*look.others, *look.rivals) if one.named)
            if gids != known:
                known, since = gids, now
            quiet = now - since >= _SETTLE_NS and self._all_announced(now)
            if now >= deadline or (quiet and all(look.matched and look.settled for look in looks)):
                break
            clock.sleep_until(now + _POLL_NS)
        absence = Severity.WARNING if self.context.role is Role.CHECK else Severity.ERROR
        found = [finding for look in looks for finding in graph.findings(look, absence)]
        software = self._connected().software()
        text = ", ".join(
            (software["rmw"], software["transport"], f"domain {software['domain_id']}", software["discovery"])
        )
        found.append(Finding("middleware", Severity.INFO, text, software["rmw"]))
        return found

    def _all_announced(self, now_ns: int) -> bool:
        """Whether somebody else who publishes commands would be known by now.

        In a domain of this run alone there is nobody else, and a device that commands nothing has no rival.
        """
        alone = self.options.domain_id == "auto" or not self._stimuli
        return alone or now_ns - self._session_ns >= _ANNOUNCED_NS

    def _watch(self) -> None:
        session, seen = self._session, self._graph
        if session is None or seen is None:
            return
        topics = [session.node.resolve_topic_name(one.options.topic) for one in self._stimuli.values()]
        watch = graph.Watch(seen, topics, self.context.report)
        while not self._closing.wait(_WATCH_S):
            try:
                watch.look()
                self._adapt(self._look())
            except Exception as error:
                if not self._closing.is_set():
                    message = f"the ROS graph cannot be watched any longer: {error}"
                    self.context.report(Finding("watch ended", Severity.WARNING, message))
                return

    # -- telling ---------------------------------------------------------------------------------------------

    @property
    def _robot_clock(self) -> str:
        return f"{self.name}.clock"

    def clocks(self) -> list[ClockInfo]:
        """The robot's clock, when a port reads stamps of it."""
        stamping = [
            port.response.topic
            for port in self.options.ports.values()
            if port.response is not None and port.response.stamp and port.response.stamp_clock == "robot"
        ]
        if not stamping:
            return []
        return [
            ClockInfo(
                self._robot_clock, ClockKind.UNKNOWN, f"what the robot stamps {', '.join(stamping)} with"
            )
        ]

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """None: topics offer no exchange of stamps."""
        return None

    def process_environment(self) -> dict[str, str]:
        """Domain and discovery range, so that processes of the rig meet this device."""
        return domain.environment(self.options, self.context.run_id)

    def identity(self) -> dict[str, str]:
        """Middleware and versions, and per port: topic, type, QoS and the nodes across from us."""
        found = {"adapter": "ros2", **self._connected().software()}
        for name, value in self._ports_identity():
            found[name] = value
        return found

    def _ports_identity(self) -> Iterator[tuple[str, str]]:
        for look in self._look():
            nodes = ", ".join(sorted({one.node for one in look.others})) or "nobody"
            yield f"{look.port}.topic", f"{look.topic} ({look.type})"
            yield f"{look.port}.qos", qos.words(look.profile)
            yield f"{look.port}.nodes", nodes
