"""The robot's body and its wheel-speed loops, without ROS and without a wall clock.

Deterministic: the same seed and the same calls give the same floats.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
import numpy.typing as npt

MODEL = Path(__file__).resolve().parent.parent / "models" / "diff_drive.xml"
WHEEL_RADIUS_M = 0.06
TRACK_M = 0.30
MAX_LINEAR_MPS = 1.0
MAX_ANGULAR_RADPS = 3.0
COMMAND_TIMEOUT_S = 0.5

# Standard deviations at --noise 1: an ordinary MEMS IMU and wheel encoders read at the loop rate.
GYRO_SD_RADPS = 0.002
ACCELEROMETER_SD_MPS2 = 0.02
WHEEL_SPEED_SD_RADPS = 0.02

Vector = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Odometry:
    """Where the wheels say the robot is: metres, radians, in the frame it started in; speeds in its own."""

    x_m: float
    y_m: float
    yaw_rad: float
    linear_mps: float
    angular_radps: float


@dataclass(frozen=True)
class Imu:
    """Orientation (x, y, z, w); angular velocity in rad/s, specific force in m/s^2, in its frame."""

    orientation_xyzw: tuple[float, float, float, float]
    gyro_radps: tuple[float, float, float]
    accelerometer_mps2: tuple[float, float, float]


def clip(value: float, limit: float) -> float:
    """``value`` within ``-limit..limit``; 0 for what is not finite, as a base must not drive on a NaN."""
    return max(-limit, min(limit, value)) if math.isfinite(value) else 0.0


class Physics:
    """The base on its floor.

    ``rate_hz`` is the number of steps per simulated second, ``noise`` scales the sensors' noise (0: none).
    Raises ValueError for a rate at which the contacts would not be stable.
    """

    def __init__(self, rate_hz: int = 1000, seed: int = 0, noise: float = 1.0) -> None:
        if not 200 <= rate_hz <= 10_000:
            raise ValueError(f"physics rate {rate_hz} Hz: must be from 200 to 10000")
        self.rate_hz = rate_hz
        self.steps = 0
        self._model: Any = mujoco.MjModel.from_xml_path(str(MODEL))
        self._model.opt.timestep = 1.0 / rate_hz
        self._data: Any = mujoco.MjData(self._model)
        self._noise = noise
        self._random = np.random.default_rng(seed)
        # Views into MuJoCo's own memory: reading them costs no attribute look-up through the bindings.
        self._ctrl: Vector = self._data.ctrl
        self._wheel_angles = self._sensor("left_angle", 2)
        self._wheel_speeds = self._sensor("left_speed", 2)
        self._orientation = self._sensor("orientation", 4)
        self._gyro = self._sensor("gyro", 3)
        self._accelerometer = self._sensor("accelerometer", 3)
        self._timeout_steps = round(COMMAND_TIMEOUT_S * rate_hz)
        self._idle_steps = 0
        self._x = self._y = self._yaw = 0.0
        self._settle()
        self._angles: tuple[float, float] = self._read_angles()

    def _sensor(self, name: str, size: int) -> Vector:
        sensor = mujoco.mj_name2id(self._model, mujoco.mjtObj.mjOBJ_SENSOR, name)
        start = int(self._model.sensor_adr[sensor])
        view: Vector = self._data.sensordata[start : start + size]
        return view

    def _settle(self) -> None:
        """Let the base come to rest on its tyres before time counts."""
        for _ in range(self.rate_hz // 2):
            mujoco.mj_step(self._model, self._data)

    def _read_angles(self) -> tuple[float, float]:
        return float(self._wheel_angles[0]), float(self._wheel_angles[1])

    @property
    def time_s(self) -> float:
        """Simulated time since the start, in seconds."""
        return self.steps / self.rate_hz

    def command(self, linear_mps: float, angular_radps: float) -> tuple[float, float]:
        """Set the speeds from the next step on; returns them as clipped to what the base can do.

        Wheel speeds of the unicycle model, w = (v -+ yaw_rate * track / 2) / radius: Siegwart, Nourbakhsh and
        Scaramuzza, Introduction to Autonomous Mobile Robots, 2nd ed., section 3.2.
        """
        linear = clip(linear_mps, MAX_LINEAR_MPS)
        angular = clip(angular_radps, MAX_ANGULAR_RADPS)
        self._drive(linear, angular)
        self._idle_steps = 0
        return linear, angular

    def _drive(self, linear: float, angular: float) -> None:
        self._ctrl[0] = (linear - angular * TRACK_M / 2) / WHEEL_RADIUS_M
        self._ctrl[1] = (linear + angular * TRACK_M / 2) / WHEEL_RADIUS_M

    def step(self) -> None:
        """Advance by 1 / ``rate_hz``; the wheels stop when COMMAND_TIMEOUT_S passed without a command."""
        self._idle_steps += 1
        if self._idle_steps > self._timeout_steps:
            self._drive(0.0, 0.0)
        mujoco.mj_step(self._model, self._data)
        self.steps += 1
        left, right = self._read_angles()
        turned_left, turned_right = left - self._angles[0], right - self._angles[1]
        self._angles = left, right
        moved = (turned_left + turned_right) * WHEEL_RADIUS_M / 2
        turned = (turned_right - turned_left) * WHEEL_RADIUS_M / TRACK_M
        # Midpoint rule: exact to second order for an arc.
        self._x += moved * math.cos(self._yaw + turned / 2)
        self._y += moved * math.sin(self._yaw + turned / 2)
        self._yaw += turned

    def rim_speed_mps(self) -> float:
        """How fast the faster wheel's rim really goes, either way; no encoder's noise is in it."""
        return float(np.abs(self._wheel_speeds).max()) * WHEEL_RADIUS_M

    def odometry(self) -> Odometry:
        """What the wheel encoders say; a slipping wheel goes unnoticed, as on a real base."""
        left, right = (float(v) for v in self._wheel_speeds + self._draw(WHEEL_SPEED_SD_RADPS, 2))
        return Odometry(
            self._x,
            self._y,
            math.remainder(self._yaw, math.tau),
            (left + right) * WHEEL_RADIUS_M / 2,
            (right - left) * WHEEL_RADIUS_M / TRACK_M,
        )

    def imu(self) -> Imu:
        """What the IMU in the middle of the chassis says."""
        w, x, y, z = (float(v) for v in self._orientation)
        gyro = self._gyro + self._draw(GYRO_SD_RADPS, 3)
        force = self._accelerometer + self._draw(ACCELEROMETER_SD_MPS2, 3)
        return Imu(
            (x, y, z, w),
            (float(gyro[0]), float(gyro[1]), float(gyro[2])),
            (float(force[0]), float(force[1]), float(force[2])),
        )

    def _draw(self, sd: float, size: int) -> Vector:
        return self._random.normal(0.0, 1.0, size) * (sd * self._noise)

    def true_pose(self) -> tuple[float, float, float]:
        """Where the body really is: x and y in metres, yaw in radians. Tests compare; no topic carries it."""
        x, y = (float(v) for v in self._data.qpos[0:2])
        qw, qx, qy, qz = (float(v) for v in self._data.qpos[3:7])
        return x, y, math.atan2(2 * (qw * qz + qx * qy), 1 - 2 * (qy * qy + qz * qz))
