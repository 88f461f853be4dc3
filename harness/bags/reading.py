"""Bags of ROS 2, whoever recorded them: MCAP, or the sqlite3 files that rosbag2 wrote before.

Nothing needs ROS: topics, types, instants and bytes are read, messages are not taken apart.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import quote

import yaml

from harness.bags.metadata import FILE
from harness.bags.spool import Message
from harness.errors import ConfigurationError

ENCODING = "cdr"
_CONVERT = "convert it: ros2 bag convert, or rosbags-convert for a bag of ROS 1"


class BagError(ConfigurationError):
    """What a bag does not give. ``about``: the option that is wrong, ``bag``, ``topic`` or another."""

    def __init__(self, about: str, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.about = about


@dataclass(frozen=True)
class BagTopicInfo:
    """One topic of a bag; ``type`` as ``package/msg/Name``."""

    name: str
    type: str
    encoding: str


class Bag:
    """A bag to read: a folder of rosbag2, or one of its files. Raises BagError when it is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.files = _files(path)
        self.topics: dict[str, BagTopicInfo] = {}
        self.start_ns = 0
        """When its first message was logged, of any topic."""
        starts = []
        for file in self.files:
            with _reading(file):
                topics, start = _described(file)
            for topic in topics:
                self.topics.setdefault(topic.name, topic)
            starts += [start] if start else []
        self.start_ns = min(starts, default=0)

    def topic(self, name: str) -> BagTopicInfo:
        """That topic, with or without its first slash. Raises BagError naming those that there are."""
        found = self.topics.get(name) or self.topics.get(f"/{name}")
        if found is None:
            known = ", ".join(sorted(self.topics)) or "none"
            raise BagError("topic", f"{self.path} has no topic {name!r}", hint=f"it has: {known}")
        if found.encoding != ENCODING:
            raise BagError(
                "topic",
                f"{found.name} in {self.path} is encoded as {found.encoding!r}; ROS 2 sends {ENCODING}",
            )
        return found

    def messages(self, topic: str) -> Iterator[Message]:
        """The messages of that topic in the order they were logged. Raises BagError."""
        name = self.topic(topic).name
        for file in self.files:
            with _reading(file):
                yield from (_mcap if file.suffix == ".mcap" else _sqlite)(file, name)


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise BagError("bag", f"there is no bag {path}", hint="a path is relative to the rig file")
    if path.is_file():
        found = [path]
    else:
        found = _of_folder(path)
    for file in found:
        if file.suffix not in (".mcap", ".db3"):
            compressed = file.suffix in (".zstd", ".lz4")
            what = "is compressed as a whole" if compressed else "is no file of a ROS 2 bag (.mcap, .db3)"
            raise BagError("bag", f"{file} {what}", hint=_CONVERT)
        if not file.is_file():
            raise BagError("bag", f"{file} is missing, which {path / FILE} names")
    return found


def _of_folder(path: Path) -> list[Path]:
    try:
        told: Any = yaml.safe_load((path / FILE).read_text("utf-8"))["rosbag2_bagfile_information"]
        if told.get("compression_mode") in ("message", "MESSAGE"):
            raise BagError("bag", f"the messages of {path} are compressed one by one", hint=_CONVERT)
        # Very old ones name the folder as well.
        return [path / Path(name).name for name in told["relative_file_paths"]]
    except FileNotFoundError:
        found = sorted(file for file in path.iterdir() if file.suffix in (".mcap", ".db3"))
        if not found:
            raise BagError("bag", f"{path} holds neither {FILE} nor files of a bag (.mcap, .db3)") from None
        return found
    except (OSError, KeyError, TypeError, AttributeError, ValueError, yaml.YAMLError) as error:
        raise BagError("bag", f"{path / FILE} cannot be read: {error}") from error


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    """What goes wrong in the ``with`` block becomes a BagError."""
    try:
        yield
    except (BagError, GeneratorExit):
        raise
    except Exception as error:  # the reader of MCAP has its own kinds, and so do the compressions in it
        raise BagError(
            "bag",
            f"{file} cannot be read: {type(error).__name__}: {error}",
            hint="is it whole? `mcap doctor` and `mcap recover` look at a file that was not ended",
        ) from error


def _described(file: Path) -> tuple[list[BagTopicInfo], int]:
    if file.suffix == ".db3":
        with closing(_connect(file)) as database:
            rows = database.execute("SELECT name, type, serialization_format FROM topics")
            topics = [BagTopicInfo(*row) for row in rows]
            start = database.execute("SELECT MIN(timestamp) FROM messages").fetchone()[0]
        return topics, int(start or 0)
    with file.open("rb") as stream:
        reader, summary = _reader(stream)
        if summary is not None and summary.statistics is not None:
            pairs: Iterable[Any] = (
                (summary.schemas.get(channel.schema_id), channel) for channel in summary.channels.values()
            )
            return [_info(*pair) for pair in pairs], summary.statistics.message_start_time
        found: dict[str, BagTopicInfo] = {}
        start = 0
        for schema, channel, message in reader.iter_messages(log_time_order=False):
            found.setdefault(channel.topic, _info(schema, channel))
            start = min(start or message.log_time, message.log_time)
        return list(found.values()), start


def _info(schema: Any, channel: Any) -> BagTopicInfo:
    kind = schema.name if schema is not None else ""
    package, _, rest = kind.partition("/")
    full = kind if "/" in rest or not rest else f"{package}/msg/{rest}"
    return BagTopicInfo(channel.topic, full, channel.message_encoding)


def _reader(stream: BinaryIO) -> tuple[Any, Any]:
    """The reader that suits the file, and its summary if it has a whole one."""
    from mcap.reader import NonSeekingReader, SeekingReader

    summary = SeekingReader(stream).get_summary()
    stream.seek(0)
    if summary is None or not summary.channels:
        return NonSeekingReader(stream), None
    return SeekingReader(stream), summary


def _mcap(file: Path, topic: str) -> Iterator[Message]:
    with file.open("rb") as stream:
        reader, _ = _reader(stream)
        for _, _, message in reader.iter_messages(topics=[topic]):
            yield Message(message.log_time, message.publish_time, message.data)


def _sqlite(file: Path, topic: str) -> Iterator[Message]:
    query = (
        "SELECT timestamp, data FROM messages WHERE topic_id IN (SELECT id FROM topics WHERE name = ?)"
        " ORDER BY timestamp, id"
    )
    with closing(_connect(file)) as database:
        for timestamp, data in database.execute(query, (topic,)):
            yield Message(timestamp, timestamp, bytes(data))


def _connect(file: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True)
