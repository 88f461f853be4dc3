"""The rig files of Gazebo, read; and that a user changes the adapter's lines only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml

from harness.config import load_rig

RIGS = Path(__file__).resolve().parents[3] / "rig_configs"
NAMES = sorted(path.stem for path in RIGS.glob("gazebo_*.yaml"))


def read(name: str) -> Any:
    return yaml.safe_load((RIGS / f"{name}.yaml").read_text())


@pytest.mark.usefixtures("double")
@pytest.mark.parametrize("name", NAMES)
def test_each_is_valid(name: str) -> None:
    """Types, paths and values too: of the message types that the double has."""
    assert load_rig(str(RIGS / f"{name}.yaml")).rig.rig.simulated


def without_paths(value: Any) -> Any:
    """The same, without the level at which a stamped message has its speed."""
    if isinstance(value, dict):
        return {re.sub(r"^twist\.", "", str(key)): without_paths(each) for key, each in value.items()}
    return [without_paths(each) for each in value] if isinstance(value, list) else value


def test_from_mujoco_to_gazebo_the_adapters_lines_change_alone() -> None:
    """What is measured, how often, what is watched and agreed: word for word the same. So are the
    names of the ports; what lies behind them is the adapter's."""
    mujoco, gazebo = read("sim_diff_drive_onset"), read("gazebo_diff_drive")
    for section in ("scenarios", "monitors", "requirements", "host"):
        assert without_paths(gazebo[section]) == without_paths(mujoco[section]), section
    ours, theirs = gazebo["devices"]["robot"], mujoco["devices"]["robot"]
    for section in ("limits", "stop"):
        assert without_paths(ours[section]) == without_paths(theirs[section]), section
    shared = ("cmd_vel", "odom", "real_time_factor")
    for port in shared:
        (way,) = ours["ports"][port]
        assert list(theirs["ports"][port]) == [way]
    assert ours["ports"]["odom"]["response"]["match"] == theirs["ports"]["odom"]["response"]["match"]
    sent = [one["ports"]["cmd_vel"]["stimulus"]["values"] for one in (ours, theirs)]
    assert without_paths(sent[0]) == without_paths(sent[1])


def test_from_gazebo_to_the_real_robot_the_fields_stay() -> None:
    """``base_twist`` is for a real base: the same fields of the same message, by another middleware."""
    real, gazebo = read("base_twist"), read("gazebo_diff_drive")
    device = next(iter(real["devices"].values()))
    assert set(device["limits"]) <= set(gazebo["devices"]["robot"]["limits"]) | {"linear.y"}
    assert set(device) - {"domain_id", "discovery", "namespace"} <= set(gazebo["devices"]["robot"]) | {
        "world"
    }


@pytest.mark.parametrize("path", sorted((RIGS / "gazebo").glob("*.sdf")), ids=lambda path: path.stem)
def test_worlds_need_no_download_and_run_at_a_kilohertz(path: Path) -> None:
    tree = ElementTree.parse(path)
    assert not [one for one in tree.iter() if one.tag in ("uri", "mesh", "include")]
    for world in tree.iter("world"):
        assert world.findtext("physics/max_step_size") == "0.001"
    for each in tree.iter("odom_publish_frequency"):
        assert each.text == "1000"
