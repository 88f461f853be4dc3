"""The body of the simulated Spot, in simulated time: no clock, no network, the same floats every time."""

from __future__ import annotations

import math

import numpy as np
import pytest

from harness.sim.spot.body import Body, MotorsOffError
from harness.sim.spot.dimensions import JOINTS
from harness.sim.spot.state import State

STEPS_A_SECOND = 1000
STAND_S = 4.0


def standing() -> Body:
    body = Body()
    body.power(True)
    body.stand()
    after(body, STAND_S)
    assert body.phase == "standing"
    return body


def after(body: Body, seconds: float) -> State:
    body.step(round(seconds * STEPS_A_SECOND))
    return body.state()


def upright(state: State) -> float:
    """Cosine of the tilt."""
    _, x, y, _ = state.orientation
    return float(1 - 2 * (x * x + y * y))


def yaw(state: State) -> float:
    w, x, y, z = state.orientation
    return math.atan2(2 * (w * z + x * y), 1 - 2 * (y * y + z * z))


class TestPower:
    def test_it_begins_sitting_without_power_and_stays(self) -> None:
        body = Body()
        first = body.state()
        later = after(body, 1.0)
        assert first.phase == later.phase == "off"
        assert np.abs(later.position - first.position).max() < 0.01
        assert upright(later) > 0.98

    @pytest.mark.parametrize("order", ["stand", "sit", "settle"])
    def test_without_power_it_takes_no_orders(self, order: str) -> None:
        with pytest.raises(MotorsOffError):
            getattr(Body(), order)()

    def test_power_cut_while_it_walks_puts_it_on_its_belly(self) -> None:
        body = standing()
        body.walk(0.5, 0.0, 0.0)
        after(body, 1.0)
        body.power(False)
        state = after(body, 3.0)
        assert state.phase == "off"
        assert upright(state) > 0.9
        assert np.abs(state.velocity).max() < 0.02
        assert np.abs(state.joint_load).max() < 15  # shorted windings and dry gears, no motor


class TestPostures:
    def test_it_stands_up_and_sits_down(self) -> None:
        body = Body()
        low = body.state().position[2]
        body.power(True)
        body.stand()
        high = after(body, STAND_S)
        assert high.phase == "standing" and high.position[2] - low > 0.15
        assert high.contact.all()
        body.sit()
        assert after(body, 4.0).phase == "sitting"
        assert body.state().position[2] == pytest.approx(low, abs=0.05)

    def test_a_pose_is_clipped_and_said(self) -> None:
        body = standing()
        height = body.state().position[2]
        wanted = body.stand(height_m=-0.05, yaw=0.1)
        assert wanted == pytest.approx((-0.05, 0.0, 0.0, 0.1))
        state = after(body, 2.0)
        assert state.position[2] - height == pytest.approx(-0.05, abs=0.015)
        assert yaw(state) == pytest.approx(0.1, abs=0.03)
        assert abs(body.stand(height_m=5.0)[0]) < 0.5

    def test_halt_makes_the_walking_stand_and_leaves_the_sitting_alone(self) -> None:
        body = standing()
        body.walk(0.3, 0.0, 0.0)
        after(body, 1.0)
        body.halt()
        assert after(body, 2.0).phase == "standing"
        body.sit()
        after(body, 4.0)
        body.halt()
        assert after(body, 1.0).phase == "sitting"

    def test_it_steps_into_a_stance(self) -> None:
        body = standing()
        before = body.state().feet
        body.stance({"fl": (0.08, 0.0), "hr": (-0.05, 0.0)})
        state = after(body, 3.0)
        assert state.phase == "standing"
        moved = state.feet - before
        assert moved[0][0] - moved[3][0] == pytest.approx(0.13, abs=0.04)

    @pytest.mark.parametrize(
        "feet", [{"fl": (0.0, 0.0)}, {"xx": (0, 0), "fl": (0, 0)}, {"fl": (9, 0), "fr": (0, 0)}]
    )
    def test_a_stance_that_cannot_be_is_refused(self, feet: dict[str, tuple[float, float]]) -> None:
        with pytest.raises(ValueError, match=r"stance|place"):
            standing().stance(feet)


class TestWalking:
    @pytest.mark.parametrize(
        ("speed", "turn"), [((0.5, 0.0), 0.0), ((-0.3, 0.0), 0.0), ((0.0, 0.3), 0.0), ((0, 0), 0.8)]
    )
    def test_it_walks_as_fast_as_it_is_told(self, speed: tuple[float, float], turn: float) -> None:
        body = standing()
        body.walk(*speed, turn)
        begun = after(body, 1.0)
        state = after(body, 2.0)
        went = (state.position - begun.position)[:2] / 2.0
        assert state.phase == "walking" and upright(state) > 0.95
        assert went == pytest.approx(speed, abs=0.08)
        turned = (yaw(state) - yaw(begun)) / 2.0
        assert turned == pytest.approx(turn, abs=0.08)

    def test_zero_ends_it(self) -> None:
        body = standing()
        body.walk(0.5, 0.0, 0.0)
        after(body, 1.0)
        body.walk(0.0, 0.0, 0.0)
        state = after(body, 1.5)
        assert state.phase == "standing" and np.abs(state.velocity).max() < 0.05

    def test_speeds_are_limited_and_said(self) -> None:
        vx, vy, wz = standing().walk(50.0, 0.0, 0.0)
        assert 0 < vx <= 1.6 and vy == wz == 0.0

    def test_what_is_no_number_is_refused(self) -> None:
        with pytest.raises(ValueError, match="finite"):
            standing().walk(math.nan, 0.0, 0.0)


class TestJoints:
    def test_they_go_where_they_are_told(self) -> None:
        body = Body()
        body.power(True)
        body.sit()
        after(body, 2.0)
        here = body.state().joint_position
        wanted = here + 0.1 * np.where(np.arange(12) % 3 == 0, 1.0, 0.0)
        zero, kp, kd = np.zeros(12), np.full(12, 300.0), np.full(12, 10.0)
        body.joints(wanted, zero, zero, kp, kd)
        state = after(body, 1.0)
        assert state.phase == "joints" and len(state.joint_position) == len(JOINTS) == 12
        assert np.abs(state.joint_position - wanted)[::3].max() < 0.06
        body.halt()
        assert after(body, 3.0).phase == "sitting"

    def test_shapes_and_numbers_are_checked(self) -> None:
        body = Body()
        body.power(True)
        good = np.zeros(12)
        with pytest.raises(ValueError, match=r"\(12,\)"):
            body.joints(np.zeros(11), good, good, good, good)
        with pytest.raises(ValueError, match="finite"):
            body.joints(np.full(12, np.inf), good, good, good, good)


def test_the_same_calls_give_the_same_floats() -> None:
    one, two = standing(), standing()
    for body in (one, two):
        body.walk(0.4, 0.1, 0.2)
    first, second = after(one, 1.0), after(two, 1.0)
    assert np.array_equal(first.joint_position, second.joint_position)
    assert np.array_equal(first.position, second.position)
