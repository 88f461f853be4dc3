"""``metadata.yaml`` beside a bag: what ``ros2 bag info`` and ``ros2 bag play`` read first.

Written in version 5 of that file, which every ROS 2 from Humble on reads (rosbag2_storage, ``yaml.hpp``: what
a version added is asked for from that version on; profiles of QoS are told by number up to version 8).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

FILE = "metadata.yaml"
VERSION = 5


@dataclass(frozen=True)
class TopicCount:
    """One topic of a bag."""

    name: str
    type: str
    encoding: str
    qos: str
    count: int


def metadata_text(file: str, first_ns: int, last_ns: int, topics: Sequence[TopicCount]) -> str:
    """The content for a bag of one file, its messages logged from ``first_ns`` to ``last_ns``."""
    total = sum(topic.count for topic in topics)
    start, duration = {"nanoseconds_since_epoch": first_ns}, {"nanoseconds": last_ns - first_ns}
    content: Mapping[str, Any] = {
        "rosbag2_bagfile_information": {
            "version": VERSION,
            "storage_identifier": "mcap",
            "duration": duration,
            "starting_time": start,
            "message_count": total,
            "topics_with_message_count": [
                {
                    "topic_metadata": {
                        "name": topic.name,
                        "type": topic.type,
                        "serialization_format": topic.encoding,
                        "offered_qos_profiles": topic.qos,
                    },
                    "message_count": topic.count,
                }
                for topic in topics
            ],
            "compression_format": "",
            "compression_mode": "",
            "relative_file_paths": [file],
            "files": [
                {
                    "path": file,
                    "starting_time": dict(start),
                    "duration": dict(duration),
                    "message_count": total,
                }
            ],
        }
    }
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
