"""`stages` of a scenario: which ports may stand between stimulus and response."""

from __future__ import annotations

import pytest
from config_bench import edited

from harness.config import RigFileError, rig_from_text

MORE = "      odom: {response: {topic: /odom}}\n"
PORTS = """\
      odom: {response: {topic: /odom}}
      plan: {response: {topic: /plan, match: {kind: stamp, path: header.stamp}}}
      base: {response: {topic: /base, match: {kind: stamp, path: header.stamp}}}
      number: {response: {topic: /number, match: {kind: sequence, path: data}}}
"""


def rig(stages, *more):
    listed = f"response: robot.applied\n    stages: {stages}\n"
    return edited((MORE, PORTS), ("response: robot.applied\n", listed), *more)


def test_ports_in_their_order():
    scenario = rig_from_text(rig("[robot.plan, robot.base]"), "x.yaml").scenarios["command"]
    assert scenario.stages == ["robot.plan", "robot.base"]
    assert rig_from_text(edited(), "x.yaml").scenarios["command"].stages == []


def test_a_response_by_order_may_have_stages_that_carry_the_key():
    text = rig("[]").replace("response: robot.first\n", "response: robot.first\n    stages: [robot.plan]\n")
    assert rig_from_text(text, "x.yaml").scenarios["rest"].stages == ["robot.plan"]


@pytest.mark.parametrize(
    ("stages", "place", "said"),
    [
        ("[robot.plan, robot.bass]", 1, "robot has no port 'bass'; did you mean 'base'?"),
        ("[robt.plan]", 0, "there is no device 'robt'; did you mean 'robot'?"),
        ("[robot.counted]", 0, "robot.counted is a stimulus, not a response"),
        ("[robot.applied]", 0, "robot.applied is the scenario's response: stages are what lies before it"),
        ("[robot.plan, robot.base, robot.plan]", 2, "robot.plan is already stages[0]"),
        ("[robot.odom]", 0, "robot.odom has no `match`"),
        ("[robot.first]", 0, "robot.first matches by order; a stage has to carry the stimulus's key"),
        ("[robot.number]", 0, "robot.number matches by sequence, but robot.cmd carries a stamp as its key"),
    ],
)
def test_what_is_refused_is_named(stages, place, said):
    with pytest.raises(RigFileError) as caught:
        rig_from_text(rig(stages), "x.yaml")
    text = str(caught.value)
    assert f"scenarios.command.stages[{place}]" in text and said in text


def test_a_stimulus_without_a_key_has_no_stages():
    with pytest.raises(RigFileError) as caught:
        rig_from_text(rig("[robot.plan]", ("key: stamp, ", "")), "x.yaml")
    assert "robot.plan matches by stamp, but robot.cmd carries no key" in str(caught.value)
