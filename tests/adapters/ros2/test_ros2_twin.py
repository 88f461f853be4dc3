"""The floor of a ROS 2 device: what its twin is, and a run against a real echo."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parents[2] / "faults"))

from fault_bench import ROOT, people, rig_file

from harness.adapters.ros2.options import Options
from harness.config import load_rig
from harness.config.twin import FloorTwin
from harness.folder import RunFolder
from harness.model import FLOOR_SCENARIOS, StimulusFlag
from harness.proctable import run_members
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.ros
TWIST = "geometry_msgs/msg/TwistStamped"


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        yield


def options(stimulus: dict[str, Any], response: dict[str, Any], **more: Any) -> Options:
    sends = {"topic": "/cmd", "type": TWIST, **stimulus}
    answers = {"topic": "/done", "type": TWIST, **response}
    ports = {"cmd": {"stimulus": sends}, "done": {"response": answers}}
    return Options.model_validate({"adapter": "ros2", "ports": ports, **more})


def test_twins_that_are_open_at_a_time_meet_their_echoes_apart():
    twin = options({}, {}, domain_id=55).floor_twin("cmd", "done")
    first, second = twin.apart(0), twin.apart(1)
    topics = [each.options["ports"]["command"]["stimulus"]["topic"] for each in (twin, first, second)]
    assert len(set(topics)) == 3
    for each, topic in zip((twin, first, second), topics, strict=True):
        assert topic in each.command and topic.startswith(each.place)
    assert FloorTwin.loopback().apart(3) == FloorTwin.loopback()


def test_key_values_type_and_place_are_those_of_the_stimulus():
    values = {"twist.linear.x": {"alternate": [0.2, -0.2]}}
    mine = options(
        {"key": "header.stamp", "values": values, "qos": {"depth": 7}},
        {"match": {"kind": "stamp", "path": "header.stamp"}},
        domain_id=55,
        discovery="localhost",
        namespace="/r1",
    )
    found = mine.floor_twin("cmd", "done")
    twin = Options.model_validate(found.options)
    assert (twin.domain_id, twin.discovery, twin.namespace) == (55, "localhost", "/r1")
    command, answer = twin.ports["command"].stimulus, twin.ports["answer"].response
    assert command.values == mine.ports["cmd"].stimulus.values
    assert (command.key, command.type, command.qos) == ("header.stamp", TWIST, mine.ports["cmd"].stimulus.qos)
    assert (answer.match.kind, answer.match.path) == ("stamp", "header.stamp")
    assert twin.stop is None
    for topic in (command.topic, answer.topic):
        assert topic.startswith("/harness_floor/cmd_")
        assert topic in found.command
    assert found == mine.floor_twin("cmd", "done")
    # Others in the same domain hear nothing of it: another namespace, other topics.
    other = mine.model_copy(update={"namespace": "/r2"}).floor_twin("cmd", "done")
    assert other.options["ports"]["command"]["stimulus"]["topic"] != command.topic


def test_without_a_key_answers_are_matched_in_order():
    twin = Options.model_validate(options({}, {}).floor_twin("cmd", "done").options)
    assert twin.ports["answer"].response.match.kind == "order"


@pytest.mark.parametrize(
    ("sent", "answered", "echo", "heard"),
    [
        ("default", None, "reliable", "reliable"),
        ("default", "sensor_data", "reliable", "best_effort"),
        ("sensor_data", None, "best_effort", "best_effort"),
        ("sensor_data", "default", "best_effort", "best_effort"),
        ({"reliability": "best_effort"}, "default", "best_effort", "best_effort"),
        ("system_default", "default", "best_effort", "best_effort"),
    ],
)
def test_reliability_is_one_that_can_be_had(sent, answered, echo, heard):
    found = options({"qos": sent}, {"qos": answered}).floor_twin("cmd", "done")
    command = list(found.command)
    assert command[command.index("--reliability") + 1] == echo
    assert Options.model_validate(found.options).ports["answer"].response.qos.reliability == heard


@pytest.mark.slow
def test_a_run_measures_it_through_the_middleware(tmp_path):
    sim = yaml.safe_load((ROOT / "rig_configs" / "sim_diff_drive.yaml").read_text())
    changes: dict[str, Any] = {
        "devices.robot.domain_id": "auto",
        "scenarios.command.schedule.samples": 50,
        "scenarios.command.schedule.warmup_s": 0.1,
        "scenarios.command.probing": {"consecutive": 3, "rate_hz": 50, "timeout_s": 30},
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.5, "limit": 90}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0.2},
    }
    loaded = load_rig(rig_file(tmp_path, changes, base=sim))
    outcome = run_rig(loaded, RunOptions(out=tmp_path / "out", report=False, anyway=True))
    run = json.loads((outcome.folder / "run.json").read_text())
    assert [f for f in run["findings"] if f["name"] == "floor"] == []
    assert run["status"] == "finished"
    (entry,) = run["floors"]
    assert (entry["before"], entry["after"]) == (FLOOR_SCENARIOS, FLOOR_SCENARIOS + 1)
    folder = RunFolder.open(outcome.folder)
    rows, seen = folder.stimuli(), folder.observations()[entry["port"]]
    for scenario in (entry["before"], entry["after"]):
        mine = rows[rows["scenario"] == scenario]
        counted = mine[(mine["flags"] & (StimulusFlag.PROBE | StimulusFlag.WARM_UP)) == 0]
        assert len(counted) == 20
        assert ((mine["flags"] & StimulusFlag.PROBE) != 0).sum() >= 10
    assert set(seen["key"].tolist()) <= set(rows["key"][rows["scenario"] >= FLOOR_SCENARIOS].tolist())
    assert len(seen) >= 20
    assert 60 < entry["message_bytes"] < 90  # a TwistStamped with a short frame id
    assert "TwistStamped" in entry["what"]
    assert (outcome.folder / "processes" / "_floor_command.log").read_text().startswith("ready")
    assert not people(outcome.folder.name) and not run_members(outcome.folder.name)
