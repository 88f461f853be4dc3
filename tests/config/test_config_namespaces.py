"""A rig in a ROS namespace."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from harness.config import load_rig
from harness.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
DIFF_DRIVE = ROOT / "rig_configs" / "sim_diff_drive.yaml"
LOOPBACK = ROOT / "rig_configs" / "loopback.yaml"


def with_topics(folder: Path, *, own: str = "", relative: int | None = None) -> Path:
    """The simulated robot's rig file with that many of its topics, else all, relative."""
    data = yaml.safe_load(DIFF_DRIVE.read_text())
    device = data["devices"]["robot"]
    if own:
        device["namespace"] = own
    for port in list(device["ports"].values())[:relative]:
        (half,) = port.values()
        half["topic"] = half["topic"].removeprefix("/")
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(data))
    return file


@pytest.mark.parametrize(
    ("own", "namespace", "wanted"),
    [
        ("", "/robot1", "/robot1"),
        ("", "robot1/", "/robot1"),
        ("arm", "/fleet/robot1", "/fleet/robot1/arm"),
        ("/arm", "/robot1", "/robot1/arm"),
        ("arm", "/", "arm"),
        ("arm", "", "arm"),
    ],
)
def test_it_comes_before_the_devices_own(tmp_path, own, namespace, wanted):
    loaded = load_rig(with_topics(tmp_path, own=own), (), namespace)
    assert loaded.rig.devices["robot"].namespace == wanted


def test_it_is_recorded_as_a_change_of_the_rig_file(tmp_path):
    loaded = load_rig(with_topics(tmp_path, relative=1), ["rig.description=mine"], "/robot1")
    assert loaded.overrides == ("rig.description=mine", "devices.robot.namespace=/robot1")


@pytest.mark.parametrize("file", [DIFF_DRIVE, LOOPBACK], ids=lambda file: file.stem)
def test_one_that_would_change_nothing_is_refused(file):
    with pytest.raises(ConfigurationError, match="namespace /robot1 would change nothing"):
        load_rig(file, (), "/robot1")


def test_one_that_ros_does_not_know_is_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="namespace"):
        load_rig(with_topics(tmp_path), (), "/robot-1")
