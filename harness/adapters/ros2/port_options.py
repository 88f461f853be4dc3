"""What a rig file may say about one port of a ROS 2 device. Importable without rclpy."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, NonNegativeInt, PositiveFloat, Tag, model_validator

from harness.config.changing import by_key, in_words
from harness.config.elements import Scalar
from harness.config.faults import FaultOptions
from harness.config.match import CALL
from harness.config.measuring import Background
from harness.config.port_base import PortBase
from harness.config.schema import Match, Name, Stop, Strict, Value

ProfileName = Literal[
    "default",
    "system_default",
    "sensor_data",
    "services",
    "services_default",
    "parameters",
    "parameter_events",
    "action_status_default",
    "best_available",
]
KeyName = Literal["stamp", "sequence"]


class QoS(Strict):
    """A named profile with single policies changed."""

    profile: ProfileName = "default"
    reliability: Literal["reliable", "best_effort", "best_available", "system_default"] | None = None
    durability: Literal["volatile", "transient_local", "best_available", "system_default"] | None = None
    history: Literal["keep_last", "keep_all", "system_default"] | None = None
    depth: NonNegativeInt | None = None
    deadline_ms: PositiveFloat | None = None
    lifespan_ms: PositiveFloat | None = None
    liveliness: Literal["automatic", "manual_by_topic", "best_available", "system_default"] | None = None
    liveliness_lease_ms: PositiveFloat | None = None


class Template(Strict):
    """A recorded message that values are laid over. See docs/bags.md."""

    bag: str = Field(min_length=1, description="a bag of ROS 2 (folder, .mcap or .db3), from the rig file on")
    topic: str = Field(min_length=1, description="a topic of the bag, of the type of the port")
    message: int = Field(default=0, description="which of its messages, counted from 0; -1: the last")


class StimulusOptions(Strict):
    """A topic that the harness publishes."""

    topic: str = Field(min_length=1, description="absolute, or relative to the device's namespace")
    type: str = Field(description="message type, e.g. geometry_msgs/msg/TwistStamped")
    key: str | dict[str, KeyName] | None = Field(
        default=None,
        description="path of the field that carries the key; builtin_interfaces/Time means a stamp, an"
        " integer a sequence number, unless {path: stamp} or {path: sequence} says otherwise",
    )
    values: dict[str, Value] = Field(default={}, description="fields by path: what is sent")
    template: Template | None = Field(
        default=None, description="a recorded message whose other fields are sent as they are"
    )
    background: Background | None = Field(
        default=None,
        description="of a sensor, with sensor_to_action: the newest values are sent again and again at this"
        " rate while the scenario lasts",
    )
    qos: ProfileName | QoS = "default"

    @model_validator(mode="after")
    def _one_key(self) -> StimulusOptions:
        if isinstance(self.key, dict) and len(self.key) != 1:
            raise ValueError("key takes one path, as `key: header.stamp` or `key: {header.stamp: stamp}`")
        return self


class ResponseOptions(Strict):
    """A topic that the harness subscribes to."""

    topic: str = Field(min_length=1, description="absolute, or relative to the device's namespace")
    type: str = Field(description="message type, e.g. nav_msgs/msg/Odometry")
    match: Match | None = Field(default=None, description="how an answer finds its stimulus")
    value: str | None = Field(default=None, description="path of the signal, a number")
    names: list[str] | None = Field(
        default=None,
        description="`value` is a string then: the first of these names is 1, the second 2, and so on;"
        " `robots` stands for those of the device. Any other string is the number that it holds, or 0",
    )
    stamp: str | None = Field(default=None, description="path of the robot's own stamp")
    stamp_clock: Literal["robot", "host", "sim"] = Field(
        default="robot",
        description="`host`: the robot runs here and stamps with this host's system clock; `sim`: it runs"
        " with use_sim_time, and its stamps are never converted to wall time",
    )
    qos: ProfileName | QoS | None = Field(
        default=None, description="default: deep, volatile, reliable where the publisher offers it"
    )

    @model_validator(mode="after")
    def _match_path(self) -> ResponseOptions:
        match = self.match
        if self.names is not None and self.value is None:
            raise ValueError("names: which string? give `value`, its path")
        if match is None:
            return self
        if match.kind == CALL:
            raise ValueError("match: of kind `call` are the answers to services and actions: ports with `of`")
        if match.keyed and not match.path:
            raise ValueError(f"match of kind {match.kind!r} needs `path`: where the answer carries the key")
        if not match.keyed and match.path:
            raise ValueError(f"match of kind {match.kind!r} takes no `path`: the answers carry no key")
        if match.of_signal and self.names is not None:
            raise ValueError("names: a signal is a number, and no name")
        if match.of_signal and self.value is None:
            raise ValueError(
                f"match of kind {match.kind!r} needs `value` beside it: the path of the signal, a number"
            )
        return self


class ServiceOptions(Strict):
    """A service that the harness calls."""

    service: str = Field(min_length=1, description="absolute, or relative to the device's namespace")
    type: str = Field(description="service type, e.g. std_srvs/srv/SetBool")
    values: dict[str, Value] = Field(default={}, description="fields of the request by path: what is sent")

    @property
    def key_kind(self) -> str:
        """What its key is."""
        return CALL


class ActionOptions(Strict):
    """An action to which the harness sends goals."""

    action: str = Field(min_length=1, description="absolute, or relative to the device's namespace")
    type: str = Field(description="action type, e.g. control_msgs/action/FollowJointTrajectory")
    values: dict[str, Value] = Field(default={}, description="fields of the goal by path: what is sent")

    @property
    def key_kind(self) -> str:
        """What its key is."""
        return CALL


class CallResponseOptions(Strict):
    """What comes back from a service or action that the harness calls."""

    of: Name = Field(description="the stimulus port of this device whose answers these are")
    event: Literal["reply", "accepted", "feedback", "result"] = Field(
        description="of a service: `reply`; of an action: `accepted` (the goal was), `feedback` (the first of"
        " each goal answers it), `result` (of a goal that succeeded)"
    )
    accepted_if: dict[str, Scalar] = Field(
        default={},
        description="fields of the reply or result by path: where one has another value the device said no,"
        " and that is no answer",
    )
    value: str | None = Field(
        default=None, description="path of the signal, a number, in the reply, feedback or result"
    )
    match: Match = Field(default=Match(kind=CALL), description="implied by `of`")

    @model_validator(mode="after")
    def _fits(self) -> CallResponseOptions:
        if self.match.kind != CALL:
            raise ValueError("match: leave it out; `of` says how these answers find their stimuli")
        if self.accepted_if and self.event not in ("reply", "result"):
            raise ValueError(f"accepted_if: goes with event reply or result, not {self.event}")
        if self.value is not None and self.event == "accepted":
            raise ValueError("value: an accepted goal brings no value; take it from feedback or result")
        return self


class Hold(Strict):
    """What holds the robot where it is, once its goals are cancelled."""

    port: Name
    values: dict[str, Value] = Field(default={})


class StopOptions(Stop):
    """How the device is stopped: what is sent, on which stimulus port."""

    cancel: bool = Field(
        default=False, description="of an action: cancel all of its goals, whoever sent them; no values"
    )
    hold: Hold | None = Field(default=None, description="sent afterwards, on another stimulus port")

    @property
    def words(self) -> str:
        """What it does, for people."""
        first = f"{self.repeat} x cancel all goals of {self.port}" if self.cancel else super().words
        if self.hold is None:
            return first
        return f"{first}, then {self.hold.port} {in_words(self.hold.values)}".rstrip()

    @model_validator(mode="after")
    def _cancels_alone(self) -> StopOptions:
        if self.cancel and self.values:
            raise ValueError("values: a stop that cancels sends none; what is sent afterwards goes in `hold`")
        return self


_stimulus = by_key(("service", ServiceOptions), ("action", ActionOptions), ("topic", StimulusOptions))
_response = by_key(("of", CallResponseOptions), ("topic", ResponseOptions), ("event", CallResponseOptions))
AnyStimulus = StimulusOptions | ServiceOptions | ActionOptions


class Port(PortBase):
    """One way in or out: exactly one of ``stimulus``, ``response`` and ``fault``."""

    stimulus: (
        Annotated[
            Annotated[StimulusOptions, Tag("StimulusOptions")]
            | Annotated[ServiceOptions, Tag("ServiceOptions")]
            | Annotated[ActionOptions, Tag("ActionOptions")],
            Discriminator(lambda value: _stimulus(value) or "StimulusOptions"),
        ]
        | None
    ) = None
    response: (
        Annotated[
            Annotated[ResponseOptions, Tag("ResponseOptions")]
            | Annotated[CallResponseOptions, Tag("CallResponseOptions")],
            Discriminator(lambda value: _response(value) or "ResponseOptions"),
        ]
        | None
    ) = None
    fault: FaultOptions | None = None
