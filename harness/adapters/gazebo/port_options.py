"""What a rig file may say about one port of a Gazebo device. Importable without Gazebo's bindings."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Discriminator, Field, PositiveFloat, Tag, model_validator

from harness.adapters.gazebo.fault_options import FaultOptions
from harness.config.changing import by_key
from harness.config.elements import Scalar
from harness.config.match import CALL
from harness.config.port_base import PortBase
from harness.config.schema import Match, Name, Strict, Value

KeyName = Literal["stamp", "sequence", "sim_stamp"]
Control = Literal["pause", "run", "step", "reset", "spawn", "remove", "set_pose"]
Signal = Literal["real_time_factor", "sim_time", "paused", "iterations"]


class StimulusOptions(Strict):
    """A topic that the harness publishes."""

    topic: str = Field(min_length=1, description="in full, e.g. /model/robot/cmd_vel")
    type: str = Field(description="message type, e.g. gz.msgs.Twist")
    key: str | dict[str, KeyName] | None = Field(
        default=None,
        description="path of the field that carries the key; gz.msgs.Time means a stamp, an integer a"
        " sequence number, unless {path: sequence} says otherwise; {path: sim_stamp}: the simulated time"
        " of the send, which a robot that runs on simulated time understands",
    )
    values: dict[str, Value] = Field(default={}, description="fields by path: what is sent")

    @model_validator(mode="after")
    def _one_key(self) -> StimulusOptions:
        if isinstance(self.key, dict) and len(self.key) != 1:
            raise ValueError("key takes one path, as `key: header.stamp` or `key: {header.stamp: sim_stamp}`")
        return self


class ServiceCallOptions(Strict):
    """A service that the harness calls."""

    service: str = Field(min_length=1, description="in full, e.g. /world/bench/set_pose")
    type: str = Field(description="type of the request, e.g. gz.msgs.Pose")
    reply: str = Field(default="gz.msgs.Boolean", description="type of the reply")
    values: dict[str, Value] = Field(default={}, description="fields of the request by path: what is sent")
    reply_timeout_ms: PositiveFloat = Field(default=2000.0, description="then the call is given up")

    @property
    def key_kind(self) -> str:
        """What its key is."""
        return CALL


class ControlOptions(Strict):
    """What is done to the world, by its own services."""

    control: Control = Field(
        description="`pause`, `run`, `step` (`multi_step`: how many), `reset`; `spawn`: `sdf_filename` or"
        " `sdf`, `name`, `pose.position.x`; `remove`: `name`; `set_pose`: `name`, `position.x`"
    )
    values: dict[str, Value] = Field(default={}, description="fields of the request by path")
    reply_timeout_ms: PositiveFloat = Field(default=5000.0, description="then the call is given up")

    @property
    def key_kind(self) -> str:
        """What its key is."""
        return CALL


class TopicOptions(Strict):
    """A topic that the harness subscribes to."""

    topic: str = Field(min_length=1, description="in full, e.g. /model/robot/odometry")
    type: str = Field(description="message type, e.g. gz.msgs.Odometry")
    match: Match | None = Field(default=None, description="how an answer finds its stimulus")
    value: str | None = Field(default=None, description="path of the signal, a number")
    stamp: str | None = Field(default=None, description="path of a stamp, as Gazebo's `header.stamp`")
    stamp_clock: Literal["sim", "host", "robot"] = Field(
        default="sim",
        description="`sim`: simulated time, never converted to wall time; `host`: this host's system clock",
    )

    @model_validator(mode="after")
    def _match_path(self) -> TopicOptions:
        match = self.match
        if match is None:
            return self
        if match.kind == CALL:
            raise ValueError("match: of kind `call` are the replies of services: ports with `of`")
        if match.keyed and not match.path:
            raise ValueError(f"match of kind {match.kind!r} needs `path`: where the answer carries the key")
        if not match.keyed and match.path:
            raise ValueError(f"match of kind {match.kind!r} takes no `path`: the answers carry no key")
        if match.of_signal and self.value is None:
            raise ValueError(
                f"match of kind {match.kind!r} needs `value` beside it: the path of the signal, a number"
            )
        return self


class ReplyOptions(Strict):
    """What a service replies that the harness calls."""

    of: Name = Field(description="the stimulus port of this device whose replies these are")
    accepted_if: dict[str, Scalar] = Field(
        default={}, description="fields of the reply by path: with another value the simulator said no"
    )
    value: str | None = Field(default=None, description="path of the signal, a number, in the reply")
    match: Match = Field(default=Match(kind=CALL), description="implied by `of`")

    @model_validator(mode="after")
    def _fits(self) -> ReplyOptions:
        if self.match.kind != CALL:
            raise ValueError("match: leave it out; `of` says how these replies find their calls")
        return self


class SimulationOptions(Strict):
    """A number of the simulation itself."""

    signal: Signal = Field(
        description="`real_time_factor`: simulated over wall time in the last second, by the stamps of the"
        " clock, ten times a second; `sim_time` (s): every physics step; `iterations`, and `paused` (1 or 0):"
        " ten times a second"
    )
    match: Match | None = Field(default=None, description="`edge` or `onset`, of `paused`")
    value: Signal | None = Field(default=None, description="implied by `signal`: leave it out")

    @model_validator(mode="after")
    def _of_signal(self) -> SimulationOptions:
        if self.match is not None and not self.match.of_signal:
            raise ValueError(f"match of kind {self.match.kind!r}: a signal answers by onset or edge")
        return self


_stimulus = by_key(("control", ControlOptions), ("service", ServiceCallOptions), ("topic", StimulusOptions))
_response = by_key(("of", ReplyOptions), ("signal", SimulationOptions), ("topic", TopicOptions))
AnyStimulus = StimulusOptions | ServiceCallOptions | ControlOptions


class Port(PortBase):
    """One way in or out: exactly one of ``stimulus``, ``response`` and ``fault``."""

    stimulus: (
        Annotated[
            Annotated[StimulusOptions, Tag("StimulusOptions")]
            | Annotated[ServiceCallOptions, Tag("ServiceCallOptions")]
            | Annotated[ControlOptions, Tag("ControlOptions")],
            Discriminator(lambda value: _stimulus(value) or "StimulusOptions"),
        ]
        | None
    ) = None
    response: (
        Annotated[
            Annotated[TopicOptions, Tag("TopicOptions")]
            | Annotated[ReplyOptions, Tag("ReplyOptions")]
            | Annotated[SimulationOptions, Tag("SimulationOptions")],
            Discriminator(lambda value: _response(value) or "TopicOptions"),
        ]
        | None
    ) = None
    fault: FaultOptions | None = None
