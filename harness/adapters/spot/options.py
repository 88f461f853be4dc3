"""What a rig file may say about a Spot. Importable without the SDK."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, model_validator

from harness.config.explain import Refusal
from harness.config.match import CALL
from harness.config.port_base import PortBase
from harness.config.problems import suggest
from harness.config.schema import DeviceBase, Match, Name, Strict, Value
from harness.config.values import expand_variants
from harness.errors import ConfigurationError

JOINT_COUNT = 12
FIELDS: dict[str, tuple[str, ...]] = {
    "velocity": ("v_x", "v_y", "v_rot"),
    "pose": ("height", "roll", "pitch", "yaw"),
    "stance": ("fl", "fr", "hl", "hr"),
    "joints": ("position", "velocity", "load", "k_q_p", "k_qd_p"),
    "posture": ("to",),
    "estop": ("level",),
    "state": (),
    "time": (),
}
"""What each command is made of: m/s and rad/s in the frame of the body; m and rad; m from the body's
middle, forward and to the left; rad, rad/s, N m and gains; the posture; the level of the e-stop. The last two
move nothing."""
ENDING = ("velocity", "stance", "joints")
"""Commands that are over after ``end_ms``."""
MOVING = (*ENDING, "pose", "posture")
SIMULATED = "simulated"
"""The address of the simulated robot of a rig."""
LEVELS = ("cut", "settle", "none")
POSTURES = ("stand", "sit", "joints")
WORDS = {"posture": ("posture", POSTURES), "estop": ("level", LEVELS)}
"""Commands whose value is one of a few words."""
LIMITED = tuple(field for command, fields in FIELDS.items() if command not in WORDS for field in fields)
LARGEST_END_MS = 600.0
"""As in the vendor's own keyboard example: a robot that hears nothing more stops after that time."""
Command = Literal["velocity", "pose", "stance", "joints", "posture", "estop", "state", "time"]
Signal = Literal["speed", "v_x", "v_y", "v_rot", "joint_speed", "age", "estopped", "ready"]
ASKED = ("estopped", "ready")
"""Signals that the state stream does not have."""


class StimulusOptions(Strict):
    """A command, or a question, that the harness sends."""

    command: Command = Field(
        description="`velocity`, `pose`, `stance`: commands that move the robot; `joints`: the"
        " stream of joint commands, which needs a licence; `posture`: motor power, and stand, sit or obey"
        " joint commands; `estop`: the harness's own e-stop endpoint; `state`, `time`: a question, which"
        " moves nothing"
    )
    values: dict[str, Value] = Field(
        default={},
        description="velocity: v_x, v_y (m/s), v_rot (rad/s); pose: height (m), roll, pitch, yaw (rad);"
        " stance: fl, fr, hl, hr, each [x, y] in m; joints: position, velocity, load, k_q_p, k_qd_p, twelve"
        " each; posture: to, one of stand, sit, joints; estop: level, one of cut, settle, none",
    )
    end_ms: Annotated[float, Field(gt=0, le=LARGEST_END_MS)] = Field(
        default=LARGEST_END_MS,
        description="how long a command holds: a robot that hears nothing more stops after that time",
    )

    @property
    def key_kind(self) -> str:
        """What its key is: joint commands carry a number, all others are calls."""
        return "sequence" if self.command == "joints" else CALL


class AnswerOptions(Strict):
    """What the robot says to a command: that it has it, or what came back."""

    of: Name = Field(description="the stimulus port of this device whose answers these are")
    event: Literal["received", "replied", "applied"] = Field(
        default="received",
        description="`received`: the robot's receive stamp, on its own clock; `replied`: the reply is here;"
        " `applied`, of joints: the state stream shows the command, with the robot's receive stamp",
    )
    match: Match = Field(default=Match(kind=CALL), description="implied by `of`")

    @model_validator(mode="before")
    @classmethod
    def _matched(cls, data: Any) -> Any:
        if isinstance(data, dict) and "match" not in data and data.get("event") == "applied":
            return {**data, "match": {"kind": "sequence", "path": "last_command.user_command_key"}}
        return data

    @model_validator(mode="after")
    def _fits(self) -> AnswerOptions:
        if self.match.kind != ("sequence" if self.event == "applied" else CALL):
            raise ValueError("match: leave it out; `of` says how these answers find their stimuli")
        return self


