"""The arm's side of ROS 2: joint states, an action and a topic for trajectories, one thread.

As joint trajectory controllers do: a new goal, or a trajectory on the topic, takes the place of the one that
is followed; a cancelled one ends where the arm can stop, and the arm holds; an empty trajectory on the topic
means hold.
"""

from __future__ import annotations

import os
import random
import sys
import time
from argparse import Namespace
from typing import Any

from rclpy.action import ActionServer, CancelResponse, GoalResponse
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import QoSProfile
from sensor_msgs.msg import JointState
from trajectory_msgs.msg import JointTrajectory

from harness.sim import ros2_peer
from harness.sim.arm.joints import NAMES, Joints
from harness.sim.arm.motion import DEFAULT_GOAL_TIME_S, Motion, Task
from harness.sim.arm.trajectory import RefusedError, Trajectory, read, seconds
from harness.sim.arm.truth import tell

ACTION = "arm/follow_trajectory"
TOPIC = "arm/joint_trajectory"
DIED_STATUS = 70


class ArmNode:
    """The node: it takes goals between the turns of its loop."""

    def __init__(self, options: Namespace, node: Node) -> None:
        self._options = options
        self._node = node
        self._random = random.Random(options.seed)
        self._motion = Motion(Joints())
        self._asked = self._accepted = 0
        self._turns = ros2_peer.Turns(options.rate_hz, self._turn)
        self.answer_due = self._turns.answer_due
        self._feedback_s = 1.0 / options.feedback_hz
        self._feedback_due_s = time.monotonic()
        self._state = JointState(name=list(NAMES))
        node.create_subscription(JointTrajectory, TOPIC, self._heard, QoSProfile(depth=100))
        self._server = self._serve(node)
        # The last one: whoever waits for joint_states then finds the rest, too.
        self._states = node.create_publisher(JointState, "joint_states", QoSProfile(depth=100))

    def _serve(self, node: Node) -> Any:
        try:
            from harness_interfaces.action import FollowTrajectory
        except ImportError as error:
            print(f"no action {ACTION}: {error}; build it: scripts/build_interfaces.py", file=sys.stderr)
            return None
        self._type = FollowTrajectory
        return ActionServer(
            node,
            FollowTrajectory,
            ACTION,
            lambda handle: None,
            goal_callback=self._judge,
            handle_accepted_callback=self._begin,
            cancel_callback=self._cancel,
        )

    # -- what is asked of it

    def _judge(self, goal: Any) -> GoalResponse:
        self._asked += 1
        every = self._options.reject_every
        try:
            if every and self._asked % every == 0:
                raise RefusedError("as asked for by --reject-every")
            read(goal.trajectory, self._motion.joints.positions)
        except RefusedError as why:
            tell("rejected", goal=self._asked, why=str(why))
            return GoalResponse.REJECT
        return GoalResponse.ACCEPT

    def _begin(self, handle: Any) -> None:
        self._accepted += 1
        tell("accepted", goal=self._asked)
        # To the state EXECUTING; `execute` would do it too, and call for the result at once.
        handle._update_state(rclpy_implementation.GoalEvent.EXECUTE)
        trajectory = read(handle.request.trajectory, self._motion.joints.positions)
        late_s = seconds(handle.request.goal_time_tolerance) or DEFAULT_GOAL_TIME_S
        task = self._task(self._asked, trajectory, late_s, handle)
        every = self._options.abort_every
        task.fail = bool(every) and self._accepted % every == 0
        self._replace(task)

    def _cancel(self, _handle: Any) -> CancelResponse:
        return CancelResponse.REJECT if self._options.ignore_cancel else CancelResponse.ACCEPT

    def _heard(self, message: Any) -> None:
        if not message.points and not message.joint_names:
            self._replace(None)
            return
        try:
            trajectory = read(message, self._motion.joints.positions)
        except RefusedError as why:
            tell("rejected", goal=0, why=str(why))
            return
        tell("accepted", goal=0)
        self._replace(self._task(0, trajectory, DEFAULT_GOAL_TIME_S))

    def _task(self, number: int, trajectory: Trajectory, late_s: float, handle: Any = None) -> Task:
        wait_ms = self._options.delay_ms + self._random.uniform(0.0, self._options.jitter_ms)
        return Task(number, trajectory, time.monotonic() + wait_ms * 1e-3, late_s, handle)

    def _replace(self, task: Task | None) -> None:
        if self._motion.task is not None:
            self._end(self._motion.task, "preempted")
        if task is None:
            self._motion.stop()
        self._motion.task = task

    # -- its loop

    def _turn(self, now_s: float) -> None:
        motion, task = self._motion, self._motion.task
        if task is not None and task.handle is not None and task.handle.is_cancel_requested:
            motion.stop()
            self._end(task, "canceled")
            task = None
        how = motion.turn(now_s, self._turns.period_s)
        self._publish()
        if how is not None and task is not None:
            if how == "succeeded":
                motion.task = None
            else:
                motion.stop()
            self._end(task, how)
        elif task is not None and task.begun and now_s >= self._feedback_due_s:
            self._feed(task)
        if now_s >= self._feedback_due_s:
            self._feedback_due_s += self._feedback_s * (
                1 + (now_s - self._feedback_due_s) // self._feedback_s
            )

    def _publish(self) -> None:
        state = self._state
        state.header.stamp.sec, state.header.stamp.nanosec = divmod(time.time_ns(), 1_000_000_000)
        state.position, state.velocity = self._motion.joints.positions, self._motion.joints.speeds
        self._states.publish(state)

    def _feed(self, task: Task) -> None:
        if task.handle is None:
            return
        feedback = self._type.Feedback(joint_names=list(NAMES))
        feedback.header.stamp = self._state.header.stamp
        feedback.desired.positions = list(self._motion.wanted)
        feedback.actual.positions = self._motion.joints.positions
        feedback.actual.velocities = self._motion.joints.speeds
        feedback.error.positions = self._motion.errors
        task.handle.publish_feedback(feedback)
        if not task.told:
            task.told = True
            tell("feedback", goal=task.number)

    def _end(self, task: Task, how: str) -> None:
        tell("ended", goal=task.number, how="aborted" if how in ("path", "goal") else how)
        if task.handle is not None:
            result = self._type.Result()
            result.error_code, result.error_string = {
                "succeeded": (result.SUCCESSFUL, ""),
                "canceled": (result.SUCCESSFUL, "cancelled; holds"),
                "preempted": (result.PREEMPTED, "another trajectory took its place"),
                "path": (result.PATH_TOLERANCE_VIOLATED, "too far from the path"),
                "goal": (result.GOAL_TOLERANCE_VIOLATED, "not there in time"),
            }[how]
            getattr(task.handle, {"succeeded": "succeed", "canceled": "canceled"}.get(how, "abort"))()
            self._server.notify_execute(task.handle, lambda handle: result)
        if self._options.die_after and self._accepted >= self._options.die_after:
            os._exit(DIED_STATUS)
