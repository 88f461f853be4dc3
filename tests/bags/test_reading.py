import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import yaml
from bag_bench import START_NS, TYPE, cdr_int32, made_bag
from mcap.writer import CompressionType, IndexType, Writer

from harness.bags.reading import Bag, BagError
from harness.bags.window import read_message, read_window

SECOND = 10**9


def numbers(count: int, step_ms: int = 100, first_ms: int = 0) -> list[tuple[int, bytes]]:
    return [(first_ms + step_ms * number, cdr_int32(number)) for number in range(count)]


@pytest.fixture(scope="module")
def bag(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made_bag(
        tmp_path_factory.mktemp("bag"), {"/early": numbers(3), "/cmd": numbers(50, first_ms=1000)}
    )


def written(file: Path, encoding: str = "cdr", kind: str = TYPE, **options: object) -> Path:
    """An MCAP of 20 messages, 50 ms apart, as others write it."""
    with file.open("wb") as stream:
        writer = Writer(stream, **options)  # type: ignore[arg-type]
        writer.start(profile="ros2")
        channel = writer.register_channel(
            "/cmd", encoding, writer.register_schema(kind, "ros2msg", b"int32 data")
        )
        for number in reversed(range(20)):  # files need not be in order of time
            at = START_NS + number * 50_000_000
            writer.add_message(channel, at, cdr_int32(number), at)
        writer.finish()
    return file


def sqlite_bag(folder: Path) -> Path:
    """As rosbag2 writes it by default up to Humble, in two files."""
    folder.mkdir()
    for part in range(2):
        with closing(sqlite3.connect(folder / f"bag_{part}.db3")) as database:
            database.execute(
                "CREATE TABLE topics(id INTEGER PRIMARY KEY, name TEXT NOT NULL, type TEXT NOT NULL,"
                " serialization_format TEXT NOT NULL, offered_qos_profiles TEXT NOT NULL)"
            )
            database.execute(
                "CREATE TABLE messages(id INTEGER PRIMARY KEY, topic_id INTEGER NOT NULL,"
                " timestamp INTEGER NOT NULL, data BLOB NOT NULL)"
            )
            database.execute("INSERT INTO topics VALUES (1, '/cmd', ?, 'cdr', '')", (TYPE,))
            database.executemany(
                "INSERT INTO messages(topic_id, timestamp, data) VALUES (1, ?, ?)",
                [
                    (START_NS + number * 50_000_000, cdr_int32(number))
                    for number in range(10 * part, 10 * part + 10)
                ],
            )
            database.commit()
    told = {"relative_file_paths": ["bag_0.db3", "bag_1.db3"], "compression_mode": ""}
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": told}))
    return folder


def test_a_bag_tells_its_topics_and_begins_with_the_first_of_any(bag: Path) -> None:
    found = Bag(bag)
    assert {name: one.type for name, one in found.topics.items()} == {"/early": TYPE, "/cmd": TYPE}
    assert found.start_ns == START_NS
    assert [one.data for one in found.messages("/early")] == [data for _, data in numbers(3)]
    assert found.topic("cmd").name == "/cmd"


@pytest.mark.parametrize(
    "options",
    [
        {"compression": CompressionType.LZ4},
        {"compression": CompressionType.ZSTD, "chunk_size": 100},
        {"compression": CompressionType.NONE, "use_chunking": False},
        {"index_types": IndexType.NONE, "use_statistics": False},
        {
            "repeat_channels": False,
            "repeat_schemas": False,
            "use_statistics": False,
            "use_summary_offsets": False,
        },
    ],
)
def test_mcap_as_others_write_it(tmp_path: Path, options: dict[str, object]) -> None:
    found = Bag(written(tmp_path / "x.mcap", **options))
    assert found.topics["/cmd"].type == TYPE and found.start_ns == START_NS
    assert [one.data for one in found.messages("/cmd")] == [cdr_int32(number) for number in range(20)]


def test_types_without_msg_and_sqlite_in_two_files_and_a_folder_without_metadata(tmp_path: Path) -> None:
    short = Bag(written(tmp_path / "x.mcap", kind="std_msgs/Int32"))
    assert short.topics["/cmd"].type == TYPE
    folder = sqlite_bag(tmp_path / "sql")
    for found in (Bag(folder), Bag(tmp_path / "sql")):
        assert found.topics["/cmd"].type == TYPE and found.start_ns == START_NS
        assert [one.data for one in found.messages("/cmd")] == [cdr_int32(number) for number in range(20)]
    (folder / "metadata.yaml").unlink()
    assert len(list(Bag(folder).messages("/cmd"))) == 20
    assert len(list(Bag(folder / "bag_1.db3").messages("/cmd"))) == 10


def test_what_is_no_bag_is_told_apart(tmp_path: Path, bag: Path) -> None:
    def refused(path: Path, about: str = "bag", topic: str = "/cmd") -> str:
        with pytest.raises(BagError) as raised:
            list(Bag(path).messages(topic))
        assert raised.value.about == about
        return str(raised.value)

    assert "there is no bag" in refused(tmp_path / "nowhere")
    assert "metadata.yaml" in refused(tmp_path)
    for name, words in (("x.bag", "rosbags-convert"), ("x.mcap.zstd", "compressed as a whole")):
        (tmp_path / name).write_bytes(b"x")
        assert words in refused(tmp_path / name)
    whole = (bag / "bag_0.mcap").read_bytes()
    for name, content in (
        ("a.mcap", b"#ROSBAG V2.0"),
        ("b.mcap", whole[: len(whole) // 2]),
        ("c.db3", b"no"),
    ):
        (tmp_path / name).write_bytes(content)
        assert "cannot be read" in refused(tmp_path / name)
    assert "it has: /cmd, /early" in refused(bag, "topic", "/cmd_vel")
    other = written(tmp_path / "j.mcap", encoding="json")
    assert "encoded as 'json'" in refused(other, "topic")
    folder = sqlite_bag(tmp_path / "sql")
    (folder / "bag_1.db3").unlink()
    assert "bag_1.db3 is missing" in refused(folder)
    told = {"relative_file_paths": ["bag_0.db3"], "compression_mode": "MESSAGE"}
    (folder / "metadata.yaml").write_text(yaml.safe_dump({"rosbag2_bagfile_information": told}))
    assert "one by one" in refused(folder)
    (folder / "metadata.yaml").write_text("just: this")
    assert "cannot be read" in refused(folder)


def test_a_window_counts_from_when_the_bag_began(bag: Path) -> None:
    whole = read_window(bag, "/cmd")
    assert (whole.samples, whole.first, whole.warm_up, whole.type) == (50, 0, 0, TYPE)
    assert whole.rate_hz == pytest.approx(10.0)
    np.testing.assert_array_equal(whole.offsets_ns, np.arange(50) * SECOND // 10)
    part = read_window(bag, "/cmd", from_s=2.0, to_s=3.0)
    assert (part.first, part.samples) == (10, 11)
    assert [one.data for one in part.messages] == [cdr_int32(number) for number in range(10, 21)]
    assert part.offsets_ns[0] == 0 and part.offsets_ns[-1] == SECOND


def test_speed_warm_up_and_samples(bag: Path) -> None:
    fast = read_window(bag, "/cmd", speed=4.0, warmup_s=0.25, samples=5)
    assert (fast.warm_up, fast.samples, len(fast.messages)) == (10, 5, 15)
    assert fast.rate_hz == pytest.approx(40.0)
    np.testing.assert_array_equal(fast.offsets_ns, np.arange(15) * SECOND // 40)
    slow = read_window(bag, "/cmd", speed=0.5, warmup_s=0.25)
    assert (slow.warm_up, slow.samples) == (2, 48)


@pytest.mark.parametrize(
    ("told", "about", "words"),
    [
        ({"from_s": 100.0}, "from_s", "has 0 message"),
        ({"from_s": 1.0, "to_s": 1.05}, "from_s", "has 1 message"),
        ({"samples": 51}, "samples", "50 messages"),
        ({"warmup_s": 60.0}, "warmup_s", "0 messages"),
    ],
)
def test_a_window_that_gives_too_little(bag: Path, told: dict[str, float], about: str, words: str) -> None:
    with pytest.raises(BagError, match=words) as raised:
        read_window(bag, "/cmd", **told)  # type: ignore[arg-type]
    assert raised.value.about == about


def test_a_window_too_large_to_hold_is_refused(bag: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.bags.window.MAX_BYTES", 100)
    with pytest.raises(BagError, match="shorter"):
        read_window(bag, "/cmd")


def test_messages_of_one_instant_are_no_schedule(tmp_path: Path) -> None:
    still = made_bag(tmp_path, {"/cmd": [(5, cdr_int32(1)), (5, cdr_int32(2))]})
    with pytest.raises(BagError, match="same instant"):
        read_window(still, "/cmd")


def test_single_messages(bag: Path) -> None:
    assert read_message(bag, "/cmd", 0) == (TYPE, cdr_int32(0))
    assert read_message(bag, "/cmd", 49) == read_message(bag, "/cmd", -1) == (TYPE, cdr_int32(49))
    for number in (50, -51):
        with pytest.raises(BagError, match=r"50 message\(s\)") as raised:
            read_message(bag, "/cmd", number)
        assert raised.value.about == "message"
