"""Services and actions in a rig file: what may stand there, and mistakes named with line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.adapters.ros2.device import Ros2Device
from harness.adapters.ros2.options import Options
from harness.config import RigFileError, rig_from_resolved, rig_from_text
from harness.errors import ConfigurationError
from harness.ports import DeviceContext

RIG = """\
rig: {name: calls, simulated: true}
processes:
  arm: {command: [python, -m, arm], ready: {serves: /arm/follow}}
devices:
  robot:
    adapter: ros2
    stop: {port: move, cancel: true, hold: {port: grip, values: {data: false}}}
    ports:
      grip:
        stimulus:
          service: /gripper/set
          type: std_srvs/srv/SetBool
          values: {data: {alternate: [true, false]}}
      gripped: {response: {of: grip, event: reply, accepted_if: {success: true}}}
      move: {stimulus: {action: /arm/follow, type: my_robot/action/Follow}}
      accepted: {response: {of: move, event: accepted}}
      first: {response: {of: move, event: feedback}}
      reached: {response: {of: move, event: result, accepted_if: {error_code: 0}}}
      numbered:
        response: {topic: /number, type: std_msgs/msg/Int64, match: {kind: sequence, path: data}}
      joints: {response: {topic: /joints, type: sensor_msgs/msg/JointState, match: {kind: order}}}
setup:
  - {send: robot.grip, values: {data: true}}
  - {wait_for: robot.gripped}
scenarios:
  grip:
    kind: command_round_trip
    stimulus: robot.grip
    response: robot.gripped
    timeout_ms: 100
    schedule: {kind: paced, rate_hz: 50, samples: 300}
  move:
    kind: command_round_trip
    stimulus: robot.move
    stages: [robot.accepted, robot.first]
    response: robot.reached
    timeout_ms: 5000
    schedule: {kind: trials, samples: 50}
requirements:
  - {id: GRIP, scenario: grip, limit: 20}
