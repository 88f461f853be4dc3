"""What a rig file may say about GPIO lines."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from harness.config.explain import Refusal
from harness.config.port_base import PortBase
from harness.config.schema import DeviceBase, Match, Name, Strict, Value
from harness.rigs.edges import edges_are_acts
from harness.rigs.outputs import LONGEST_MS, unknown_values

Line = Annotated[int, Field(ge=0)] | Annotated[str, Field(min_length=1)]
SHORTEST_MS = 0.05
"""Of a pulse: this host ends it."""
KERNEL_STAMP = "the arrival of an edge is the kernel's own stamp already"


class StimulusOptions(Strict):
    """An output. Values: `level` (0 or 1; of `level` alone) and `width_ms` (of pulses)."""

    line: Line = Field(description="its name, as `gpioinfo` shows it, or its offset on the chip")
    kind: Literal["pulse", "level"] = Field(
        description="`pulse`: active for `width_ms`, whose end this host's clock makes; `level`: it stays"
    )
    active_low: bool = Field(default=False, description="active is the low level, as of a switch to ground")
    drive: Literal["push_pull", "open_drain", "open_source"] = "push_pull"
    safe: Literal["inactive", "active"] = Field(
        default="inactive", description="where it is after opening, goes at a stop, and when it is closed"
    )
    width_ms: Annotated[float, Field(ge=SHORTEST_MS, le=LONGEST_MS)] = Field(
        default=10.0, description="of a pulse"
    )
    values: dict[str, Value] = Field(default={})

    @property
    def key_kind(self) -> str:
        """A line carries no number."""
        return "none"


class ResponseOptions(Strict):
    """An input whose edges the kernel stamps."""

    line: Line = Field(description="its name, as `gpioinfo` shows it, or its offset on the chip")
    edges: Literal["rising", "falling", "both"] = Field(
        default="both", description="which are reported; rising is from inactive to active"
    )
    active_low: bool = False
    bias: Literal["as_is", "disabled", "pull_up", "pull_down"] = "as_is"
    debounce_us: Annotated[int, Field(ge=0, le=1_000_000)] = Field(
        default=0, description="a level has to stand so long; edges are then stamped so much late"
    )
    match: Match

    _acts = model_validator(mode="before")(edges_are_acts)

    @model_validator(mode="after")
    def _edge(self) -> ResponseOptions:
        if self.match.kind not in ("order", "edge"):
            raise ValueError("an edge is matched by `kind: edge` or `order`")
        if self.match.kind == "edge" and self.edges != "both":
            raise ValueError("a match by edge needs `edges: both`; its `direction` says which one answers")
        return self


class Port(PortBase):
    """A stimulus or a response."""

    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None


class Options(DeviceBase):
    """Options of the GPIO lines of one chip."""

    adapter: Literal["gpio_lines"]
    chip: str = Field(
        description="its label, as `gpiodetect` shows it in brackets (the same after every start), its name,"
        " or its path"
    )
    ports: dict[Name, Port] = Field(min_length=1)


def problems(options: Options) -> list[Refusal]:
    """What is wrong beyond the shape, told at its line; see :mod:`harness.config.hooks`."""
    found = []
    taken: dict[int | str, str] = {}
    for name, port in options.ports.items():
        way = "stimulus" if port.stimulus is not None else "response"
        how = port.stimulus or port.response
        assert how is not None
        other = taken.setdefault(how.line, name)
        if other != name:
            found.append(Refusal(("ports", name, way, "line"), f"{how.line} is the line of {other} already"))
        if port.stimulus is not None:
            found += [
                Refusal(("ports", name, way, "values", *refusal.path), refusal.message, refusal.of_key)
                for refusal in value_problems(options, name, port.stimulus.values)
            ]
    return found


def value_problems(options: Options, port: str, values: dict[str, Any]) -> list[Refusal]:
    """Values that no line takes; names alone, since a value may be one that changes."""
    stimulus = options.ports[port].stimulus
    assert stimulus is not None
    return unknown_values(stimulus.kind, values)


def arrival_problem(options: Options, port: str) -> str:
    """Why `arrival: stamp` is not asked for."""
    return KERNEL_STAMP
