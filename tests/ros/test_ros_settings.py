"""From parameters and command lines to what a run is told; from what is known to what a monitor shows."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from node_bench import rig_file

from harness.cli import cli
from harness.errors import ConfigurationError
from harness.ros.settings import SETTINGS, arguments, check
from harness.ros.start import ros_arguments
from harness.ros.tracker import Figures, Known
from harness.ros.watched import Snapshot


def values(**changes: Any) -> dict[str, Any]:
    return {**{each.name: each.default for each in SETTINGS}, **changes}


def test_what_a_run_is_told_is_what_its_command_line_understands(tmp_path: Path) -> None:
    rig = str(rig_file(tmp_path))
    given = values(
        rig=rig,
        samples=500,
        operator="Ada",
        scenario=["command", ""],
        set=["rig.description=a b", "host.floor_s=0"],
        rig_namespace="lab",
        arm=True,
        confirm=True,
        anyway=True,
        quiet=True,
    )
    assert check({**given, "rig_namespace": ""}) == ""
    assert "no device of the rig has a ROS namespace" in check(given)
    context = cli.commands["run"].make_context("run", arguments(given))
    assert context.params == {
        "rig": rig,
        "overrides": ("rig.description=a b", "host.floor_s=0"),
        "namespace": "lab",
        "out": Path("reports"),
        "samples": 500,
        "scenarios": ("command",),
        "operator": "Ada",
        "arm": True,
        "confirm_area_clear": True,
        "anyway": True,
        "quiet": True,
        "as_json": False,
        "folder_fd": None,
    }
    plain = cli.commands["run"].make_context("run", arguments(values(rig="--help")))
    assert plain.params["rig"] == "--help"
    assert plain.params["samples"] is None
    assert plain.params["overrides"] == ()
    assert not plain.params["arm"]


def test_every_option_of_a_run_has_its_parameter() -> None:
    options = {
        each.name for each in cli.commands["run"].params if isinstance(each, click.Option) and not each.hidden
    }
    other_names = {
        "overrides": "set",
        "scenarios": "scenario",
        "namespace": "rig_namespace",
        "confirm_area_clear": "confirm",
    }
    mirrored = {other_names.get(str(name), name) for name in options}
    # Its output is the node's log.
    assert mirrored - {"as_json"} <= {each.name for each in SETTINGS}
    assert all(each.text.endswith(".") for each in SETTINGS)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"rig": "nosuch"}, "there is no rig 'nosuch'"),
        ({"set": ["x"]}, "no KEY=VALUE"),
        ({"rig": "loopback", "set": ["devices.robot.nosuch=1"]}, "nosuch"),
        ({"rig": "loopback", "scenario": ["hover"]}, "it has: command"),
        ({"out": ""}, "out: is empty"),
        ({"out": __file__}, "is no folder"),
    ],
)
def test_wrong_values_are_told_with_the_reason(changes: dict[str, Any], words: str) -> None:
    assert words in check(values(**changes))


def test_only_who_starts_the_node_may_arm() -> None:
    assert {each.name for each in SETTINGS if each.fixed} == {"arm", "autostart"}
    assert not any(each.default for each in SETTINGS if each.name in ("arm", "confirm", "autostart"))


def test_the_rig_is_a_parameter_that_others_may_follow() -> None:
    assert ros_arguments([]) == []
    assert ros_arguments(["--ros-args", "-p", "a:=1"]) == ["--ros-args", "-p", "a:=1"]
    quoted = ["--ros-args", "-p", 'rig:="true"', "--"]
    assert ros_arguments(["true"]) == quoted
    assert ros_arguments(["true", "--ros-args", "-r", "__ns:=/x"]) == [
        *quoted,
        "--ros-args",
        "-r",
        "__ns:=/x",
    ]
    for wrong in (["a", "b"], ["a", "--samples=5"], ["-q"]):
        with pytest.raises(ConfigurationError, match=wrong[-1]):
            ros_arguments(wrong)


@pytest.mark.ros
@pytest.mark.parametrize(
    ("snapshot", "level", "words"),
    [
        (Snapshot(), 0, "idle"),
        (Snapshot("measuring", Figures("command", 5, 10)), 0, "measuring, 5/10"),
        (Snapshot("measuring", Figures("command", 5, 10, lost=1)), 1, "measuring, 5/10, 1 lost"),
        (Snapshot("measuring", Figures("command", 5, 10, skipped=1)), 1, "measuring, 5/10"),
        (Snapshot("measuring", notes=("warning: hot",)), 1, "measuring"),
        (Snapshot("measuring", notes=("error: messages lost",)), 2, "measuring"),
        (Snapshot("finished", verdict="PASS"), 0, "PASS, finished"),
        (Snapshot("finished", verdict="INCONCLUSIVE"), 1, "INCONCLUSIVE, finished"),
        (Snapshot("finished", verdict="FAIL"), 2, "FAIL, finished"),
        (Snapshot("aborted", verdict="ERROR", error="ended by SIGINT"), 2, "ERROR, aborted: ended by SIGINT"),
        (Snapshot("refused", error="it is real\nnext: arm"), 2, "refused: it is real"),
        (Snapshot("ended before it began"), 0, "ended before it began"),
    ],
)
def test_the_level_follows_verdict_and_trouble(snapshot: Snapshot, level: int, words: str) -> None:
    from harness.ros.messages import status

    (shown,) = status(snapshot, "loopback", 1_500_000_000).status
    assert shown.level == bytes([level])
    assert shown.message == words
    assert shown.hardware_id == "loopback"


@pytest.mark.ros
def test_a_latency_is_a_stamped_message() -> None:
    from harness.ros.messages import latency

    message = latency(Known("command", 2_000_000_005, 1.25, 0.5, 1.75), 3_000_000_000)
    assert (message.header.stamp.sec, message.header.stamp.nanosec) == (5, 5)
    assert message.header.frame_id == "command"
    assert (message.point.x, message.point.y, message.point.z) == (1.25, 0.5, 1.75)
