"""What a rig file may say of swarms: robots by name, faults of their processes, how they are seen to
reorganise."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, PositiveFloat, PositiveInt, model_validator

from harness.config.measuring_base import ScenarioBase
from harness.config.schedules import Trials
from harness.config.strict import Name, PortRef, Strict

ROBOT = "{robot}"
NUMBER = "{number}"
LEAST_ROBOTS = 3
Template = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z]\w*\.\w*\{robot\}\w*$",
        description="device.port, with {robot} for the name of each robot",
    ),
]


def filled(template: str, robot: str, number: int) -> str:
    """The template for one robot. Not ``str.format``: regular expressions have braces of their own."""
    return template.replace(ROBOT, robot).replace(NUMBER, str(number))


def _compiled(text: str) -> str:
    try:
        re.compile(filled(text, "robot", 1))
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


Regex = Annotated[str, Field(min_length=1), AfterValidator(_compiled)]


class RobotNames(Strict):
    """The names of a device's robots, as a pattern."""

    pattern: str = Field(pattern=r"^[A-Za-z]\w*\{\}\w*$", description="{} stands for 1, 2, ...: `robot{}`")
    count: Annotated[int, Field(ge=1, le=64)]

    @property
    def names(self) -> list[str]:
        """All of them, in order."""
        return [self.pattern.format(number) for number in range(1, self.count + 1)]


def robot_names(given: list[str] | RobotNames) -> list[str]:
    """The names, however they are given."""
    return given.names if isinstance(given, RobotNames) else given


class Restart(Strict):
    """Who starts a robot again that was killed: a process of the run that takes a signal for it."""

    process: Regex = Field(
        description="regular expression that the command line of one process of the run matches"
    )
    signal: Literal["SIGUSR1", "SIGUSR2", "SIGHUP"] = "SIGUSR1"


class ProcessFault(Strict):
    """A fault of a robot's process. Only processes of the run itself are touched."""

    kind: Literal["kill", "hang"] = Field(description="`kill`: SIGKILL; `hang`: SIGSTOP, undone by SIGCONT")
    process: Regex = Field(
        description="regular expression that the command line of the robot's process matches, and of no other"
        " process of the run; {robot} and {number} (from 1) stand for the robot that is meant",
    )
    restart: Restart | None = Field(
        default=None, description="of `kill`; left out: the swarm starts it again by itself"
    )
    timeout_s: PositiveFloat = Field(
        default=20.0, description="longest time until the process runs again after the restoration"
    )

    @model_validator(mode="after")
    def _fits(self) -> ProcessFault:
        if self.kind == "hang" and self.restart is not None:
            raise ValueError("restart goes with kind kill: a process that hangs is woken by SIGCONT")
        return self


class SwarmReorganization(ScenarioBase):
    """A swarm loses its leader: how long until all survivors follow a new one and hold their roles. See
    docs/swarm.md."""

    kind: Literal["swarm_reorganization"]
    response: PortRef = Field(default="", description="not to be given: `follows` of the first robot")
    robots: list[Name] = Field(default=[], description="not to be given: those of the device, in their order")
    follows: Template = Field(description="whom each robot follows: a robot's number from 1, else nobody")
    term: Template = Field(description="in which term, or epoch: it grows with each election")
    slot: Template = Field(description="which role it holds; below 0: none")
    assignment: Template | None = Field(
        default=None, description="the term that its role is from: it is held where that is the term itself"
    )
    state: Template | None = Field(
        default=None, description="a number that changes when a robot begins to suspect its leader"
    )
    settle_ms: PositiveFloat = Field(
        default=100.0, description="a new order counts once it has lasted this long without a break"
    )
    stable_timeout_s: PositiveFloat = Field(
        default=30.0, description="longest wait for a stable swarm before a trial"
    )
    flaps: PositiveInt = Field(
        default=3, description="a robot that leaves its new leader this often in a trial is flapping"
    )

    @model_validator(mode="before")
    @classmethod
    def _response(cls, given: Any) -> Any:
        """The arrivals are those of the ports ``follows``: the first one stands for all."""
        if isinstance(given, dict) and "response" not in given:
            robots, follows = given.get("robots"), given.get("follows")
            if isinstance(robots, list) and robots and isinstance(follows, str):
                return {**given, "response": follows.replace(ROBOT, str(robots[0]))}
        return given

    @model_validator(mode="after")
    def _fits(self) -> SwarmReorganization:
        if not isinstance(self.schedule, Trials):
            raise ValueError("schedule.kind has to be trials: the swarm is restored after each fault")
        if len(self.robots) < LEAST_ROBOTS:
            raise ValueError(
                f"robots: {len(self.robots)}; a majority has to survive the loss of one, so at least"
                f" {LEAST_ROBOTS} are needed"
            )
        if self.stages:
            raise ValueError("stages are of commands that are passed on; a swarm has none")
        if self.arrival != "received":
            raise ValueError("arrival: received is the only one that several robots have in common")
        return self

    @property
    def columns(self) -> dict[str, str]:
        """The templates that are given, by what they say."""
        given = {name: getattr(self, name) for name in ("follows", "term", "slot", "assignment", "state")}
        return {name: template for name, template in given.items() if template is not None}

    def port(self, column: str, robot: str) -> str:
        """``device.port`` of that column of that robot."""
        return self.columns[column].replace(ROBOT, robot)
