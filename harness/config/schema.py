"""What a rig file may say: strict, frozen pydantic models. Nothing is read or opened here.

Options that only one adapter knows live beside that adapter; :class:`DeviceBase` is what all devices share.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    PositiveFloat,
    PositiveInt,
    Tag,
    model_validator,
)

from harness.config.calibration import Calibration
from harness.config.changing import Alternate, Sequence, Value, by_key, in_words
from harness.config.match import Match
from harness.config.measuring import (
    CommandRoundTrip,
    DeclaredUncertainty,
    Requirement,
    Scenario,
    ScenarioBase,
    SensorToAction,
    SwarmReorganization,
    Throughput,
)
from harness.config.schedules import OpenLoop, Paced, Probing, Replay, Schedule, Trials
from harness.config.strict import Name, PortRef, RigName, Strict
from harness.config.swarm import RobotNames
from harness.config.twin import FloorTwin

__all__ = [
    "Alternate",
    "CommandRoundTrip",
    "DeclaredUncertainty",
    "DeviceBase",
    "FloorTwin",
    "Host",
    "Match",
    "Monitor",
    "Name",
    "OpenLoop",
    "Paced",
    "PortRef",
    "Probing",
    "Process",
    "Record",
    "Replay",
    "Requirement",
    "RigFile",
    "RigInfo",
    "Scenario",
    "ScenarioBase",
    "Schedule",
    "SensorToAction",
    "Sequence",
    "Step",
    "Stop",
    "Strict",
    "SwarmReorganization",
    "Throughput",
    "Trials",
    "Value",
]


class RigInfo(Strict):
    """What the rig is."""

    name: RigName
    description: str = ""
    simulated: bool = Field(description="true: nothing real moves; false: a run needs --arm")
    item: dict[str, str] = Field(default={}, description="the item under test: model, serial number, ...")


class Ready(Strict):
    """When a started process counts as ready; every condition given must hold."""

    publishes: str | None = Field(default=None, description="a topic that somebody publishes")
    serves: str | None = Field(default=None, description="a service or action that somebody serves")
    log: str | None = Field(default=None, description="a regular expression found in its output")
    device: Name | None = Field(default=None, description="the device that is asked (default: the only one)")
    first: bool = Field(
        default=False,
        description="`log` has to hold before any device is opened: of a process that makes the network",
    )
    timeout_s: PositiveFloat = 30.0

    @model_validator(mode="after")
    def _first_by_log(self) -> Ready:
        if self.first and (self.log is None or self.publishes is not None or self.serves is not None):
            raise ValueError("first: needs `log`, and neither publishes nor serves: no device is open yet")
        return self


class Process(Strict):
    """A program that the rig needs. The rig file is trusted like a Makefile."""

    command: list[str] = Field(min_length=1, description="argument list; `python` means this interpreter")
    env: dict[str, str] = Field(default={})
    cwd: str | None = Field(default=None, description="relative to the rig file")
    ready: Ready = Ready()
    stop_timeout_s: PositiveFloat = Field(
        default=5.0, description="from SIGINT to SIGTERM, and again to SIGKILL"
    )


class Stop(Strict):
    """How the device is stopped: what is sent, on which stimulus port."""

    port: Name
    values: dict[str, Value] = Field(default={})
    repeat: PositiveInt = Field(default=5, description="how often it is sent")
    interval_ms: PositiveFloat = 20.0

    @property
    def words(self) -> str:
        """What it does, for people."""
        return f"{self.repeat} x {self.port} {in_words(self.values)}".rstrip()


class Monitor(Strict):
    """A signal that has to stay within bounds for the run to mean anything; outside, INCONCLUSIVE."""

    port: PortRef
    name: str
    statistic: Literal["mean", "min", "max"] = "mean"
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""


class DeviceClock(Strict):
    """What the user knows of the device's own clock."""

    asymmetry: Annotated[float, Field(ge=0, le=1)] = Field(
        description="largest |there - back| / (there + back) of the shortest exchange; 0: both ways equally"
        " long. Assumed, not observable"
    )
    evidence: str = Field(min_length=1, description="how it is known; printed beside it")


