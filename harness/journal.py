"""Crash-safe tables of a run while it is measured: memory-mapped rows, written first and counted afterwards.

What a counted row survives: the end of the process at any instant, ``kill -9`` included, for the pages belong
to the kernel. A power failure may take what the kernel had not written back yet (some 30 s), until
:meth:`TableWriter.close` has handed it to the disk. :mod:`harness.tablefile` describes the file.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from harness.blocks import keeper as _keeper
from harness.blocks import populate as _populate
from harness.errors import RecordingError
from harness.tablefile import (
    COUNT_OFFSET,
    HEADER_BYTES,
    SUFFIX,
    disk_error,
    is_being_written,
    pack_header,
    read_table,
    row_struct,
)

__all__ = ["SUFFIX", "TableWriter", "is_being_written", "read_table"]


class TableWriter:
    """Appends rows to one table. One thread appends; no lock is taken on that path.

    Space is allocated ahead (``posix_fallocate``), so that a full disk is an error and never a bus error:
    ``rows`` rows at once, then blocks of ``block_rows``, by a small thread as soon as three quarters of the
    current block are used, or by the append itself as a last resort. (A copy-on-write file system may still
    run out of space later; the kernel then ends the process, and the rows counted until then stay.)
    """

    trouble: RecordingError | None = None
    """Why the block ahead could not be allocated. The table still takes what the current block holds, so that
    whoever looks here in time can end the run in good order."""

    def __init__(self, path: Path, fd: int, dtype: np.dtype[Any], block_rows: int) -> None:
        """Use :meth:`create`."""
        self.path = path
        self.dtype = dtype
        self._fd = fd
        self._row = dtype.itemsize
        self._block_rows = block_rows
        self._pack = row_struct(dtype).pack_into
        self._grow_lock = threading.Lock()
        self._end_rows = 0  # rows for which there is space in the file
        self._next: tuple[mmap.mmap, int, int] | None = None
        self._base = 0  # where row 0 would be, counted from the start of the current block's mapping
        self._count = 0
        self._mark = 0  # count at which append has to look up
        self._ahead = 0  # count at which the next block is due
        self._block_end = 0
        self._asked = False
        self._closed = False

    @classmethod
    def create(cls, path: Path, dtype: np.dtype[Any], rows: int, block_rows: int = 16384) -> TableWriter:
        """Make a new table with space for ``rows`` rows of the packed record type ``dtype``.

        Raises RecordingError when the file exists, cannot be made, or has no space (then nothing is left),
        and ValueError for a type that is no packed record of numbers.
        """
        header = pack_header(dtype)
        first = max(rows, 1)
        needed = HEADER_BYTES + first * dtype.itemsize
        if path.exists():
            raise RecordingError(f"{path} exists already", hint="a table is never overwritten; use a new run")
        # Under its own name only once it is whole: a process killed here leaves no half-made table.
        unfinished = path.with_name(path.name + ".new")
        try:
            fd = os.open(unfinished, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise disk_error(error, path, needed) from error
        try:
            table = cls(path, fd, dtype, max(block_rows, 1))
            table._begin(header, first, needed)
            unfinished.rename(path)
        except BaseException:
            os.close(fd)
            unfinished.unlink(missing_ok=True)
            raise
        _keeper.join()
        return table

    def _begin(self, header: bytes, rows: int, needed: int) -> None:
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # says to others: still being written
            os.posix_fallocate(self._fd, 0, HEADER_BYTES)
            os.pwrite(self._fd, header, 0)
            self._head = mmap.mmap(self._fd, HEADER_BYTES)
            self._next = self._allocate(rows)
        except OSError as error:
            raise disk_error(error, self.path, needed) from error
        # One aligned store of 8 bytes: the count is the old or the new one, whenever the process dies.
        self._counter = memoryview(self._head)[COUNT_OFFSET : COUNT_OFFSET + 8].cast("Q")
        self._take_next()

    def _allocate(self, rows: int) -> tuple[mmap.mmap, int, int]:
        start = HEADER_BYTES + self._end_rows * self._row
        size = rows * self._row
        os.posix_fallocate(self._fd, start, size)
        base = start - start % mmap.ALLOCATIONGRANULARITY
        block = mmap.mmap(self._fd, start - base + size, offset=base)
        _populate(block, start - base)
        self._end_rows += rows
        return block, start - base, rows

    def _take_next(self) -> None:
        assert self._next is not None
        self._block, begin, rows = self._next
        self._base = begin - self._count * self._row
        self._next = None
        self._block_end = self._count + rows
        self._mark = self._ahead = self._count + rows * 3 // 4
        self._asked = False

    @property
    def count(self) -> int:
        """Rows written so far."""
        return self._count

    def append(self, *values: float) -> None:
        """Write one row, values in the order of the columns, then count it.

        Raises RecordingError when there is no space for a further row (those written stay readable), or after
        ``close``; ``struct.error`` for a value that does not fit its column (the row is not counted).
        """
        count = self._count
        if count >= self._mark:
            self._look_up()
        try:
            self._pack(self._block, self._base + count * self._row, *values)
            self._count = count = count + 1
            self._counter[0] = count
        except ValueError as error:
            raise self._closed_error() from error

    def amender(self, *columns: str) -> Callable[..., None]:
        """A function that overwrites these columns, adjacent and in order, of the row appended last.

        For what is known only after the row had to be there. Only the appending thread may call it, and only
        before the next append. Raises ValueError for columns that are not adjacent.
        """
        names = self.dtype.names or ()
        first = names.index(columns[0])
        if names[first : first + len(columns)] != columns:
            raise ValueError(f"{columns} are not adjacent columns of {names}")
        pack = row_struct(np.dtype([(name, self.dtype[name]) for name in columns])).pack_into
        shift = int(self.dtype.fields[columns[0]][1]) - self._row if self.dtype.fields else 0

        def amend(*values: float) -> None:
            if not self._count or self._closed:
                raise self._closed_error() if self._closed else ValueError("no row to amend yet")
            pack(self._block, self._base + self._count * self._row + shift, *values)

        return amend

    def _look_up(self) -> None:
        """Ask for the next block at three quarters of this one; take it at the end."""
        if self._closed:
            raise self._closed_error()
        if not self._asked:
            self._asked = True
            _keeper.request(self)
            self._mark = self._block_end
        if self._count >= self._block_end:
            self.grow_ahead()
            with self._grow_lock:
                old = self._block
                self._take_next()
                old.close()

    def _closed_error(self) -> RecordingError:
        return RecordingError(f"{self.path} is closed", hint="rows are taken until the run closes its tables")

    def grow_ahead(self) -> None:
        """Allocate the next block once three quarters of the current one are used; may be called at any time,
        from any thread.

        Raises RecordingError (also kept as ``trouble``) when there is no space.
        """
        with self._grow_lock:
            if self._closed or self._next is not None or self._count < self._ahead:
                return
            try:
                self._next = self._allocate(self._block_rows)
            except OSError as error:
                self.trouble = disk_error(error, self.path, self._block_rows * self._row)
                raise self.trouble from error
            self.trouble = None

    def close(self) -> None:
        """Trim the file to what was written and hand it to the disk. Repeatable.

        Raises RecordingError when the disk refuses; the table is closed all the same.
        """
        with self._grow_lock:
            if self._closed:
                return
            self._closed = True
            self._mark = -1
        _keeper.leave()
        self._counter[0] = self._count  # an exception from a signal handler may have come between the two
        self._counter.release()
        for mapping in (self._block, self._head, *(self._next or ())[:1]):
            mapping.close()
        try:
            os.ftruncate(self._fd, HEADER_BYTES + self._count * self._row)
            os.fsync(self._fd)
        except OSError as error:
            raise disk_error(error, self.path, 0) from error
        finally:
            os.close(self._fd)

    def __enter__(self) -> TableWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
