"""What a rig file may say about a ROS 2 device. Importable without rclpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from harness.config.explain import Refusal
from harness.config.measuring import Background
from harness.config.schema import DeviceBase, FloorTwin, Match, Name, Strict, Value

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
    stamp: str | None = Field(default=None, description="path of the robot's own stamp")
    stamp_clock: Literal["robot", "host"] = Field(
        default="robot", description="`host`: the robot runs here and stamps with this host's system clock"
    )
    qos: ProfileName | QoS | None = Field(
        default=None, description="default: deep, volatile, reliable where the publisher offers it"
    )

    @model_validator(mode="after")
    def _match_path(self) -> ResponseOptions:
        match = self.match
        if match is None:
            return self
        if match.keyed and not match.path:
            raise ValueError(f"match of kind {match.kind!r} needs `path`: where the answer carries the key")
        if not match.keyed and match.path:
            raise ValueError(f"match of kind {match.kind!r} takes no `path`: the answers carry no key")
        if match.kind == "onset" and self.value is None:
            raise ValueError(
                "match of kind 'onset' needs `value` beside it: the path of the signal, a number"
            )
        return self


class Port(Strict):
    """One way in or out: exactly one of ``stimulus`` and ``response``."""

    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None

    @model_validator(mode="after")
    def _exactly_one(self) -> Port:
        if (self.stimulus is None) == (self.response is None):
            raise ValueError("a port is exactly one of `stimulus` and `response`")
        return self


class Options(DeviceBase):
    """A robot, simulator or anything else that speaks ROS 2 topics."""

    adapter: Literal["ros2"]
    domain_id: Annotated[int, Field(ge=0, le=232)] | Literal["auto"] | None = Field(
        default=None,
        description="ROS_DOMAIN_ID; `auto`: one derived from the run; default: the environment's, else 0",
    )
    discovery: Literal["localhost", "subnet", "system"] | None = Field(
        default=None, description="how far discovery reaches; default: what the environment says"
    )
    namespace: str = Field(default="", pattern=r"^(/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*|/)?$")
    ports: dict[Name, Port] = Field(min_length=1)
    # Fast DDS announces a participant every 3 s; a first announcement that is lost costs one such period.
    patience_s: PositiveFloat = Field(
        default=5.0, description="how long the preflight looks for the other side"
    )
    reader_depth: PositiveInt = Field(default=5000, description="depth of readers whose qos does not set one")

    @model_validator(mode="after")
    def _stop_port(self) -> Options:
        if self.stop is not None:
            port = self.ports.get(self.stop.port)
            if port is None or port.stimulus is None:
                known = ", ".join(sorted(name for name, one in self.ports.items() if one.stimulus)) or "none"
                raise ValueError(
                    f"stop.port {self.stop.port!r} is not a stimulus port of this device; those: {known}"
                )
        return self

    def floor_twin(self, stimulus: str, response: str) -> FloorTwin:
        """An echo of the harness's own behind the same middleware, on topics of this process alone.

        Message type, key, values and QoS are the stimulus's; the echo repeats its bytes. Reliability and
        depth of the answers are the response's, where such an answer can be had.
        """
        from harness.adapters.ros2 import twin

        return twin.of(self, stimulus, response)


def problems(options: Options) -> list[Refusal]:
    """Misspelt types, paths and values, where the message packages are installed; see
    :mod:`harness.config.hooks`."""
    from harness.adapters.ros2 import early

    return early.problems(options)


def value_problems(options: Options, port: str, values: Mapping[str, Any]) -> list[Refusal]:
    """The same for the values of a step."""
    from harness.adapters.ros2 import early

    return early.value_problems(options, port, values)


def key_kind(options: Options, port: str) -> str | None:
    """What the key of that stimulus is, where its message package is installed."""
    from harness.adapters.ros2 import early

    return early.key_kind(options, port)
