"""The rig file fits the robot that it starts."""

from __future__ import annotations

from pathlib import Path

from harness.adapters.ros2.options import Options
from harness.config import load_rig
from harness.sim.diff_drive import physics

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_diff_drive.yaml"


def test_the_rig_file_is_valid_and_asks_what_was_agreed() -> None:
    rig = load_rig(RIG).rig
    assert (rig.rig.name, rig.rig.simulated) == ("sim-diff-drive", True)
    assert rig.processes["robot"].command == ["python", "-m", "harness.sim.diff_drive"]
    assert rig.processes["robot"].ready.publishes == "/odom"
    command = rig.scenarios["command"]
    assert (command.stimulus, command.response, command.timeout_ms) == ("robot.cmd_vel", "robot.applied", 100)
    assert (command.schedule.kind, command.schedule.samples) == ("paced", 3000)
    (requirement,) = rig.requirements
    assert (requirement.quantile, requirement.limit, requirement.confidence) == (0.99, 10, 0.95)
    (monitor,) = rig.monitors
    assert (monitor.port, monitor.at_least) == ("robot.real_time_factor", 0.99)


def test_its_limits_are_within_what_the_robot_can_do() -> None:
    robot = load_rig(RIG).rig.devices["robot"]
    assert isinstance(robot, Options)
    assert robot.limits["twist.linear.x"] <= physics.MAX_LINEAR_MPS
    assert robot.limits["twist.angular.z"] <= physics.MAX_ANGULAR_RADPS
    assert robot.stop is not None
    assert set(robot.stop.values.values()) == {0.0}
    assert {name: (port.stimulus or port.response).topic for name, port in robot.ports.items()} == {
        "cmd_vel": "/cmd_vel",
        "applied": "/cmd_vel/applied",
        "odom": "/odom",
        "real_time_factor": "/real_time_factor",
    }
