"""How the body stands over its feet: pose offsets, and the way from sitting to standing, as joint orders."""

from __future__ import annotations

from math import cos, exp, sin

from harness.sim.spot import legs
from harness.sim.spot.dimensions import (
    FOOT_RADIUS_M,
    FOOTHOLDS,
    GRAVITY_MPS2,
    HIP_X_M,
    HIPS,
    MASS_KG,
    SIDES,
    SIT_M,
    STAND_M,
)

Pose = tuple[float, float, float, float]
STRAIGHT: Pose = (0.0, 0.0, 0.0, 0.0)
# Height (m), roll, pitch, yaw (rad) against straight standing: lower and upper limits.
POSE_LOWER: Pose = (-0.15, -0.3, -0.3, -0.4)
POSE_UPPER: Pose = (0.08, 0.3, 0.3, 0.4)

RISE_S = 0.9
POSE_RATE = 12.0  # 1/s, of a critically damped approach
SITTING_LEGS_M = SIT_M - FOOT_RADIUS_M
SHARE_N = MASS_KG * GRAVITY_MPS2 / 4


def within(height_m: float, roll: float, pitch: float, yaw: float) -> Pose:
    """The pose within its limits, and with its highest hip within reach of the leg."""
    height, roll, pitch, yaw = (
        min(max(value, lower), upper)
        for value, lower, upper in zip((height_m, roll, pitch, yaw), POSE_LOWER, POSE_UPPER, strict=True)
    )
    room = legs.LONGEST_M - 0.03 - (STAND_M - FOOT_RADIUS_M)
    rise = HIP_X_M * abs(sin(pitch)) + FOOTHOLDS[0][1] * abs(sin(roll))
    return min(height, room - rise), roll, pitch, yaw


class Posture:
    """``pose`` and ``raised`` (0 sits, 1 stands) follow what is ordered: ``goal`` and ``up``."""

    def __init__(self) -> None:
        self.goal = self.pose = STRAIGHT
        self.up = False
        self.raised = 0.0
        self._rates = STRAIGHT

    @property
    def settled(self) -> bool:
        """Nothing is left to move."""
        return self.pose == self.goal and self.raised == float(self.up)

    def take(self, pose: Pose, raised: float) -> None:
        """Be at this pose and this far up, at rest."""
        self.pose, self.raised, self._rates = pose, raised, STRAIGHT

    def advance(self, dt_s: float) -> None:
        """Approach goal and height, exactly for any ``dt_s``: the solution of x'' = -2 w x' - w^2 x."""
        step = dt_s / RISE_S
        self.raised = min(self.raised + step, 1.0) if self.up else max(self.raised - step, 0.0)
        if self.pose == self.goal:
            return
        decay = exp(-POSE_RATE * dt_s)
        pose, rates = [], []
        for at, goal, rate in zip(self.pose, self.goal, self._rates, strict=True):
            off = at - goal
            slope = rate + POSE_RATE * off
            pose.append(goal + (off + slope * dt_s) * decay)
            rates.append((rate - POSE_RATE * slope * dt_s) * decay)
        near = all(abs(at - goal) < 1e-5 for at, goal in zip(pose, self.goal, strict=True))
        slow = all(abs(rate) < 1e-4 for rate in rates)
        if near and slow:
            self.take(self.goal, self.raised)
        else:
            self.pose = (pose[0], pose[1], pose[2], pose[3])
            self._rates = (rates[0], rates[1], rates[2], rates[3])

    def orders(self, feet: list[list[float]], lifts: list[float]) -> tuple[list[float], list[float]]:
        """Joint angles (rad) and torques that carry the body (Nm), twelve each, for feet at these places."""
        height, roll, pitch, yaw = self.pose
        way = self.raised * self.raised * (3 - 2 * self.raised)
        legs_m = SITTING_LEGS_M + (STAND_M - FOOT_RADIUS_M - SITTING_LEGS_M) * way + height
        cr, sr, cp, sp, cy, sy = cos(roll), sin(roll), cos(pitch), sin(pitch), cos(yaw), sin(yaw)
        carried = SHARE_N * min(1.0, 4 * self.raised)
        down = sum(1 for lift in lifts if lift <= 0.0)
        angles: list[float] = []
        torques: list[float] = []
        for (fx, fy), lift, (hip_x, hip_y), side in zip(feet, lifts, HIPS, SIDES, strict=True):
            # From the footprint's frame into the body's: turn back by yaw, then pitch, then roll.
            x, y, z = cy * fx + sy * fy, cy * fy - sy * fx, lift - legs_m
            x, z = cp * x - sp * z, sp * x + cp * z
            y, z = cr * y + sr * z, cr * z - sr * y
            three = legs.angles(x - hip_x, y - hip_y, z, side)
            angles += three
            torques += legs.torques(*three, side, carried * 4 / down) if lift <= 0.0 else (0.0, 0.0, 0.0)
        return angles, torques
