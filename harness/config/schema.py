"""What a rig file may say: strict, frozen pydantic models. Nothing is read or opened here.

Options that only one adapter knows live beside that adapter; :class:`DeviceBase` is what all devices share.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
)
from pydantic_core import PydanticCustomError

Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$", description="letters, digits, underscore")]
RigName = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9-]*$", description="letters, digits, hyphen")]
PortRef = Annotated[str, Field(pattern=r"^[A-Za-z]\w*\.[A-Za-z]\w*$", description="device.port")]


def _scalar(value: Any) -> Any:
    # Said once and plainly; the union below would complain once per member.
    if not isinstance(value, (bool, int, float, str)):
        raise PydanticCustomError("scalar", "must be a number, text, true or false")
    if isinstance(value, float) and not math.isfinite(value):
        raise PydanticCustomError("scalar", "must be a finite number")
    return value


Scalar = Annotated[bool | int | float | str, BeforeValidator(_scalar)]


class Strict(BaseModel):
    """A section of the rig file: unknown keys are mistakes, nothing changes after reading.

    Types are strict: ``simulated: no`` is text in YAML 1.2 and must not pass for false, nor ``true`` for 1.
    """

    model_config = ConfigDict(
        extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False, strict=True
    )


class RigInfo(Strict):
    """What the rig is."""

    name: RigName
    description: str = ""
    simulated: bool = Field(description="true: nothing real moves; false: a run needs --arm")
    item: dict[str, str] = Field(default={}, description="the item under test: model, serial number, ...")


class Ready(Strict):
    """When a started process counts as ready; every condition given must hold."""

    publishes: str | None = Field(default=None, description="a topic that somebody publishes")
    log: str | None = Field(default=None, description="a regular expression found in its output")
    device: Name | None = Field(default=None, description="the device that is asked (default: the only one)")
    timeout_s: PositiveFloat = 30.0


class Process(Strict):
    """A program that the rig needs. The rig file is trusted like a Makefile."""

    command: list[str] = Field(min_length=1, description="argument list; `python` means this interpreter")
    env: dict[str, str] = {}
    cwd: str | None = Field(default=None, description="relative to the rig file")
    ready: Ready = Ready()
    stop_timeout_s: PositiveFloat = Field(
        default=5.0, description="from SIGINT to SIGTERM, and again to SIGKILL"
    )


def _element_kind(value: Any) -> str:
    return "list" if isinstance(value, (list, tuple)) else "value"


Element = Annotated[
    Annotated[Scalar, Tag("value")] | Annotated[list[Scalar], Tag("list")], Discriminator(_element_kind)
]
"""A constant: one value, or the elements of an array field."""


class Alternate(Strict):
    """One value after the other, again and again."""

    alternate: list[Element] = Field(min_length=2)


class Sequence(Strict):
    """Values in this order; the last one stays."""

    sequence: list[Element] = Field(min_length=1)


def _by_key(*keys: tuple[str, type[BaseModel]]) -> Any:
    """A discriminator: the member of the union whose distinguishing key the mapping has."""

    def choose(value: Any) -> str | None:
        for key, model in keys:
            if isinstance(value, model) or (isinstance(value, dict) and key in value):
                return model.__name__
        return None

    return choose


_changing = _by_key(("alternate", Alternate), ("sequence", Sequence))


def _value_kind(value: Any) -> str | None:
    if isinstance(value, (dict, BaseModel)):
        chosen: str | None = _changing(value)
        return chosen
    return _element_kind(value)


Value = Annotated[
    Annotated[Scalar, Tag("value")]
    | Annotated[list[Scalar], Tag("list")]
    | Annotated[Alternate, Tag("Alternate")]
    | Annotated[Sequence, Tag("Sequence")],
    Discriminator(
        _value_kind,
        custom_error_type="value_kind",
        custom_error_message="must be a value, a list, `alternate: [...]` or `sequence: [...]`",
    ),
]
"""What a field of a stimulus is set to: a constant, or values that change from send to send."""


class Match(Strict):
    """How an answer finds its stimulus."""

    kind: Literal["stamp", "sequence", "order"]
    path: str | None = Field(default=None, description="where the answer carries the key; not for `order`")
    answers: Literal["each", "latest"] = Field(
        default="each", description="`latest`: the robot answers only its newest command"
    )


class Stop(Strict):
    """How the device is stopped: what is sent, on which stimulus port."""

    port: Name
    values: dict[str, Value] = {}
    repeat: PositiveInt = Field(default=5, description="how often it is sent")
    interval_ms: PositiveFloat = 20.0


class Monitor(Strict):
    """A signal that has to stay within bounds for the run to mean anything; outside, INCONCLUSIVE."""

    port: PortRef
    name: str
    statistic: Literal["mean", "min", "max"] = "mean"
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""


class DeviceBase(Strict):
    """What every device of a rig has, whatever its adapter."""

    adapter: str
    limits: dict[str, PositiveFloat] = Field(
        default={}, description="largest magnitude of a field, enforced before a stimulus is sent"
    )
    stop: Stop | None = None


class Paced(Strict):
    """Stimuli at their own times, whatever the answers do (open loop)."""

    kind: Literal["paced"]
    rate_hz: PositiveFloat
    samples: Annotated[int, Field(gt=0, le=10_000_000)]
    warmup_s: Annotated[float, Field(ge=0)] = 2.0
    periodic: bool = Field(
        default=False,
        description="strictly periodic instead of jittered; needs robot_period_ms, see docs/design.md",
    )
    robot_period_ms: PositiveFloat | None = Field(default=None, description="period of the robot's own loop")
    seed: int | None = Field(default=None, description="of the jitter; drawn and recorded if not given")


class Trials(Strict):
    """One stimulus at a time, from rest."""

    kind: Literal["trials"]
    samples: Annotated[int, Field(gt=0, le=10_000_000)]
    warmup: Annotated[int, Field(ge=0)] = Field(default=3, description="trials before measuring")
    quiet_ms: PositiveFloat = Field(default=20.0, description="no answer for this long counts as rest")
    rest_timeout_s: PositiveFloat = 10.0
    dwell_ms: tuple[PositiveFloat, PositiveFloat] = Field(
        default=(10.0, 50.0),
        strict=False,  # a list in the file
        description="random wait at rest, from and to",
    )
    seed: int | None = None


class Probing(Strict):
    """Measuring starts when the device answers, not after a fixed wait."""

    consecutive: PositiveInt = Field(default=20, description="probes answered in a row")
    rate_hz: PositiveFloat = 20.0
    timeout_s: PositiveFloat = 40.0


class CommandRoundTrip(Strict):
    """A command goes in, the robot's answer to it comes out."""

    kind: Literal["command_round_trip"]
    stimulus: PortRef
    response: PortRef
    timeout_ms: PositiveFloat
    schedule: Annotated[Paced | Trials, Field(discriminator="kind")]
    probing: Probing = Probing()
    max_unanswered: PositiveInt = Field(
        default=100, description="unanswered in a row: the run ends in the safe stop"
    )
    longest_disturbance_ms: PositiveFloat | None = Field(
        default=None,
        description="longest disturbance that may occur; PASS then needs a run long enough to meet it",
    )


