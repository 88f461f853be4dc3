"""What a rig file may say of swarms: robots by name, and how they are seen to reorganise."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, model_validator

from harness.config.faults import ROBOT
from harness.config.measuring_base import ScenarioBase
from harness.config.schedules import Trials
from harness.config.strict import Name, PortRef, Strict

LEAST_ROBOTS = 3
COLUMNS = ("follows", "term", "slot", "assignment", "state", "version", "moves")
NAMED = r"^[A-Za-z]\w*$"
Template = Annotated[
    str,
    Field(
        pattern=r"^[A-Za-z]\w*\.\w*\{robot\}\w*$",
        description="device.port, with {robot} for the name of each robot",
    ),
]


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


class Further(Strict):
    """A further fault of the same trial."""

    stimulus: PortRef = Field(description="the fault port; may be the same one")
    robot: str = Field(
        default="follower",
        pattern=NAMED,
        description="whom: `follower`, drawn at random; `leader`, the one that was stable before; with `at`"
        " candidacy or elected, `next`: who stands, or is followed; or a robot's name",
    )
    at: Literal["fault", "noticed", "candidacy", "elected"] = Field(
        default="fault",
        description="counted from: the first fault; the first survivor that notices it, that stands for"
        " election, that follows a new leader",
    )
    after_ms: NonNegativeFloat = Field(default=0.0, description="so long after that moment")
    within_ms: PositiveFloat = Field(
        default=2000.0,
        description="longest wait for that moment; when it does not come, the run ends in ERROR",
    )

    @model_validator(mode="after")
    def _known(self) -> Further:
        if self.robot == "next" and self.at not in ("candidacy", "elected"):
            raise ValueError("robot: next goes with `at: candidacy` or `at: elected`")
        return self


class SwarmReorganization(ScenarioBase):
    """A swarm loses its leader: how long until all survivors follow a new one and hold their roles. See
    docs/swarm.md."""

    kind: Literal["swarm_reorganization"]
    response: PortRef = Field(
        default="", description="not to be given: `follows`, or `moves`, of the first robot"
    )
    robots: list[Name] = Field(default=[], description="not to be given: those of the device, in their order")
    follows: Template | None = Field(
        default=None, description="whom each robot follows: a robot's number from 1, else nobody"
    )
    term: Template | None = Field(
        default=None, description="in which term, or epoch: it grows with each election"
    )
    slot: Template | None = Field(default=None, description="which role it holds; below 0: none")
    moves: Template | None = Field(
        default=None,
        description="instead of the three: a signal of its motion, with a match of kind onset; reorganised is"
        " the swarm once all have begun to move",
    )
    movers: list[Name] = Field(
        default=[], description="with `moves`: who has to; default: all that were not broken"
    )
    assignment: Template | None = Field(
        default=None, description="the term that its role is from: it is held where that is the term itself"
    )
    state: Template | None = Field(
        default=None, description="a number that changes when a robot begins to suspect its leader"
    )
    version: Template | None = Field(
        default=None,
        description="the number of its role's assignment within the term; needed where the leader survives",
    )
    candidate_state: int | None = Field(
        default=None, description="the number of `state` with which a robot stands for election"
    )
    robot: str = Field(
        default="leader",
        pattern=NAMED,
        description="who is broken: the `leader` of the moment, a `follower`, drawn at random, or a robot's"
        " name",
    )
    also: list[Further] = Field(default=[], description="further faults of the same trial, in their order")
    returns_ms: PositiveFloat | None = Field(
        default=None,
        description="who was broken first is restored so long after its fault, whatever the others do by"
        " then; left out: once the survivors have reorganised",
    )
    quorum: bool = Field(
        default=True, description="false: the swarm needs no majority of survivors to reorganise"
    )
    settle_ms: PositiveFloat = Field(
        default=100.0, description="a new order counts once it has lasted this long without a break"
    )
    stable_timeout_s: PositiveFloat = Field(
        default=30.0, description="longest wait for a stable swarm before a trial"
    )
    detection_timeout_ms: PositiveFloat | None = Field(
        default=None,
        description="after which silence the robots suspect their leader, where that is known: the report"
        " then says what it would have to be",
    )
    flaps: PositiveInt = Field(
        default=3, description="a robot that leaves its new leader this often in a trial is flapping"
    )

    @model_validator(mode="before")
    @classmethod
    def _response(cls, given: Any) -> Any:
        """The arrivals are those of the ports ``follows``: the first one stands for all."""
        if isinstance(given, dict) and "response" not in given:
            robots, follows = given.get("robots"), given.get("follows") or given.get("moves")
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
        self._seen()
        self._victims()
        return self

    def _seen(self) -> None:
        said = [name for name in COLUMNS[:-1] if getattr(self, name) is not None]
        if self.moves is None:
            if not {"follows", "term", "slot"} <= set(said):
                raise ValueError("follows, term and slot are needed, or `moves` instead of them")
            if self.movers:
                raise ValueError("movers goes with `moves`")
            return
        if said:
            raise ValueError(f"moves: is for robots that tell nothing else, and {said[0]} is given")
        if self.also or self.returns_ms is not None:
            raise ValueError("moves: `also` and `returns_ms` need robots that tell whom they follow")
        if self.robot not in self.robots:
            raise ValueError(
                "robot: with `moves` nobody tells who leads: name the robot that is to be broken"
            )
        unknown = [each for each in self.movers if each not in self.robots]
        if unknown:
            raise ValueError(f"movers: {unknown[0]!r} is none of {', '.join(self.robots)}")

    @property
    def main(self) -> str:
        """The template that every robot has: whom it follows, or its motion."""
        return self.follows or self.moves or ""

    def _victims(self) -> None:
        named = [self.robot, *(each.robot for each in self.also)]
        unknown = [each for each in named if each not in ("leader", "follower", "next", *self.robots)]
        if unknown or self.robot == "next":
            raise ValueError(
                f"robot: {(unknown or ['next'])[0]!r} is neither leader nor follower nor one of"
                f" {', '.join(self.robots)}"
            )
        left = len(self.robots) - len(named)
        if self.quorum and 2 * left <= len(self.robots):
            raise ValueError(
                f"also: of {len(self.robots)} robots {left} are left, which is no majority; break fewer, or"
                " say `quorum: false` if the swarm needs none"
            )
        if (
            self.moves is None
            and self.version is None
            and self.robot != "leader"
            and not any(e.robot != "follower" for e in self.also)
        ):
            raise ValueError(
                "robot: where the leader may survive, `version` is needed: without it nobody can tell the new"
                " assignment of roles from the old one"
            )
        if self.candidate_state is not None and self.state is None:
            raise ValueError("candidate_state is a number of `state`, which is not given")
        if self.candidate_state is None and any(each.at == "candidacy" for each in self.also):
            raise ValueError("also: `at: candidacy` needs candidate_state")

    @property
    def fault_ports(self) -> list[str]:
        """Every ``device.port`` that breaks a robot, once."""
        return list(dict.fromkeys([self.stimulus, *(each.stimulus for each in self.also)]))

    @property
    def columns(self) -> dict[str, str]:
        """The templates that are given, by what they say."""
        given = {name: getattr(self, name) for name in COLUMNS}
        return {name: template for name, template in given.items() if template is not None}

    def port(self, column: str, robot: str) -> str:
        """``device.port`` of that column of that robot."""
        return self.columns[column].replace(ROBOT, robot)
