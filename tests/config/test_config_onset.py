"""A match by `onset`: its options, and what has to fit around it."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from harness.config import RigFileError, load_rig, rig_from_resolved, rig_from_text
from harness.config.match import SIGMA, Match

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_diff_drive_onset.yaml"
BASE = """\
rig: {name: signal, simulated: true}
devices:
  robot:
    adapter: loopback
    signal_hz: 200
    limits: {value: 1.0}
    ports:
      command: {stimulus: {key: sequence, values: {value: {alternate: [0.5, -0.5]}}}}
      speed: {response: {of: command, match: {kind: onset, rest_ms: 50}}}
scenarios:
  step:
    kind: command_round_trip
    stimulus: robot.command
    response: robot.speed
    timeout_ms: 200
    schedule: {kind: trials, samples: 60, quiet_ms: 50}
requirements:
  - {id: STEP, scenario: step, quantile: 0.9, limit: 60}
"""
ALTERNATE = "{alternate: [0.5, -0.5]}"


def edited(*edits):
    text = BASE
    for old, new in edits:
        assert old in text, old
        text = text.replace(old, new)
    return text


def test_a_good_one_loads_and_survives_being_recorded():
    rig = rig_from_text(BASE, "x.yaml")
    assert rig_from_resolved(rig.model_dump(mode="json")).scenarios == rig.scenarios
    match = rig.devices["robot"].ports["speed"].response.match
    assert (match.keyed, match.sigma, match.band(0.5)) == (False, None, SIGMA * 0.5)
    assert Match.model_validate(match.model_dump(mode="json")) == match


@pytest.mark.parametrize(
    ("edits", "place", "said"),
    [
        (
            [("{kind: trials, samples: 60, quiet_ms: 50}", "{kind: paced, rate_hz: 5, samples: 60}")],
            "scenarios.step.schedule.kind",
            "must be trials: robot.speed matches by onset",
        ),
        (
            [("quiet_ms: 50", "quiet_ms: 30")],
            "scenarios.step.schedule.quiet_ms",
            "quiet_ms + the shortest dwell_ms is 40 ms, less than the rest_ms of robot.speed, 50 ms",
        ),
        (
            [("quiet_ms: 50", "rest: none")],
            "scenarios.step.schedule.dwell_ms",
            "the shortest dwell_ms is 10 ms, less than the rest_ms",
        ),
        ([(ALTERNATE, "0.5")], "scenarios.step.return_values", "always sends the same"),
        (
            [("timeout_ms: 200", "timeout_ms: 200\n    return_values: {value: 2.0}")],
            "scenarios.step.return_values.value",
            "value = 2.0 exceeds its limit of 1",
        ),
        (
            [("rest_ms: 50", "rest_ms: 50, direction: with_command, field: speed")],
            "scenarios.step.response",
            "`field: speed` is no commanded number that changes; those that do: value",
        ),
        (
            [
                ("kind: onset, rest_ms: 50", "kind: sequence"),
                ("    signal_hz: 200\n", ""),
                ("quiet_ms: 50", "rest: none"),
            ],
            "scenarios.step.schedule.rest",
            "`none` goes with a match by onset, not by sequence",
        ),
        ([("    signal_hz: 200\n", "")], "devices.robot", "signal_hz need each other"),
        ([("kind: onset", "kind: sequence")], "match", "rest_ms: only for a match of kind onset"),
        ([("rest_ms: 50", "rest_ms: 50, path: data")], "match.path", "`onset` takes no path"),
    ],
    ids=lambda each: each[:40] if isinstance(each, str) else "",
)
def test_what_does_not_fit_is_refused(edits, place, said):
    with pytest.raises(RigFileError) as caught:
        rig_from_text(edited(*edits), "x.yaml")
    assert place in str(caught.value) and said in str(caught.value)


def test_return_values_need_trials():
    text = edited(
        ("kind: onset, rest_ms: 50", "kind: sequence"),
        ("    signal_hz: 200\n", ""),
        ("timeout_ms: 200", "timeout_ms: 200\n    return_values: {value: 0.0}"),
        ("{kind: trials, samples: 60, quiet_ms: 50}", "{kind: paced, rate_hz: 5, samples: 60}"),
    )
    with pytest.raises(RigFileError, match="go with a schedule of trials"):
        rig_from_text(text, "x.yaml")


def test_a_constant_command_with_a_return_is_fine():
    text = edited((ALTERNATE, "0.5"), ("timeout_ms: 200", "timeout_ms: 200\n    return_values: {value: 0.0}"))
    assert rig_from_text(text, "x.yaml").scenarios["step"].return_values == {"value": 0.0}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kind": "order", "threshold": 1.0}, "threshold: only for a match of kind onset, not order"),
        ({"kind": "onset", "threshold": 1.0, "sigma": 3.0}, "not both"),
        ({"kind": "onset", "threshold": 1.0, "at_least": 3.0}, "not both"),
        ({"kind": "onset", "threshold": 1.0, "at_most": 3.0}, "not both"),
        ({"kind": "onset", "at_least": 2.0, "at_most": 1.0}, "at_most 1 is below at_least 2"),
        ({"kind": "onset", "answers": "latest"}, "needs a key"),
        ({"kind": "onset", "field": "x"}, "direction: with_command"),
        ({"kind": "onset", "hold_samples": 0}, "hold_samples"),
    ],
)
def test_options_that_contradict_are_refused(options, said):
    with pytest.raises(ValidationError, match=said):
        Match.model_validate(options)


def test_of_ros2_an_onset_needs_the_path_of_its_signal():
    from harness.adapters.ros2.port_options import ResponseOptions

    given = {"topic": "/odom", "type": "nav_msgs/msg/Odometry", "match": {"kind": "onset"}}
    with pytest.raises(ValidationError, match="needs `value` beside it"):
        ResponseOptions.model_validate(given)
    assert ResponseOptions.model_validate({**given, "value": "twist.twist.linear.x"}).match.kind == "onset"


def test_the_rig_of_the_simulated_robot():
    rig = load_rig(RIG).rig
    scenario = rig.scenarios["step"]
    match = rig.devices["robot"].ports["odom"].response.match
    assert (scenario.response, match.kind, match.direction) == ("robot.odom", "onset", "with_command")
    assert scenario.return_values == {"twist.linear.x": 0.0}


def test_an_edge_is_of_a_level_and_takes_little():
    match = Match(kind="edge")
    assert (match.keyed, match.of_signal, match.edge_threshold) == (False, True, 0.5)
    assert Match(kind="edge", threshold=1.6, direction="falling", signal="command").edge_threshold == 1.6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"path": "data"}, "path: not of a match of kind edge"),
        ({"answers": "latest"}, "answers: not of a match of kind edge"),
        ({"sigma": 6.0, "hold_samples": 2}, "sigma, hold_samples: not of a match of kind edge"),
        ({"direction": "with_command"}, "an edge is rising, falling or either"),
    ],
)
def test_an_edge_that_cannot_be(options, words):
    with pytest.raises(ValidationError, match=words):
        Match(kind="edge", **options)


def test_an_edge_needs_trials_and_a_way_back_as_an_onset_does():
    edge = ("kind: onset, rest_ms: 50", "kind: edge, rest_ms: 50")
    assert rig_from_text(edited(edge), "x.yaml").devices["robot"].ports["speed"].response.match.kind == "edge"
    paced = ("{kind: trials, samples: 60, quiet_ms: 50}", "{kind: paced, rate_hz: 5, samples: 60}")
    for edits, words in [
        ((edge, paced), "must be trials: robot.speed matches by edge"),
        ((edge, ("quiet_ms: 50", "quiet_ms: 30")), "less than the rest_ms"),
        ((edge, (ALTERNATE, "0.5")), "always sends the same"),
    ]:
        with pytest.raises(RigFileError, match=words):
            rig_from_text(edited(*edits), "x.yaml")
