"""The command service: what may be commanded, when, and what the body then does."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

from bosdyn.api import (
    basic_command_pb2,
    lease_pb2,
    robot_command_pb2,
    robot_command_service_pb2_grpc,
)
from bosdyn.api.spot import robot_command_pb2 as spot_command_pb2
from google.protobuf.message import DecodeError

from harness.sim.spot.answering import unary
from harness.sim.spot.basics import Service
from harness.sim.spot.body import STANCE_REACH_M, Body
from harness.sim.spot.clock import ns_of
from harness.sim.spot.dimensions import FOOTHOLDS, LEGS
from harness.sim.spot.robot import POWER, Order, Robot

Answer = robot_command_pb2.RobotCommandResponse
LARGEST_SPEED = 1.6
"""m/s, as the vendor's."""
FARTHEST_END_NS = 10_000_000_000
"""An end time beyond it is too distant. The vendor publishes no figure: this one is ours."""
FRAMES = ("body", "odom", "vision", "flat_body", "gravity_aligned_body")
PROCESSING = basic_command_pb2.RobotCommandFeedbackStatus.STATUS_PROCESSING
OVERRIDDEN = basic_command_pb2.RobotCommandFeedbackStatus.STATUS_COMMAND_OVERRIDDEN
TIMED_OUT = basic_command_pb2.RobotCommandFeedbackStatus.STATUS_COMMAND_TIMED_OUT


class RefusedError(Exception):
    """The command is not carried out; the status says why."""

    def __init__(self, status: int, message: str = "") -> None:
        super().__init__(message)
        self.status, self.message = status, message


class Command(Service, robot_command_service_pb2_grpc.RobotCommandServiceServicer):
    """Commands, their feedback, and the clearing of behaviour faults."""

    @unary(Answer)
    def RobotCommand(self, request: Any, answer: Any, received_ns: int) -> None:
        """Take one command."""
        robot = self.robot
        with robot.lock:
            answer.lease_use_result.CopyFrom(robot.leases.use(request.lease))
            answer.robot_command_id = robot.number()
            try:
                if answer.lease_use_result.status != lease_pb2.LeaseUseResult.STATUS_OK:
                    raise RefusedError(Answer.STATUS_INVALID_REQUEST, "the lease does not hold")
                order = _order(robot, request, received_ns)
                order.number = answer.robot_command_id
                robot.give(order)
                answer.status = Answer.STATUS_OK
            except RefusedError as why:
                answer.status, answer.message = why.status, why.message
        robot.truth.note(
            "command",
            robot.clock.back(received_ns),
            robot_ns=received_ns,
            request_ns=ns_of(request.header.request_timestamp),
            id=answer.robot_command_id,
            status=answer.status,
            order=_kind(request.command),
            client=request.header.client_name,
        )

    @unary(robot_command_pb2.RobotCommandFeedbackResponse)
    def RobotCommandFeedback(self, request: Any, answer: Any, received_ns: int) -> None:
        """How far it is."""
        robot = self.robot
        with robot.lock:
            order, phase = robot.order, robot.state.phase
            answer.lease_use_result.status = lease_pb2.LeaseUseResult.STATUS_OK
            wanted = request.robot_command_id
            status = PROCESSING if not wanted or wanted == order.number else OVERRIDDEN
            if order.name == "expired":
                status = TIMED_OUT
            if order.name in ("safe_power_off", "none", "stop", "freeze", "joints"):
                full = answer.feedback.full_body_feedback
                full.status = status
                feedback = basic_command_pb2.SafePowerOffCommand.Feedback
                full.safe_power_off_feedback.status = (
                    feedback.STATUS_POWERED_OFF
                    if robot.power == POWER.STATE_OFF
                    else feedback.STATUS_IN_PROGRESS
                )
                return
            mobility = answer.feedback.synchronized_feedback.mobility_command_feedback
            mobility.status = status
            if order.name == "sit":
                sit = basic_command_pb2.SitCommand.Feedback
                mobility.sit_feedback.status = (
                    sit.STATUS_IS_SITTING if phase == "sitting" else sit.STATUS_IN_PROGRESS
                )
            elif order.name == "stance":
                stance = basic_command_pb2.StanceCommand.Feedback
                mobility.stance_feedback.status = (
                    stance.STATUS_STANCED if phase == "standing" else stance.STATUS_GOING_TO_STANCE
                )
            elif order.name == "stand":
                stand = basic_command_pb2.StandCommand.Feedback
                standing = phase == "standing"
                mobility.stand_feedback.status = (
                    stand.STATUS_IS_STANDING if standing else stand.STATUS_IN_PROGRESS
                )
                if standing:
                    mobility.stand_feedback.standing_state = stand.STANDING_CONTROLLED
            else:
                mobility.se2_velocity_feedback.SetInParent()

    @unary(robot_command_pb2.ClearBehaviorFaultResponse)
    def ClearBehaviorFault(self, request: Any, answer: Any, received_ns: int) -> None:
        """The operator has looked, and clears a fault."""
        robot = self.robot
        with robot.lock:
            answer.lease_use_result.CopyFrom(robot.leases.use(request.lease))
            known = robot.behavior_faults.pop(request.behavior_fault_id, None)
            answer.status = answer.STATUS_NOT_CLEARED if known is None else answer.STATUS_CLEARED


