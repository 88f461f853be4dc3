"""Where the feet go: a trot by the speed the body is to have, and single steps to a new stance.

Positions are in the frame of the footprint: under the body, turned with it, its x forward and y left. Metres,
seconds, radians.
"""

from __future__ import annotations

from math import cos, hypot, pi, sin

from harness.sim.spot.dimensions import FOOTHOLDS

MAX_FORWARD_MPS = 1.6
MAX_SIDEWAYS_MPS = 1.0
MAX_TURN_RADPS = 2.0
ACCELERATION_MPS2 = 3.0
BRAKING_MPS2 = 6.0
TURN_RADPS2 = 6.0
TURN_BRAKING_RADPS2 = 12.0

SWING_S = 0.20
BOTH_S = 0.03  # all four feet down, between two swings
STANCE_S = SWING_S + 2 * BOTH_S
LIFT_M = 0.06
CLOSE_M = 0.02  # a foot that near to its foothold is left where it is
PAIRS = ((0, 3), (1, 2))

Speeds = tuple[float, float, float]
STILL: Speeds = (0.0, 0.0, 0.0)


def limited(forward: float, sideways: float, turn: float) -> Speeds:
    """Speeds (m/s, m/s, rad/s) as far as the robot walks them."""
    return (
        min(max(forward, -MAX_FORWARD_MPS), MAX_FORWARD_MPS),
        min(max(sideways, -MAX_SIDEWAYS_MPS), MAX_SIDEWAYS_MPS),
        min(max(turn, -MAX_TURN_RADPS), MAX_TURN_RADPS),
    )


class Gait:
    """Feet on the floor, pair by pair of a diagonal, for as long as there is somewhere to go.

    ``feet`` and ``lifts`` are where the four feet are to be: (x, y) in the footprint's frame and height above
    the floor. ``speeds`` is what the body is to do now, ``order`` what it was told: the first follows the
    second with limited acceleration. ``active`` says that steps are being made.
    """

    def __init__(self) -> None:
        self.order: Speeds = STILL
        self.stand_at(FOOTHOLDS)

    def stand_at(self, feet: tuple[tuple[float, float], ...]) -> None:
        """All four feet are down, here, and nothing moves."""
        self.feet = [[x, y] for x, y in feet]
        self.lifts = [0.0, 0.0, 0.0, 0.0]
        self.speeds: Speeds = STILL
        self.footholds = FOOTHOLDS
        self.active = False
        self._pair = 0
        self._time_s = 0.0
        self._left = [[0.0, 0.0], [0.0, 0.0]]  # where the feet of the pair in the air left the floor

    def turn(self, angle_rad: float) -> None:
        """The body has turned over feet that stay: their places in its frame turn the other way."""
        c, s = cos(angle_rad), sin(angle_rad)
        self.feet = [[c * x + s * y, c * y - s * x] for x, y in self.feet]

    @property
    def astray(self) -> bool:
        """A foot is not in its place."""
        return self._astray(0) or self._astray(1)

    def start(self) -> None:
        """Begin to step, if no step is being made."""
        if not self.active:
            self.active = True
            self._time_s = 0.0

    def advance(self, dt_s: float) -> None:
        """Move speeds and feet on; ``active`` ends when nothing is ordered and every foot is in its place."""
        self._accelerate(dt_s)
        forward, sideways, turn = self.speeds
        self._time_s += dt_s
        airborne = BOTH_S <= self._time_s < BOTH_S + SWING_S
        swinging = PAIRS[self._pair] if airborne else ()
        for leg in range(4):
            if leg not in swinging:
                foot = self.feet[leg]
                x, y = foot
                foot[0] = x - (forward - turn * y) * dt_s
                foot[1] = y - (sideways + turn * x) * dt_s
                self.lifts[leg] = 0.0
                if self._time_s < BOTH_S and leg in PAIRS[self._pair]:
                    self._left[PAIRS[self._pair].index(leg)] = [foot[0], foot[1]]
        if airborne:
            self._swing((self._time_s - BOTH_S) / SWING_S)
        elif self._time_s >= BOTH_S + SWING_S:
            self._next_step()

    def _accelerate(self, dt_s: float) -> None:
        stopping = self.order == STILL
        step = (BRAKING_MPS2 if stopping else ACCELERATION_MPS2) * dt_s
        turn_step = (TURN_BRAKING_RADPS2 if stopping else TURN_RADPS2) * dt_s
        x, y, turn = self.speeds
        dx, dy, dturn = self.order[0] - x, self.order[1] - y, self.order[2] - turn
        far = hypot(dx, dy)
        if far > step:
            dx, dy = dx * step / far, dy * step / far
        self.speeds = (x + dx, y + dy, turn + min(max(dturn, -turn_step), turn_step))

    def _swing(self, part: float) -> None:
        # Half a stance ahead of the foothold, so that the foot is under its leg in the middle of the stance;
        # when the body is about to stop, as far ahead as it will still go.
        forward, sideways, turn = self.speeds
        if self.order == STILL:
            ahead, turn_ahead = self._coasting((1 - part) * SWING_S)
        else:
            ahead = turn_ahead = STANCE_S / 2
        gone = part - sin(2 * pi * part) / (2 * pi)  # a cycloid: no jerk at either end
        for number, leg in enumerate(PAIRS[self._pair]):
            hold_x, hold_y = self.footholds[leg]
            x = hold_x + forward * ahead - turn * hold_y * turn_ahead
            y = hold_y + sideways * ahead + turn * hold_x * turn_ahead
            from_x, from_y = self._left[number]
            self.feet[leg][0] = from_x + (x - from_x) * gone
            self.feet[leg][1] = from_y + (y - from_y) * gone
            self.lifts[leg] = LIFT_M * (1 - cos(2 * pi * part)) / 2

    def _coasting(self, later_s: float) -> tuple[float, float]:
        """How far the body will go after ``later_s`` until it has braked, as seconds of its speeds of now."""
        speed, turn = hypot(self.speeds[0], self.speeds[1]), abs(self.speeds[2])
        then = max(speed - BRAKING_MPS2 * later_s, 0.0)
        turn_then = max(turn - TURN_BRAKING_RADPS2 * later_s, 0.0)
        return (
            then * then / (2 * BRAKING_MPS2 * speed) if speed else 0.0,
            turn_then * turn_then / (2 * TURN_BRAKING_RADPS2 * turn) if turn else 0.0,
        )

    def _next_step(self) -> None:
        self._time_s = 0.0
        other = 1 - self._pair
        if self.order != STILL or self._astray(other):
            self._pair = other
        elif self.speeds == STILL and not self._astray(self._pair):
            self.active = False

    def _astray(self, pair: int) -> bool:
        """A foot of the pair will be off its foothold when the body has stopped."""
        ahead, turn_ahead = self._coasting(0.0)
        forward, sideways, turn = self.speeds
        for leg in PAIRS[pair]:
            (hold_x, hold_y), (x, y) = self.footholds[leg], self.feet[leg]
            x -= forward * ahead - turn * hold_y * turn_ahead
            y -= sideways * ahead + turn * hold_x * turn_ahead
            if hypot(x - hold_x, y - hold_y) > CLOSE_M:
                return True
        return False
