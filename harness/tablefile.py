"""The file of one journal table: its layout, and how it is read back.

Little-endian: a header block of 4096 bytes, then packed rows.

======  =====  ==========================================================
offset  bytes  content
======  =====  ==========================================================
0       8      magic ``HARNTBL\\0``
8       4      version of this layout (1)
12      4      bytes per row
16      8      rows written: the last store of every append, aligned, hence whole
24      4      length of the description
28      4      CRC-32 of the description
64      ...    description: the columns as JSON, ``[["key", "<i8"], ...]``
======  =====  ==========================================================
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import RecordingError

MAGIC = b"HARNTBL\0"
VERSION = 1
HEADER_BYTES = 4096
SUFFIX = ".tbl"
_HEAD = struct.Struct("<8sIIQII")
COUNT_OFFSET = 16
JSON_OFFSET = 64
_FULL = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file-size limit of this process or file system is reached",
}
_FORMATS = {
    "i1": "b",
    "i2": "h",
    "i4": "i",
    "i8": "q",
    "u1": "B",
    "u2": "H",
    "u4": "I",
    "u8": "Q",
    "f4": "f",
    "f8": "d",
}


def disk_error(error: OSError, path: Path, needed: int) -> RecordingError:
    """The RecordingError for ``error`` while ``needed`` bytes were to be written to ``path``."""
    if error.errno in _FULL:
        hint = f"free at least {needed} bytes in {path.parent}, or choose another output folder (--out)"
        return RecordingError(f"{path}: {_FULL[error.errno]}; {needed} more bytes are needed", hint=hint)
    return RecordingError(
        f"{path}: cannot write {needed} bytes: {error.strerror or error}",
        hint=f"check that {path.parent} exists, is writable and is on a working disk",
    )


def row_struct(dtype: np.dtype[Any]) -> struct.Struct:
    """How one row of the packed record type ``dtype`` is written. Raises ValueError for anything else."""
    codes = ""
    for name in dtype.names or ():
        column = dtype[name].newbyteorder("=").str[1:]
        if column not in _FORMATS or dtype[name].str[0] not in "<|":
            raise ValueError(
                f"column {name!r} has type {dtype[name].str}; tables hold little-endian numbers only"
            )
        codes += _FORMATS[column]
    packed = struct.Struct("<" + codes)
    if not codes or packed.size != dtype.itemsize:
        raise ValueError(f"{dtype} is not a packed record of numbers")
    native = struct.Struct("@" + codes)
    # Native packing is twice as fast and the same bytes where nothing needs padding.
    return native if sys.byteorder == "little" and native.size == packed.size else packed


def pack_header(dtype: np.dtype[Any]) -> bytes:
    """The header of an empty table with rows of ``dtype``. Raises ValueError when that does not fit in."""
    description = json.dumps(dtype.descr).encode()
    if len(description) > HEADER_BYTES - JSON_OFFSET:
        raise ValueError(f"{dtype} has too many columns for the header")
    head = _HEAD.pack(MAGIC, VERSION, dtype.itemsize, 0, len(description), zlib.crc32(description))
    return head.ljust(JSON_OFFSET, b"\0") + description


def is_being_written(path: Path) -> bool:
    """Whether a live process has the table open for writing."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def read_table(
    path: Path, dtype: np.dtype[Any] | None = None, *, salvage: bool = False
) -> np.ndarray[Any, Any]:
    """The counted rows of a table as a copy, shape (rows,); also while its writer goes on, or was killed.

    ``dtype`` is what the rows are expected to be; without it the file's own description is used.
    ``salvage`` returns the whole rows that are there when the header counts more than the file holds.

    Raises RecordingError for a file that is no table, has a damaged header (the description may be damaged if
    ``dtype`` is given and its row size agrees), other columns than ``dtype``, or, without ``salvage``, a
    count beyond the file. FileNotFoundError passes through.
    """
    try:
        with path.open("rb") as file:
            # The count is read before the rows: what it counts was written before it.
            found, count = _read_head(path, file.read(HEADER_BYTES), dtype)
            there = max(os.fstat(file.fileno()).st_size - HEADER_BYTES, 0) // found.itemsize
            if count > there and not salvage:
                raise RecordingError(
                    f"{path}: the header counts {count} rows, the file holds {there}",
                    hint="copy it again from where it was recorded, or take what is there: harness recover",
                )
            data = np.empty(min(count, there), found)
            got = file.readinto(data.view(np.uint8)) if data.nbytes else 0  # type: ignore[arg-type]
    except FileNotFoundError:
        raise
    except OSError as error:
        raise RecordingError(
            f"{path}: cannot be read: {error.strerror}", hint="check the disk and permissions"
        ) from error
    if got != data.nbytes:
        raise RecordingError(
            f"{path}: ended while it was read", hint="read it again once nobody moves or copies it"
        )
    return data


def _read_head(path: Path, head: bytes, expected: np.dtype[Any] | None) -> tuple[np.dtype[Any], int]:
    hint = (
        "the file is damaged or no table of this harness; keep it, and restore it from a copy if there is one"
    )
    if len(head) < HEADER_BYTES:
        raise RecordingError(f"{path}: {len(head)} bytes, shorter than a table's header", hint=hint)
    magic, version, row, count, length, crc = _HEAD.unpack_from(head)
    if magic != MAGIC:
        raise RecordingError(f"{path}: begins with {magic!r} instead of {MAGIC!r}", hint=hint)
    if version != VERSION:
        raise RecordingError(
            f"{path}: table layout {version}, this harness reads {VERSION}",
            hint="use the harness version named in run.json",
        )
    description = head[JSON_OFFSET : JSON_OFFSET + length]
    found: np.dtype[Any] | None = None
    if zlib.crc32(description) == crc and length <= HEADER_BYTES - JSON_OFFSET:
        found = np.dtype([(str(name), str(kind)) for name, kind in json.loads(description)])
    elif expected is None:
        raise RecordingError(f"{path}: the description of the columns is damaged", hint=hint)
    if found is not None and expected is not None and found != expected:
        raise RecordingError(f"{path}: columns {found.descr} instead of {expected.descr}", hint=hint)
    result = found if found is not None else expected
    assert result is not None
    if row != result.itemsize:
        raise RecordingError(f"{path}: rows of {row} bytes, {result.itemsize} expected", hint=hint)
    return result, count
