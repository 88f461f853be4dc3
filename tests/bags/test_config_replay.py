from pathlib import Path
from typing import Any

import pytest
import yaml
from bag_bench import cdr_int32, made_bag

from harness.arming import movements
from harness.config import load_rig, rig_from_resolved
from harness.config.problems import RigFileError
from harness.config.schema import Replay
from harness.pace import duration_s
from harness.prospects import plan_findings
from harness.runner import RunOptions, _select


def rig(schedule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "rig": {"name": "replayed", "simulated": True},
        "devices": {
            "robot": {
                "adapter": "ros2",
                "ports": {
                    "number": {"stimulus": {"topic": "/in", "type": "std_msgs/Int32", "key": "data"}},
                    "echo": {
                        "response": {
                            "topic": "/out",
                            "type": "std_msgs/msg/Int32",
                            "match": {"kind": "sequence", "path": "data"},
                        }
                    },
                },
            }
        },
        "scenarios": {
            "replay": {
                "kind": "command_round_trip",
                "stimulus": "robot.number",
                "response": "robot.echo",
                "timeout_ms": 100,
                "schedule": {"kind": "replay", "bag": "run/bag", "topic": "/number", **schedule},
                **more,
            }
        },
        "requirements": [{"id": "R", "scenario": "replay", "quantile": 0.5, "limit": 50}],
    }


def file_of(folder: Path, content: dict[str, Any]) -> Path:
    (folder / "run").mkdir()
    made_bag(folder / "run", {"/number": [(20 * number, cdr_int32(number)) for number in range(100)]})
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return file


def refused(folder: Path, content: dict[str, Any]) -> str:
    with pytest.raises(RigFileError) as raised:
        load_rig(file_of(folder, content))
    return str(raised.value)


def test_the_bag_fixes_how_many_samples_there_are(tmp_path: Path) -> None:
    loaded = load_rig(file_of(tmp_path, rig({"speed": 2.0, "warmup_s": 0.1})))
    schedule = loaded.rig.scenarios["replay"].schedule
    assert isinstance(schedule, Replay)
    assert (schedule.samples, schedule.rate_hz) == (90, pytest.approx(100.0))
    assert duration_s(loaded.rig, loaded.rig.scenarios["replay"]) == pytest.approx(1.0 + 0.1 + 0.9)
    assert not [finding for finding in plan_findings(loaded.rig) if "cannot" in finding.message]
    for file in (tmp_path / "run" / "bag").iterdir():
        file.unlink()  # whoever judges the run needs no bag
    again = rig_from_resolved(loaded.resolved())
    assert again.scenarios["replay"].schedule == schedule
    assert "what was recorded of /number in run/bag" in movements(loaded.rig)[0]
    fewer = _select(loaded, RunOptions(samples=7)).rig.scenarios["replay"].schedule
    assert fewer.samples == 7


@pytest.mark.parametrize(
    ("schedule", "words"),
    [
        ({"bag": "nowhere"}, ["schedule.bag", "no bag"]),
        ({"topic": "/numbers"}, ["schedule.topic", "it has: /number"]),
        ({"from_s": 50.0}, ["schedule.from_s", "0 message"]),
        ({"samples": 101}, ["schedule.samples", "100 messages"]),
        ({"rate_hz": 10.0}, ["schedule.rate_hz", "speed"]),
        ({"stages": [50, 100]}, ["not interrupted"]),
        ({"from_s": 2.0, "to_s": 1.0}, ["to_s = 1 is not after"]),
        ({"speed": 0.0}, ["schedule.speed"]),
        ({"sped": 2.0}, ["did you mean 'speed'"]),
    ],
)
def test_one_mistake_is_told_once_with_its_place(
    tmp_path: Path, schedule: dict[str, Any], words: list[str]
) -> None:
    told = refused(tmp_path, rig(schedule))
    assert all(word in told for word in words), told
    assert told.count("rig.yaml:") == 1, told


def test_another_type_an_answer_without_key_and_shown_values_are_refused(tmp_path: Path) -> None:
    content = rig({})
    content["devices"]["robot"]["ports"]["number"]["stimulus"] = {
        "topic": "/in", "type": "std_msgs/msg/Int64", "key": "data"
    }  # fmt: skip
    assert "is of type std_msgs/msg/Int32 in the bag, robot.number of type std_msgs/msg/Int64" in refused(
        tmp_path, content
    )
    content = rig({})
    content["devices"]["robot"]["ports"]["echo"]["response"]["match"] = {"kind": "order"}
    (tmp_path / "order").mkdir()
    assert "must be trials" in refused(tmp_path / "order", content)
    content = rig({}, kind="sensor_to_action", stimulus_values={"data": 5})
    (tmp_path / "sensor").mkdir()
    assert "must be command_round_trip" in refused(tmp_path / "sensor", content)