def _order(robot: Robot, request: Any, received_ns: int) -> Order:
    """What that request asks of the body. Raises RefusedError."""
    command = request.command
    name, detail = _named(command)
    if name == "safe_power_off":
        return Order(name, act=lambda body: body.sit(), sits=True)
    if robot.behavior_faults:
        raise RefusedError(Answer.STATUS_BEHAVIOR_FAULT, "a behaviour fault has to be cleared first")
    if robot.power != POWER.STATE_ON or robot.settling:
        raise RefusedError(Answer.STATUS_NOT_POWERED_ON, "the motors have no power")
    if name in ("stop", "freeze"):
        return Order(name, act=lambda body: body.halt())
    if name == "sit":
        return Order(name, act=lambda body: body.sit())
    if name == "stand":
        pose = _pose(command)
        return Order(name, act=lambda body: body.stand(**pose))
    if name == "joints":
        if not robot.options.joint_licence:
            raise RefusedError(Answer.STATUS_UNSUPPORTED, "not licensed for joint control")
        if robot.state.phase != "sitting":
            raise RefusedError(Answer.STATUS_INVALID_REQUEST, "joint control begins with a robot that sits")
        return Order(name)
    end_ns = check_end(robot, request.clock_identifier, ns_of(detail.end_time), received_ns)
    act = _velocity(detail) if name == "velocity" else _stance(robot, detail)
    return Order(name, end_ns=end_ns, act=act)


def _kind(command: Any) -> str:
    """What it asks for, in a word; empty of one that is not simulated."""
    try:
        return _named(command)[0]
    except RefusedError:
        return ""


def _named(command: Any) -> tuple[str, Any]:
    full = command.full_body_command.WhichOneof("command")
    if full is not None:
        names = {
            "stop_request": "stop",
            "freeze_request": "freeze",
            "safe_power_off_request": "safe_power_off",
            "joint_request": "joints",
        }
        if full in names:
            return names[full], getattr(command.full_body_command, full)
        raise RefusedError(Answer.STATUS_UNSUPPORTED, f"{full} is not simulated")
    mobility = command.synchronized_command.mobility_command
    which = mobility.WhichOneof("command")
    names = {
        "se2_velocity_request": "velocity",
        "sit_request": "sit",
        "stand_request": "stand",
        "stance_request": "stance",
        "stop_request": "stop",
        "freeze_request": "freeze",
    }
    if which not in names:
        raise RefusedError(
            Answer.STATUS_UNSUPPORTED, f"{which or 'a command without content'} is not simulated"
        )
    return names[which], getattr(mobility, which)


