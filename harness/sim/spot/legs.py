"""One leg's geometry in closed form, in plain floats: this runs four times a millisecond.

All points are relative to the leg's axis of abduction, in the frame of the body. A foot is the middle of its
sphere.
"""

from __future__ import annotations

from math import acos, atan2, cos, pi, sin, sqrt

from harness.sim.spot.dimensions import (
    HIP_OFFSET_M,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    LOWER_LEG_M,
    UPPER_LEG_M,
)

Angles = tuple[float, float, float]


def _reach(knee_rad: float) -> float:
    """From hip to foot with the knee so bent: the law of cosines."""
    return sqrt(UPPER_LEG_M**2 + LOWER_LEG_M**2 + 2 * UPPER_LEG_M * LOWER_LEG_M * cos(knee_rad))


SHORTEST_M = _reach(JOINT_LOWER_RAD[2])
LONGEST_M = _reach(JOINT_UPPER_RAD[2])


def angles(x: float, y: float, z: float, side: float) -> Angles:
    """Joint angles hx, hy, kn (rad) that put the foot at ``x, y, z``, with the knee behind the foot.

    ``side`` is +1 on the left, -1 on the right. What is out of reach is answered by the nearest leg length
    within it, and every angle is within its joint's limits. Plane geometry, see any textbook on robot arms:
    the abduction turns the leg's plane onto the foot, the law of cosines gives the two angles in that plane.
    """
    down = sqrt(max(y * y + z * z - HIP_OFFSET_M**2, 1e-9))
    hx = atan2(y, -z) - atan2(side * HIP_OFFSET_M, down)
    length = min(max(sqrt(x * x + down * down), SHORTEST_M), LONGEST_M)
    squares = UPPER_LEG_M**2 - LOWER_LEG_M**2
    inside = (UPPER_LEG_M**2 + LOWER_LEG_M**2 - length * length) / (2 * UPPER_LEG_M * LOWER_LEG_M)
    at_hip = (squares + length * length) / (2 * UPPER_LEG_M * length)
    kn = acos(min(max(inside, -1.0), 1.0)) - pi
    hy = atan2(-x, down) + acos(min(max(at_hip, -1.0), 1.0))
    return (
        min(max(hx, JOINT_LOWER_RAD[0]), JOINT_UPPER_RAD[0]),
        min(max(hy, JOINT_LOWER_RAD[1]), JOINT_UPPER_RAD[1]),
        min(max(kn, JOINT_LOWER_RAD[2]), JOINT_UPPER_RAD[2]),
    )


def foot(hx: float, hy: float, kn: float, side: float) -> tuple[float, float, float]:
    """Where these joint angles put the foot: the inverse of ``angles``."""
    forward = -UPPER_LEG_M * sin(hy) - LOWER_LEG_M * sin(hy + kn)
    down = UPPER_LEG_M * cos(hy) + LOWER_LEG_M * cos(hy + kn)
    out = side * HIP_OFFSET_M
    return forward, out * cos(hx) + down * sin(hx), out * sin(hx) - down * cos(hx)


def torques(hx: float, hy: float, kn: float, side: float, newton: float) -> Angles:
    """Torques (Nm) that press on the floor with ``newton``, straight down: minus the transposed Jacobian."""
    forward, sideways, _ = foot(hx, hy, kn, side)
    return (
        -newton * sideways,
        newton * cos(hx) * forward,
        -newton * cos(hx) * LOWER_LEG_M * sin(hy + kn),
    )
