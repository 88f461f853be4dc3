"""What a rig file may say about a ROS 2 device. Importable without rclpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from harness.adapters.ros2 import discovery
from harness.adapters.ros2.port_options import Port, StopOptions
from harness.config.explain import Refusal
from harness.config.schema import DeviceBase, FloorTwin, Name
from harness.errors import ConfigurationError


class Options(DeviceBase):
    """A robot, simulator or anything else that speaks ROS 2: topics, services, actions."""

    adapter: Literal["ros2"]
    stop: StopOptions | None = None
    domain_id: Annotated[int, Field(ge=0, le=232)] | Literal["auto"] | None = Field(
        default=None,
        description="ROS_DOMAIN_ID; `auto`: one derived from the run; default: the environment's, else 0",
    )
    discovery: Literal["localhost", "subnet", "system"] | None = Field(
        default=None, description="how far discovery reaches; default: what the environment says"
    )
    discovery_server: str | None = Field(
        default=None,
        description="`HOST:PORT`, several separated by `;`: Fast DDS discovery servers, for the harness and"
        " the rig's processes; default: ROS_DISCOVERY_SERVER of the environment",
    )
    namespace: str = Field(default="", pattern=r"^(/?[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z_][A-Za-z0-9_]*)*|/)?$")
    ports: dict[Name, Port] = Field(min_length=1)
    # Fast DDS announces a participant every 3 s; a first announcement that is lost costs one such period.
    patience_s: PositiveFloat = Field(
        default=5.0, description="how long the preflight looks for the other side"
    )
    reader_depth: PositiveInt = Field(default=5000, description="depth of readers whose qos does not set one")

    @field_validator("discovery_server")
    @classmethod
    def _addresses(cls, text: str | None) -> str | None:
        if text is not None:
            try:
                discovery.addresses(text)
            except ConfigurationError as error:
                raise ValueError(f"{error.message}; {error.hint}") from error
        return text

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


def topics(options: Options) -> list[str] | None:
    """Topics of the ports as ROS resolves them; None where one has a name that is the node's own (``~``)."""
    found = []
    for port in options.ports.values():
        written = getattr(port.stimulus or port.response, "topic", None)  # calls have none
        if written is None:
            continue
        if written.startswith("~"):
            return None
        below = options.namespace.strip("/")
        found.append(written if written.startswith("/") or not below else f"/{below}/{written}")
    return [one if one.startswith("/") else f"/{one}" for one in found]


def arrival_problem(options: Options, port: str) -> str | None:
    """Why the stamps of that response cannot be arrivals."""
    response = options.ports[port].response if port in options.ports else None
    if getattr(response, "stamp_clock", None) != "sim":
        return None
    return f"port {port} stamps with simulated time, which says nothing of when an answer came in wall time"
