"""Requests made of the values of a rig file, by the SDK's own builders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from harness.adapters.spot.options import FIELDS, JOINT_COUNT, LEVELS, POSTURES, wrong
from harness.adapters.spot.translate import sdk
from harness.config.problems import suggest
from harness.config.values import violations
from harness.errors import ConfigurationError, SafetyError

FEET = FIELDS["stance"]
DEFAULT_GAINS = ([60.0] * JOINT_COUNT, [2.0] * JOINT_COUNT)
"""N m/rad and N m s/rad: soft, for whoever gives none."""


@dataclass(frozen=True)
class Ready:
    """A request that only lacks what differs from one to the next: stamps, lease, end.

    ``end`` is the stamp inside it that says when the command is over, None for one without end; ``word``
    of a posture or level; ``feet`` of a stance, in the frame of the body. Not shared by threads.
    """

    request: Any
    end: Any = None
    word: str = ""
    feet: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def check(place: str, command: str, values: Mapping[str, Any], limits: Mapping[str, float]) -> None:
    """Raise ConfigurationError for a wrong field or value, SafetyError for one beyond a limit."""
    for name, message in wrong(command, values):
        raise ConfigurationError(
            f"{place}: {name}: {message}",
            hint=suggest(name, FIELDS[command]) if name not in FIELDS[command] else None,
        )
    for _, message in violations(limits, values):
        raise SafetyError(f"{place}: {message}", hint="lower it, or raise the limit in the rig file")


def build(place: str, command: str, values: Mapping[str, Any], limits: Mapping[str, float]) -> Ready:
    """The request for one set of values. Raises what :func:`check` does."""
    check(place, command, values, limits)
    if command == "posture":
        return Ready(None, word=str(values.get("to", POSTURES[0])))
    if command == "estop":
        return Ready(None, word=str(values.get("level", LEVELS[0])))
    if command == "state":
        return Ready(sdk("bosdyn.api.robot_state_pb2").RobotStateRequest())
    if command == "time":
        return Ready(None)
    if command == "joints":
        return _joints(values, limits)
    builder = sdk("bosdyn.client.robot_command").RobotCommandBuilder
    request = sdk("bosdyn.api.robot_command_pb2").RobotCommandRequest()
    number = {name: float(value) for name, value in values.items() if not isinstance(value, (list, tuple))}
    if command == "velocity":
        made = builder.synchro_velocity_command(*(number.get(name, 0.0) for name in FIELDS[command]))
        request.command.CopyFrom(made)
        mobility = request.command.synchronized_command.mobility_command
        return Ready(request, mobility.se2_velocity_request.end_time)
    if command == "pose":
        turned = sdk("bosdyn.geometry").EulerZXY(
            yaw=number.get("yaw", 0.0), roll=number.get("roll", 0.0), pitch=number.get("pitch", 0.0)
        )
        made = builder.synchro_stand_command(body_height=number.get("height", 0.0), footprint_R_body=turned)
        request.command.CopyFrom(made)
        return Ready(request)
    feet = {name: (float(values[name][0]), float(values[name][1])) for name in FEET if name in values}
    if len(feet) != len(FEET):
        raise ConfigurationError(
            f"{place}: a stance needs all of {', '.join(FEET)}", hint="give [x, y] of each"
        )
    vec2 = sdk("bosdyn.api.geometry_pb2").Vec2
    request.command.CopyFrom(builder.stance_command("odom", *(vec2() for _ in FEET)))
    stance = request.command.synchronized_command.mobility_command.stance_request
    return Ready(request, stance.end_time, feet=feet)


def place_feet(ready: Ready, pose: tuple[float, float, float]) -> None:
    """Write the feet, given in the frame of the body, into the request, whose frame is ``odom``.

    ``pose``: of the body in ``odom``, in m and rad.
    """
    x, y, yaw = pose
    along, across = math.cos(yaw), math.sin(yaw)
    places = ready.request.command.synchronized_command.mobility_command.stance_request.stance.foot_positions
    for name, (ahead, left) in ready.feet.items():
        places[name].x = x + along * ahead - across * left
        places[name].y = y + across * ahead + along * left


def _joints(values: Mapping[str, Any], limits: Mapping[str, float]) -> Ready:
    request = sdk("bosdyn.api.robot_command_pb2").JointControlStreamRequest()
    update = request.joint_command
    zeros = [0.0] * JOINT_COUNT
    update.position.extend(values.get("position", zeros))
    update.velocity.extend(values.get("velocity", zeros))
    update.load.extend(values.get("load", zeros))
    update.gains.k_q_p.extend(values.get("k_q_p", DEFAULT_GAINS[0]))
    update.gains.k_qd_p.extend(values.get("k_qd_p", DEFAULT_GAINS[1]))
    if "velocity" in limits:
        update.velocity_safety_limit.value = limits["velocity"]
    return Ready(request, update.end_time)
