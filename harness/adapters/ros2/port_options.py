"""What a rig file may say about one port of a ROS 2 device. Importable without rclpy."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, model_validator

from harness.config.measuring import Background
from harness.config.schema import Match, Strict, Value

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
