"""Where the messages of one topic go while a run measures: as they came, one after the other.

The file: 65536 bytes of header, then records without gaps, little-endian. The header: magic ``HARNBAG\\0``,
version (u4), and at byte 16 the number of bytes of whole records (u8), the last store of every append. A
record: length of the message (u4), zero (u4), the instants it was logged and published at (i8 each,
CLOCK_REALTIME in ns), the message. A process killed at any instant loses nothing that was counted.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from harness.blocks import keeper, populate
from harness.errors import RecordingError
from harness.tablefile import disk_error

SUFFIX = ".spool"
MAGIC, VERSION = b"HARNBAG\0", 1
HEADER_BYTES = 65536
"""A multiple of every page size, so that every block can be mapped."""
COUNT_OFFSET = 16
_HEAD = struct.Struct("<8sI4xQ")
RECORD = struct.Struct("<IIqq")
STEP_BYTES = 1 << 18
"""Smallest block; each is a multiple of it."""
_USUAL_BYTES, _LARGEST_BYTES = 1 << 20, 1 << 26
_MESSAGES_AHEAD = 16
_SPARE_BYTES = 64 << 20


class Message(NamedTuple):
    """One recorded message: CLOCK_REALTIME in ns when it was logged and published, and its bytes."""

    logged_ns: int
    published_ns: int
    data: bytes


class Budget:
    """How much the spools of a run may hold together, and why they ended, if they did.

    ``folder`` is on the disk whose space is spared: of what is free, half stays for the bag that the spools
    become, and 64 MiB for the run's tables.
    """

    def __init__(self, max_bytes: int, folder: Path) -> None:
        self.ended = ""
        """In words; from then on nothing is taken."""
        self._left = max_bytes
        self._max_mb = max_bytes >> 20
        self._folder = folder
        self._taken = 0
        self._lock = threading.Lock()

    def take(self, wanted: int, least: int) -> int:
        """Bytes granted: ``wanted``, or less, but ``least`` at least; 0 where that cannot be."""
        with self._lock:
            wanted = min(wanted, self._left - self._left % STEP_BYTES)
            if wanted < least:
                return 0
            disk = os.statvfs(self._folder)
            if disk.f_bavail * disk.f_frsize < wanted + self._taken + _SPARE_BYTES:
                return 0
            self._left -= wanted
            self._taken += wanted
            return wanted

    def end(self, wanted: int) -> None:
        """Nothing is taken from now on: ``wanted`` bytes more could not be had."""
        if not self.ended:
            full = self._left < wanted
            self.ended = f"its limit of {self._max_mb} MB was reached" if full else "the disk is nearly full"


class Spool:
    """Takes the messages of one topic, from any thread; never raises and never waits for the disk.

    Space is allocated ahead; a message for which there is none yet is counted in ``missed``, and so is what
    comes after the budget has ended. Raises RecordingError when it cannot be made.
    """

    def __init__(self, path: Path, budget: Budget) -> None:
        self.path = path
        self.count = 0
        self.missed = 0
        self._budget = budget
        self._lock, self._growing = threading.Lock(), threading.Lock()
        self._ahead: deque[tuple[mmap.mmap, int]] = deque()
        self._file_end = HEADER_BYTES
        self._largest = 0
        self._closed = self._refused = self._asked = False
        self._at = self._begin = self._limit = 0
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                os.posix_fallocate(self._fd, 0, HEADER_BYTES)
                os.pwrite(self._fd, _HEAD.pack(MAGIC, VERSION, 0), 0)
                self._head = mmap.mmap(self._fd, HEADER_BYTES)
                if not self._allocate(STEP_BYTES):
                    raise RecordingError(f"{path}: no space", hint="free some space, or raise record.max_mb")
            except BaseException:
                os.close(self._fd)
                path.unlink()
                raise
        except OSError as error:
            raise disk_error(error, path, HEADER_BYTES + STEP_BYTES) from error
        self._counter = memoryview(self._head)[COUNT_OFFSET : COUNT_OFFSET + 8].cast("Q")
        self._block, self._limit = self._ahead.popleft()
        keeper.join()

    def append(self, data: bytes, logged_ns: int, published_ns: int) -> None:
        """Take one message; the instants are CLOCK_REALTIME in ns."""
        with self._lock:
            if self._closed or self._budget.ended:
                self.missed += 1
                return
            at, length = self._at, len(data)
            end = at + RECORD.size + length
            if end <= self._limit:
                start = at - self._begin
                RECORD.pack_into(self._block, start, length, 0, logged_ns, published_ns)
                self._block[start + RECORD.size : start + RECORD.size + length] = data
            elif not self._across(RECORD.pack(length, 0, logged_ns, published_ns) + data):
                self.missed += 1
                return
            self._at = end
            self._counter[0] = end
            self.count += 1
            self._largest = max(self._largest, length)
            if not self._asked:  # one block is always ahead: a busy host may take long to give it
                self._asked = True
                keeper.request(self)

    def _across(self, record: bytes) -> bool:
        """Write a record that ends in a block after this one; whether there is space for it."""
        rest = len(record) - (self._limit - self._at)
        lacking = rest - sum(size for _, size in list(self._ahead))
        if lacking > 0:
            if self._refused:
                self._budget.end(lacking)
                return False
            if len(record) <= (self._limit - self._begin) // _MESSAGES_AHEAD:
                return False  # the next block is on its way
            # Larger than what came so far: blocks of its size are made from now on.
            if not self._grow(lacking):
                self._budget.end(lacking)
                return False
        at = self._at
        piece = self._limit - at
        self._block[at - self._begin : self._limit - self._begin] = record[:piece]
        while piece < len(record):
            self._block.close()
            self._begin = self._limit
            self._block, size = self._ahead.popleft()
            self._limit = self._begin + size
            part = record[piece : piece + size]
            self._block[: len(part)] = part
            piece += len(part)
        self._asked = False
        return True

    def grow_ahead(self) -> None:
        """Allocate the next block; called by the keeper of the journal."""
        if not self._ahead:
            self._grow(STEP_BYTES)

    def _grow(self, least: int) -> bool:
        with self._growing:
            if self._closed:
                return False
            try:
                self._refused = not self._allocate(least)
            except OSError:
                self._refused = True
            return not self._refused

    def _allocate(self, least: int) -> bool:
        least = _up(max(least, STEP_BYTES))
        usual = STEP_BYTES if self._file_end == HEADER_BYTES else _USUAL_BYTES
        wanted = max(least, min(max(usual, _up(self._largest * _MESSAGES_AHEAD)), _LARGEST_BYTES))
        size = self._budget.take(wanted, least)
        if not size:
            return False
        os.posix_fallocate(self._fd, self._file_end, size)
        block = mmap.mmap(self._fd, size, offset=self._file_end)
        populate(block, 0)
        self._file_end += size
        self._ahead.append((block, size))
        return True

    def close(self) -> None:
        """Trim the file to what was taken and hand it to the disk. Repeatable. Raises RecordingError."""
        with self._growing, self._lock:
            if self._closed:
                return
            self._closed = True
        keeper.leave()
        self._counter[0] = self._at  # an exception from a signal handler may have come between the two
        self._counter.release()
        for mapping in (self._head, self._block, *(block for block, _ in self._ahead)):
            mapping.close()
        try:
            os.ftruncate(self._fd, HEADER_BYTES + self._at)
            os.fsync(self._fd)
        except OSError as error:
            raise disk_error(error, self.path, 0) from error
        finally:
            os.close(self._fd)


def _up(size: int) -> int:
    return -(-size // STEP_BYTES) * STEP_BYTES


def read_spool(path: Path) -> Iterator[Message]:
    """The messages of a spool in the order they were taken; also of a process that was killed.

    Ends where a record is not whole (a power failure may take what the kernel had not written back). Raises
    RecordingError for a file that is none.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD.size)
        if len(head) < _HEAD.size or not head.startswith(MAGIC):
            raise RecordingError(f"{path} is no spool of a bag", hint="keep it, and restore it from a copy")
        _, version, count = _HEAD.unpack(head)
        if version != VERSION:
            raise RecordingError(f"{path}: layout {version}, this harness reads {VERSION}")
        file.seek(HEADER_BYTES)
        while count >= RECORD.size:
            found = file.read(RECORD.size)
            if len(found) < RECORD.size:
                return
            length, _, logged_ns, published_ns = RECORD.unpack(found)
            data = file.read(length)
            if len(data) < length or not logged_ns:
                return
            count -= RECORD.size + length
            yield Message(logged_ns, published_ns, data)