class SignalOptions(Strict):
    """A number of the robot's state, as it changes."""

    signal: Signal = Field(
        description="from the state stream at 333 Hz: `speed` (m/s, horizontal), `v_x`, `v_y` (m/s, of the"
        " body in its own frame), `v_rot` (rad/s), `joint_speed` (largest of the twelve, rad/s), `age` (ms"
        " from the robot's stamp to this host); asked twenty times a second: `estopped`, 1 while any"
        " e-stop holds, and `ready`, 1 once the robot has the posture that was asked for last"
    )
    match: Match | None = Field(default=None, description="`onset` or `edge`: the robot began to move")
    value: Signal | None = Field(default=None, description="implied by `signal`: leave it out")

    @model_validator(mode="before")
    @classmethod
    def _implied(cls, data: Any) -> Any:
        return {**data, "value": data["signal"]} if isinstance(data, dict) and "signal" in data else data

    @model_validator(mode="after")
    def _of_signal(self) -> SignalOptions:
        if self.match is not None and not self.match.of_signal:
            raise ValueError(f"match of kind {self.match.kind!r}: a signal answers by onset or edge")
        return self


class Port(PortBase):
    """One way in or out."""

    stimulus: StimulusOptions | None = None
    response: AnswerOptions | SignalOptions | None = None

    @model_validator(mode="before")
    @classmethod
    def _which(cls, data: Any) -> Any:
        # Decided here, so that a mistake is told of the one that is meant and not of both.
        if isinstance(data, dict) and isinstance(data.get("response"), dict):
            given = data["response"]
            model = SignalOptions if "signal" in given and "of" not in given else AnswerOptions
            return {**data, "response": model.model_validate(given)}
        return data


class Options(DeviceBase):
    """A Spot, or what speaks its protocol."""

    adapter: Literal["spot"]
    address: str = Field(
        min_length=1,
        description="host name or IP address; `simulated`: the process `python -m harness.sim.spot` of this"
        " rig, met at a port, with a certificate and a password of this run alone",
    )
    tcp_port: Annotated[int, Field(gt=0, lt=65536)] = 443
    certificate: str | None = Field(
        default=None, description="PEM file to trust, from the rig file on; default: the vendor's"
    )
    username_variable: str = Field(
        default="BOSDYN_CLIENT_USERNAME", description="environment variable that holds the user's name"
    )
    password_variable: str = Field(
        default="BOSDYN_CLIENT_PASSWORD",
        description="environment variable that holds the password; where it is not set, the keyring is asked",
    )
    keyring_service: str = Field(
        default="harness-spot", description="service under which the system's keyring has the password"
    )
    estop: Literal["own", "theirs"] = Field(
        default="own",
        description="`own`: the harness joins the active e-stop configuration with an endpoint of its own,"
        " and sets one up only where there is none; `theirs`: it relies on what is there",
    )
    estop_timeout_s: Annotated[float, Field(ge=1, le=60)] = Field(
        default=3.0, description="the robot stops when the harness has not checked in for so long"
    )
    min_battery_percent: Annotated[float, Field(ge=5, le=100)] = 20.0
    area_m: PositiveFloat | None = Field(
        default=None, description="how far from where it stood up the robot may get before the run ends"
    )
    ports: dict[Name, Port] = Field(min_length=1)

    def bounds(self, port: str) -> list[str]:
        """When a command is over, and how far the robot may get."""
        stimulus = self.ports[port].stimulus
        found = []
        if stimulus is not None and stimulus.command in ENDING:
            found.append(f"each over after {stimulus.end_ms:g} ms")
        if self.area_m is not None:
            found.append(f"at most {self.area_m:g} m from where it was")
        return found

    @property
    def where(self) -> str | None:
        """The robot's address; the simulated one is on this host."""
        return "127.0.0.1" if self.address == SIMULATED else self.address

    @property
    def stops_itself(self) -> bool:
        """The stop of a Spot is the vendor's; a rig file has none to give."""
        return True

    @property
    def moves(self) -> bool:
        """Whether a port can move the robot: lease, e-stop and motor power are taken only then."""
        return any(
            port.stimulus is not None and port.stimulus.command in MOVING for port in self.ports.values()
        )

    @property
    def stops(self) -> bool:
        """Whether the harness has an e-stop endpoint of its own."""
        asked = any(
            port.stimulus is not None and port.stimulus.command == "estop" for port in self.ports.values()
        )
        return asked or (self.moves and self.estop == "own")