def check_end(robot: Robot, identifier: str, end_ns: int, received_ns: int) -> int:
    """The end of a command on the robot's clock. Raises RefusedError for none, or one over or too far."""
    if not robot.timesync.known(identifier):
        raise RefusedError(Answer.STATUS_NO_TIMESYNC, "this client's time is not synchronised")
    if end_ns <= received_ns:
        raise RefusedError(Answer.STATUS_EXPIRED, "the end time is missing or over")
    if end_ns > received_ns + FARTHEST_END_NS:
        raise RefusedError(Answer.STATUS_TOO_DISTANT, "the end time is too far in the future")
    return end_ns


def _velocity(detail: Any) -> Callable[[Body], object]:
    if detail.se2_frame_name not in FRAMES:
        raise RefusedError(Answer.STATUS_UNKNOWN_FRAME, f"no frame {detail.se2_frame_name!r}")
    vx, vy, wz = detail.velocity.linear.x, detail.velocity.linear.y, detail.velocity.angular
    if not math.isfinite(vx + vy + wz) or math.hypot(vx, vy) > LARGEST_SPEED:
        raise RefusedError(Answer.STATUS_INVALID_REQUEST, f"more than {LARGEST_SPEED} m/s")
    return lambda body: body.walk(vx, vy, wz)


def _stance(robot: Robot, detail: Any) -> Callable[[Body], object]:
    frame = detail.stance.se2_frame_name
    if frame not in FRAMES:
        raise RefusedError(Answer.STATUS_UNKNOWN_FRAME, f"no frame {frame!r}")
    wanted = detail.stance.foot_positions
    _finite(one for place in wanted.values() for one in (place.x, place.y))
    if len(wanted) not in (2, 4) or not wanted.keys() <= set(LEGS):
        raise RefusedError(Answer.STATUS_INVALID_REQUEST, f"a stance is of two or four of {', '.join(LEGS)}")
    feet = {name: _off_hold(robot, frame, name, place.x, place.y) for name, place in wanted.items()}
    if any(abs(x) > STANCE_REACH_M[0] or abs(y) > STANCE_REACH_M[1] for x, y in feet.values()):
        raise RefusedError(Answer.STATUS_INVALID_REQUEST, "a foot would have to stand out of reach")
    return lambda body: body.stance(feet)


def _finite(values: Iterable[float]) -> None:
    """Raises RefusedError where one is no number, or infinite: the body could not go there."""
    if not all(math.isfinite(one) for one in values):
        raise RefusedError(Answer.STATUS_INVALID_REQUEST, "a value is not a finite number")


def _off_hold(robot: Robot, frame: str, leg: str, x: float, y: float) -> tuple[float, float]:
    """From a place of a foot in that frame, in m, how far it is off the foot's usual place."""
    if frame in ("odom", "vision"):
        w, qx, qy, qz = (float(one) for one in robot.state.orientation)
        yaw = math.atan2(2 * (w * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
        x, y = x - float(robot.state.position[0]), y - float(robot.state.position[1])
        x, y = math.cos(yaw) * x + math.sin(yaw) * y, math.cos(yaw) * y - math.sin(yaw) * x
    hold = FOOTHOLDS[LEGS.index(leg)]
    return x - hold[0], y - hold[1]


def _pose(command: Any) -> dict[str, float]:
    """Height and orientation of the body from the parameters that come with a command to stand."""
    packed = command.synchronized_command.mobility_command.params
    params = spot_command_pb2.MobilityParams()
    try:
        if not packed.Unpack(params):
            return {}
    except DecodeError:
        raise RefusedError(Answer.STATUS_INVALID_REQUEST, "the parameters cannot be read") from None
    points = params.body_control.base_offset_rt_footprint.points
    if not points:
        return {}
    pose = points[0].pose
    w, x, y, z = pose.rotation.w, pose.rotation.x, pose.rotation.y, pose.rotation.z
    _finite((pose.position.z, w, x, y, z))
    if not any((w, x, y, z)):
        w = 1.0
    return {
        "height_m": pose.position.z,
        "roll": math.atan2(2 * (w * x + y * z), 1 - 2 * (x * x + y * y)),
        "pitch": math.asin(max(-1.0, min(1.0, 2 * (w * y - z * x)))),
        "yaw": math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z)),
    }
