"""The robot's loop: look for commands, step, answer, publish; once per physics step."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from harness.sim.board.plugs import Plugs
from harness.sim.diff_drive.answers import Answers, Command
from harness.sim.diff_drive.node import RobotNode, read_command, replace_speeds
from harness.sim.diff_drive.options import Options
from harness.sim.diff_drive.pacing import Pacer, RealTimeFactor
from harness.sim.diff_drive.physics import Physics
from harness.sim.diff_drive.truth import TruthLog

FACTOR_HZ = 5
TURNS_MPS, STANDS_MPS = 0.02, 0.01
"""Rim speeds from which on a wheel's sensor sees it turn, and below which it sees it stand."""
DIED_STATUS = 70


class MotionPin:
    """A digital output of the robot, wired to an input of the bench board: high while its wheels turn."""

    def __init__(self, pin: str, plugs: Plugs) -> None:
        self._pin, self._plugs, self._high = pin, plugs, False
        plugs.set(pin, level=False)

    def show(self, rim_speed_mps: float) -> None:
        """After each step of the physics."""
        high = rim_speed_mps >= (STANDS_MPS if self._high else TURNS_MPS)
        if high is not self._high:
            self._high = high
            self._plugs.set(self._pin, level=high)


class Robot:
    """Physics, node and answers put together, in one thread."""

    def __init__(
        self,
        options: Options,
        physics: Physics,
        node: RobotNode,
        truth: TruthLog,
        motion: MotionPin | None = None,
    ) -> None:
        self._motion = motion
        self._options = options
        self._how = options.misbehaviour
        self._physics = physics
        self._node = node
        self._truth = truth
        self._answers = Answers(options.misbehaviour, options.seed)
        self._taken = 0
        self._look_ns = 0
        self._odom_every = max(1, round(options.rate_hz / options.odom_hz))
        self._imu_every = max(1, round(options.rate_hz / options.imu_hz))
        self._factor_every = max(1, options.rate_hz // FACTOR_HZ)

    def run(self, stopped: Callable[[], bool]) -> None:
        """Until ``stopped()`` says so."""
        pacer = Pacer(self._options.rate_hz)
        factor = RealTimeFactor()
        while not stopped():
            now = pacer.wait()
            commands = self._look(now)
            self._physics.step()
            if self._motion is not None:
                self._motion.show(self._physics.rim_speed_mps())
            self._settle(commands)
            if self._how.die_after and self._taken >= self._how.die_after:
                self._truth.end("died", self._taken, self._physics.steps, pacer.slipped_ns)
                os._exit(DIED_STATUS)
            self._publish(factor.mark(now, self._physics.time_s))
        self._truth.end("stopped", self._taken, self._physics.steps, pacer.slipped_ns)

    def _look(self, now_ns: int) -> list[Command]:
        """Take what has arrived and give it to the wheels, in order: the newest has the last word."""
        if now_ns < self._look_ns:
            return []
        self._look_ns = now_ns + round(self._how.slow_loop_ms * 1e6)
        commands: list[Command] = []
        for raw, received_ns in self._node.take():
            self._taken += 1
            if self._taken == self._how.stall_at:
                time.sleep(self._how.stall_ms * 1e-3)
            commands.append(self._apply(raw, received_ns))
            if self._taken == self._how.die_after:
                break
        for command in commands[:-1]:
            command.superseded = True
        return commands

    def _apply(self, raw: bytes, received_ns: int) -> Command:
        stamp_ns, linear, angular, twist_at = read_command(raw)
        applied = self._physics.command(linear, angular)
        if applied != (linear, angular):
            raw = replace_speeds(raw, twist_at, *applied)
        return Command(self._taken, stamp_ns, received_ns, time.monotonic_ns(), *applied, answer=raw)

    def _settle(self, commands: list[Command]) -> None:
        """The step is done: send the answers that are due, log what is settled."""
        now = time.monotonic_ns()
        for command in commands:
            command.applied_ns = now
        unanswered = self._answers.offer(commands) if commands else []
        due = self._answers.due(now)
        for command in due:
            command.answered_ns.append(time.monotonic_ns())
            self._node.answer(command.answer)
        # After the answers, so that logging delays none of them.
        for command in unanswered:
            self._truth.command(command)
        for command in {command.number: command for command in due}.values():
            self._truth.command(command)

    def _publish(self, factor: float | None) -> None:
        step = self._physics.steps
        if step % self._odom_every == 0:
            self._node.publish_odometry(time.time_ns(), self._physics.odometry())
        if step % self._imu_every == 0:
            self._node.publish_imu(time.time_ns(), self._physics.imu())
        if factor is not None and step % self._factor_every == 0:
            self._node.publish_factor(factor)