def problems(options: Options) -> list[Refusal]:
    """Wrong fields and values of ports, answers of nothing, limits of nothing."""
    found: list[Refusal] = []
    if options.stop is not None:
        found.append(Refusal(("stop",), "a Spot has a stop of its own: leave it out", True))
    stimuli = [name for name, port in options.ports.items() if port.stimulus is not None]
    for name, port in options.ports.items():
        here = ("ports", name)
        if port.stimulus is not None:
            below = value_problems(options, name, port.stimulus.values)
            found += [
                Refusal((*here, "stimulus", "values", *one.path), one.message, one.of_key) for one in below
            ]
        answer = port.response
        if isinstance(answer, AnswerOptions):
            of = options.ports[answer.of].stimulus if answer.of in options.ports else None
            if of is None:
                none = "the device has none"
                found.append(
                    Refusal(
                        (*here, "response", "of"),
                        f"{answer.of!r} is no stimulus port; {suggest(answer.of, stimuli, none)}",
                    )
                )
            elif of.command in WORDS:
                found.append(
                    Refusal(
                        (*here, "response", "of"),
                        f"{answer.of} is of {of.command}: what it does is seen in signals (estopped, ready)",
                    )
                )
            elif (of.command == "joints") != (answer.event == "applied"):
                events = "applied" if of.command == "joints" else "received or replied"
                found.append(
                    Refusal(
                        (*here, "response", "event"),
                        f"{answer.of} is of {of.command}, of which there is {events}, not {answer.event}",
                    )
                )
    found += [
        Refusal(("limits", limit), f"no such field; {suggest(limit, LIMITED)}", True)
        for limit in options.limits
        if limit not in LIMITED
    ]
    return found


def value_problems(options: Options, port: str, values: Mapping[str, Any]) -> list[Refusal]:
    """The same for the values of a step; paths from the values."""
    stimulus = options.ports[port].stimulus
    assert stimulus is not None
    try:
        sets = expand_variants(dict(values))
    except ConfigurationError:
        return []  # told by others
    found: dict[str, Refusal] = {}
    for each in sets:
        for name, message in wrong(stimulus.command, each):
            found.setdefault(name, Refusal((name,), message, name not in FIELDS[stimulus.command]))
    return list(found.values())


def wrong(command: str, values: Mapping[str, Any]) -> list[tuple[str, str]]:
    """(field, what is wrong with it) of one set of values."""
    found = []
    for name, value in values.items():
        if name not in FIELDS[command]:
            fields = FIELDS[command]
            found.append((name, f"{command} has no such field; {suggest(name, fields, 'it has none')}"))
        elif command in WORDS:
            what, words = WORDS[command]
            if value not in words:
                found.append((name, f"{value!r} is no {what}; one of {', '.join(words)}"))
        elif command in ("stance", "joints"):
            count = 2 if command == "stance" else JOINT_COUNT
            if not isinstance(value, (list, tuple)) or len(value) != count or not all(map(_number, value)):
                found.append((name, f"{value!r} is not {count} numbers"))
        elif not _number(value):
            found.append((name, f"{value!r} is no number"))
    return found


def _number(value: Any) -> bool:
    # Values that count from what was observed become numbers only when they are sent.
    return (isinstance(value, (int, float)) and not isinstance(value, bool)) or hasattr(value, "relative_to")
