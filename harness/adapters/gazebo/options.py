"""What a rig file may say about robots in Gazebo. Importable without Gazebo's bindings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt, model_validator

from harness.adapters.gazebo.port_options import (
    ControlOptions,
    Port,
    ReplyOptions,
    ServiceCallOptions,
    SimulationOptions,
    StimulusOptions,
    TopicOptions,
)
from harness.config.explain import Refusal
from harness.config.schema import DeviceBase, Name, Strict


class Stepping(Strict):
    """The harness moves the simulation on, step by step: simulated latencies are then the same each time."""

    steps: PositiveInt = Field(default=1, description="physics steps at a time")
    settle_ms: PositiveFloat = Field(
        default=5.0,
        description="wall time between two steps, in which controllers answer and commands reach the"
        " simulator: longer than either takes",
    )


class Options(DeviceBase):
    """Robots in a world of Gazebo, by its own transport: topics, services, world control."""

    adapter: Literal["gazebo"]
    world: str = Field(min_length=1, description="name of the world, as its SDF file has it")
    partition: str | None = Field(
        default="auto",
        description="GZ_PARTITION; `auto`: one of this run alone, for the rig's processes as well; null: the"
        " environment's, to attach to a simulator that runs already",
    )
    address: str | None = Field(
        default="127.0.0.1",
        description="GZ_IP, where the environment does not say otherwise: nothing leaves this host; null:"
        " as Gazebo chooses",
    )
    stepping: Stepping | None = Field(
        default=None, description="deterministic: the simulation stands still unless the harness steps it"
    )
    patience_s: PositiveFloat = Field(
        default=5.0, description="how long the preflight looks for the other side"
    )
    silence_s: Annotated[float, Field(ge=0.5)] = Field(
        default=2.0, description="a simulator that says nothing for so long hangs, or is gone"
    )
    ports: dict[Name, Port] = Field(min_length=1)

    @model_validator(mode="after")
    def _ports_fit(self) -> Options:
        stimuli = {name: one.stimulus for name, one in self.ports.items() if one.stimulus is not None}
        if self.stop is not None and not isinstance(stimuli.get(self.stop.port), StimulusOptions):
            known = [name for name, one in stimuli.items() if isinstance(one, StimulusOptions)]
            raise ValueError(
                f"stop.port {self.stop.port!r} is not a topic that this device publishes; those:"
                f" {', '.join(known) or 'none'}"
            )
        return self

    @property
    def moves(self) -> bool:
        """Whether any of its ports sends anything."""
        return any(port.stimulus is not None for port in self.ports.values())


def problems(options: Options) -> list[Refusal]:
    """Misspelt types, paths and values, where Gazebo's bindings are installed; answers of nothing; a rig
    whose simulated time nobody would record."""
    from harness.adapters.gazebo import early

    found = list(early.problems(options))
    stimuli = [name for name, port in options.ports.items() if port.stimulus is not None]
    stamped = False
    for name, port in options.ports.items():
        response = port.response
        if isinstance(response, ReplyOptions):
            of = options.ports[response.of].stimulus if response.of in options.ports else None
            if not isinstance(of, (ServiceCallOptions, ControlOptions)):
                known = [
                    one for one in stimuli if not isinstance(options.ports[one].stimulus, StimulusOptions)
                ]
                what = "is no stimulus port that calls a service"
                found.append(
                    Refusal(
                        ("ports", name, "response", "of"),
                        f"{response.of!r} {what}; those: {', '.join(known) or 'none'}",
                    )
                )
        elif isinstance(response, SimulationOptions):
            stamped = True
        elif isinstance(response, TopicOptions) and response.stamp is not None:
            stamped = stamped or response.stamp_clock == "sim"
        control = getattr(port.stimulus, "control", "")
        if options.stepping is not None and getattr(port.fault, "kind", "") in ("pause", "slow_down"):
            found.append(
                Refusal(
                    ("ports", name, "fault", "kind"),
                    "the harness steps the simulation itself (`stepping`): leave one of the two out",
                )
            )
        if options.stepping is not None and control in ("pause", "run", "step"):
            found.append(
                Refusal(
                    ("ports", name, "stimulus", "control"),
                    f"`{control}`, where the harness steps the simulation itself (`stepping`): leave one of"
                    " the two out",
                )
            )
    if not stamped:
        found.append(
            Refusal(
                ("ports",),
                "no port records simulated time, so nothing would show whether the simulation kept up with"
                " the wall clock: add `real_time_factor: {response: {signal: real_time_factor}}`",
            )
        )
    return found


def value_problems(options: Options, port: str, values: Mapping[str, Any]) -> list[Refusal]:
    """The same for the values of a step."""
    from harness.adapters.gazebo import early

    return early.value_problems(options, port, values)


def key_kind(options: Options, port: str) -> str | None:
    """What the key of that stimulus is; None where only the missing message package could tell."""
    from harness.adapters.gazebo import early

    return early.key_kind(options, port)
