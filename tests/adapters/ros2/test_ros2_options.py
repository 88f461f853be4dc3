"""What a rig file may say about a ROS 2 device, without rclpy."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from harness.adapters.ros2 import domain
from harness.adapters.ros2.options import Options
from harness.errors import ConfigurationError
from harness.ports import Role

DESIGN = """
adapter: ros2
limits: {twist.linear.x: 0.5, twist.angular.z: 1.0}
stop: {port: cmd_vel, values: {twist.linear.x: 0.0, twist.angular.z: 0.0}}
ports:
  cmd_vel:
    stimulus:
      topic: /cmd_vel
      type: geometry_msgs/msg/TwistStamped
      key: header.stamp
      values: {twist.linear.x: {alternate: [0.2, -0.2]}}
  applied:
    response:
      topic: /cmd_vel/applied
      type: geometry_msgs/msg/TwistStamped
      match: {kind: stamp, path: header.stamp, answers: each}
"""


def options(**changes: Any) -> Options:
    return Options.model_validate({**yaml.safe_load(DESIGN), **changes})


def test_the_rig_file_of_the_design_is_accepted():
    made = options()
    assert made.ports["cmd_vel"].stimulus is not None
    assert made.ports["applied"].response is not None
    assert made.ports["applied"].response.match.answers == "each"
    assert Options.model_validate(made.model_dump(mode="json")) == made


def test_options_import_without_rclpy():
    modules = "harness.adapters.ros2.options, harness.adapters.ros2.device"
    program = f"import sys; sys.modules['rclpy'] = None; import {modules}"
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"domain_id": 500}, "232"),
        ({"domain_id": "any"}, "auto"),
        ({"discovery": "world"}, "subnet"),
        ({"namespace": "bad name"}, "namespace"),
        ({"ports": {}}, "ports"),
        ({"ports": {"a": {}}}, "exactly one"),
        ({"stop": {"port": "applied"}}, "cmd_vel"),
        ({"stop": {"port": "cmd_val"}}, "cmd_vel"),
        ({"nonsense": 1}, "nonsense"),
    ],
)
def test_mistakes_are_named(changes: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        options(**changes)


@pytest.mark.parametrize(
    ("port", "words"),
    [
        ({"stimulus": {"topic": "/a", "type": "t", "key": {"x": "stamp", "y": "stamp"}}}, "one path"),
        ({"stimulus": {"topic": "/a", "type": "t", "qos": "fastest"}}, "sensor_data"),
        ({"stimulus": {"topic": "/a", "type": "t", "qos": {"reliability": "sure"}}}, "best_effort"),
        ({"response": {"topic": "/a", "type": "t", "match": {"kind": "stamp"}}}, "needs `path`"),
        ({"response": {"topic": "/a", "type": "t", "match": {"kind": "order", "path": "x"}}}, "no `path`"),
    ],
)
def test_mistakes_in_ports_are_named(port: dict[str, Any], words: str):
    with pytest.raises(ValidationError, match=words):
        options(stop=None, ports={"a": port})


def test_domain_comes_from_the_rig_file_then_the_environment_then_zero():
    assert domain.domain_id(options(domain_id=7), "r", {"ROS_DOMAIN_ID": "9"}) == 7
    assert domain.domain_id(options(), "r", {"ROS_DOMAIN_ID": "9"}) == 9
    assert domain.domain_id(options(), "r", {}) == 0
    with pytest.raises(ConfigurationError, match="nine"):
        domain.domain_id(options(), "r", {"ROS_DOMAIN_ID": "nine"})


def test_auto_domain_is_a_function_of_the_run_and_spreads():
    auto = options(domain_id="auto")
    found = [domain.domain_id(auto, f"2026-01-31T12-00-00Z-{i:04x}") for i in range(400)]
    assert found == [domain.domain_id(auto, f"2026-01-31T12-00-00Z-{i:04x}") for i in range(400)]
    assert min(found) >= 2 and max(found) <= 101
    assert len(set(found)) > 80


def test_environment_of_the_rigs_processes():
    made = domain.environment(options(domain_id=7, discovery="localhost"), "r")
    assert made == {"ROS_DOMAIN_ID": "7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}
    assert domain.environment(options(domain_id=7), "r") == {"ROS_DOMAIN_ID": "7"}


def test_environment_is_put_back(monkeypatch: pytest.MonkeyPatch):
    import os

    monkeypatch.setenv("ROS_DOMAIN_ID", "5")
    monkeypatch.delenv("ROS_AUTOMATIC_DISCOVERY_RANGE", raising=False)
    with (
        pytest.raises(RuntimeError, match="inside"),
        domain.applied({"ROS_DOMAIN_ID": "7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "LOCALHOST"}),
    ):
        assert os.environ["ROS_DOMAIN_ID"] == "7"
        raise RuntimeError("inside")
    assert os.environ["ROS_DOMAIN_ID"] == "5"
    assert "ROS_AUTOMATIC_DISCOVERY_RANGE" not in os.environ


def test_node_names_are_ros_names():
    names = domain.own_names("2026-01-31T12-00-00Z-ab12")
    assert domain.node_name("2026-01-31T12-00-00Z-ab12", Role.HARNESS) == "harness_2026_01_31T12_00_00Z_ab12"
    assert len(names) == len(Role)
    assert all(name.replace("_", "").isalnum() for name in names)
