"""Robots by name: ports that are written once, scenarios that take the names, mistakes at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.config import load_rig, rig_from_resolved
from harness.config.loader import rig_from_text
from harness.config.problems import RigFileError
from harness.config.schema import SwarmReorganization

RIG = Path(__file__).parents[2] / "rig_configs" / "sim_swarm.yaml"
TEXT = RIG.read_text(encoding="utf-8")
NAMES = [f"robot{number}" for number in range(1, 6)]


def mistakes(*changes: tuple[str, str]) -> str:
    text = TEXT
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(RigFileError) as caught:
        rig_from_text(text, "swarm.yaml")
    return str(caught.value)


def line_of(part: str) -> int:
    return next(number for number, line in enumerate(TEXT.splitlines(), 1) if part in line)


def test_ports_are_made_for_each_robot() -> None:
    loaded = load_rig(RIG)
    device = loaded.rig.devices["swarm"]
    assert device.robots == NAMES
    assert len(device.ports) == 5 * 6 + 3
    assert device.ports["robot3_term"].response.topic == "/robot3/status"
    assert device.ports["robot3_term"].response.value == "data[3]"
    scenario = loaded.rig.scenarios["failover"]
    assert isinstance(scenario, SwarmReorganization)
    assert scenario.robots == NAMES and scenario.response == "swarm.robot1_leader"
    assert scenario.port("slot", "robot5") == "swarm.robot5_slot"
    assert rig_from_resolved(loaded.resolved()) == loaded.rig


def test_names_may_be_listed() -> None:
    text = TEXT.replace('{pattern: "robot{}", count: 5}', "[red, green, blue]")
    rig = rig_from_text(text, "swarm.yaml")
    assert rig.devices["swarm"].ports["green_slot"].response.topic == "/green/status"
    assert rig.scenarios["failover"].robots == ["red", "green", "blue"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("[red, green]", "at least 3 are needed"),
        ("[red, red, green]", "red: a name is given twice"),
        ("{pattern: robot, count: 5}", "needs `pattern`"),
        ("3", "must be a list of names"),
    ],
)
def test_wrong_names(names: str, words: str) -> None:
    assert words in mistakes(('{pattern: "robot{}", count: 5}', names))


def test_a_mistake_in_a_template_is_told_at_its_line() -> None:
    said = mistakes(('value: "data[3]"', 'valu: "data[3]"'))
    assert f"swarm.yaml:{line_of('{robot}_term')}" in said and "did you mean 'value'" in said


def test_templates_need_names() -> None:
    said = mistakes(('    robots: {pattern: "robot{}", count: 5}', "    #"))
    assert "needs `robots` at the device" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('term: "swarm.{robot}_term"', 'term: "swarm.{robot}_terms"', "has no port 'robot1_terms'"),
        ("stimulus: swarm.kill", "stimulus: swarm.robot1_term", "is a response, not a fault"),
        (
            "kind: trials, samples: 120, warmup: 1, dwell_ms: [200, 800]",
            "kind: paced, samples: 120, rate_hz: 1",
            "has to be trials",
        ),
        ("dwell_ms: [200, 800]", "dwell_ms: [800, 200]", "the first may not be the larger"),
        ("kind: kill\n", "kind: maim\n", "kill"),
        ("--robot={number} ", "--robot=({number} ", "is no regular expression"),
        ("kind: kill\n", "kind: hang\n", "restart: unknown key"),
        ("limit: 50", "limit: 1000", "not below the timeout"),
        (', value: "data[3]"', "", "observes no number"),
        *(
            ("    settle_ms: 100", f"    {plan}\n    settle_ms: 100", words)
            for plan, words in (
                ("robot: follower", "`version` is needed"),
                ("robot: robot9", "'robot9' is neither leader nor follower nor one of robot1"),
                ("robot: next", "'next' is neither"),
                (
                    "also: [{stimulus: swarm.kill}, {stimulus: swarm.kill}]",
                    "2 are left, which is no majority",
                ),
                ("also: [{stimulus: swarm.robot1_term}]", "is a response, not a fault"),
                ("also: [{stimulus: swarm.kill, robot: next}]", "goes with `at: candidacy`"),
            )
        ),
    ],
)
def test_mistakes_of_the_scenario_and_the_fault(old: str, new: str, words: str) -> None:
    assert words in mistakes((old, new))


def test_who_stands_is_known_by_a_state() -> None:
    also = "    also: [{stimulus: swarm.kill, robot: next, at: candidacy}]\n"
    assert "needs candidate_state" in mistakes(("    candidate_state: 3\n", also))


def test_one_topic_of_all_robots_is_read_by_name_and_by_place() -> None:
    told = 'type: diagnostic_msgs/msg/DiagnosticArray, value: "status[{index}].values[key={robot}].value"'
    text = TEXT.replace('type: std_msgs/msg/Int64MultiArray, value: "data[2]"', f"{told}, names: robots")
    ports = rig_from_text(text, "swarm.yaml").devices["swarm"].ports
    assert ports["robot3_leader"].response.value == "status[2].values[key=robot3].value"
    assert ports["robot3_leader"].response.names == NAMES


def test_names_need_a_string_to_be_read() -> None:
    assert "which string" in mistakes(('value: "data[3]"', "names: [wedge, line]"))


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ("", "robot1_leader needs `match: {kind: onset"),
        ("    slot: swarm.{robot}_slot\n", "is for robots that tell nothing else, and slot is given"),
        ("    robot: leader\n", "nobody tells who leads: name the robot"),
        ("    movers: [robot9]\n", "'robot9' is none of robot1"),
        ("    returns_ms: 50\n", "`also` and `returns_ms` need robots that tell"),
    ],
)
def test_mistakes_of_robots_that_only_move(more: str, words: str) -> None:
    start, end = TEXT.index("    follows:"), TEXT.index("    detection_timeout_ms:")
    robot = "" if "robot:" in more else "    robot: robot1\n"
    told = f'    moves: "swarm.{{robot}}_leader"\n{robot}{more}'
    assert words in mistakes((TEXT[start:end], told))


def test_without_motion_the_three_are_needed() -> None:
    assert "follows, term and slot are needed" in mistakes(('    term: "swarm.{robot}_term"\n', ""))
