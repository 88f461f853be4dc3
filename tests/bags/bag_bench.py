"""A recording without a run: topics offered, messages taken, the bag that becomes of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.bags.convert import drop_spools, finalise_bag
from harness.bags.recording import BagRecording
from harness.config.schema import Record
from harness.ports import BagTopic

TYPE = "std_msgs/msg/Int32"
QOS = """\
- history: 1
  depth: 10
  reliability: 1
  durability: 2
  deadline: {sec: 9223372036, nsec: 854775807}
  lifespan: {sec: 9223372036, nsec: 854775807}
  liveliness: 1
  liveliness_lease_duration: {sec: 9223372036, nsec: 854775807}
  avoid_ros_namespace_conventions: false
"""
START_NS = 1_700_000_000_000_000_000


def cdr_int32(value: int) -> bytes:
    """A std_msgs/msg/Int32 as it travels."""
    return b"\x00\x01\x00\x00" + value.to_bytes(4, "little", signed=True)


def topic(name: str, port: str = "port", kind: str = TYPE) -> BagTopic:
    return BagTopic(name, kind, port, "int32 data\n", qos=QOS)


def recorded(
    folder: Path, told: dict[str, Any], messages: dict[str, list[tuple[int, bytes]]], kind: str = TYPE
) -> BagRecording:
    """A closed recording: ``messages`` by topic, each with its time in ms after START_NS."""
    recording = BagRecording(Record.model_validate(told), folder)
    for name, taken in messages.items():
        keep = recording.offer("robot", topic(name, kind=kind))
        for at_ms, data in taken:
            if keep is not None:
                keep(data, START_NS + at_ms * 1_000_000, START_NS + at_ms * 1_000_000 - 1000)
    recording.close()
    return recording


def made_bag(folder: Path, messages: dict[str, list[tuple[int, bytes]]], kind: str = TYPE) -> Path:
    """A bag folder with those messages, all of one type."""
    recorded(folder, {}, messages, kind)
    about = finalise_bag(folder)
    drop_spools(folder)
    assert about is not None, json.dumps(list(messages))
    return folder / "bag"
