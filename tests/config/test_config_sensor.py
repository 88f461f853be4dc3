"""Mistakes in a rig whose sensor is injected: named with line and column."""

from __future__ import annotations

import pytest

from harness.config import RigFileError, rig_from_resolved, rig_from_text
from harness.config.measuring import SensorToAction

RIG = """\
rig: {name: sensor, simulated: true}
devices:
  robot:
    adapter: bench
    limits: {ranges: 12.0}
    ports:
      scan:
        stimulus:
          topic: /scan
          key: stamp
          background: {rate_hz: 50}
          values: {ranges: {fill: {value: 10.0, count: 360}}}
      cmd_vel: {response: {topic: /cmd_vel, match: {kind: onset, direction: falling, threshold: 0.05}}}
      copied: {response: {topic: /copied, match: {kind: stamp, path: header.stamp}}}
scenarios:
  obstacle:
    kind: sensor_to_action
    stimulus: robot.scan
    response: robot.cmd_vel
    stimulus_values:
      ranges: {fill: {value: 10.0, count: 360}, window: {first: 170, last: 190, value: 0.4}}
    timeout_ms: 300
    schedule: {kind: trials, samples: 100, quiet_ms: 150}
requirements:
  - {id: STOP, scenario: obstacle, quantile: 0.95, limit: 50}
"""
WINDOW = ", window: {first: 170, last: 190, value: 0.4}"
MATCH = "{kind: onset, direction: falling, threshold: 0.05}"
TRIALS = "{kind: trials, samples: 100, quiet_ms: 150}"

MISTAKES = {
    "window beyond the array": ("last: 190", "last: §360", "beyond the array, whose last element is 359"),
    "window that ends before it begins": ("last: 190", "last: §169", "lies before first, 170"),
    "window of text": ("first: 170", "first: §near", "must be a whole number, not the text 'near'"),
    "misspelt key of a window": ("first: 170", "§frst: 170", "did you mean 'first'?"),
    "misspelt fill": (
        "ranges: {fill: {value: 10.0, count: 360}}",
        "ranges: §{fil: 1}",
        "did you mean 'fill'?",
    ),
    "nothing changes": (WINDOW, "", "show the same as the values of robot.scan do at rest"),
    "no values": (
        "    stimulus_values:\n      ranges: {fill: {value: 10.0, count: 360}" + WINDOW + "}\n",
        "",
        "this key is missing (what the sensor shows",
    ),
    "rest that changes": (
        "values: {ranges: {fill: {value: 10.0, count: 360}}}",
        "values: {ranges: [1.0], x: {alternate: [1.0, 2.0]}}",
        "at rest a sensor shows the same",
    ),
    "rate": ("rate_hz: 50", "rate_hz: §0", "must be greater than 0, not 0"),
    "paced": (TRIALS, "{kind: §paced, rate_hz: 2, samples: 100}", "must be trials"),
    "copies of stamps": ("response: robot.cmd_vel", "response: §robot.copied", "leave `background` out"),
    "another kind of scenario": (
        "kind: sensor_to_action",
        "kind: §sensor_to_acton",
        "did you mean 'sensor_to_action'?",
    ),
    "return_values": ("    timeout_ms", "    §return_values: {x: 1.0}\n    timeout_ms", "unknown key"),
    "command that is interpolated": (
        MATCH,
        MATCH[:-1] + ", signal: §command}",
        "goes with `interpolate: false`",
    ),
    "command without onset": (
        "{kind: stamp, path: header.stamp}",
        "{kind: stamp, path: header.stamp, signal: §command}",
        "only for a match of kind onset",
    ),
}
SECTIONS = {"nothing changes", "no values", "rest that changes"}
"""Shown at a key that the scenario has, or lacks."""


def refused(text: str) -> list[tuple[str, int | None, int | None, str]]:
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "x.yaml")
    assert caught.value.exit_status == 2
    return [(p.path, p.line, p.column, p.message) for p in caught.value.problems]


def test_the_rig_itself_is_right() -> None:
    rig = rig_from_text(RIG, "x.yaml")
    scenario = rig.scenarios["obstacle"]
    assert isinstance(scenario, SensorToAction)
    assert rig.devices["robot"].ports["scan"].stimulus.background.rate_hz == 50
    again = rig_from_resolved(rig.model_dump(mode="json", by_alias=True))
    assert again.scenarios == rig.scenarios


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_shown_where_it_is_and_once(name: str) -> None:
    old, new, words = MISTAKES[name]
    assert RIG.count(old) >= 1
    marked = RIG.replace(old, new, 1)
    ((path, line, column, message),) = refused(marked.replace("§", ""))
    assert words in message
    if name in SECTIONS:
        assert path == "scenarios.obstacle.stimulus_values"
        return
    before = marked[: marked.index("§")].split("\n")
    assert (line, column) == (len(before), len(before[-1]) + 1), (path, message)


def test_limits_hold_for_what_the_sensor_shows() -> None:
    ((path, line, _, message),) = refused(RIG.replace("value: 0.4", "value: 40.0"))
    assert (path, line) == ("scenarios.obstacle.stimulus_values.ranges", 21)
    assert "ranges[170] = 40.0 exceeds its limit of 12" in message


def test_a_background_is_of_sensors() -> None:
    text = RIG.replace("kind: sensor_to_action", "kind: command_round_trip")
    text = text.replace(
        "    stimulus_values:\n      ranges: {fill: {value: 10.0, count: 360}" + WINDOW, "    #"
    )
    problems = refused(text)
    assert [p for p in problems if "must be sensor_to_action: robot.scan has a `background`" in p[3]]


def test_without_a_background_a_sensor_may_be_paced_and_its_stamps_copied() -> None:
    text = RIG.replace("          background: {rate_hz: 50}\n", "").replace("robot.cmd_vel", "robot.copied")
    rig = rig_from_text(text.replace(TRIALS, "{kind: paced, rate_hz: 20, samples: 100}"), "x.yaml")
    assert rig.scenarios["obstacle"].kind == "sensor_to_action"
