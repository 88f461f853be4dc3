import json
import random
import shutil
from datetime import datetime, timezone
from pathlib import Path

import pytest
import yaml
from bag_bench import START_NS, TYPE, cdr_int32, made_bag, recorded, topic
from mcap.reader import make_reader
from mcap_ros2.decoder import DecoderFactory

from harness.bags import convert
from harness.bags.convert import BAG_FILE, drop_spools, finalise_bag
from harness.bags.recording import SPOOLS, BagRecording
from harness.config.schema import Record
from harness.errors import ConfigurationError, RecordingError
from harness.folder import RAW, RunFolder
from harness.parquet import file_sha256


def two_topics(count: int = 300) -> dict[str, list[tuple[int, bytes]]]:
    draw = random.Random(7)
    numbers = {name: [draw.randrange(-(2**31), 2**31) for _ in range(count)] for name in ("/a", "/ns/b")}
    return {
        name: [(5 * at + shift, cdr_int32(number)) for at, number in enumerate(of_topic)]
        for shift, (name, of_topic) in enumerate(numbers.items())
    }


def test_every_message_decodes_as_it_was_taken_in_order_of_time(tmp_path: Path) -> None:
    given = two_topics()
    bag = made_bag(tmp_path, given)
    with (bag / BAG_FILE).open("rb") as stream:
        reader = make_reader(stream, validate_crcs=True, decoder_factories=[DecoderFactory()])
        header, found = reader.get_header(), list(reader.iter_decoded_messages(log_time_order=False))
    assert header.profile == "ros2" and header.library.startswith("harness ")
    times = [one.message.log_time for one in found]
    assert times == sorted(times) and len(times) == 600
    for name, messages in given.items():
        of_topic = [one for one in found if one.channel.topic == name]
        assert [cdr_int32(one.decoded_message.data) for one in of_topic] == [data for _, data in messages]
        assert [one.message.log_time - START_NS for one in of_topic] == [ms * 10**6 for ms, _ in messages]
        assert all(one.message.publish_time == one.message.log_time - 1000 for one in of_topic)
        assert [one.message.sequence for one in of_topic] == list(range(300))
        schema, channel = of_topic[0].schema, of_topic[0].channel
        assert schema is not None
        assert (schema.name, schema.encoding, channel.message_encoding) == (TYPE, "ros2msg", "cdr")
        profile = yaml.safe_load(channel.metadata["offered_qos_profiles"])[0]
        assert (profile["depth"], profile["lifespan"]["sec"]) == (10, 9223372036)
        assert channel.metadata["harness_device"] == "robot"


def test_the_metadata_tell_what_is_in_the_file(tmp_path: Path) -> None:
    bag = made_bag(tmp_path, two_topics())
    told = yaml.safe_load((bag / "metadata.yaml").read_text())["rosbag2_bagfile_information"]
    assert (told["version"], told["storage_identifier"], told["message_count"]) == (5, "mcap", 600)
    assert told["relative_file_paths"] == [BAG_FILE] == [told["files"][0]["path"]]
    assert told["starting_time"]["nanoseconds_since_epoch"] == START_NS
    assert told["duration"]["nanoseconds"] == (299 * 5 + 1) * 10**6
    topics = {one["topic_metadata"]["name"]: one for one in told["topics_with_message_count"]}
    assert {name: one["message_count"] for name, one in topics.items()} == {"/a": 300, "/ns/b": 300}
    about = topics["/a"]["topic_metadata"]
    assert (about["type"], about["serialization_format"]) == (TYPE, "cdr")
    assert yaml.safe_load(about["offered_qos_profiles"])[0]["reliability"] == 1


@pytest.mark.parametrize("pattern", ["/camera/image", "camera/image", "/camera/*", "*image"])
def test_a_topic_that_is_left_out_is_nowhere(tmp_path: Path, pattern: str) -> None:
    secret = b"a face, recorded by nobody"
    given = {**two_topics(3), "/camera/image": [(1, secret)]}
    recording = recorded(tmp_path, {"leave_out": [pattern]}, given)
    recording.require_known()
    assert recording.about()["left_out"] == ["/camera/image"]
    assert recording.about()["topics"] == ["/a", "/ns/b"]
    assert all(secret not in file.read_bytes() for file in (tmp_path / SPOOLS).iterdir())
    about = finalise_bag(tmp_path)
    assert about is not None and about["messages"] == {"/a": 3, "/ns/b": 3}


def test_a_misspelt_topic_to_leave_out_is_refused(tmp_path: Path) -> None:
    recording = recorded(tmp_path, {"leave_out": ["/camera/imag"]}, {"/camera/image": []})
    with pytest.raises(ConfigurationError, match="did you mean '/camera/image'"):
        recording.require_known()
    recorded(tmp_path / "nothing offered", {"leave_out": ["/camera/imag"]}, {}).require_known()


def test_a_relative_name_to_leave_out_holds_in_the_namespace_of_its_device(tmp_path: Path) -> None:
    recording = BagRecording(Record(leave_out=["image"]), tmp_path, {"first": "/r1", "second": ""})
    assert recording.offer("first", topic("/r1/image")) is None
    assert recording.offer("second", topic("/image")) is None
    assert recording.offer("second", topic("/r1/image")) is not None