class DeviceBase(Strict):
    """What every device of a rig has, whatever its adapter."""

    adapter: str
    clock: DeviceClock | None = None
    calibration: Calibration | None = Field(
        default=None, description="of an instrument; a run after its expiry is warned of"
    )
    limits: dict[str, PositiveFloat] = Field(
        default={}, description="largest magnitude of a field, enforced before a stimulus is sent"
    )
    stop: Stop | None = None
    network_address: str | None = Field(
        default=None,
        min_length=1,
        description="host name or IP address, where the adapter does not know it: `harness metrics` watches"
        " the path there",
    )
    robots: list[Name] | RobotNames = Field(
        default=[],
        description="names of several robots behind this device: a port with {robot} in its name is read once"
        " for each of them, and {robot} and {number} (from 1) are filled in below it",
    )

    @property
    def moves(self) -> bool:
        """Whether any of its ports can move what is tested; where none can, nothing is armed or stopped."""
        return True

    @property
    def where(self) -> str | None:
        """Its host name or address on the network, if it is known."""
        return self.network_address

    def bounds(self, port: str) -> list[str]:
        """In words, what else bounds the movement that a stimulus port commands, beside `limits`."""
        return []

    @property
    def stops_itself(self) -> bool:
        """Whether the adapter knows how to stop the robot without a `stop` in the rig file."""
        return False

    def floor_twin(self, stimulus: str, response: str) -> FloorTwin:
        """What to measure the harness's own floor against, for these two ports of the device.

        By default the loopback echo: the harness alone, without the device's own transport. An adapter whose
        transport can be echoed on this host overrides it.
        """
        return FloorTwin.loopback()


class Host(Strict):
    """What the harness asks of this host while measuring."""

    realtime: bool = Field(
        default=True, description="real-time priority, locked memory where the system allows it"
    )
    cpu: Annotated[int, Field(ge=0)] | None = Field(
        default=None, description="CPU that the sender is bound to"
    )
    max_load_per_cpu: PositiveFloat = 1.5
    floor_s: Annotated[float, Field(ge=0)] = Field(
        default=10.0,
        description="longest time that measuring the harness's own floor may take, before the run and again"
        " after it; 0: not measured, J is taken as 0, and the report says so",
    )
    record_hz: Annotated[float, Field(ge=0, le=100)] = Field(
        default=25.0,
        description="how often a second the host's own doings are recorded, for the causes of slow answers"
        " (docs/bottlenecks.md); 0: never",
    )


class Record(Strict):
    """What is recorded beside the tables that the verdict is from."""

    bag: bool = Field(
        default=True, description="what was injected and received on ROS 2 topics, as MCAP; see docs/bags.md"
    )
    leave_out: list[str] = Field(
        default=[], description="topics that are not in the bag, e.g. of a camera; `*` stands for anything"
    )
    max_mb: Annotated[int, Field(ge=16, le=1_000_000)] = Field(
        default=512, description="beyond it the bag ends, never the run"
    )


class SendStep(Strict):
    """Send one stimulus."""

    send: PortRef
    values: dict[str, Value] = Field(default={})
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
        by_key(
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
    processes: dict[Name, Process] = Field(default={})
    devices: dict[Name, Any] = Field(min_length=1)
    setup: list[Step] = Field(default=[])
    reset: list[Step] = Field(default=[], description="before every scenario")
    teardown: list[Step] = Field(default=[])
    scenarios: dict[Name, Scenario] = Field(min_length=1)
    together: list[list[Name]] = Field(
        default=[],
        description="groups of scenarios that are measured at the same time, each by its own paced schedule",
    )
    monitors: list[Monitor] = Field(default=[])
    requirements: list[Requirement] = Field(min_length=1)
    family_wise: bool = Field(
        default=False,
        description="share the error among the m requirements: each is decided at (1 - confidence) / m, so"
        " that the chance of any wrong decision among them is at most 1 - confidence",
    )
    host: Host = Host()
    record: Record = Record()
    environment: dict[str, str] = Field(
        default={}, description="payload, surface, distances, ... for the report"
    )
