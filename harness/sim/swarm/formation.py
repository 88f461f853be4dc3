"""Where the slots of a formation are, and who goes to which.

Slot 0 is the leader's. Everybody else gets the slot that makes the sum of distances smallest: the linear
assignment problem, solved by scipy.optimize.linear_sum_assignment (Crouse, "On implementing 2D rectangular
assignment algorithms", IEEE Trans. AES 52, 2016).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

import numpy as np
from scipy.optimize import linear_sum_assignment

from harness.sim.swarm.messages import NO_SLOT, Place

SPACING_M = 1.0
SHAPES = ("wedge", "line", "ring", "grid")


def slot_places(shape: str, count: int) -> tuple[Place, ...]:
    """The places of ``count`` slots in metres. Raises ValueError for a shape that is not in SHAPES."""
    if shape == "wedge":
        wings = [((slot + 1) // 2, -1 if slot % 2 else 1) for slot in range(count)]
        return tuple((-SPACING_M * row, SPACING_M * row * side) for row, side in wings)
    if shape == "line":
        return tuple((-SPACING_M * slot, 0.0) for slot in range(count))
    if shape == "ring":
        radius = SPACING_M * count / math.tau
        angles = [math.tau * slot / count for slot in range(count)]
        return tuple((radius * math.cos(angle), radius * math.sin(angle)) for angle in angles)
    if shape == "grid":
        width = math.isqrt(max(count - 1, 0)) + 1
        return tuple((-SPACING_M * (slot // width), SPACING_M * (slot % width)) for slot in range(count))
    raise ValueError(f"formation {shape!r}: one of {', '.join(SHAPES)}")


def assign(
    leader: int, members: Iterable[int], places: Mapping[int, Place], slots: tuple[Place, ...]
) -> tuple[int, ...]:
    """The slot of each robot, by number from 1; NO_SLOT for those that are not members.

    The leader has slot 0; as many of the nearest slots are filled as there are members, so that no gap stays
    in front.
    """
    others = sorted(set(members) - {leader})
    result = [NO_SLOT] * len(slots)
    result[leader - 1] = 0
    if others:
        start = np.array([places.get(robot, (0.0, 0.0)) for robot in others])
        goal = np.array(slots[1 : len(others) + 1])
        distance = np.hypot(*(start[:, None, :] - goal[None, :, :]).transpose(2, 0, 1))
        for row, column in zip(*linear_sum_assignment(distance), strict=True):
            result[others[int(row)] - 1] = int(column) + 1
    return tuple(result)