Scenario = CommandRoundTrip
"""One of the kinds; a discriminated union on ``kind`` as soon as there is a second one."""


class Requirement(Strict):
    """What was agreed before the test."""

    id: str = Field(min_length=1)
    text: str = ""
    scenario: Name
    quantity: Literal["latency"] = "latency"
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.99
    limit: PositiveFloat
    unit: Literal["us", "ms", "s"] = "ms"
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.95


class Host(Strict):
    """What the harness asks of this host while measuring."""

    realtime: bool = Field(
        default=True, description="real-time priority, locked memory where the system allows it"
    )
    cpu: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="CPU that the sender is bound to"
    )
    max_load_per_cpu: PositiveFloat = 1.5


class SendStep(Strict):
    """Send one stimulus."""

    send: PortRef
    values: dict[str, Value] = {}
    timeout_s: PositiveFloat = 10.0


class WaitStep(Strict):
    """Wait for an observation on a response port, optionally until its value is within bounds."""

    wait_for: PortRef
    at_least: float | None = None
    at_most: float | None = None
    timeout_s: PositiveFloat = 10.0


class CallStep(Strict):
    """Run a program to its end; anything but exit status 0 fails the step."""

    call: list[str] = Field(min_length=1)
    timeout_s: PositiveFloat = 30.0


class AskStep(Strict):
    """Ask the operator to do something and to confirm it. Refused where nobody can answer."""

    ask: str
    timeout_s: PositiveFloat = 600.0


class SleepStep(Strict):
    """Wait for a fixed time."""

    sleep_s: PositiveFloat
    timeout_s: PositiveFloat = 3600.0


Step = Annotated[
    Annotated[SendStep, Tag("SendStep")]
    | Annotated[WaitStep, Tag("WaitStep")]
    | Annotated[CallStep, Tag("CallStep")]
    | Annotated[AskStep, Tag("AskStep")]
    | Annotated[SleepStep, Tag("SleepStep")],
    Discriminator(
        _by_key(
            ("send", SendStep),
            ("wait_for", WaitStep),
            ("call", CallStep),
            ("ask", AskStep),
            ("sleep_s", SleepStep),
        ),
        custom_error_type="step_kind",
        custom_error_message="a step needs one of the keys send, wait_for, call, ask, sleep_s",
    ),
]
"""One thing to do before or after measuring."""


class RigFile(Strict):
    """A whole rig file. :func:`harness.config.load_rig` makes each of ``devices`` its adapter's options."""

    rig: RigInfo
    processes: dict[Name, Process] = {}
    devices: dict[Name, Any] = Field(min_length=1)
    setup: list[Step] = []
    reset: list[Step] = Field(default=[], description="before every scenario")
    teardown: list[Step] = []
    scenarios: dict[Name, Scenario] = Field(min_length=1)
    monitors: list[Monitor] = []
    requirements: list[Requirement] = Field(min_length=1)
    host: Host = Host()
    environment: dict[str, str] = Field(
        default={}, description="payload, surface, distances, ... for the report"
    )
