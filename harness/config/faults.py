"""What a rig file may say of faults: how a robot is broken, how that is verified, and how it is undone."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeFloat, PositiveFloat, model_validator

from harness.config.strict import Strict

ROBOT = "{robot}"
NUMBER = "{number}"
INDEX = "{index}"


def filled(template: str, robot: str, number: int) -> str:
    """The template for one robot: its name, its number from 1, its index from 0. Not ``str.format``: regular
    expressions have braces of their own."""
    return template.replace(ROBOT, robot).replace(NUMBER, str(number)).replace(INDEX, str(number - 1))


def _compiled(text: str) -> str:
    try:
        re.compile(filled(text, "robot", 1))
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


Regex = Annotated[str, Field(min_length=1), AfterValidator(_compiled)]
Words = Annotated[list[str], Field(min_length=1)]
ProcessPattern = Annotated[
    Regex,
    Field(
        description="regular expression that the command line of the robot's process matches, and of no other"
        " process of the run; {robot} and {number} (from 1) stand for the robot that is meant"
    ),
]


class Restart(Strict):
    """Who starts a robot again that has ended: a process of the run that takes a signal for it."""

    process: Regex = Field(
        description="regular expression that the command line of one process of the run matches"
    )
    signal: Literal["SIGUSR1", "SIGUSR2", "SIGHUP"] = "SIGUSR1"


class FaultBase(Strict):
    """What every kind of fault has."""

    kind: str
    timeout_s: PositiveFloat = Field(
        default=20.0,
        description="longest time until the fault is undone, after the restoration was asked for",
    )
    ask: str | None = Field(
        default=None,
        min_length=1,
        description="what the operator is asked to do to restore the robot, before the harness looks whether"
        " it is restored; {robot} and {number} are filled in",
    )


class KillFault(FaultBase):
    """The robot's process gets SIGKILL. Only processes of the run itself are touched."""

    kind: Literal["kill"]
    process: ProcessPattern
    restart: Restart | None = Field(default=None, description="left out: the swarm starts it again by itself")


class HangFault(FaultBase):
    """The robot's process gets SIGSTOP, and SIGCONT in the end. Only processes of the run are touched."""

    kind: Literal["hang"]
    process: ProcessPattern


class LeaveFault(FaultBase):
    """The robot's process is asked by a signal to leave in good order, and ends."""

    kind: Literal["leave"]
    process: ProcessPattern
    signal: Literal["SIGTERM", "SIGINT", "SIGHUP", "SIGUSR1", "SIGUSR2"] = "SIGTERM"
    restart: Restart | None = Field(default=None, description="left out: the swarm starts it again by itself")


class IsolateFault(FaultBase):
    """The link of the network namespace that the robot's process lives in is taken down, and up in the end.
    Needs CAP_NET_ADMIN (root). The harness's own network is never touched."""

    kind: Literal["isolate"]
    process: ProcessPattern
    link: str = Field(default="eth0", min_length=1, description="the interface, in that namespace")


class SlowFault(FaultBase):
    """What the robot sends is made slow on the link of its network namespace: later, lossy, or limited in
    rate. Needs CAP_NET_ADMIN (root) and `tc`."""

    kind: Literal["slow"]
    process: ProcessPattern
    link: str = Field(default="eth0", min_length=1, description="the interface, in that namespace")
    delay_ms: NonNegativeFloat = Field(default=0.0, description="by `netem`, which not every kernel has")
    loss: Annotated[float, Field(ge=0, lt=1)] = Field(default=0.0, description="share, by `netem`")
    rate_kbit: PositiveFloat | None = Field(default=None, description="kbit/s, by `tbf`: messages queue up")

    @model_validator(mode="after")
    def _something(self) -> SlowFault:
        by_netem = self.delay_ms > 0 or self.loss > 0
        if by_netem == (self.rate_kbit is not None):
            raise ValueError("give delay_ms and loss, or rate_kbit")
        return self


class CommandFault(FaultBase):
    """A command of the user's own breaks the robot: ssh, a switched socket, a service call."""

    kind: Literal["command"]
    inject: Words = Field(
        description="program and arguments that break it; {robot} and {number} are filled in"
    )
    verify: Words | None = Field(
        default=None,
        description="ends with status 0 once the fault has taken hold; left out: the status of `inject` is"
        " the only proof",
    )
    restore: Words | None = Field(default=None, description="undoes it; run on every way out of a run")
    restored: Words | None = Field(default=None, description="ends with status 0 once the robot is back")
    command_timeout_s: PositiveFloat = Field(default=10.0, description="of one call of a command")

    @model_validator(mode="after")
    def _undone(self) -> CommandFault:
        if self.restore is None and self.ask is None:
            raise ValueError("needs `restore`, a command, or `ask`, what the operator has to do")
        return self


FaultOptions = Annotated[
    KillFault | HangFault | LeaveFault | IsolateFault | SlowFault | CommandFault, Field(discriminator="kind")
]
DONE = {
    "kill": "killed",
    "hang": "stopped",
    "leave": "made to leave",
    "isolate": "cut off",
    "slow": "slowed down",
    "command": "broken",
    "relay": "cut off by a relay",
    "pause": "paused, with its whole world",
    "slow_down": "slowed down, with its whole world",
    "remove": "taken out of its world",
}
"""What was done to a robot, in words, by the kind of its fault."""
