"""What can be known of the body at an instant."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float64]
Phase = Literal["off", "sitting", "rising", "standing", "walking", "settling", "joints", "fallen"]


@dataclass(frozen=True)
class Limits:
    """Of the joints, (12,) each: positions in radians, torques in newton metres."""

    lower_rad: Vector
    upper_rad: Vector
    torque_nm: Vector


@dataclass(frozen=True)
class State:
    """A copy: it stays as it was. Joints are in the order of ``dimensions.JOINTS``, feet in that of
    ``dimensions.LEGS``.

    ``joint_position`` (rad), ``joint_velocity`` (rad/s), ``joint_acceleration`` (rad/s2), ``joint_load``
    (torque of the motor, Nm): (12,). ``position`` (m), ``velocity`` (m/s) and ``angular_velocity`` (rad/s) of
    the body, in the world: (3,). ``orientation``: quaternion w, x, y, z of the body in the world, (4,).
    ``feet``: the middle of each foot in the body's frame (m), (4, 3). ``contact``: which feet carry weight,
    (4,).
    """

    time_s: float
    phase: Phase
    joint_position: Vector
    joint_velocity: Vector
    joint_acceleration: Vector
    joint_load: Vector
    position: Vector
    orientation: Vector
    velocity: Vector
    angular_velocity: Vector
    feet: Vector
    contact: npt.NDArray[np.bool_]
    limits: Limits
