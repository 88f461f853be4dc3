"""Mistakes about ROS 2 in a rig file: named with line and column while the file is read."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.config import RigFileError, rig_from_resolved, rig_from_text
from harness.errors import UnavailableError

RIG = """\
rig: {name: early, simulated: true}
devices:
  robot:
    adapter: ros2
    limits: {twist.linear.x: 0.5}
    stop: {port: cmd_vel, values: {twist.linear.x: 0.0}}
    ports:
      cmd_vel:
        stimulus:
          topic: /cmd_vel
          type: geometry_msgs/msg/TwistStamped
          key: header.stamp
          values: {twist.linear.x: {alternate: [0.2, -0.2]}}
      path:
        stimulus: {topic: /path, type: nav_msgs/msg/Path, values: {"poses[0].pose.position.x": 1.0}}
      applied:
        response:
          topic: /applied
          type: geometry_msgs/msg/TwistStamped
          match: {kind: stamp, path: header.stamp}
      odom:
        response:
          {topic: /odom, type: nav_msgs/msg/Odometry, value: twist.twist.linear.x, stamp: header.stamp}
setup:
  - {send: robot.cmd_vel, values: {twist.linear.x: 0.1}}
scenarios:
  command:
    kind: command_round_trip
    stimulus: robot.cmd_vel
    response: robot.applied
    timeout_ms: 100
    schedule: {kind: paced, rate_hz: 200, samples: 300}
requirements:
  - {id: RTT, scenario: command, limit: 10}
