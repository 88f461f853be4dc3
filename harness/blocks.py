"""Blocks of a file that grows ahead of its writer: every page present before it is written."""

from __future__ import annotations

import ctypes
import mmap
import os
import queue
import threading
from typing import Protocol

from harness.errors import RecordingError

_MADV_POPULATE_WRITE = 23  # Linux 5.14; not in the mmap module before Python 3.14


def populate(block: mmap.mmap, begin: int) -> None:
    """Make every page of ``block`` present and writable now, so that no append has to wait for a page fault.

    Through ctypes, because ``mmap.madvise`` would hold the GIL for as long as it takes. Bytes before
    ``begin`` belong to the block before, which is being written, and are left alone.
    """
    first = ctypes.c_char.from_buffer(block)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        done = libc.madvise(
            ctypes.c_void_p(ctypes.addressof(first)), ctypes.c_size_t(len(block)), _MADV_POPULATE_WRITE
        )
    finally:
        del first
    if done != 0:  # an older kernel; the space is allocated, so touching is safe
        for offset in (
            begin,
            *range(begin - begin % mmap.PAGESIZE + mmap.PAGESIZE, len(block), mmap.PAGESIZE),
        ):
            block[offset] = 0


class Growing(Protocol):
    """Something that allocates its next block when asked."""

    def grow_ahead(self) -> None:
        """Allocate it, if it is due."""


class Keeper:
    """One thread that allocates the next block of whatever grows, while something is open."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew: after a fork the thread is only in the parent."""
        self._lock = threading.Lock()
        self._users = 0
        self._queue: queue.SimpleQueue[Growing | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def join(self) -> None:
        """One more is open."""
        with self._lock:
            self._users += 1
            if self._thread is None:
                self._queue = queue.SimpleQueue()
                self._thread = threading.Thread(
                    target=self._run, args=(self._queue,), name="harness-journal", daemon=True
                )
                self._thread.start()

    def leave(self) -> None:
        """One of them is closed; the thread ends with the last."""
        with self._lock:
            self._users -= 1
            thread = self._thread if self._users == 0 else None
            if thread is not None:
                self._queue.put(None)
                self._thread = None
        if thread is not None and thread is not threading.current_thread():
            thread.join()

    def request(self, growing: Growing) -> None:
        """Let the thread allocate its next block; returns at once."""
        self._queue.put(growing)

    @staticmethod
    def _run(requests: queue.SimpleQueue[Growing | None]) -> None:
        while (growing := requests.get()) is not None:
            try:
                growing.grow_ahead()
            except RecordingError:
                pass  # kept as its trouble; the append that needs the block tries again and raises


keeper = Keeper()
os.register_at_fork(after_in_child=keeper.forget)
