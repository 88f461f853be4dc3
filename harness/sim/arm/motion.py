"""What the arm is doing: holding, or following one trajectory after the time at which it begins."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from harness.sim.arm.joints import ACCELERATION_LIMIT_RADPS2, Joints
from harness.sim.arm.trajectory import Trajectory
from harness.sim.arm.truth import tell

GOAL_TOLERANCE_RAD = 0.01
SETTLED_RADPS = 0.02
DEFAULT_GOAL_TIME_S = 1.0
PATH_TOLERANCE_RAD = 0.5
MOVING_RADPS = 1e-3


@dataclass
class Task:
    """A trajectory to follow from ``begin_s`` (monotonic) on. ``handle``: of the goal, None: of the topic."""

    number: int
    trajectory: Trajectory
    begin_s: float
    late_s: float
    handle: Any = None
    begun: bool = False
    told: bool = False
    fail: bool = False


@dataclass
class Motion:
    """The joints and the task that moves them."""

    joints: Joints
    task: Task | None = None
    hold: tuple[float, ...] = ()
    wanted: tuple[float, ...] = ()
    moving: bool = False
    errors: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.stop()

    def stop(self) -> None:
        """Hold where a joint comes to rest that brakes as hard as it can from now on."""
        pairs = zip(self.joints.positions, self.joints.speeds, strict=True)
        self.hold = tuple(
            position + speed * abs(speed) / (2 * ACCELERATION_LIMIT_RADPS2) for position, speed in pairs
        )
        self.wanted = self.hold
        self.task = None

    def turn(self, now_s: float, dt_s: float) -> str | None:
        """Advance by ``dt_s``. Returns how the task ended, if it did now: a word for the reason, or
        ``succeeded``."""
        task, speeds = self.task, (0.0,) * len(self.hold)
        self.wanted = self.hold
        if task is not None and now_s >= task.begin_s:
            if not task.begun:
                task.begun = True
                tell("began", goal=task.number)
            self.wanted, speeds = task.trajectory.at(now_s - task.begin_s)
        self.joints.step(self.wanted, speeds, dt_s)
        self.errors = [w - p for w, p in zip(self.wanted, self.joints.positions, strict=True)]
        self._tell_motion()
        return self._end(task, now_s) if task is not None and task.begun else None

    def _end(self, task: Task, now_s: float) -> str | None:
        worst = max(map(abs, self.errors))
        if task.fail or worst > PATH_TOLERANCE_RAD:
            return "path"
        over_s = now_s - task.begin_s - task.trajectory.duration_s
        if over_s < 0.0:
            return None
        if worst <= GOAL_TOLERANCE_RAD and max(map(abs, self.joints.speeds)) <= SETTLED_RADPS:
            self.hold = task.trajectory.goal
            return "succeeded"
        return "goal" if over_s > task.late_s else None

    def _tell_motion(self) -> None:
        fastest = max(map(abs, self.joints.speeds))
        if self.moving != (fastest > MOVING_RADPS):
            self.moving = not self.moving
            if self.moving:
                tell("moving", goal=self.task.number if self.task is not None else 0)
            else:
                tell("rest", positions=[round(one, 6) for one in self.joints.positions])
