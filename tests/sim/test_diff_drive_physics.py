"""The base alone: no ROS, no wall clock."""

from __future__ import annotations

import math

import pytest

from harness.sim.diff_drive.physics import (
    COMMAND_TIMEOUT_S,
    MAX_ANGULAR_RADPS,
    MAX_LINEAR_MPS,
    Physics,
)


def drive(base: Physics, linear: float, angular: float, seconds: float) -> None:
    """Hold a command, repeated every 0.1 s as a real sender would."""
    for step in range(round(seconds * base.rate_hz)):
        if step % (base.rate_hz // 10) == 0:
            base.command(linear, angular)
        base.step()


def test_it_stands_still_without_a_command() -> None:
    base = Physics(noise=0.0)
    x, y, yaw = base.true_pose()
    for _ in range(1000):
        base.step()
    assert base.true_pose() == pytest.approx((x, y, yaw), abs=1e-6)
    assert base.odometry().linear_mps == pytest.approx(0.0, abs=1e-6)
    assert base.imu().accelerometer_mps2[2] == pytest.approx(9.81, abs=0.01)


@pytest.mark.parametrize("speed", [0.2, 0.5, -0.3])
def test_it_drives_straight_at_the_commanded_speed(speed: float) -> None:
    base = Physics(noise=0.0)
    drive(base, speed, 0.0, 0.5)
    x0, _, _ = base.true_pose()
    drive(base, speed, 0.0, 1.0)
    x, y, yaw = base.true_pose()
    assert x - x0 == pytest.approx(speed, rel=0.02)
    assert (y, yaw) == pytest.approx((0.0, 0.0), abs=1e-3)
    assert base.odometry().linear_mps == pytest.approx(speed, rel=0.01)


@pytest.mark.parametrize("rate", [1.0, -0.5])
def test_it_turns_on_the_spot(rate: float) -> None:
    base = Physics(noise=0.0)
    drive(base, 0.0, rate, 0.5)
    _, _, yaw0 = base.true_pose()
    drive(base, 0.0, rate, 1.0)
    x, y, yaw = base.true_pose()
    assert yaw - yaw0 == pytest.approx(rate, rel=0.02)
    assert math.hypot(x, y) < 0.01
    assert base.imu().gyro_radps[2] == pytest.approx(rate, rel=0.02)


def test_wheel_odometry_agrees_with_the_body_on_an_arc() -> None:
    base = Physics(noise=0.0)
    drive(base, 0.3, 0.6, 2.0)
    x, y, yaw = base.true_pose()
    said = base.odometry()
    assert (said.x_m, said.y_m) == pytest.approx((x, y), abs=0.02)
    assert said.yaw_rad == pytest.approx(yaw, abs=0.02)


def test_yaw_stays_within_half_a_turn() -> None:
    base = Physics(noise=0.0)
    drive(base, 0.0, 3.0, 1.5)
    assert -math.pi <= base.odometry().yaw_rad <= math.pi
    assert base.odometry().yaw_rad < 0.0, "4.5 rad were turned, which is -1.8"


def test_zero_stops_it() -> None:
    base = Physics(noise=0.0)
    drive(base, 0.4, 0.0, 0.6)
    drive(base, 0.0, 0.0, 0.5)
    x, _, _ = base.true_pose()
    drive(base, 0.0, 0.0, 0.5)
    assert base.true_pose()[0] == pytest.approx(x, abs=1e-3)
    assert base.odometry().linear_mps == pytest.approx(0.0, abs=1e-4)


def test_it_stops_when_commands_cease_and_not_before() -> None:
    base = Physics(noise=0.0)
    drive(base, 0.4, 0.0, 0.1)
    base.command(0.4, 0.0)
    for _ in range(round(COMMAND_TIMEOUT_S * base.rate_hz)):
        base.step()
    assert base.odometry().linear_mps == pytest.approx(0.4, rel=0.02)
    for _ in range(base.rate_hz // 2):
        base.step()
    assert base.odometry().linear_mps == pytest.approx(0.0, abs=1e-4)


def test_speeds_are_clipped_and_what_is_not_finite_is_zero() -> None:
    base = Physics(noise=0.0)
    assert base.command(7.0, -70.0) == (MAX_LINEAR_MPS, -MAX_ANGULAR_RADPS)
    assert base.command(0.3, -0.2) == (0.3, -0.2)
    assert base.command(math.nan, math.inf) == (0.0, 0.0)


def record(seed: int, noise: float = 1.0) -> list[object]:
    base = Physics(seed=seed, noise=noise)
    seen: list[object] = []
    for step in range(300):
        if step % 20 == 0:
            base.command(0.2 if step % 40 else -0.2, 0.1)
        base.step()
        if step % 10 == 0:
            seen += [base.odometry(), base.imu(), base.true_pose()]
    return seen


def test_the_same_seed_gives_the_same_floats() -> None:
    assert record(seed=3) == record(seed=3)
    assert record(seed=3) != record(seed=4)


def test_noise_is_on_the_sensors_and_not_on_the_body() -> None:
    quiet, noisy = record(seed=1, noise=0.0), record(seed=1, noise=1.0)
    assert quiet[2::3] == noisy[2::3]
    assert all(a != b for a, b in zip(quiet[1::3], noisy[1::3], strict=True))


@pytest.mark.parametrize("rate_hz", [200, 500, 2000])
def test_other_step_rates_drive_alike(rate_hz: int) -> None:
    base = Physics(rate_hz=rate_hz, noise=0.0)
    drive(base, 0.3, 0.3, 1.0)
    assert base.time_s == pytest.approx(1.0)
    assert base.odometry().linear_mps == pytest.approx(0.3, rel=0.02)
    assert base.odometry().angular_radps == pytest.approx(0.3, rel=0.02)


def test_a_step_rate_without_stable_contacts_is_refused() -> None:
    with pytest.raises(ValueError, match="100 Hz: must be from 200"):
        Physics(rate_hz=100)
