"""The robot in MuJoCo: motors that follow joint targets, the assist, and what can be read of it."""

from __future__ import annotations

from math import acos, hypot
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

from harness.sim.spot.dimensions import LEGS, MASS_KG
from harness.sim.spot.gait import Speeds
from harness.sim.spot.model import xml

Vector = npt.NDArray[np.float64]

JOINT_DAMPING = 0.5  # Nm s/rad: gears and bearings
# With the motors off their windings are shorted, and there is the dry friction of gears that nothing turns.
LIMP_DAMPING = 2.0
LIMP_FRICTION_NM = 2.0
TOUCH_N = 5.0
PUSH_N_S_PER_M = 2000.0
TURN_NM_S = 300.0
TURN_INERTIA_KG_M2 = 2.5  # of body and legs about the vertical
UPRIGHT_NM = 500.0  # per radian of tilt
UPRIGHT_NM_S = 60.0


class Plant:
    """The model, its twelve motors and its assist.

    A motor's torque is ``kp (q* - q) + kd (v* - v) + t``, clipped at its limit. MuJoCo computes it in every
    step, and takes the part that damps implicitly, so that stiff gains are stable.
    """

    def __init__(self, timestep_s: float) -> None:
        self._model: Any = mujoco.MjModel.from_xml_string(xml())
        self._model.opt.timestep = timestep_s
        self._data: Any = mujoco.MjData(self._model)
        # Views into MuJoCo's own memory: reading them costs no attribute look-up through the bindings.
        self.position: Vector = self._data.qpos[0:3]
        self.quaternion: Vector = self._data.qpos[3:7]
        self.velocity: Vector = self._data.qvel[0:3]
        self.joints: Vector = self._data.qpos[7:19]
        self.joint_speeds: Vector = self._data.qvel[6:18]
        self.joint_accelerations: Vector = self._data.qacc[6:18]
        self.loads: Vector = self._data.actuator_force[0:12]
        self._spin: Vector = self._data.qvel[3:6]
        body = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_BODY, "body")
        self._rotation: Vector = self._data.xmat[body].reshape(3, 3)
        self._middle: Vector = self._data.xpos[body]
        feet = [mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_SITE, f"{leg}.foot") for leg in LEGS]
        self._feet = np.array(feet)
        self._sites: Vector = self._data.site_xpos
        self._touch: Vector = self._data.sensordata
        self._ctrl: Vector = self._data.ctrl
        self._bias: Vector = self._model.actuator_biasprm
        self._damping: Vector = self._model.dof_damping
        self._friction: Vector = self._model.dof_frictionloss

    def place(self, joints: list[float]) -> None:
        """Put the joints here without a motion, and compute what follows from it."""
        self.joints[:] = joints
        mujoco.mj_forward(self._model, self._data)

    def centre(self) -> None:
        """Move the robot to the origin, looking along x, at rest, at the height where it is."""
        self.position[0:2] = 0.0
        self.quaternion[:] = (1.0, 0.0, 0.0, 0.0)
        self._data.qvel[:] = 0.0
        self._data.time = 0.0
        mujoco.mj_forward(self._model, self._data)

    def run(self, steps: int) -> None:
        """Advance by this many steps under the orders given."""
        mujoco.mj_step(self._model, self._data, steps)

    def gains(self, kp: Vector | float, kd: Vector | float) -> None:
        """Stiffness (Nm/rad) and damping (Nm s/rad) of the motors, (12,) or one for all."""
        self._bias[0:12, 1] = -np.asarray(kp)
        self._bias[0:12, 2] = -np.asarray(kd)

    def drive(self, constant: Vector | list[float]) -> None:
        """What of each motor's torque does not depend on its joint: ``kp q* + kd v* + t`` (12,)."""
        self._ctrl[0:12] = constant

    def limp(self, on: bool) -> None:
        """Shorted windings instead of motors: torque there is none, and the joints turn slowly."""
        self._damping[6:18] = LIMP_DAMPING if on else JOINT_DAMPING
        self._friction[6:18] = LIMP_FRICTION_NM if on else 0.0
        if on:
            self.gains(0.0, 0.0)
            self._ctrl[:] = 0.0

    def assist(self, push: bool, upright: bool) -> None:
        """Which parts of the assist hold: speed over ground, uprightness. The others exert nothing."""
        self._bias[12:14, 2] = -PUSH_N_S_PER_M if push else 0.0
        self._bias[14, 2] = -TURN_NM_S if push else 0.0
        self._bias[15:17, 2] = -UPRIGHT_NM_S if upright else 0.0
        self._ctrl[12:17] = 0.0

    def push(self, before: Speeds, now: Speeds, dt_s: float) -> None:
        """Hold these speeds in the body's frame, by the force that it takes to get there from ``before``."""
        self._ctrl[12] = PUSH_N_S_PER_M * now[0] + MASS_KG * (now[0] - before[0]) / dt_s
        self._ctrl[13] = PUSH_N_S_PER_M * now[1] + MASS_KG * (now[1] - before[1]) / dt_s
        self._ctrl[14] = TURN_NM_S * now[2] + TURN_INERTIA_KG_M2 * (now[2] - before[2]) / dt_s

    def right(self) -> None:
        """Turn the body upright by the shortest way: about the axis square to its own z and the world's."""
        up_x, up_y, up_z = (float(v) for v in self._rotation[2])
        sine = hypot(up_x, up_y)
        if sine < 1e-9:
            about_x, about_y = (1.0, 0.0) if up_z < 0 else (0.0, 0.0)
        else:
            about_x, about_y = -up_y / sine, up_x / sine
        torque = UPRIGHT_NM * self.tilt()
        self._ctrl[15] = torque * about_x
        self._ctrl[16] = torque * about_y

    def tilt(self) -> float:
        """Angle (rad) between the body's z and the vertical."""
        return acos(min(max(float(self._rotation[2, 2]), -1.0), 1.0))

    def spin(self) -> Vector:
        """Angular velocity of the body (rad/s) in the world's frame, (3,)."""
        turned: Vector = self._rotation @ self._spin
        return turned

    def feet(self) -> Vector:
        """The middle of each foot in the frame of the body (m), (4, 3)."""
        seen: Vector = (self._sites[self._feet] - self._middle) @ self._rotation
        return seen

    def contacts(self) -> npt.NDArray[np.bool_]:
        """Which feet press on the floor with more than TOUCH_N, (4,)."""
        return np.asarray(self._touch > TOUCH_N)
