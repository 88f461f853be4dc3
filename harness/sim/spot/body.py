"""The body of the simulated Spot: orders in, motion out. No network, no thread, no clock of its own.

It glides: the legs trot, are placed by closed-form geometry and carry the weight, but what holds the ordered
speed over ground (x, y and turn), and what keeps the body upright while it walks or gets up, is a servo that
pushes at the body (``Plant.assist``). Standing, sitting and joint control are the twelve motors' work alone.
The robot does not trip, and proves nothing about locomotion: it is there to move when told, and to be seen
moving.

The same calls give the same floats.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import numpy as np

from harness.sim.spot import gait
from harness.sim.spot.dimensions import (
    FOOTHOLDS,
    JOINT_LOWER_RAD,
    JOINT_UPPER_RAD,
    LEGS,
    TORQUE_NM,
)
from harness.sim.spot.gait import Gait, Speeds
from harness.sim.spot.plant import Plant, Vector
from harness.sim.spot.posture import STRAIGHT, Posture, within
from harness.sim.spot.state import Limits, Phase, State

KP_NM_PER_RAD = 1200.0
KD_NM_S_PER_RAD = 50.0
MAX_KP_NM_PER_RAD = 2000.0
MAX_KD_NM_S_PER_RAD = 100.0
FOLD_S = 0.8
UPRIGHT_RAD = 0.3
FALLEN_RAD = 0.8
SINK_S = 1.2
STANCE_REACH_M = (0.15, 0.08)
LIMITS = Limits(np.tile(JOINT_LOWER_RAD, 4), np.tile(JOINT_UPPER_RAD, 4), np.tile(TORQUE_NM, 4))


class MotorsOffError(RuntimeError):
    """An order that takes motors, while they are off: ``power(True)`` comes first."""


class Body:
    """One robot on a flat floor; it begins sitting at the origin, motors off.

    Orders take effect with the next step. A newer order replaces an older one; what it needs first (to get
    up, to stop walking) the robot does by itself. Orders but ``power`` raise MotorsOffError without power,
    and ValueError for what is not a finite number; numbers beyond the limits are clipped, and what remains is
    returned where there is anything to know.
    """

    def __init__(self, *, timestep_s: float = 0.001) -> None:
        if not 0.0002 <= timestep_s <= 0.002:
            raise ValueError(f"time step {timestep_s} s: must be from 0.0002 to 0.002")
        self._dt_s = timestep_s
        self._steps = 0
        self._plant = Plant(timestep_s)
        self._gait = Gait()
        self._posture = Posture()
        self._phase: Phase = "off"
        self._up = False
        self._restep = False
        self._loose = True  # the joints are not where the posture says, so the legs have to be folded first
        self._fold_from: list[float] | None = None
        self._still = True
        self._fold_s = 0.0
        self._sinking = 0  # steps left in which the robot goes down without power
        self._angles: list[float] = []
        angles, _ = self._posture.orders(self._gait.feet, self._gait.lifts)
        self._seat = angles
        self._plant.place(angles)
        self._plant.limp(True)
        self._plant.run(round(1.0 / timestep_s))
        self._plant.centre()

    @property
    def time_s(self) -> float:
        """Simulated time since the start, in seconds."""
        return self._steps * self._dt_s

    @property
    def phase(self) -> Phase:
        """What the robot is doing, as in ``State.phase``; costs nothing."""
        return self._phase

    # Orders

    def power(self, on: bool) -> None:
        """Motors on: the joints hold where they are. Off: no torque at all, the robot sinks to the floor."""
        if on == (self._phase != "off"):
            return
        self._let_go()
        self._plant.limp(not on)
        if on:
            self._plant.gains(KP_NM_PER_RAD, KD_NM_S_PER_RAD)
            self._follow([float(q) for q in self._plant.joints])
            self._phase = "fallen" if self._plant.tilt() > FALLEN_RAD else "sitting"
        else:
            self._phase = "off"
            self._sinking = 0 if self._plant.tilt() > FALLEN_RAD else round(SINK_S / self._dt_s)
            self._plant.assist(push=False, upright=self._sinking > 0)

    def sit(self) -> None:
        """Stop, sit down, and stay."""
        self._begin()
        self._up = False
        self._posture.goal = STRAIGHT
        self._gait.order = gait.STILL
        self._gait.footholds = FOOTHOLDS
        # A robot that sits down over feet that are not below its hips tips over.
        self._restep = self._phase == "standing" and self._gait.astray

    def settle(self) -> None:
        """Sit down as ``sit`` does; when the phase is "sitting", power can be cut without a fall."""
        self.sit()

    def halt(self) -> None:
        """Stop with as little motion as possible: who walks stands, who obeyed joint commands sits down, and
        who stands or sits stays as it is."""
        if self._phase in ("walking", "rising"):
            self.stand()
        elif self._phase == "joints":
            self.sit()

    def stand(
        self, height_m: float = 0.0, roll: float = 0.0, pitch: float = 0.0, yaw: float = 0.0
    ) -> tuple[float, float, float, float]:
        """Stop and stand with the body so offset (m, rad) from straight standing; feet stay. The pose."""
        _finite("pose", height_m, roll, pitch, yaw)
        self._begin()
        self._up = True
        self._posture.goal = within(height_m, roll, pitch, yaw)
        self._gait.order = gait.STILL
        return self._posture.goal

    def walk(self, vx: float, vy: float, wz: float) -> Speeds:
        """Walk at these speeds (m/s forward, m/s to the left, rad/s) until another order; zero stops."""
        _finite("speeds", vx, vy, wz)
        self._begin()
        self._up = True
        self._gait.order = gait.limited(vx, vy, wz)
        if self._gait.order != gait.STILL:
            self._posture.goal = STRAIGHT
            self._gait.footholds = FOOTHOLDS
        return self._gait.order

    def stance(self, feet: Mapping[str, Sequence[float]]) -> None:
        """Stop, stand straight, and step with the named feet (two or four of LEGS) to x, y (m) off their
        usual places.

        Raises ValueError for other feet or numbers of them, and for places further off than STANCE_REACH_M.
        """
        if len(feet) not in (2, 4) or not set(feet) <= set(LEGS):
            raise ValueError(f"stance of {sorted(feet)}: must name two or four of {', '.join(LEGS)}")
        for name, place in feet.items():
            _finite(f"place of {name}", *place)
            if len(place) != 2 or abs(place[0]) > STANCE_REACH_M[0] or abs(place[1]) > STANCE_REACH_M[1]:
                raise ValueError(f"place of {name} {tuple(place)}: x and y, at most {STANCE_REACH_M} m off")
        self._begin()
        self._up = True
        self._posture.goal = STRAIGHT
        self._gait.order = gait.STILL
        standing = self._gait.feet if self._phase == "standing" else FOOTHOLDS
        self._gait.footholds = tuple(
            (x + feet[leg][0], y + feet[leg][1]) if leg in feet else (stands[0], stands[1])
            for leg, (x, y), stands in zip(LEGS, FOOTHOLDS, standing, strict=True)
        )
        self._restep = True

    def joints(self, position: Vector, velocity: Vector, load: Vector, kp: Vector, kd: Vector) -> None:
        """Drive each joint by itself until another order: torque = kp (position - q) + kd (velocity - v) +
        load, (12,) each.

        Positions and torques are clipped at ``State.limits``, gains at MAX_KP_NM_PER_RAD and
        MAX_KD_NM_S_PER_RAD.
        """
        rows = [np.asarray(row, dtype=np.float64) for row in (position, velocity, load, kp, kd)]
        if any(row.shape != (12,) for row in rows):
            raise ValueError(f"joint orders of shapes {[row.shape for row in rows]}: must be (12,) each")
        if not all(np.isfinite(row).all() for row in rows):
            raise ValueError("joint orders: must be finite numbers")
        self._powered()
        if self._phase != "joints":
            self._let_go()
            self._phase = "joints"
        q, v, t, kp, kd = rows
        kp, kd = np.clip(kp, 0.0, MAX_KP_NM_PER_RAD), np.clip(kd, 0.0, MAX_KD_NM_S_PER_RAD)
        self._plant.gains(kp, kd)
        self._plant.drive(kp * np.clip(q, LIMITS.lower_rad, LIMITS.upper_rad) + kd * v + t)

    # Motion

    def step(self, steps: int) -> None:
        """Advance by so many time steps."""
        left = steps
        while left > 0:
            if self._phase == "off" and self._sinking:
                self._sink()
                left -= 1
            elif self._phase in ("off", "joints", "fallen") or self._still:
                self._plant.run(left)
                left = 0
            else:
                self._control()
                self._plant.run(1)
                left -= 1
        self._steps += steps
        upright = self._phase in ("off", "joints", "fallen") or self._plant.tilt() <= FALLEN_RAD
        if not upright and self._fold_from is None:
            self._let_go()
            self._plant.gains(0.0, KD_NM_S_PER_RAD)
            self._plant.drive([0.0] * 12)
            self._phase = "fallen"

    def _sink(self) -> None:
        """Limp legs give way, and the assist sees to it that the robot lands on its belly."""
        self._sinking -= 1
        self._plant.right()
        if not self._sinking:
            self._plant.assist(push=False, upright=False)
        self._plant.run(1)

    def _control(self) -> None:
        """Everything that moves the references on by one step."""
        if self._fold_from is not None:
            self._fold()
            return
        if self._phase == "walking":
            self._walk_on()
        else:
            self._posture.up = self._up or self._restep
            self._posture.advance(self._dt_s)
            self._phase = self._posture_phase()
            if self._phase == "standing" and self._posture.up:
                self._start_walking()
        angles, torques = self._posture.orders(self._gait.feet, self._gait.lifts)
        at_rest = self._phase != "walking" and self._posture.settled and not self._restep
        self._still = at_rest and angles == self._angles
        self._follow(angles, torques)

    def _posture_phase(self) -> Phase:
        if self._posture.raised == 1.0:
            return "standing"
        if self._posture.raised == 0.0 and not self._up:
            return "sitting"
        return "rising" if self._up else "settling"

    def _start_walking(self) -> None:
        if self._gait.order == gait.STILL and not (self._restep and self._posture.settled):
            return
        self._restep = False
        height, roll, pitch, yaw = self._posture.pose
        self._gait.turn(yaw)
        self._posture.take((height, roll, pitch, 0.0), 1.0)
        self._gait.start()
        self._plant.assist(push=True, upright=True)
        self._phase = "walking"
        self._walk_on()

    def _walk_on(self) -> None:
        before = self._gait.speeds
        self._gait.advance(self._dt_s)
        self._posture.advance(self._dt_s)
        if self._gait.active:
            self._plant.push(before, self._gait.speeds, self._dt_s)
            self._plant.right()
        else:
            self._plant.assist(push=False, upright=False)
            self._phase = "standing"

    def _fold(self) -> None:
        """Bring the legs from wherever they are under the body, which is turned upright meanwhile."""
        self._fold_s += self._dt_s
        part = min(self._fold_s / FOLD_S, 1.0)
        part *= part * (3 - 2 * part)
        assert self._fold_from is not None
        self._follow([a + (b - a) * part for a, b in zip(self._fold_from, self._seat, strict=True)])
        self._plant.right()
        tilt = self._plant.tilt()
        if tilt > FALLEN_RAD:
            self._phase = "fallen"
        else:
            self._phase = "rising" if self._up else "settling"
        if self._fold_s >= FOLD_S and tilt < UPRIGHT_RAD:
            self._fold_from = None
            self._plant.assist(push=False, upright=False)

    def _follow(self, angles: list[float], torques: Sequence[float] = (0.0,) * 12) -> None:
        """Order the motors to these angles, at the speed with which they changed."""
        rate = KD_NM_S_PER_RAD / self._dt_s
        last = self._angles or angles
        self._plant.drive(
            [
                KP_NM_PER_RAD * angle + rate * (angle - before) + torque
                for angle, before, torque in zip(angles, last, torques, strict=True)
            ]
        )
        self._angles = angles

    def _powered(self) -> None:
        if self._phase == "off":
            raise MotorsOffError("the motors are off")

    def _begin(self) -> None:
        """What every order of the whole body begins with."""
        self._powered()
        self._restep = False
        self._still = False
        if self._loose:
            self._loose = False
            self._fold_from = [float(q) for q in self._plant.joints]
            self._fold_s = 0.0
            self._angles = []
            self._plant.gains(KP_NM_PER_RAD, KD_NM_S_PER_RAD)
            self._plant.assist(push=False, upright=True)
            self._phase = "settling"

    def _let_go(self) -> None:
        """Forget where the legs were to be: somebody or something else moves them."""
        self._loose = True
        self._fold_from = None
        self._still = True
        self._up = self._restep = False
        self._angles = []
        self._gait.order = gait.STILL
        self._gait.stand_at(FOOTHOLDS)
        self._posture = Posture()
        self._plant.assist(push=False, upright=False)

    def state(self) -> State:
        """All that can be known now."""
        plant = self._plant
        return State(
            time_s=self.time_s,
            phase=self._phase,
            joint_position=plant.joints.copy(),
            joint_velocity=plant.joint_speeds.copy(),
            joint_acceleration=plant.joint_accelerations.copy(),
            joint_load=plant.loads.copy(),
            position=plant.position.copy(),
            orientation=plant.quaternion.copy(),
            velocity=plant.velocity.copy(),
            angular_velocity=plant.spin(),
            feet=plant.feet(),
            contact=plant.contacts(),
            limits=LIMITS,
        )


def _finite(what: str, *numbers: float) -> None:
    if not all(isfinite(number) for number in numbers):
        raise ValueError(f"{what} {numbers}: must be finite numbers")
