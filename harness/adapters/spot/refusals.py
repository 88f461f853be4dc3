"""What a robot's refusal of a command means: whether the run may go on, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from harness.adapters.spot import translate
from harness.adapters.spot.translate import sdk
from harness.model import Severity

PASSING = ("CANCELLED", "UNAVAILABLE", "DEADLINE_EXCEEDED")
"""gRPC's words for a call that was lost: whether the robot is gone, the watch tells."""
LOGIN_EXPIRED = ("login expired", "the login has expired", "run again: it logs in anew")
LEASE_LOST = "lease lost"
OF_STATE = ("no motor power", "behaviour fault")
"""Refusals of which the robot's state tells the cause."""


@dataclass(frozen=True)
class Refusal:
    """Why a command was not carried out."""

    name: str
    severity: Severity
    message: str
    remedy: str


def of_command(answer: Any) -> Refusal | None:
    """Of a RobotCommandResponse; None where the robot took the command."""
    pb = sdk("bosdyn.api.robot_command_pb2").RobotCommandResponse
    lease = sdk("bosdyn.api.lease_pb2").LeaseUseResult
    result = answer.lease_use_result
    if result.status not in (lease.STATUS_OK, lease.STATUS_UNKNOWN):
        if result.status == lease.STATUS_OLDER:
            return Refusal("command overtaken", Severity.WARNING, "a newer order was there before it", "")
        return Refusal(
            LEASE_LOST,
            Severity.ERROR,
            f"the lease no longer holds; it is with {translate.owner_of(result)}",
            translate.ONE_AT_A_TIME,
        )
    if answer.status == pb.STATUS_OK:
        return None
    word = pb.Status.Name(answer.status).removeprefix("STATUS_").replace("_", " ").lower()
    name, message, remedy = _WORDS.get(word, ("command refused", f"{word}: {answer.message}", ""))
    severity = Severity.WARNING if word in ("expired", "too distant") else Severity.ERROR
    return Refusal(name, severity, message, remedy)


_WORDS = {
    "expired": (
        "command expired",
        "a command was over when it came",
        "the network is slower than `end_ms`, or the clocks drifted apart: look at the round trips",
    ),
    "too distant": (
        "command expired",
        "the end of a command is too far in the robot's future",
        "the clocks drifted apart: look at the round trips",
    ),
    "no timesync": (
        "clocks not synchronised",
        "the robot does not know this client's clock any longer",
        "was it restarted? run again",
    ),
    "not powered on": (
        "no motor power",
        "the motors have no power",
        "send `posture` to `stand` in set-up; was it e-stopped meanwhile?",
    ),
    "behavior fault": (
        "behaviour fault",
        "a behaviour fault is not cleared",
        "look at the robot, then clear it on the tablet",
    ),
    "docked": ("docked", "the robot is on its dock", "undock it"),
    "unsupported": ("not licensed", "not supported, or not licensed", "joint control needs a licence"),
}


def of_error(name: str, error: Exception) -> Refusal | None:
    """Of a call that failed; None of one that was merely lost."""
    code = getattr(error, "code", None)
    word = getattr(code(), "name", "") if callable(code) else ""
    if word in PASSING:
        return None
    if word == "UNAUTHENTICATED":
        name, message, remedy = LOGIN_EXPIRED
        return Refusal(name, Severity.ERROR, message, remedy)
    told = translate.of(name, "a call", error)
    return Refusal("call failed", Severity.ERROR, told.message.removeprefix(f"{name}: "), told.hint or "")