"""
MISTAKES = {
    "of no port": (("{of: grip", "{of: §grap"), "did you mean 'grip'?"),
    "of a topic": (("{of: grip", "{of: §joints"), "is neither a service nor an action"),
    "no reply of an action": (("of: move, event: result", "of: move, event: §reply"), "accepted or feedback"),
    "no feedback of a service": (
        ("event: reply, accepted_if: {success: true}", "event: §feedback"),
        "grip is a service",
    ),
    "unknown event": (("event: reply", "event: §answer"), "is not known"),
    "event missing": (
        ("accepted: {response: {of: move, event: accepted}}", "accepted: {§response: {of: move}}"),
        "this key is missing",
    ),
    "another match": ((", event: reply", ", event: reply, match: §{kind: order}"), "leave it out"),
    "a call by topic": (("match: {kind: order}", "match: §{kind: call}"), "ports with `of`"),
    "accepted if what": (
        ("event: accepted}", "event: accepted, accepted_if: §{accepted: true}}"),
        "goes with event reply or result",
    ),
    "accepted if, misspelt": (("accepted_if: {success", "accepted_if: {§succes"), "did you mean 'success'?"),
    "accepted if of a wrong kind": (("{success: true}", "{success: §often}"), "cannot take 'often'"),
    "value is a text": ((", event: reply", ", event: reply, value: §message"), "a number"),
    "value of an acceptance": (("event: accepted}", "event: accepted, value: §x}"), "brings no value"),
    "request": (("values: {data: {al", "values: {§date: {al"), "did you mean 'data'?"),
    "request of a step": (("{send: robot.grip, values: {data", "{send: robot.grip, values: {§dat"), "'data'"),
    "type is a message": (("std_srvs/srv/SetBool", "§std_srvs/msg/SetBool"), "write package/srv/Name"),
    "type misspelt": (("std_srvs/srv/SetBool", "§std_srvs/srv/SetBoolean"), "did you mean 'std_srvs/srv/Set"),
    "action type": (("my_robot/action/Follow", "§my_robot/srv/Follow"), "write package/action/Name"),
    "cancel a service": (("{port: move, cancel: true", "{port: grip, cancel: §true"), "actions: move"),
    "cancel and send": (("cancel: true", "cancel: true, values: §{x: 1}"), "goes in `hold`"),
    "hold on no port": (("hold: {port: grip", "hold: {port: §joints"), "is no stimulus port"),
    "hold misspelt": (("hold: {port: grip, values: {data", "hold: {port: grip, values: {§dta"), "'data'"),
    "answers of another": (
        ("response: robot.gripped", "response: §robot.reached"),
        "robot.reached is of robot.move",
    ),
    "stage of another": (("stages: [robot.accepted", "stages: [§robot.gripped"), "not of robot.move"),
    "an answer by number": (
        ("response: robot.gripped", "response: §robot.numbered"),
        "matches by sequence, but robot.grip is a call",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_shown_where_it_is(name: str):
    (before, after), words = MISTAKES[name]
    assert RIG.count(before) == 1 and after.count("§") == 1
    text = RIG.replace(before, after)
    lines = text[: text.index("§")].split("\n")
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text.replace("§", ""), "x.yaml")
    found = {(one.line, one.column): one.message for one in caught.value.problems}
    assert (len(lines), len(lines[-1]) + 1) in found, str(caught.value)
    assert words in found[len(lines), len(lines[-1]) + 1]


def test_a_file_with_services_and_actions_is_read_and_read_back():
    rig = rig_from_text(RIG, "x.yaml")
    assert rig.devices["robot"].ports["reached"].response.match.kind == "call"
    again = rig_from_resolved(rig.model_dump(mode="json"))
    assert again.devices["robot"] == rig.devices["robot"]


def test_a_device_refuses_what_a_rig_file_would_not_say():
    options = Options.model_validate(
        {"adapter": "ros2", "ports": {"out": {"response": {"of": "in", "event": "reply"}}}}
    )
    device = Ros2Device("robot", options, DeviceContext("run"))
    with pytest.raises(
        ConfigurationError, match=r"devices\.robot\.ports\.out\.response\.of: 'in' is no port"
    ):
        device.open()


@pytest.mark.parametrize(
    ("event", "served"), [("reply", "std_srvs/srv/SetBool"), ("result", "my_robot/action/Follow_SendGoal")]
)
def test_the_floor_is_measured_against_a_service_of_that_type(event: str, served: str):
    robot = rig_from_text(RIG, "x.yaml").devices["robot"]
    of, response = {"reply": ("grip", "gripped"), "result": ("move", "reached")}[event]
    twin = robot.floor_twin(of, response)
    assert served in twin.command and twin == robot.floor_twin(of, response)
    made = Options.model_validate(twin.options)
    assert made.ports["command"].stimulus.service == twin.command[twin.command.index("--serve") + 1]
    assert made.ports["answer"].response.of == "command"
    assert made.stop is None and ("goals" in twin.what) == (event == "result")


def test_the_rig_file_of_the_page_is_accepted_and_its_stop_is_told():
    page = (Path(__file__).parents[3] / "docs" / "services-and-actions.md").read_text("utf-8")
    rig = rig_from_text(page.split("```yaml\n")[1].split("```")[0], "page.yaml")
    assert rig.devices["robot"].stop.words == "5 x cancel all goals of move"
    held = rig_from_text(RIG, "x.yaml").devices["robot"].stop.words
    assert held == "5 x cancel all goals of move, then grip data = False"


def test_limits_hold_for_what_a_stop_sends_to_hold():
    camera = "      cam: {stimulus: {service: /camera, type: sensor_msgs/srv/SetCameraInfo}}\n"
    limits = "    limits: {camera_info.binning_x: 2, camera_info.width: 9}\n"
    hold = "{port: cam, values: {camera_info.binning_x: 3, camera_info.width: 4}}"
    text = RIG.replace("{port: grip, values: {data: false}}", hold)
    text = text.replace("    stop:", limits + "    stop:").replace("setup:\n", camera + "setup:\n")
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    (problem,) = caught.value.problems
    assert problem.path == "devices.robot.stop.hold.values.camera_info.binning_x"
    assert "exceeds its limit of 2" in problem.message
