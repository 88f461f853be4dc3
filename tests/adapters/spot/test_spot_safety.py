"""What a walking Spot does when something fails: shown by the simulated robot's own log of its body.

docs/spot-safety.md names these tests, row by row.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from spot_bench import BRAKE_S, END_S, ESTOP_S, LEASE_S, NS, SIT_S, Robot, Walker

from harness.errors import HarnessError

pytestmark = pytest.mark.slow

STOP_S = 9.0
"""The safe stop has either got an answer or given up by then."""


CUT_S = 9.0
"""Long enough for every attempt of the stop to fail."""
AREA_M = 0.4


@pytest.fixture(scope="module")
def robot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Robot]:
    one = Robot(tmp_path_factory.mktemp("spot"))
    yield one
    one.peer.end()


@pytest.fixture
def walker(robot: Robot) -> Iterator[Walker]:
    robot.heal()
    with Walker(robot) as one:
        yield one


def assert_left_sitting(robot: Robot, since_ns: int) -> None:
    """Motors off, lease free, no endpoint of the harness's left."""
    said = robot.state
    assert said["power"] == "STATE_OFF"
    assert robot.lease_is_free()
    assert [name for name in said["endpoints"] if name.startswith("harness ")] == []


@pytest.fixture(scope="class")
def upright(robot: Robot) -> Iterator[Walker]:
    robot.heal()
    with Walker(robot) as one:
        yield one


