"""A double of a simulator's world, over :mod:`.gazebo_double`: clock, statistics, control, one robot.

It is no Gazebo. Its topics, services and replies are those that Gazebo Sim 10.4.0 (Jetty) was seen to have,
and so is their order: a clock at the beginning of every physics step, and again at every turn of the loop
while it is paused; statistics ten times a second, paused or not; a command that is taken at the end of a
step and moves the wheels in the next one; wheels that follow it by their acceleration; odometry that is the
mean of ten steps (:data:`RECORDED`). That its robot repeats every command on ``/model/ROBOT/echo``, no robot
in Gazebo does by itself.

``python -m harness.testing.gazebo_double_world --world bench`` runs one until it is ended.
"""

from __future__ import annotations

import argparse
import contextlib
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import Any

from harness.testing.gazebo_double import Node, NodeOptions
from harness.testing.gazebo_messages import classes

STATS_NS = 100_000_000
ACCELERATION = 20.0
"""m/s^2, as the differential drive of ``rig_configs/gazebo/diff_drive.sdf`` has it."""


WINDOW = 10
"""Steps that the odometry of Gazebo's DiffDrive is the mean of."""
RECORDED = (0.0, 0.002, 0.006, 0.012, 0.02, 0.03, 0.042, 0.056, 0.072, 0.09, 0.11, 0.128)
"""m/s at each physics step after a command of 0.2 m/s from rest: seen of Gazebo Sim 10.4.0 with
``rig_configs/gazebo/diff_drive.sdf``, stepped, 120 times the same."""


def message(name: str) -> Any:
    """Class of that message, whatever its module."""
    return next(one[name] for one in classes().values() if name in one)


