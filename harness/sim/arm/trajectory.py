"""Trajectories in joint space: what is refused, and where the joints should be at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from harness.sim.arm.joints import NAMES, POSITION_LIMIT_RAD


class RefusedError(ValueError):
    """A trajectory that the arm does not begin. ``joints``: it is about their names."""

    def __init__(self, why: str, joints: bool = False) -> None:
        super().__init__(why)
        self.joints = joints


@dataclass(frozen=True)
class Trajectory:
    """Positions (rad, in the order of NAMES) at times (s) from its start; the first is where the arm was."""

    times: tuple[float, ...]
    positions: tuple[tuple[float, ...], ...]

    @property
    def duration_s(self) -> float:
        """Time of the last point."""
        return self.times[-1]

    @property
    def goal(self) -> tuple[float, ...]:
        """The last point."""
        return self.positions[-1]

    def at(self, time_s: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Positions (rad) and speeds (rad/s) wanted at that time, on straight lines between the points."""
        if time_s >= self.times[-1]:
            return self.goal, (0.0,) * len(self.goal)
        index = next(i for i, end in enumerate(self.times) if end > time_s)
        index = max(index, 1)
        begin, end = self.times[index - 1], self.times[index]
        share = (time_s - begin) / (end - begin)
        before, after = self.positions[index - 1], self.positions[index]
        pairs = list(zip(before, after, strict=True))
        return (
            tuple(a + (b - a) * share for a, b in pairs),
            tuple((b - a) / (end - begin) for a, b in pairs),
        )


def seconds(duration: Any) -> float:
    """A ``builtin_interfaces/Duration`` in s."""
    return float(duration.sec + duration.nanosec * 1e-9)


def read(message: Any, start: Sequence[float]) -> Trajectory:
    """The trajectory of a ``trajectory_msgs/JointTrajectory``, from ``start`` on. Raises RefusedError."""
    if sorted(message.joint_names) != sorted(NAMES):
        named = ", ".join(message.joint_names) or "none"
        raise RefusedError(f"joint_names: {named}; the arm has {', '.join(NAMES)}", joints=True)
    if not message.points:
        raise RefusedError("points: there is none")
    order = [list(message.joint_names).index(name) for name in NAMES]
    times, positions = [0.0], [tuple(start)]
    for number, point in enumerate(message.points):
        if len(point.positions) != len(NAMES):
            raise RefusedError(
                f"points[{number}].positions: {len(point.positions)}, not {len(NAMES)} numbers"
            )
        wanted = tuple(float(point.positions[i]) for i in order)
        if not all(math.isfinite(one) and abs(one) <= POSITION_LIMIT_RAD for one in wanted):
            raise RefusedError(f"points[{number}].positions: beyond {POSITION_LIMIT_RAD:g} rad")
        time_s = seconds(point.time_from_start)
        if time_s <= times[-1]:
            raise RefusedError(f"points[{number}].time_from_start: {time_s:g} s is not after {times[-1]:g} s")
        times.append(time_s)
        positions.append(wanted)
    return Trajectory(tuple(times), tuple(positions))
