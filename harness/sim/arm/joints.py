"""The joints: a position loop with limited speed and acceleration, stepped with the wall clock."""

from __future__ import annotations

import math
from collections.abc import Sequence

NAMES = ("shoulder", "elbow", "wrist")
HOME_RAD = (0.4, -0.8, 0.2)
POSITION_LIMIT_RAD = 2.8
SPEED_LIMIT_RADPS = 3.0
ACCELERATION_LIMIT_RADPS2 = 20.0
TIME_CONSTANT_S = 0.02
"""Of the position loop: how fast an error that is small decays."""


class Joints:
    """Position (rad) and speed (rad/s) of every joint, in the order of NAMES."""

    def __init__(self, positions: Sequence[float] = HOME_RAD) -> None:
        self.positions = list(positions)
        self.speeds = [0.0] * len(self.positions)

    def step(self, wanted: Sequence[float], forward: Sequence[float], dt_s: float) -> None:
        """Advance by ``dt_s`` towards ``wanted`` (rad), which itself moves at ``forward`` (rad/s).

        No joint goes so fast that it could not brake before where it is wanted: v^2 <= 2 a d.
        """
        for i, (target, feed) in enumerate(zip(wanted, forward, strict=True)):
            error = target - self.positions[i]
            closing = error / TIME_CONSTANT_S
            braking = math.sqrt(2.0 * ACCELERATION_LIMIT_RADPS2 * abs(error))
            speed = feed + max(-braking, min(braking, closing))
            speed = max(-SPEED_LIMIT_RADPS, min(SPEED_LIMIT_RADPS, speed))
            change = ACCELERATION_LIMIT_RADPS2 * dt_s
            self.speeds[i] += max(-change, min(change, speed - self.speeds[i]))
            self.positions[i] += self.speeds[i] * dt_s