class DoubleWorld:
    """One world with one robot, stepped by a thread. ``step_ms``: the physics step. ``silent``: the robot
    takes commands and shows none."""

    def __init__(
        self,
        world: str = "bench",
        robot: str = "robot",
        partition: str | None = None,
        *,
        step_ms: float = 1.0,
        silent: bool = False,
        paused: bool = False,
    ) -> None:
        options = NodeOptions()
        if partition is not None:
            options.partition = partition
        self.node = node = Node(options)
        self.step_ns = round(step_ms * 1e6)
        self.paused, self.silent = paused, silent
        self.factor = 1.0
        self.sim_ns = self.iterations = self.pending = 0
        self.speed = self.commanded = self.x = 0.0
        self._wheels: deque[float] = deque([0.0] * WINDOW, WINDOW)
        self._next = 0.0
        self.models = {robot}
        self._next_stats_ns = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        here, there = f"/world/{world}", f"/model/{robot}"
        self._clock = [node.advertise(topic, message("Clock")) for topic in (f"{here}/clock", "/clock")]
        self._stats = node.advertise(f"{here}/stats", message("WorldStatistics"))
        self._odometry = node.advertise(f"{there}/odometry", message("Odometry"))
        self._echo = node.advertise(f"{there}/echo", message("Twist"))
        node.subscribe(message("Twist"), f"{there}/cmd_vel", self._command)
        for service, kind, act in (
            ("control", "WorldControl", self._control),
            ("create", "EntityFactory", self._create),
            ("remove", "Entity", self._remove),
            ("set_pose", "Pose", self._set_pose),
            ("set_physics", "Physics", self._set_physics),
        ):
            self._serve(f"{here}/{service}", kind, act)
        self._thread = threading.Thread(target=self._run, name="gazebo-double-world", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """End it, as a crash would. Repeatable."""
        self._ended.set()
        if self._thread is not threading.current_thread():
            self._thread.join(5.0)
        self.node.close()

    def _serve(self, service: str, kind: str, act: Any) -> None:
        request, boolean = message(kind), message("Boolean")

        def handle(data: bytes) -> bytes:
            with self._lock:
                said: bytes = boolean(data=bool(act(request.FromString(data)))).SerializeToString()
            return said

        self.node.serve(service, f"gz.msgs.{kind}", "gz.msgs.Boolean", handle)

    # -- what comes in ---------------------------------------------------------------------------------------

    def _command(self, twist: Any) -> None:
        with self._lock:
            self.commanded = twist.linear.x
        if not self.silent:
            self._echo.publish(twist)

    def _control(self, request: Any) -> bool:
        if request.reset.all:
            self.sim_ns = self.iterations = 0
            self.speed = self.commanded = self.x = self._next = 0.0
            self._wheels.extend([0.0] * WINDOW)
        self.paused = request.pause
        self.pending += request.multi_step
        return True

    def _create(self, request: Any) -> bool:
        if request.name in self.models:
            return False
        self.models.add(request.name)
        return True

    def _remove(self, request: Any) -> bool:
        # The real one says yes as soon as it has noted what to do, and finds out at the next step.
        self.models.discard(request.name)
        return True

    def _set_pose(self, request: Any) -> bool:
        self.x = request.position.x
        return request.name in self.models

    def _set_physics(self, request: Any) -> bool:
        self.factor = request.real_time_factor or 1.0
        return True

    # -- what goes on ----------------------------------------------------------------------------------------

    def _run(self) -> None:
        due = time.monotonic_ns()
        while not self._ended.is_set():
            with self._lock:
                steps = self.pending > 0 or not self.paused
                if steps:
                    self.pending = max(0, self.pending - 1)
                    hurry = self.paused and self.pending > 0
                    self._step()
                else:
                    self._tell()  # as the real one does while it is paused
                self._publish_stats()
            if steps and hurry:
                continue
            due = max(due + round(self.step_ns / self.factor), time.monotonic_ns() - 20_000_000)
            self._ended.wait(max(0.0, (due - time.monotonic_ns()) * 1e-9))

    def _step(self) -> None:
        self._wheels.append(self._next)
        self.speed = round(sum(self._wheels) / WINDOW, 9)
        change = ACCELERATION * self.step_ns * 1e-9
        self._next += max(-change, min(change, self.commanded - self._next))
        self.x += self.speed * self.step_ns * 1e-9
        self.sim_ns += self.step_ns
        self.iterations += 1
        self._tell()
        sec, nsec = divmod(self.sim_ns, 1_000_000_000)
        if not self.silent:
            odometry = message("Odometry")()
            odometry.header.stamp.sec, odometry.header.stamp.nsec = sec, nsec
            odometry.twist.linear.x, odometry.pose.position.x = self.speed, self.x
            self._odometry.publish(odometry)

    def _tell(self) -> None:
        """The clock, at the beginning of a step, and of every turn of the loop while paused."""
        clock = message("Clock")()
        clock.sim.sec, clock.sim.nsec = divmod(self.sim_ns, 1_000_000_000)
        for publisher in self._clock:
            publisher.publish(clock)

    def _publish_stats(self) -> None:
        now = time.monotonic_ns()
        if now < self._next_stats_ns:
            return
        self._next_stats_ns = now + STATS_NS
        stats = message("WorldStatistics")()
        stats.sim_time.sec, stats.sim_time.nsec = divmod(self.sim_ns, 1_000_000_000)
        stats.iterations, stats.paused = self.iterations, self.paused
        stats.real_time_factor = self.factor
        stats.step_size.nsec = 0 if self.paused else self.step_ns
        self._stats.publish(stats)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one until it is ended."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--world", default="bench")
    parser.add_argument("--robot", default="robot")
    parser.add_argument("--step-ms", type=float, default=1.0)
    parser.add_argument("--paused", action="store_true")
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args(arguments)
    world = DoubleWorld(given.world, given.robot, step_ms=given.step_ms, paused=given.paused)
    with contextlib.suppress(KeyboardInterrupt):
        time.sleep(given.seconds)
    world.close()
    return 0


if __name__ == "__main__":
    main()
