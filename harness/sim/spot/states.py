"""State on request, the state stream, and the stream of joint commands."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import grpc
import numpy as np
from bosdyn.api import (
    robot_command_pb2,
    robot_command_service_pb2_grpc,
    robot_state_pb2,
    robot_state_service_pb2_grpc,
)

from harness.sim.spot.answering import let_through, stamp_header, unary
from harness.sim.spot.basics import Service
from harness.sim.spot.clock import ns_of, set_stamp
from harness.sim.spot.commands import RefusedError, check_end
from harness.sim.spot.dimensions import JOINTS
from harness.sim.spot.estops import NONE
from harness.sim.spot.robot import POWER, Order, Robot

Joint = robot_command_pb2.JointControlStreamResponse
REFUSED = {
    robot_command_pb2.RobotCommandResponse.STATUS_EXPIRED: Joint.STATUS_EXPIRED,
    robot_command_pb2.RobotCommandResponse.STATUS_TOO_DISTANT: Joint.STATUS_TOO_DISTANT,
}
"""What the stream says of an end time that a command would be refused for; the rest is an invalid request."""
PATIENCE_S = 1.0
"""How long the stream waits for a tick before it looks whether its client is still there."""


class State(Service, robot_state_service_pb2_grpc.RobotStateServiceServicer):
    """The state on request."""

    @unary(robot_state_pb2.RobotStateResponse)
    def GetRobotState(self, request: Any, answer: Any, received_ns: int) -> None:
        """All of it."""
        robot = self.robot
        with robot.lock:
            _fill(robot, answer.robot_state)


def _fill(robot: Robot, state: Any) -> None:
    now_ns = robot.clock.now_ns()
    power = state.power_state
    set_stamp(power.timestamp, now_ns)
    power.motor_power_state = robot.power
    power.robot_power_state = POWER.ROBOT_POWER_STATE_ON
    power.shore_power_state = POWER.STATE_OFF_SHORE_POWER
    power.locomotion_charge_percentage.value = robot.battery_percent
    battery = state.battery_states.add(identifier="simulated")
    set_stamp(battery.timestamp, now_ns)
    battery.charge_percentage.value = robot.battery_percent
    battery.status = battery.STATUS_DISCHARGING
    level, who = robot.estops.level()
    stop = state.estop_states.add(name="software_estop", state_description=who)
    set_stamp(stop.timestamp, now_ns)
    stop.type = stop.TYPE_SOFTWARE
    stop.state = stop.STATE_NOT_ESTOPPED if level == NONE else stop.STATE_ESTOPPED
    for number, cause in robot.behavior_faults.items():
        fault = state.behavior_fault_state.faults.add(behavior_fault_id=number, cause=cause)
        fault.status = fault.STATUS_CLEARABLE
    kinematic = state.kinematic_state
    set_stamp(kinematic.acquisition_timestamp, robot.acquired_ns)
    for index, name in enumerate(JOINTS):
        joint = kinematic.joint_states.add(name=name)
        joint.position.value = robot.state.joint_position[index]
        joint.velocity.value = robot.state.joint_velocity[index]
        joint.acceleration.value = robot.state.joint_acceleration[index]
        joint.load.value = robot.state.joint_load[index]
    for velocity in (kinematic.velocity_of_body_in_odom, kinematic.velocity_of_body_in_vision):
        _twist(robot, velocity)
    for child in ("odom", "vision"):
        edge = kinematic.transforms_snapshot.child_to_parent_edge_map[child]
        edge.parent_frame_name = "body"
        _pose_inverse(robot, edge.parent_tform_child)
    kinematic.transforms_snapshot.child_to_parent_edge_map["body"].SetInParent()
    for position, contact in zip(robot.state.feet, robot.state.contact, strict=True):
        foot = state.foot_state.add()
        _vector(foot.foot_position_rt_body, position)
        foot.contact = foot.CONTACT_MADE if contact else foot.CONTACT_LOST
    behavior = state.behavior_state
    behavior.state = {
        "standing": behavior.STATE_STANDING,
        "walking": behavior.STATE_STEPPING,
        "rising": behavior.STATE_TRANSITION,
        "settling": behavior.STATE_TRANSITION,
    }.get(robot.state.phase, behavior.STATE_NOT_READY)


def _vector(vector: Any, values: Any) -> None:
    vector.x, vector.y, vector.z = (float(one) for one in values)


def _twist(robot: Robot, velocity: Any) -> None:
    _vector(velocity.linear, robot.state.velocity)
    _vector(velocity.angular, robot.state.angular_velocity)


def _pose(robot: Robot, pose: Any) -> None:
    _vector(pose.position, robot.state.position)
    rotation = pose.rotation
    rotation.w, rotation.x, rotation.y, rotation.z = (float(one) for one in robot.state.orientation)


def _pose_inverse(robot: Robot, pose: Any) -> None:
    """The world seen from the body: what the SDK's tree of frames wants."""
    w, x, y, z = (float(one) for one in robot.state.orientation)
    px, py, pz = (float(one) for one in robot.state.position)
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y)),
        (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x)),
        (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y)),
    )
    _vector(pose.position, [-(row[0] * px + row[1] * py + row[2] * pz) for row in rows])
    pose.rotation.w, pose.rotation.x, pose.rotation.y, pose.rotation.z = w, -x, -y, -z


