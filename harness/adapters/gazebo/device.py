"""Robots in Gazebo as a device: node, ports, stop, watch and checks put together."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from typing import Any, TypeVar

from harness.adapters.gazebo import looking, messages, simulator, vendor, world
from harness.adapters.gazebo.asker import Asker, Replied
from harness.adapters.gazebo.faults import make
from harness.adapters.gazebo.options import Options
from harness.adapters.gazebo.port_options import (
    ControlOptions,
    ReplyOptions,
    ServiceCallOptions,
    SimulationOptions,
    StimulusOptions,
    TopicOptions,
)
from harness.adapters.gazebo.response import GazeboResponse, ReplyResponse, SignalResponse, TopicResponse
from harness.adapters.gazebo.stepping import Stepper
from harness.adapters.gazebo.stimulus import ServiceStimulus, TopicStimulus
from harness.adapters.gazebo.stopping import SafeStop
from harness.adapters.gazebo.watch import Watch
from harness.config.problems import port_named
from harness.errors import ConfigurationError, OperationError, UnavailableError
from harness.faults import FaultPort
from harness.model import ClockInfo, ClockKind, Finding
from harness.ports import DeviceContext, Fault, Response, Role, Stimulus

Port = TypeVar("Port")


class GazeboDevice:
    """Robots in one world of Gazebo; see :class:`.options.Options`."""

    simulated = True

    def __init__(self, name: str, options: Options, context: DeviceContext) -> None:
        self.name, self.options, self.context = name, options, context
        self.clock_name = f"{name}.sim_time"
        self.partition = f"harness-{context.run_id}" if options.partition == "auto" else options.partition
        self._opened = False
        self._node: Any = None
        self._stimuli: dict[str, TopicStimulus | ServiceStimulus] = {}
        self._responses: dict[str, GazeboResponse] = {}
        self._faults: dict[str, FaultPort] = {}
        self._asker: Asker | None = None
        self._watch: Watch | None = None
        self._stepper: Stepper | None = None
        self._stop: SafeStop | None = None
        self._subscribed: list[str] = []
        self._lock = threading.RLock()

    # -- life ------------------------------------------------------------------------------------------------

    def open(self) -> None:
        """Make node and ports. Raises UnavailableError without Gazebo's bindings, ConfigurationError for
        types and paths."""
        with self._lock:
            if self._opened:
                return
            self._opened = True
            try:
                self._open()
            except RuntimeError as error:
                self.close()
                raise UnavailableError(f"{self.name}: no thread can be started: {error}") from error
            except BaseException:
                self.close()
                raise

    def _open(self) -> None:
        role, node = self.context.role, self._connected()
        stop_port = None if self.options.stop is None else self.options.stop.port
        for port, how in self.options.ports.items():
            if how.stimulus is not None and (role is not Role.GUARDIAN or port == stop_port):
                self._stimuli[port] = self._make_stimulus(port, how.stimulus)
        if role is Role.CHECK:
            self._make_responses()
            return
        if role is Role.HARNESS:
            self._make_responses()
            self._start_asker()
            self._start_watch(node)
            self._subscribe_topics(node)
            self._faults = {
                port: make(port, how.fault, self, self.context)
                for port, how in self.options.ports.items()
                if how.fault is not None
            }
        for one in self._stimuli.values():
            if isinstance(one, TopicStimulus):
                one.publisher = self._advertise(node, one.options.topic, one.message)
            else:
                one.asker = self._asker
        stop = self.options.stop
        if stop is not None:
            stopping = self._stimuli[stop.port]
            assert isinstance(stopping, TopicStimulus)
            self._stop = SafeStop(self.name, stop, stopping, self.context.clock)
            if role is Role.GUARDIAN:
                self._stop.await_listener(self.options.patience_s)

    def _connected(self) -> Any:
        """The node, made at first need: ``ready:`` conditions are asked before the ports are opened."""
        with self._lock:
            if self._node is None:
                vendor.use_address(self.options.address)
                self._node = vendor.load().node(self.partition)
            return self._node

    def _make_stimulus(self, port: str, how: Any) -> TopicStimulus | ServiceStimulus:
        label, limits = f"{self.name}.{port}", self.options.limits
        if isinstance(how, StimulusOptions):
            made = TopicStimulus(label, how, limits, self.context.clock)
            made.sim_now = self._sim_now
            return made
        assert isinstance(how, (ServiceCallOptions, ControlOptions))
        steers = isinstance(how, ControlOptions) and how.control in ("pause", "run", "step", "reset")

        def take(key: int, reply: Replied) -> None:
            seen = self.context.clock.monotonic_ns()
            for one in self._responses.values():
                if isinstance(one, ReplyResponse) and one.options.of == port:
                    one.take(key, reply, seen)

        called = world.as_service(how, self.options.world)
        if self.options.stepping is not None and isinstance(how, ControlOptions) and how.control == "reset":
            # Without it the world would run on from there.
            called = called.model_copy(update={"values": {"pause": True, **called.values}})
        service = ServiceStimulus(label, called, limits, take)
        service.steers = self._steered if steers else None
        return service

    def _steered(self, running: bool, resets: bool) -> None:
        """The harness itself paused the simulation, or let it go on; or it resets it."""
        if self._watch is None:
            return
        if resets:
            self._watch.resets += 1
        if self._stepper is None:
            (self._watch.steered.clear if running else self._watch.steered.set)()

    def _sim_now(self) -> int:
        return 0 if self._watch is None else self._watch.sim_ns

    def _make_responses(self) -> None:
        clocks = {"sim": self.clock_name, "robot": f"{self.name}.clock"}
        for port, how in self.options.ports.items():
            label = f"{self.name}.{port}"
            if isinstance(how.response, TopicOptions):
                made = TopicResponse(label, how.response, clocks, self.context.report)
                self._responses[port] = made
                for one in self._stimuli.values():
                    if isinstance(one, TopicStimulus) and one.simulated_key and made.copies_stamp:
                        made.to_key = one.stamps.key
            elif isinstance(how.response, ReplyOptions):
                called = self.options.ports[how.response.of].stimulus
                assert isinstance(called, (ServiceCallOptions, ControlOptions))
                service = world.as_service(called, self.options.world)
                self._responses[port] = ReplyResponse(label, how.response, service, self.clock_name)
            elif isinstance(how.response, SimulationOptions):
                self._responses[port] = SignalResponse(self.clock_name)

    def _start_asker(self) -> None:
        faults = any(how.fault is not None for how in self.options.ports.values())
        calls = any(isinstance(one, ServiceStimulus) for one in self._stimuli.values())
        if faults or calls or self.options.stepping is not None:
            self._asker = Asker(self.name, self.partition)
            self._asker.open()

    def _start_watch(self, node: Any) -> None:
        signals: dict[str, list[SignalResponse]] = {}
        for port, how in self.options.ports.items():
            if isinstance(how.response, SimulationOptions):
                told = self._responses[port]
                assert isinstance(told, SignalResponse)
                signals.setdefault(how.response.signal, []).append(told)
        self._watch = watch = Watch(
            self.name,
            self.options.world,
            self.context.clock,
            signals,
            self.context.report,
            self.options.silence_s,
        )
        keys = any(isinstance(one, TopicStimulus) and one.simulated_key for one in self._stimuli.values())
        ticks = watch.per_second(keys or self.options.stepping is not None)
        here = self.options.world
        self._subscribe(node, world.topic(here, "clock"), "gz.msgs.Clock", watch.on_clock, ticks)
        self._subscribe(node, world.topic(here, "stats"), "gz.msgs.WorldStatistics", watch.on_stats)
        watch.open()
        if self.options.stepping is not None:
            assert self._asker is not None
            self._stepper = Stepper(
                self.name,
                self.options.world,
                self.options.stepping,
                self._asker,
                watch,
                self.context.report,
            )
            self._stepper.open()
            for one in self._stimuli.values():
                if isinstance(one, TopicStimulus):
                    one.gate = self._stepper.gate
                    one.delivered = self._stepper.follow(one.options.topic, one.type)

    def _subscribe_topics(self, node: Any) -> None:
        """Each topic once, and each message decoded once, for all ports of it."""
        by_topic: dict[tuple[str, str], list[TopicResponse]] = {}
        for one in self._responses.values():
            if isinstance(one, TopicResponse):
                by_topic.setdefault((one.options.topic, one.type), []).append(one)
        for (topic, kind), ports in by_topic.items():
            self._subscribe(node, topic, kind, _reader(ports, self.context.clock.monotonic_ns))

    def _subscribe(self, node: Any, topic: str, kind: str, take: Any, per_second: int | None = None) -> None:
        if not vendor.subscribe(vendor.load(), node, topic, kind, take, per_second):
            raise UnavailableError(
                f"{self.name}: Gazebo's transport does not subscribe to {topic!r}",
                hint="names of topics begin with a slash and have no spaces",
            )
        self._subscribed.append(topic)

    def _advertise(self, node: Any, topic: str, message: Any) -> Any:
        publisher = node.advertise(topic, message)
        if not publisher.valid():
            raise UnavailableError(
                f"{self.name}: Gazebo's transport does not advertise {topic!r}",
                hint="names of topics begin with a slash and have no spaces; a topic is advertised once",
            )
        return publisher

    def close(self) -> None:
        """Let go of ports, threads and node. Repeatable."""
        with self._lock:
            self._opened = False
            for fault in self._faults.values():
                fault.undo()
            self._faults.clear()
            stepper, self._stepper = self._stepper, None
            if stepper is not None:
                stepper.close()
            for one in self._stimuli.values():
                one.disconnect()
            self._stop = None
            node, self._node = self._node, None
            if node is not None:
                for topic in self._subscribed:
                    node.unsubscribe(topic)
            self._subscribed.clear()
            watch, self._watch = self._watch, None
            if watch is not None:
                watch.close()
            asker, self._asker = self._asker, None
            if asker is not None:
                asker.close()
            for response in self._responses.values():
                response.deaf()
            self._stimuli.clear()
            self._responses.clear()

    # -- ports -----------------------------------------------------------------------------------------------

    def stimulus(self, port: str) -> Stimulus:
        """The stimulus port of that name. Raises ConfigurationError for an unknown one."""
        return self._named("stimulus", port, self._stimuli)

    def response(self, port: str) -> Response:
        """The response port of that name. Raises ConfigurationError for an unknown one."""
        return self._named("response", port, self._responses)

    def fault(self, port: str) -> Fault:
        """The fault port of that name. Raises ConfigurationError for an unknown one."""
        return self._named("fault", port, self._faults)

    def _named(self, what: str, port: str, known: Mapping[str, Port]) -> Port:
        if not self._opened:
            raise OperationError(f"device {self.name} is not open", hint="call open() first")
        return port_named(self.name, what, port, known)

    @property
    def asker(self) -> Asker:
        """Who calls services. Raises OperationError while the device is closed."""
        if self._asker is None:
            raise OperationError(f"device {self.name} is not open", hint="call open() first")
        return self._asker

    @property
    def watch(self) -> Watch:
        """Who follows the simulation. Raises OperationError while the device is closed."""
        if self._watch is None:
            raise OperationError(f"device {self.name} is not open", hint="call open() first")
        return self._watch

    def safe_stop(self) -> None:
        """Publish what the rig file calls stopped, as often as it says. Nothing without ``stop``.

        Raises OperationError when nothing could be handed over.
        """
        if self.options.stop is None or self.context.role is Role.CHECK:
            return
        if self._stop is None:
            raise OperationError(f"device {self.name} is not open, so it cannot be stopped")
        self._stop.run()

    # -- looking and telling ---------------------------------------------------------------------------------

    def is_ready(self, condition: str, argument: str) -> bool:
        """``publishes``: somebody publishes on topic ``argument``; ``serves``: a service of that name is
        served."""
        if condition not in ("publishes", "serves"):
            raise ConfigurationError(
                f"device {self.name} (gazebo) knows no condition {condition!r}",
                hint="use publishes or serves",
            )
        node = self._connected()
        if condition == "serves":
            return bool(node.service_info(argument))
        return bool(simulator.publishers(node, argument))

    def preflight(self) -> list[Finding]:
        """Look until everybody is there, or ``patience_s`` has passed. Sends nothing."""
        patient = self.context.role is not Role.CHECK
        found = looking.preflight(
            self.name, self.options, self._connected(), self._stimuli, self.context.clock, patient
        )
        return found if patient else looking.as_information(found)

    def clocks(self) -> list[ClockInfo]:
        """Simulated time."""
        step = self._watch.step_ns if self._watch is not None else 0
        words = f"simulated time of world {self.options.world}"
        found = [ClockInfo(self.clock_name, ClockKind.SIMULATED, words, step or 1)]
        if any(getattr(how.response, "stamp_clock", "") == "robot" for how in self.options.ports.values()):
            found.append(ClockInfo(f"{self.name}.clock", ClockKind.UNKNOWN, "what the robot stamps with"))
        return found

    def exchange(self, clock: str) -> tuple[int, int, int, int] | None:
        """None: simulated time is never converted to wall time."""
        return None

    def process_environment(self) -> dict[str, str]:
        """Partition and address, so that simulator and controllers of the rig meet this device."""
        found = {}
        if self.partition:
            found["GZ_PARTITION"] = self.partition
        if self.options.address:
            found["GZ_IP"] = os.environ.get("GZ_IP") or self.options.address
        return found

    def identity(self) -> dict[str, str]:
        """The simulator's own version, the bindings', the world, and how it ran."""
        told = {
            **simulator.identity(self.partition),
            "world": self.options.world,
            "partition": self.partition or "the environment's",
        }
        if self.options.stepping is not None:
            how = self.options.stepping
            told["stepping"] = (
                f"{how.steps} physics step(s) at a time, {how.settle_ms:g} ms of wall time between"
            )
        if self._watch is not None:
            told.update(self._watch.words())
        if self._stepper is not None:
            done = self._stepper
            told["steps"] = (
                f"{done.steps}; {done.unanswered} without a reply; {done.late} with a command that came late;"
                f" {done.unasked} more than asked for"
            )
        return told


def _reader(ports: list[TopicResponse], now: Any) -> Any:
    message_class = messages.message_class(ports[0].type)

    def on_message(data: bytes) -> None:
        seen = now()
        message = message_class()
        try:
            message.ParseFromString(data)
        except Exception as error:  # bytes of another type: nothing may be raised on the transport's thread
            for port in ports:
                port.unreadable_bytes(error)
            return
        for port in ports:
            port.take(message, seen)

    return on_message
