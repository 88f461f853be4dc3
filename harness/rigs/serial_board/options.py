"""What a rig file may say about a bench board."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, model_validator

from harness.config.explain import Refusal
from harness.config.faults import FaultBase
from harness.config.port_base import PortBase
from harness.config.problems import suggest
from harness.config.schema import DeviceBase, Match, Name, Strict, Value
from harness.rigs.edges import edges_are_acts
from harness.rigs.outputs import LONGEST_MS, unknown_values

OUTPUTS = {"D4": 0, "D5": 1, "D6": 2, "D7": 3, "D10": 4, "D11": 5}
INPUTS = {"D8": 0, "D2": 1, "D3": 2}
ANALOGS = {f"A{number}": number for number in range(6)}
"""Pins of an Arduino Uno or Nano, as printed on it, and their numbers in the protocol."""
FULL_SCALE_V = 5.0
TOP = 1023
SIMULATED = "simulated"
SHORTEST_MS = 0.01
"""Of a pulse."""

OutputPin = Literal["D4", "D5", "D6", "D7", "D10", "D11"]
InputPin = Literal["D8", "D2", "D3"]
AnalogPin = Literal["A0", "A1", "A2", "A3", "A4", "A5"]
Level = Literal["high", "low"]
Width = Annotated[float, Field(ge=SHORTEST_MS, le=LONGEST_MS)]


class StimulusOptions(Strict):
    """An output that is driven. Values: `level` (0 or 1; of `level` alone) and `width_ms` (of pulses)."""

    output: OutputPin
    kind: Literal["pulse", "level", "scheduled_pulse"] = Field(
        description="`pulse`: at once; `scheduled_pulse`: `lead_ms` after it was handed over, by the"
        " board's clock; `level`: at once, and it stays"
    )
    active: Level = Field(default="high", description="level of a pulse")
    safe: Level = Field(
        default="low",
        description="where it goes at a stop, and when the host is silent or the board starts anew",
    )
    width_ms: Width = Field(default=10.0, description="of a pulse")
    lead_ms: Annotated[float, Field(ge=1, le=60_000)] = Field(
        default=10.0, description="of a scheduled pulse"
    )
    values: dict[str, Value] = Field(default={})

    @property
    def key_kind(self) -> str:
        """The board answers with the number that a request had."""
        return "sequence"


class ResponseOptions(Strict):
    """An input that is watched, a channel that crosses a threshold, or an output's own instants."""

    input: InputPin | None = Field(
        default=None, description="D8 is stamped by hardware, to 0.5 us; D2 and D3 up to 20 us late"
    )
    edges: Literal["rising", "falling", "both"] = Field(default="both", description="which are reported")
    debounce_ms: Annotated[float, Field(ge=0, le=1000)] = Field(
        default=0.0,
        description="after an edge, its bounces are left out for so long; the stamp is the first's",
    )
    pull_up: bool = Field(default=False, description="for a contact to ground")
    analog: AnalogPin | None = Field(default=None, description="stamps are good to 60 us")
    high_v: Annotated[float, Field(gt=0, le=FULL_SCALE_V)] = Field(
        default=2.6, description="analogue: high from here on"
    )
    low_v: Annotated[float, Field(ge=0, lt=FULL_SCALE_V)] = Field(
        default=2.4, description="analogue: low again from here down"
    )
    of: Name | None = Field(
        default=None, description="a stimulus port of this board: when its output had the level"
    )
    match: Match

    _acts = model_validator(mode="before")(edges_are_acts)

    @model_validator(mode="after")
    def _one(self) -> ResponseOptions:
        if [self.input, self.analog, self.of].count(None) != 2:
            raise ValueError("give one of `input`, `analog` and `of`")
        if self.analog is not None and self.low_v >= self.high_v:
            raise ValueError(f"low_v {self.low_v:g} has to be below high_v {self.high_v:g}")
        if (self.of is not None) != (self.match.kind == "sequence"):
            raise ValueError("`of` and `match: {kind: sequence}` need each other: edges carry no number")
        if self.of is None and self.match.kind not in ("order", "edge"):
            raise ValueError("an edge is matched by `kind: edge` or `order`")
        return self


class RelayFault(FaultBase):
    """A relay in a robot's supply or enable line. It falls back by itself when the host is gone."""

    kind: Literal["relay"]
    output: OutputPin
    cut: Level = Field(default="high", description="level that cuts; the other one is safe")
    hold_ms: Annotated[float, Field(ge=100, le=60_000)] = Field(
        default=1000.0, description="the board undoes the cut unless it is renewed within this time"
    )


class Port(PortBase):
    """A stimulus, a response or a fault."""

    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None
    fault: RelayFault | None = None


class Options(DeviceBase):
    """Options of a bench board."""

    adapter: Literal["serial_board"]
    port: str = Field(
        default="auto",
        description="the serial port, best by its name in /dev/serial/by-id; `auto`: the only one that"
        " looks like a board; `simulated`: that of `harness sim board`, started as a process of the rig",
    )
    start_s: PositiveFloat = Field(
        default=8.0, description="longest time until it answers: opening the port resets many boards"
    )
    dead_man_ms: Annotated[int, Field(ge=100, le=60_000)] = Field(
        default=1000, description="silence of the host after which every output goes to its safe level"
    )
    largest_round_trip_ms: NonNegativeFloat = Field(
        default=5.0, description="median of a ping above which the line is called slow"
    )
    ports: dict[Name, Port] = Field(min_length=1)

    @model_validator(mode="after")
    def _wired(self) -> Options:
        stimuli = {name: port.stimulus for name, port in self.ports.items() if port.stimulus is not None}
        taken: dict[str, str] = {}
        for name, port in self.ports.items():
            found = port.response
            if found is not None and found.of is not None and found.of not in stimuli:
                raise ValueError(
                    f"ports.{name}.response.of: no stimulus port {found.of!r}; {suggest(found.of, stimuli)}"
                )
            for pin in _pins(port):
                other = taken.setdefault(pin, name)
                if other != name and not _alike(self.ports[other], port):
                    raise ValueError(
                        f"ports.{name}: {pin} is taken by the port {other}, which uses it otherwise"
                    )
        if len({port.response.analog for port in self.ports.values() if port.response} - {None}) > 1:
            raise ValueError("the board watches one analogue channel at a time")
        return self


def problems(options: Options) -> list[Refusal]:
    """Values that no port takes, told at their line; see :mod:`harness.config.hooks`."""
    return [
        Refusal(("ports", name, "stimulus", "values", *refusal.path), refusal.message, refusal.of_key)
        for name, port in options.ports.items()
        if port.stimulus is not None
        for refusal in value_problems(options, name, port.stimulus.values)
    ]


def value_problems(options: Options, port: str, values: dict[str, Any]) -> list[Refusal]:
    """The same for a step's values; names alone, since a value may be one that changes."""
    stimulus = options.ports[port].stimulus
    assert stimulus is not None
    return unknown_values(stimulus.kind, values)


def _pins(port: Port) -> list[str]:
    found: list[str | None] = []
    if port.stimulus:
        found.append(port.stimulus.output)
    if port.fault:
        found.append(port.fault.output)
    if port.response:
        found += [port.response.input, port.response.analog]
    return [pin for pin in found if pin is not None]


def _alike(one: Port, other: Port) -> bool:
    """Whether two ports may share a pin: both stimuli with the same safe level, or the same watch of it."""
    if one.stimulus and other.stimulus:
        return one.stimulus.safe == other.stimulus.safe
    if one.response and other.response:
        return one.response.model_copy(update={"match": other.response.match}) == other.response
    return False