def test_what_two_ports_share_is_taken_once_and_nothing_where_no_bag_is_wanted(tmp_path: Path) -> None:
    recording = BagRecording(Record(), tmp_path)
    assert recording.offer("robot", topic("/a", "first")) is not None
    assert recording.offer("robot", topic("/a", "second")) is None
    assert recording.offer("other", topic("/a")) is not None
    recording.close()
    assert BagRecording(Record(bag=False), tmp_path / "none").offer("robot", topic("/a")) is None


def test_a_bag_that_is_full_is_a_finding_and_so_is_what_is_missing(tmp_path: Path) -> None:
    recording = BagRecording(Record(max_mb=16), tmp_path)
    keep = recording.offer("robot", topic("/a"))
    assert keep is not None and recording.findings() == []
    for number in range(20):
        keep(bytes(1 << 20), number + 1, number + 1)
    (full,) = recording.findings()
    assert "16 MB" in full.message and "record.leave_out" in full.remedy
    assert recording.findings() == []
    (missing,) = recording.close()
    kept = sum((finalise_bag(tmp_path) or {})["messages"].values())
    assert 0 < kept < 16 and f"{20 - kept} of 20 messages of /a" in missing.message
    assert recording.close() == []


def test_a_folder_that_takes_no_bag_costs_the_bag_alone(tmp_path: Path) -> None:
    (tmp_path / SPOOLS).write_text("in the way")
    recording = BagRecording(Record(), tmp_path)
    assert recording.offer("robot", topic("/a")) is None
    (finding,) = recording.close()
    assert "/a is not in the bag" in finding.message
    assert recording.about()["recorded"] is False


def test_the_bag_is_whole_whenever_the_conversion_is_killed(tmp_path: Path) -> None:
    recorded(tmp_path, {}, two_topics(20))
    spools = tmp_path / SPOOLS
    (tmp_path / "bag.part").mkdir()
    (tmp_path / "bag.part" / BAG_FILE).write_bytes(b"half")
    first = finalise_bag(tmp_path)
    assert first is not None and spools.is_dir() and not (tmp_path / "bag.part").exists()
    assert first["sha256"] == file_sha256(tmp_path / "bag" / BAG_FILE)
    assert first["bytes"] == (tmp_path / "bag" / BAG_FILE).stat().st_size
    (tmp_path / "bag" / "metadata.yaml").unlink()
    assert finalise_bag(tmp_path) == first
    assert (tmp_path / "bag" / "metadata.yaml").is_file()
    drop_spools(tmp_path)
    assert finalise_bag(tmp_path) is None and (tmp_path / "bag" / BAG_FILE).is_file()


def test_without_a_message_there_is_no_bag(tmp_path: Path) -> None:
    recorded(tmp_path, {}, {"/a": []})
    assert finalise_bag(tmp_path) == {"messages": {}}
    assert [one.name for one in tmp_path.iterdir()] == [SPOOLS]


def test_a_full_disk_or_a_damaged_spool_keeps_the_spools(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded(tmp_path, {}, two_topics(3))
    (file,) = sorted((tmp_path / SPOOLS).glob("000.json"))
    told = json.loads(file.read_text())
    file.write_text("{")
    with pytest.raises(RecordingError, match=r"000\.json"):
        finalise_bag(tmp_path)
    file.write_text(json.dumps(told))
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(convert.shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(RecordingError, match="may need"):
            finalise_bag(tmp_path)
    about = finalise_bag(tmp_path)
    assert about is not None and about["messages"] == {"/a": 3, "/ns/b": 3}


def test_the_run_folder_of_a_killed_harness_gives_its_bag(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "rig", datetime.now(timezone.utc), "ab12")
    recording = BagRecording(Record(leave_out=["/camera"]), folder.path)
    keep = recording.offer("robot", topic("/a"))
    recording.offer("robot", topic("/camera"))
    folder.save_run(bag=recording.about())
    for number in range(10):
        assert keep is not None
        keep(cdr_int32(number), START_NS + number, START_NS + number)
    # Nobody closes anything: as after kill -9.
    later = RunFolder.open(folder.path)
    later.finalise_raw()
    bag = RunFolder.open(folder.path).run["bag"]
    assert (bag["messages"], bag["left_out"]) == ({"/a": 10}, ["/camera"])
    assert (folder.path / bag["file"]).is_file() and not (folder.path / SPOOLS).exists()
    later.finalise_raw()
    assert RunFolder.open(folder.path).run["bag"] == bag
    recording.close()


def test_a_bag_that_cannot_be_made_costs_no_verdict_and_is_made_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = RunFolder.create(tmp_path, "rig", datetime.now(timezone.utc), "ab12")
    recorded(folder.path, {}, {"/a": [(1, cdr_int32(5))]})
    with monkeypatch.context() as patch:
        patch.setattr(convert, "_write", lambda *_: 1 // 0)
        assert set(folder.finalise_raw()) == set(RAW)
    (event,) = [one for one in folder.events() if one["event"] == "bag_not_written"]
    assert "ZeroDivisionError" in event["message"] and (folder.path / SPOOLS).is_dir()
    folder.finalise_raw()
    assert folder.run["bag"]["messages"] == {"/a": 1} and folder.verify_raw() == []
