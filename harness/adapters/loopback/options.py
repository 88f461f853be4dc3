"""What a rig file may say about a loopback device."""

from __future__ import annotations

import difflib
from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from harness.adapters.loopback.robot import Behaviour
from harness.adapters.loopback.wire import HEADER, MAX_FRAME
from harness.config.match import OF_SIGNAL
from harness.config.port_base import PortBase
from harness.config.schema import DeviceBase, FloorTwin, Match, Name, Strict, Value


class StimulusOptions(Strict):
    """A command of the loopback robot: one number, ``value``."""

    key: Literal["sequence", "stamp", "none"] = "sequence"
    values: dict[str, Value] = Field(default={})


class ResponseOptions(Strict):
    """The robot's answers to one of its commands."""

    of: Name = Field(description="the stimulus port that is answered")
    match: Match = Field(description="`onset`: the port gives the robot's signal, see signal_hz")


class Port(PortBase):
    """A stimulus or a response."""

    stimulus: StimulusOptions | None = None
    response: ResponseOptions | None = None


class Options(DeviceBase):
    """Options of the loopback device: where its robot runs, and how it misbehaves.

    ``*_every: N`` concerns the Nth, 2Nth, ... command; 0 is never.
    """

    adapter: Literal["loopback"]
    ports: dict[Name, Port] = Field(min_length=1)
    echo: Literal["process", "thread"] = Field(
        default="process", description="where the robot runs: a child process, or a thread of the harness"
    )
    external: bool = Field(
        default=False, description="the rig file starts the robot (python -m harness.sim.loopback_robot)"
    )
    path: str | None = Field(
        default=None,
        description="the robot's socket: a path, or @name; by default derived from the run and the device",
    )
    log: str | None = Field(
        default=None, description="file in which the robot process writes what reached it"
    )
    payload_bytes: Annotated[int, Field(ge=HEADER.size, le=MAX_FRAME)] = Field(
        default=64, description="size of a message, header included"
    )
    received_clock: Literal["realtime", "monotonic"] = Field(
        default="realtime", description="the host's clock that `received_ns` is read from"
    )
    delay_ms: NonNegativeFloat = Field(default=0.0, description="the robot answers this late")
    jitter_ms: NonNegativeFloat = Field(
        default=0.0, description="and up to this much later, seeded, in order"
    )
    busy_ms: NonNegativeFloat = Field(
        default=0.0,
        description="the robot computes this long for each command, one after the other, and logs when it"
        " took and answered it; excludes the other delays and misbehaviours but silence, drops and death",
    )
    seed: int = Field(default=1, description="of the jitter")
    drop_every: NonNegativeInt = Field(default=0, description="not answered")
    twice_every: NonNegativeInt = Field(default=0, description="answered twice")
    reorder_every: NonNegativeInt = Field(default=0, description="answered after the next one")
    silent: bool = Field(default=False, description="takes commands, answers none")
    silent_after: NonNegativeInt = Field(
        default=0, description="answers none of the commands after this many; 0: never"
    )
    latest: bool = Field(default=False, description="answers only the newest command, once a cycle")
    cycle_ms: PositiveFloat = Field(default=5.0, description="cycle of `latest`")
    die_after: NonNegativeInt = Field(default=0, description="dies at the command after this many; 0: never")
    lose_inside_every: NonNegativeInt = Field(
        default=0, description="the harness itself loses every Nth answer, and reports it"
    )
    clock_offset_ms: float = Field(
        default=0.0, description="the robot's own clock is ahead of the host's by this"
    )
    clock_drift_ppm: float = Field(default=0.0, description="and gains this much")
    clock_step_ms: float = Field(default=0.0, description="that clock is set forward by this much, once")
    clock_step_after: NonNegativeInt = Field(default=0, description="after this many commands; 0: never")
    signal_hz: Annotated[float, Field(ge=0, le=2000)] = Field(
        default=0.0,
        description="the robot answers nothing and sends a signal at this rate, on ports with a match by"
        " onset; 0: it answers",
    )
    signal_tau_ms: NonNegativeFloat = Field(
        default=0.0,
        description="time constant with which the signal approaches the commanded value; 0: a step",
    )
    signal_noise: NonNegativeFloat = Field(default=0.0, description="standard deviation added to each value")
    signal_sway: NonNegativeFloat = Field(
        default=0.0, description="amplitude of an oscillation at 3 Hz that never ends, as of a hovering robot"
    )
    dead_ms: NonNegativeFloat = Field(default=0.0, description="the signal stays this long after a command")
    dead_jitter_ms: NonNegativeFloat = Field(default=0.0, description="and up to this much longer, seeded")

    @model_validator(mode="after")
    def _wired(self) -> Options:
        stimuli = {name: port.stimulus for name, port in self.ports.items() if port.stimulus is not None}
        for name, port in self.ports.items():
            if port.response is None:
                continue
            stimulus = stimuli.get(port.response.of)
            if stimulus is None:
                raise ValueError(f"ports.{name}.response.of: {_unknown(port.response.of, list(stimuli))}")
            kind = port.response.match.kind
            if (kind in OF_SIGNAL) != (self.signal_hz > 0):
                raise ValueError(
                    f"ports.{name}.response.match: kind 'onset' or 'edge' and signal_hz need each other: a"
                    " robot gives a signal, or it answers"
                )
            if port.response.match.keyed and kind != stimulus.key:
                raise ValueError(
                    f"ports.{name}.response.match: kind {kind!r} needs `key: {kind}` at"
                    f" ports.{port.response.of}.stimulus, which has {stimulus.key!r}"
                )
        if self.stop is not None and self.stop.port not in stimuli:
            raise ValueError(f"stop.port: {_unknown(self.stop.port, list(stimuli))}")
        others = ("delay_ms", "jitter_ms", "twice_every", "reorder_every", "latest")
        if self.busy_ms and (also := [name for name in others if getattr(self, name)]):
            raise ValueError(f"busy_ms does not go with {', '.join(also)}")
        if self.signal_hz and (also := [name for name in (*others, "busy_ms") if getattr(self, name)]):
            raise ValueError(f"signal_hz does not go with {', '.join(also)}: such a robot answers nothing")
        if self.external and self.echo == "thread":
            raise ValueError(
                "external: true is for `echo: process`; a thread is always started by the device"
            )
        return self

    def floor_twin(self, stimulus: str, response: str) -> FloorTwin:
        """The same without any misbehaviour: message size, key, clock and echo as they are here."""
        sends, answers = self.ports[stimulus].stimulus, self.ports[response].response
        assert sends is not None and answers is not None
        kind = answers.match.kind if answers.match.kind in ("order", sends.key) else sends.key
        options = {
            "adapter": "loopback",
            "ports": {
                "command": {"stimulus": sends.model_dump(mode="json")},
                "answer": {
                    "response": {"of": "command", "match": {"kind": "order" if kind == "none" else kind}}
                },
            },
            "echo": self.echo,
            "payload_bytes": self.payload_bytes,
            "received_clock": self.received_clock,
        }
        where = "process over a Unix socket" if self.echo == "process" else "thread over a socket pair"
        what = f"the harness alone, against an echo {where}, {self.payload_bytes} B a message"
        return FloorTwin(options, what, message_bytes=self.payload_bytes)

    def behaviour(self) -> Behaviour:
        """How the robot is to behave."""
        names = Behaviour.__dataclass_fields__
        return Behaviour(**{name: getattr(self, name) for name in names})


def _unknown(name: str, known: list[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"no stimulus port {name!r}; " + (f"did you mean {near[0]!r}?" if near else f"there are: {known}")
