"""Files that are either the old one or the new one, whenever the process dies."""

from __future__ import annotations

import dataclasses
import json
import os
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np

from harness.tablefile import disk_error

SUFFIX = ".tmp"


def sync_folder(folder: Path) -> None:
    """Hand the names in a folder to the disk."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


@contextmanager
def replacing(path: Path, needed: int = 0) -> Iterator[Path]:
    """A temporary name in the same folder; what the block wrote there becomes ``path``, if it ends well.

    ``needed`` is about how many bytes that is. Raises RecordingError when the disk refuses; ``path`` is then
    what it was.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}{SUFFIX}")
    try:
        yield temporary
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise disk_error(error, path, needed) from error
    finally:
        if temporary.exists():
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by ``text`` (UTF-8). Raises RecordingError."""
    data = text.encode()
    with replacing(path, len(data)) as temporary:
        temporary.write_bytes(data)


def to_json(content: Any, indent: int | None = None) -> str:
    """Strict JSON of nearly anything: what is not finite becomes null, what is unknown its text."""
    text = json.dumps(content, default=_plain, ensure_ascii=False)
    return json.dumps(json.loads(text, parse_constant=lambda _: None), indent=indent, ensure_ascii=False)


def _plain(value: Any) -> Any:
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return dataclasses.asdict(value)
    if hasattr(value, "model_dump"):
        return value.model_dump(mode="json", by_alias=True)
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
