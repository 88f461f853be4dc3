"""What a run records is what went over the topics; and a run sends again what another one recorded."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from harness.bags.window import read_window
from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag, Verdict
from harness.parquet import file_sha256
from harness.runner import RunOptions, run_rig

pytestmark = [pytest.mark.ros, pytest.mark.slow]
TYPE = "geometry_msgs/msg/TwistStamped"
SPEED = 2.0


def rig(schedule: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "rig": {"name": "bags", "simulated": True},
        "processes": {
            "robot": {
                "command": [
                    "python",
                    "-m",
                    "harness.sim.ros2_echo",
                    "--listen",
                    "/ns/in",
                    "--answer",
                    "/ns/out",
                ],
                "ready": {"publishes": "/ns/out"},
            }
        },
        "devices": {
            "robot": {
                "adapter": "ros2",
                "domain_id": "auto",
                "discovery": "localhost",
                "namespace": "/ns",
                "limits": {"twist.linear.x": 0.5},
                "stop": {"port": "command", "values": {"twist.linear.x": 0.0}, "repeat": 2},
                "ports": {
                    "command": {
                        "stimulus": {
                            "topic": "in",
                            "type": TYPE,
                            "key": "header.stamp",
                            "values": {
                                "header.frame_id": "base",
                                "twist.linear.x": {"sequence": [round(0.01 * n, 2) for n in range(1, 40)]},
                            },
                        }
                    },
                    "applied": {
                        "response": {
                            "topic": "/ns/out",
                            "type": TYPE,
                            "match": {"kind": "stamp", "path": "header.stamp"},
                            "value": "twist.linear.x",
                        }
                    },
                },
            }
        },
        "scenarios": {
            "command": {
                "kind": "command_round_trip",
                "stimulus": "robot.command",
                "response": "robot.applied",
                "timeout_ms": 2000.0,
                "schedule": schedule,
                "probing": {"consecutive": 3, "rate_hz": 100, "timeout_s": 30},
            }
        },
        "requirements": [{"id": "R", "scenario": "command", "quantile": 0.5, "limit": 1000}],
        "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
        **more,
    }


def run(folder: Path, content: dict[str, Any]) -> RunOutcome:
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return run_rig(load_rig(file), RunOptions(out=folder / "reports", report=False))


@dataclasses.dataclass
class Told:
    topic: str
    logged_ns: int
    published_ns: int
    message: Any
    data: bytes


def messages(run_folder: Path, topic: str) -> list[Told]:
    """Decoded by another's reader and decoder."""
    with (run_folder / "bag" / "bag_0.mcap").open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        return [
            Told(channel.topic, raw.log_time, raw.publish_time, decoded, raw.data)
            for _, channel, raw, decoded in reader.iter_decoded_messages(topics=[topic])
        ]


def stamp_ns(told: Told) -> int:
    return int(told.message.header.stamp.sec) * 10**9 + int(told.message.header.stamp.nanosec)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, RunOutcome]]:
    folder = tmp_path_factory.mktemp("first")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.adapters.ros2.looking._ANNOUNCED_NS", 0)
        schedule = {"kind": "paced", "rate_hz": 100.0, "samples": 60, "warmup_s": 0.1, "seed": 7}
        yield folder, run(folder, rig(schedule))


@pytest.fixture(scope="module")
def second(first: tuple[Path, RunOutcome]) -> Iterator[RunOutcome]:
    folder, outcome = first
    bag = str((outcome.folder / "bag").relative_to(folder))
    schedule = {"kind": "replay", "bag": bag, "topic": "/ns/in", "speed": SPEED, "warmup_s": 0.02}
    content = rig(schedule, record={"leave_out": ["/ns/out"]})
    content["devices"]["robot"]["ports"]["command"]["stimulus"]["template"] = {
        "bag": bag, "topic": "/ns/in", "message": 5,
    }  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("harness.adapters.ros2.looking._ANNOUNCED_NS", 0)
        yield run(folder, content)


def test_the_bag_holds_every_message_with_the_keys_of_the_tables(first: tuple[Path, RunOutcome]) -> None:
    outcome = first[1]
    folder = RunFolder.open(outcome.folder)
    rows = folder.stimuli()
    assert outcome.error is None and len(rows) >= 73
    rows = rows[rows["sent_ns"] != NO_STAMP]  # what the harness was too late for went nowhere
    sent = messages(outcome.folder, "/ns/in")
    keys = [stamp_ns(told) for told in sent]
    assert keys[: len(rows)] == rows["key"].tolist()
    assert len(sent) > len(rows)  # the safe stop
    assert [told.message.twist.linear.x for told in sent[len(rows) :]] == [0.0] * (len(sent) - len(rows))
    assert {told.message.header.frame_id for told in sent} == {"base"}
    received = messages(outcome.folder, "/ns/out")
    observed = folder.observations()["robot.applied"]
    assert [told.logged_ns for told in received] == observed["received_ns"].tolist()
    assert [stamp_ns(told) for told in received] == observed["key"].tolist()
    assert [told.message.twist.linear.x for told in received] == observed["value"].tolist()
    assert all(0 < told.logged_ns - told.published_ns < 10**10 for told in received)


def test_run_json_names_the_bag_and_the_spools_are_gone(first: tuple[Path, RunOutcome]) -> None:
    folder = first[1].folder
    about = RunFolder.open(folder).run["bag"]
    assert about["topics"] == ["/ns/in", "/ns/out"] and about["left_out"] == []
    assert about["messages"]["/ns/in"] == len(messages(folder, "/ns/in"))
    assert about["sha256"] == file_sha256(folder / about["file"])
    assert not (folder / "bag.spool").exists()
    told = yaml.safe_load((folder / "bag" / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert told["message_count"] == sum(about["messages"].values())


def test_a_replay_sends_what_was_recorded_when_it_was(
    first: tuple[Path, RunOutcome], second: RunOutcome
) -> None:
    window = read_window(first[1].folder / "bag", "/ns/in", speed=SPEED, warmup_s=0.02)
    folder = RunFolder.open(second.folder)
    rows = folder.stimuli()
    assert second.error is None
    measured = rows[rows["flags"] & StimulusFlag.PROBE == 0]
    assert len(measured) == len(window.messages)
    np.testing.assert_array_equal(measured["intended_ns"] - measured["intended_ns"][0], window.offsets_ns)
    assert int((measured["flags"] & StimulusFlag.WARM_UP != 0).sum()) == window.warm_up > 0
    went = measured["sent_ns"] != NO_STAMP
    recorded = [message.data for message, out in zip(window.messages, went, strict=True) if out]
    probes = len(rows) - len(measured)
    sent = messages(second.folder, "/ns/in")[probes:][: len(recorded)]
    assert [told.data[12:] for told in sent] == [data[12:] for data in recorded]
    assert [stamp_ns(told) for told in sent] == measured["key"][went].tolist()
    results = second.results
    assert results is not None and results.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE)
    scenario = results.scenarios["command"]
    assert scenario.schedule["kind"] == "replay"
    assert scenario.scheduled == window.samples == scenario.schedule["samples"]
    assert scenario.answered + scenario.lost + scenario.skipped == window.samples


def test_what_is_left_out_is_in_no_bag(second: RunOutcome) -> None:
    about = RunFolder.open(second.folder).run["bag"]
    assert (about["topics"], about["left_out"]) == (["/ns/in"], ["/ns/out"])
    assert messages(second.folder, "/ns/out") == []
