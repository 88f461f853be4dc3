"""From the spools of a run to its bag: one MCAP file and the ``metadata.yaml`` of rosbag2."""

from __future__ import annotations

import heapq
import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.atomic import sync_folder
from harness.bags.metadata import FILE, TopicCount, metadata_text
from harness.bags.recording import NAME, SPOOLS
from harness.bags.spool import SUFFIX, Message, read_spool
from harness.errors import RecordingError
from harness.parquet import file_sha256
from harness.tablefile import disk_error

if TYPE_CHECKING:
    from mcap.writer import Writer

BAG_FILE = "bag_0.mcap"
_PART = "bag.part"
_SPARE_BYTES = 32 << 20


def finalise_bag(folder: Path) -> dict[str, Any] | None:
    """Turn the spools of that run folder into its bag; returns what run.json says of it, None without spools.

    Repeatable, and safe to be killed at any instant: the spools are left alone, for :func:`drop_spools` once
    run.json knows the bag. Raises RecordingError when the disk refuses or a spool is damaged.
    """
    spools = folder / SPOOLS
    if not spools.is_dir():
        return None
    part, target = folder / _PART, folder / NAME
    size = sum(file.stat().st_size for file in spools.glob(f"*{SUFFIX}"))
    free = shutil.disk_usage(folder).free
    if free < size + _SPARE_BYTES:
        raise RecordingError(
            f"{target}: {free >> 20} MiB free, the bag may need {size >> 20} MiB",
            hint=f"make room, then: harness report {folder}",
        )
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        about = _write(spools, part)
        sync_folder(part)
        if target.exists():
            shutil.rmtree(target)
        if about is None:
            shutil.rmtree(part)
            return {"messages": {}}
        part.rename(target)
        sync_folder(folder)
    except OSError as error:
        raise disk_error(error, target, size) from error
    return about


def drop_spools(folder: Path) -> None:
    """Remove the spools, whose bag is safe."""
    shutil.rmtree(folder / SPOOLS, ignore_errors=True)


def _write(spools: Path, part: Path) -> dict[str, Any] | None:
    """Write both files; None where there is no message."""
    from mcap.writer import CompressionType, Writer

    counts: Counter[int] = Counter()
    first_ns, last_ns = 0, 0
    file = part / BAG_FILE
    with file.open("wb") as stream:
        writer = Writer(stream, compression=CompressionType.ZSTD)
        writer.start(profile="ros2", library=f"harness {__version__}")
        channels = dict(_channels(writer, spools))
        for logged_ns, channel, message in heapq.merge(
            *(_tagged(channel, spools / f"{name}{SUFFIX}") for channel, (name, _) in channels.items()),
            key=lambda item: item[:2],
        ):
            first_ns, last_ns = min(first_ns or logged_ns, logged_ns), max(last_ns, logged_ns)
            writer.add_message(channel, logged_ns, message.data, message.published_ns, counts[channel])
            counts[channel] += 1
        writer.finish()  # type: ignore[no-untyped-call]
        stream.flush()
        os.fsync(stream.fileno())
    if not counts:
        return None
    topics = [
        TopicCount(told["topic"], told["type"], told["encoding"], told["qos"], counts[channel])
        for channel, (_, told) in channels.items()
    ]
    with (part / FILE).open("w", encoding="utf-8") as text:
        text.write(metadata_text(BAG_FILE, first_ns, last_ns, topics))
        text.flush()
        os.fsync(text.fileno())
    messages: Counter[str] = Counter()
    for topic in topics:
        messages[topic.name] += topic.count
    return {
        "file": f"{NAME}/{BAG_FILE}",
        "bytes": file.stat().st_size,
        "sha256": file_sha256(file),
        "messages": dict(messages),
    }


def _channels(writer: Writer, spools: Path) -> Iterator[tuple[int, tuple[str, dict[str, str]]]]:
    schemas: dict[tuple[str, str], int] = {}
    for file in sorted(spools.glob(f"*{SUFFIX}")):
        try:
            told: dict[str, str] = json.loads(file.with_suffix(".json").read_bytes())
        except (OSError, ValueError) as error:
            raise RecordingError(
                f"{file.with_suffix('.json')} cannot be read: {error}", hint="restore it from a copy"
            ) from error
        kind = told["type"], told["schema"]
        if kind not in schemas:
            schemas[kind] = writer.register_schema(
                told["type"], told["schema_encoding"], told["schema"].encode()
            )
        # What rosbag2 keeps of a topic, and whose it was.
        about = {
            "offered_qos_profiles": told["qos"],
            "harness_device": told["device"],
            "harness_port": told["port"],
        }
        channel = writer.register_channel(told["topic"], told["encoding"], schemas[kind], about)
        yield channel, (file.stem, told)


def _tagged(channel: int, spool: Path) -> Iterator[tuple[int, int, Message]]:
    for message in read_spool(spool):
        yield message.logged_ns, channel, message