class TestItStandsAfterwards:
    """Failures after which the robot stands: it need not stand up anew for each. The last costs its clock."""

    def test_a_robot_that_hears_no_more_commands_stands_still(self, upright: Walker) -> None:
        upright.walk()
        silent_ns = upright.fall_silent()
        upright.robot.assert_walked(silent_ns)
        upright.robot.assert_stood(silent_ns)
        assert [row["order"] for row in upright.robot.rows("expired", silent_ns)] == ["velocity"]
        assert upright.found_ns == {}

    def test_a_short_cut_of_the_network_fells_nothing(self, upright: Walker) -> None:
        robot = upright.robot
        cut_ns = upright.walk()
        robot.do("cut_network", s=0.3)
        time.sleep(1.2)
        assert robot.taken(cut_ns + NS // 2)
        robot.assert_walked(time.monotonic_ns())
        assert robot.rows("settle", cut_ns) + robot.rows("power off", cut_ns) == []
        assert upright.found_ns == {}
        assert upright.stop()[0] is None

    def test_a_battery_that_is_low_ends_the_run(self, upright: Walker) -> None:
        robot = upright.robot
        upright.walk()
        low_ns = time.monotonic_ns()
        robot.do("battery", percent=12)
        assert "12 %" in upright.found("battery low").message
        assert upright.stop()[0] is None
        assert robot.taken(low_ns, "stop")
        robot.assert_stood(upright.found_ns["battery low"])

    def test_an_expired_login_ends_the_run_and_the_stop_logs_in_anew(self, upright: Walker) -> None:
        robot = upright.robot
        upright.walk()
        expired_ns = time.monotonic_ns()
        robot.do("expire_tokens")
        upright.found("login expired")
        assert upright.stop()[0] is None
        assert robot.taken(expired_ns, "stop")
        robot.assert_stood(expired_ns)

    def test_a_robot_that_has_forgotten_the_time_refuses_commands_and_stands(self, upright: Walker) -> None:
        robot = upright.robot
        upright.walk()
        forgotten_ns = time.monotonic_ns()
        robot.do("forget_time")
        upright.found("clocks not synchronised")
        assert upright.stop()[0] is None
        assert robot.taken(forgotten_ns, "stop") and robot.taken(forgotten_ns + NS // 20) == []
        robot.assert_stood(forgotten_ns)


def test_a_robot_without_network_stops_settles_and_cuts_its_power_by_itself(walker: Walker) -> None:
    robot = walker.robot
    cut_ns = walker.walk()
    robot.do("cut_network", s=CUT_S)
    assert "network" in walker.found("robot lost").remedy
    error, took_s = walker.stop()
    assert isinstance(error, HarnessError) and took_s < STOP_S
    robot.assert_stood(cut_ns)
    assert robot.assert_off(cut_ns, max(ESTOP_S, LEASE_S) + SIT_S)
    walker.end()
    assert_left_sitting(robot, cut_ns)


def test_a_lease_that_was_taken_is_not_taken_back(walker: Walker) -> None:
    robot = walker.robot
    walker.walk()
    taken_ns = time.monotonic_ns()
    robot.do("take_lease", by="tablet")
    finding = walker.found("lease lost")
    assert "tablet" in finding.message and "takes it from nobody" in finding.remedy
    error, _ = walker.stop()
    assert isinstance(error, HarnessError) and "tablet" in error.message
    robot.assert_stood(taken_ns)
    walker.end()
    assert [row for row in robot.rows("command", taken_ns + NS // 20) if row["status"] == 1] == []
    assert robot.state["lease"] == "tablet"
    assert not robot.rows("power off", taken_ns) or robot.rows("settle", taken_ns)


@pytest.mark.parametrize("level", ["cut", "settle"])
def test_an_e_stop_of_somebody_else_is_told_with_its_name(robot: Robot, level: str) -> None:
    robot.heal()
    robot.do("estop", by="operator", level="none")
    with Walker(robot) as walker:
        walker.walk()
        assert [name.split()[0] for name in robot.state["endpoints"]] == ["operator", "harness"]
        stopped_ns = time.monotonic_ns()
        robot.do("estop", by="operator", level=level)
        assert "operator" in walker.found("e-stopped").message
        walker.stop()
        robot.assert_stood(stopped_ns)
        why = robot.assert_off(stopped_ns, SIT_S if level == "settle" else 0.5)
        assert "operator" in why[0]
        assert bool(robot.rows("settle", stopped_ns)) == (level == "settle")
    assert robot.state["endpoints"] == ["operator"]
    assert robot.state["estop_by"] == "operator asks for it"


def test_its_own_e_stop_settles_cuts_and_is_released(walker: Walker) -> None:
    robot = walker.robot
    walker.ends_by_itself = False
    for level, within_s in (("settle", SIT_S), ("cut", 0.5)):
        walker.walk()
        pressed_ns = time.monotonic_ns()
        walker.press(level)
        robot.assert_stood(pressed_ns)
        assert "harness" in robot.assert_off(pressed_ns, within_s + 0.5)[0]
        walker.press("none")
    # What the harness does itself is no trouble, nor are the commands that it costs.
    assert walker.findings == []


def test_a_behaviour_fault_ends_the_run_and_takes_no_more_commands(walker: Walker) -> None:
    robot = walker.robot
    walker.walk()
    fault_ns = time.monotonic_ns()
    robot.do("behavior_fault")
    assert "fall" in walker.found("behaviour fault").message
    walker.stop()
    robot.assert_stood(fault_ns)
    assert robot.taken(fault_ns + NS // 20) == []
    assert robot.assert_off(fault_ns, SIT_S)[0] == "a behaviour fault"
    walker.end()
    assert_left_sitting(robot, fault_ns)


def test_a_robot_that_leaves_its_area_is_stopped(robot: Robot) -> None:
    robot.heal()
    with Walker(robot, area_m=AREA_M) as walker:
        begun_ns = walker.walk(v_x=0.5)
        finding = walker.found("area left")
        assert f"area_m is {AREA_M:g}" in finding.message
        assert walker.stop()[0] is None
        robot.assert_stood(walker.found_ns["area left"])
        seen = robot.body(begun_ns - 3 * NS, time.monotonic_ns())
        away = max(((row["x"] - seen[0]["x"]) ** 2 + (row["y"] - seen[0]["y"]) ** 2) ** 0.5 for row in seen)
        assert AREA_M < away < AREA_M + 0.5 * (END_S + BRAKE_S)