class StateStream(Service, robot_state_service_pb2_grpc.RobotStateStreamingServiceServicer):
    """The state at 333 Hz."""

    def GetRobotStateStream(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        """One message per tick of the body, until the client leaves. A reader that is slow misses ticks."""
        robot = self.robot
        received_ns = robot.clock.now_ns()
        let_through(robot, context, token=True)
        seen = -1
        while context.is_active():
            with robot.lock:
                if robot.tick == seen and not robot.changed.wait(PATIENCE_S):
                    continue
                seen = robot.tick
                message = _message(robot)
            stamp_header(message.header, request, received_ns, robot)
            if robot.cut_until > time.monotonic():
                continue
            yield message


def _message(robot: Robot) -> Any:
    message = robot_state_pb2.RobotStateStreamResponse()
    joints = message.joint_states
    set_stamp(joints.acquisition_timestamp, robot.acquired_ns)
    joints.position.extend(robot.state.joint_position)
    joints.velocity.extend(robot.state.joint_velocity)
    joints.load.extend(robot.state.joint_load)
    kinematic = message.kinematic_state
    set_stamp(kinematic.acquisition_timestamp, robot.acquired_ns)
    for pose in (kinematic.odom_tform_body, kinematic.vision_tform_body):
        _pose(robot, pose)
    for velocity in (kinematic.velocity_of_body_in_odom, kinematic.velocity_of_body_in_vision):
        _twist(robot, velocity)
    foot = robot_state_pb2.FootState
    message.contact_states.extend(
        foot.CONTACT_MADE if contact else foot.CONTACT_LOST for contact in robot.state.contact
    )
    if robot.last_key:
        message.last_command.user_command_key = robot.last_key
        set_stamp(message.last_command.received_timestamp, robot.last_received_ns)
    return message


class JointStream(Service, robot_command_service_pb2_grpc.RobotCommandStreamingServiceServicer):
    """Joint commands as a stream, after a joint command has been accepted."""

    def JointControlStream(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        """Take updates until the client ends the stream, or one is refused."""
        robot = self.robot
        answer = Joint()
        request = robot_command_pb2.JointControlStreamRequest()
        received_ns = robot.clock.now_ns()
        let_through(robot, context, token=True)
        answer.status = Joint.STATUS_OK
        for request in requests:
            received_ns = robot.clock.now_ns()
            let_through(robot, context, token=True)
            with robot.lock:
                answer.status, answer.message = _update(robot, request.joint_command, received_ns)
            if answer.status != Joint.STATUS_OK:
                break
        stamp_header(answer.header, request, received_ns, robot)
        return answer


def _update(robot: Robot, update: Any, received_ns: int) -> tuple[int, str]:
    if robot.order.name != "joints" or robot.power != POWER.STATE_ON or robot.settling:
        return Joint.STATUS_INACTIVE, "no joint command is active"
    sizes = {len(update.position), len(update.velocity), len(update.load)}
    gains = {len(update.gains.k_q_p), len(update.gains.k_qd_p)}
    if sizes != {len(JOINTS)} or not gains <= {0, len(JOINTS)}:
        return Joint.STATUS_INVALID_REQUEST, f"position, velocity and load need {len(JOINTS)} values each"
    numbers = (*update.position, *update.velocity, *update.load, *update.gains.k_q_p, *update.gains.k_qd_p)
    if not all(math.isfinite(one) for one in numbers):
        return Joint.STATUS_INVALID_REQUEST, "a value is not a finite number"
    try:
        # The stream carries no clock identifier: whoever is synchronised will do.
        known = next(iter(robot.timesync.identifiers), "")
        end_ns = check_end(robot, known, ns_of(update.end_time), received_ns)
    except RefusedError as why:
        return REFUSED.get(why.status, Joint.STATUS_INVALID_REQUEST), why.message
    kp, kd = list(update.gains.k_q_p) or None, list(update.gains.k_qd_p) or None
    if kp is not None:
        robot.gains = (kp, kd or robot.gains[1])
    wanted = [np.array(one) for one in (update.position, update.velocity, update.load, *robot.gains)]
    robot.give(Order("joints", robot.order.number, end_ns, act=lambda body: body.joints(*wanted)))
    robot.last_key, robot.last_received_ns = update.user_command_key, received_ns
    robot.truth.note(
        "joint command", robot.clock.back(received_ns), robot_ns=received_ns, key=update.user_command_key
    )
    return Joint.STATUS_OK, ""