"""
STIMULUS_TYPE = "          type: geometry_msgs/msg/TwistStamped\n          key"
RESPONSE_MATCH = "match: {kind: stamp, path: header.stamp}"

MISTAKES = {
    "type": (
        (
            STIMULUS_TYPE,
            STIMULUS_TYPE.replace(
                "type: geometry_msgs/msg/TwistStamped", "type: §geometry_msgs/msg/TwistStamp"
            ),
        ),
        "did you mean 'geometry_msgs/msg/TwistStamped'?",
    ),
    "type of a response": (
        ("nav_msgs/msg/Odometry", "§nav_msgs/msg/Odometri"),
        "did you mean 'nav_msgs/msg/Odometry'?",
    ),
    "package": (("type: nav_msgs/msg/Odometry", "type: §nav_msg/msg/Odometry"), "did you mean nav_msgs"),
    "no type at all": (("nav_msgs/msg/Odometry", "§Odometry"), "write package/msg/Name"),
    "key": (("key: header.stamp", "key: §header.stmp"), "did you mean 'header.stamp'?"),
    "key by kind": (("key: header.stamp", "key: {§header.stmp: stamp}"), "did you mean 'header.stamp'?"),
    "key is text": (("key: header.stamp", "key: §header.frame_id"), "carries no key"),
    "match.path": (("path: header.stamp}", "path: §header.stmp}"), "did you mean 'header.stamp'?"),
    "match.path is a number": (("path: header.stamp}", "path: §twist.linear.x}"), "of type double"),
    "value": (
        ("value: twist.twist.linear.x", "value: §twist.twist.liner.x"),
        "did you mean 'twist.twist.linear.x'?",
    ),
    "value is a message": (("value: twist.twist.linear.x", "value: §twist.twist.linear"), "a number"),
    "stamp": (("stamp: header.stamp}", "stamp: §header.stamps}"), "did you mean 'header.stamp'?"),
    "values": (
        ("values: {twist.linear.x: {", "values: {§twist.liner.x: {"),
        "did you mean 'twist.linear.x'?",
    ),
    "values of a wrong kind": (("{alternate: [0.2, -0.2]}", "§fast"), "cannot take 'fast'"),
    "no path at all": (
        ("values: {twist.linear.x: {", "values: {§twist..x: {"),
        "is not a path into a message",
    ),
    "limits": (
        ("limits: {twist.linear.x: 0.5}", "limits: {twist.linear.x: 0.5, §twist.anglar.z: 1}"),
        "'twist.angular.z'?",
    ),
    "stop.values": (
        ("cmd_vel, values: {twist.linear.x: 0.0", "cmd_vel, values: {§twist.linear.xx: 0.0"),
        "'twist.linear.x'?",
    ),
    "step": (("values: {twist.linear.x: 0.1}", "values: {§twist.linear.q: 0.1}"), "fields: x, y, z"),
    "match of another kind": (
        (RESPONSE_MATCH, "match: {kind: sequence, path: header.stamp}"),
        "robot.applied matches by sequence, but robot.cmd_vel carries a stamp as its key",
    ),
    "match of a stamp in a narrow field": (
        (
            "type: geometry_msgs/msg/TwistStamped\n          match: {kind: stamp, path: header.stamp}",
            "type: std_msgs/msg/UInt32\n          match: {kind: stamp, path: §data}",
        ),
        "as a stamp in nanoseconds needs",
    ),
}


def edited(old: str, new: str) -> str:
    assert old in RIG
    return RIG.replace(old, new, 1)


def test_the_rig_itself_is_right() -> None:
    assert set(rig_from_text(RIG, "x.yaml").devices) == {"robot"}


@pytest.mark.parametrize("name", MISTAKES)
def test_is_shown_where_it_is_and_once(name: str) -> None:
    (old, new), words = MISTAKES[name]
    marked = edited(old, new)
    with pytest.raises(RigFileError) as caught:
        rig_from_text(marked.replace("§", ""), "x.yaml")
    (problem,) = caught.value.problems
    assert words in problem.message
    if "§" in marked:
        before = marked[: marked.index("§")]
        assert (problem.line, problem.column) == (before.count("\n") + 1, len(before.rpartition("\n")[2]) + 1)
    else:
        assert problem.path == "scenarios.command.response"
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    "limit", ["twist.linear", "twist", "poses.pose.position.x", "poses[3].pose.position.x", "poses"]
)
def test_a_limit_on_a_part_or_on_every_element_is_none(limit: str) -> None:
    rig_from_text(RIG.replace("limits: {", f'limits: {{"{limit}": 2.0, '), "x.yaml")


@pytest.mark.parametrize(
    ("namespace", "pattern", "words"),
    [
        ("", "/odmo", "no port has the topic '/odmo'; did you mean '/odom'?"),
        ("", "/camera/*", "no port has the topic '/camera/*'; valid here: "),
        ("r1", "/path", "no port has the topic '/path'; did you mean '/r1/path'?"),
        ("", "/odom", None),
        ("", "od*", None),
        ("r1", "path", None),
        ("r1", "/r1/*", None),
    ],
)
def test_a_topic_to_be_left_out_that_no_port_has_is_refused(
    namespace: str, pattern: str, words: str | None
) -> None:
    text = RIG.replace("topic: /path", "topic: path").replace(
        "adapter: ros2", f"adapter: ros2\n    namespace: '{namespace}'"
    )
    text += f"record:\n  leave_out: [/applied, '{pattern}']\n"
    if words is None:
        assert rig_from_text(text, "x.yaml").record.leave_out == ["/applied", pattern]
        return
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    (problem,) = caught.value.problems
    assert words in problem.message and problem.path == "record.leave_out[1]"
    assert (problem.line, problem.column) == (len(text.splitlines()), 25)
    rig_from_text(text.replace("record:", "record:\n  bag: false"), "x.yaml")


def test_a_package_that_is_not_here_is_left_to_the_bench() -> None:
    text = RIG.replace("nav_msgs/msg/Path", "robot_of_ours/msg/Path")
    text = text.replace("limits: {", "limits: {speed_of_ours: 1.0, ")
    assert rig_from_text(text, "x.yaml").devices["robot"].limits["speed_of_ours"] == 1.0


def test_a_rig_that_was_read_before_is_taken_as_it_is() -> None:
    resolved = rig_from_text(RIG, "x.yaml").model_dump(mode="json", by_alias=True)
    resolved["devices"]["robot"]["ports"]["odom"]["response"]["value"] = "gone.since"
    assert rig_from_resolved(resolved).devices["robot"].ports["odom"].response.value == "gone.since"


def test_without_ros_the_form_of_a_type_is_all_that_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.adapters.ros2 import messages, vendor

    def missing(module: str = "rclpy") -> Any:
        raise UnavailableError(f"no {module} here")

    monkeypatch.setattr(vendor, "load", missing)
    messages.message_class.cache_clear()
    rig_from_text(
        RIG.replace("header.stmp", "header.stamp").replace("nav_msgs/msg/Path", "a/msg/B"), "x.yaml"
    )
    with pytest.raises(RigFileError, match="'Odometry' is not a message type"):
        rig_from_text(RIG.replace("nav_msgs/msg/Odometry", "Odometry"), "x.yaml")


@pytest.mark.slow
@pytest.mark.parametrize("command", ["check", "run"])
def test_the_command_line_ends_with_status_2(command: str, tmp_path: Path) -> None:
    rig = tmp_path / "x.yaml"
    rig.write_text(RIG.replace("key: header.stamp", "key: header.stmp"))
    ended = subprocess.run(
        [sys.executable, "-m", "harness", command, str(rig)],
        cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 2
    assert f"{rig}:12:16: devices.robot.ports.cmd_vel.stimulus.key" in ended.stderr
    assert not list(tmp_path.glob("reports"))
