"""Makes the ports of a ROS 2 device: publishers, clients, what is subscribed to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.adapters.ros2 import definitions, limits, loop, paths, qos, recorded, vendor
from harness.adapters.ros2.call_response import CallResponse, FeedbackResponse
from harness.adapters.ros2.call_stimulus import ActionStimulus, CallStimulus, ServiceStimulus
from harness.adapters.ros2.options import Options
from harness.adapters.ros2.port_options import (
    ActionOptions,
    AnyStimulus,
    CallResponseOptions,
    ResponseOptions,
    ServiceOptions,
    StimulusOptions,
)
from harness.adapters.ros2.response import TopicResponse
from harness.adapters.ros2.session import Session
from harness.adapters.ros2.stimulus import TopicStimulus
from harness.adapters.ros2.stopping import AnySending
from harness.errors import ConfigurationError
from harness.ports import BagTopic, DeviceContext, Keep, Role


class PortMaker:
    """For the device ``name`` on an open session. ``profiles`` gets the QoS of every port that it makes, None
    for a service or action."""

    def __init__(
        self,
        name: str,
        options: Options,
        context: DeviceContext,
        session: Session,
        profiles: dict[str, Any],
    ) -> None:
        self._name = name
        self._options = options
        self._context = context
        self._session = session
        self._profiles = profiles

    @property
    def direct(self) -> bool:
        """Whether replies are taken below rclpy's executor; see :class:`.calls.Caller`."""
        # The guardian has no loop: it takes what it waits for itself.
        return self._context.role is Role.GUARDIAN or loop.DirectLoop.available()

    def stimulus(self, port: str, options: AnyStimulus) -> AnySending:
        """A way in; as CHECK it may prepare, and sends nothing."""
        if not isinstance(options, StimulusOptions):
            return self._call(port, options)
        context = self._context
        made = TopicStimulus(port, options, self._options.limits, None, context.clock)
        made.real = context.real
        self._profiles[port] = qos.profile(options.qos)
        if context.role is not Role.CHECK:
            events = vendor.load("rclpy.event_handler").PublisherEventCallbacks(use_default_callbacks=False)
            made.publisher = self._session.node.create_publisher(
                made.message, options.topic, self._profiles[port], event_callbacks=events
            )
            made.keep = self._keep(port, made.message, options.topic)
        return made

    def _call(self, port: str, options: ServiceOptions | ActionOptions) -> ServiceStimulus | ActionStimulus:
        bounds = self._options.limits
        made: ServiceStimulus | ActionStimulus
        if isinstance(options, ServiceOptions):
            made = ServiceStimulus(port, options, bounds)
        else:
            made = ActionStimulus(port, options, bounds)
        self._profiles[port] = None
        if self._context.role is not Role.CHECK:
            depth = self._options.reader_depth
            made.connect(self._session.node, self._context.clock, depth=depth, direct=self.direct)
        return made

    def response(
        self,
        port: str,
        options: ResponseOptions | CallResponseOptions,
        stimuli: Mapping[str, AnySending],
    ) -> TopicResponse | CallResponse:
        """A way out; ``stimuli`` are those that it may be the answer of."""
        if isinstance(options, CallResponseOptions):
            return self._answer(port, options, stimuli[options.of])
        self._profiles[port] = qos.profile(options.qos, reader_depth=self._options.reader_depth)
        context = self._context
        made = TopicResponse(port, options, robot_clock(self._name), context.clock, context.report)
        made.keep = self._keep(port, made.message, options.topic)
        return made

    def _answer(
        self, port: str, options: CallResponseOptions, called: AnySending
    ) -> TopicResponse | CallResponse:
        assert isinstance(called, CallStimulus)  # call_rules has seen to that
        made: FeedbackResponse | CallResponse
        if options.event == "feedback":
            assert isinstance(called, ActionStimulus)
            clock, report = self._context.clock, self._context.report
            topic, prefix = called.feedback_topic, called.prefix
            # Into no bag: `ros2 bag` leaves these hidden topics out as well, and mcap-ros2-support refuses to
            # read a file in which the type of one has such a name.
            made = FeedbackResponse(port, options, called.action, topic, prefix, clock, report)
            self._profiles[port] = qos.profile(None, reader_depth=self._options.reader_depth)
        else:
            made = CallResponse(port, options, called.answer_class(options.event))
        called.answer_port(made)
        return made

    def _keep(self, port: str, message: type, topic: str) -> Keep | None:
        """Where the messages of that topic go for the bag of the run, if one is recorded."""
        if self._context.record is None:
            return None
        return self._context.record(
            BagTopic(
                name=self._session.node.resolve_topic_name(topic),
                type=paths.full_name(message),
                port=port,
                schema=definitions.definition(message),
                qos=definitions.qos_text(self._profiles[port]),
            )
        )

    def take_templates(self, stimuli: Mapping[str, AnySending]) -> None:
        """To be called once the stop is made ready, which is what the rig file says, over nothing
        recorded."""
        for name, stimulus in stimuli.items():
            if isinstance(stimulus, TopicStimulus) and (told := stimulus.options.template) is not None:
                folder = self._context.rig_folder
                stimulus.template = recorded.template(told, folder, stimulus.message, name)

    def check_limits(self, stimuli: Mapping[str, AnySending]) -> None:
        """Raise ConfigurationError for a limit that holds for no field of any stimulus."""
        for path in self._options.limits:
            errors: list[ConfigurationError] = []
            for stimulus in stimuli.values():
                error = limits.unknown(stimulus.message, path)
                if error is None:
                    break
                errors.append(error)
            else:
                reason = errors[0] if errors else ConfigurationError("there is no stimulus port")
                raise ConfigurationError(
                    f"limit {path!r} of device {self._name}: {reason.message}", hint=reason.hint
                )


def robot_clock(device: str) -> str:
    """Name of the clock that the robot behind that device stamps with."""
    return f"{device}.clock"
