"""What other processes observed: files in one folder, that survive however the process ends.

A process that is not the one that reports writes every value straight into a small memory-mapped file per
name, so that nothing is lost when it is killed (a worker of `multiprocessing.Pool` is, always). When the 4096
places of that file are full, they are counted into a tally, which replaces the one on disk, and a fresh file
replaces the full one. ::

    FOLDER/PID-STARTED/NUMBER.npz      the tally so far, its budget, and which file of slots comes after it
    FOLDER/PID-STARTED/NUMBER.slots    its number, and 4096 float64, NaN where nothing was observed yet

A tally that names the file of slots that is there is to be added to it; one that names the next has it
counted.
"""

from __future__ import annotations

import io
import itertools
import json
import logging
import mmap
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.telemetry.budget.cell import Blame, Cell
from harness.telemetry.budget.guarding import edges_of
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.tally import Tally

SLOTS = 4096
HEAD = 8
PATIENCE_S = 10.0

_log = logging.getLogger("harness.budget")


class Slots:
    """The memory-mapped places of one name in this process; :meth:`put` is what its cell puts with."""

    def __init__(self, folder: Path, number: int, cell: Cell) -> None:
        """Make the files. Raises OSError."""
        self._folder, self._number, self._cell = folder, number, cell
        self._lock = threading.Lock()
        self.tally = Tally(edges_of(cell.limits))
        self._generation = 0
        self._write_tally(0)
        self._fresh()

    def put(self, value: float) -> None:
        """Write one value. Safe for threads: the counter gives every place once."""
        while True:
            view, count = self._current
            try:
                view[next(count)] = value
                return
            except IndexError:
                self._full(view)

    def _fresh(self) -> None:
        path = self._folder / f"{self._number}.slots"
        new = path.with_suffix(".new")
        size = HEAD + 8 * SLOTS
        fd = os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            # All of it now: a full disk is an error here, and would be a fatal signal at a store.
            os.posix_fallocate(fd, 0, size)
            block = mmap.mmap(fd, size)
        finally:
            os.close(fd)
        block[:HEAD] = self._generation.to_bytes(HEAD, "little")
        places = np.frombuffer(block, dtype=np.float64, offset=HEAD)
        places[:] = np.nan
        new.replace(path)
        # A memoryview stores a float without building a numpy scalar.
        self._current = memoryview(block)[HEAD:].cast("d"), itertools.count()

    def _full(self, view: memoryview[float]) -> None:
        with self._lock:
            if self._current[0] is not view:
                return  # somebody else has done it
            values = np.asarray(view)
            until = time.monotonic() + PATIENCE_S
            # Whoever has taken a place stores into it within its next few instructions.
            while np.isnan(values).any() and time.monotonic() < until:
                time.sleep(0)
            self._cell.count(self.tally, values[~np.isnan(values)].copy(), time.perf_counter())
            self._generation += 1
            self._write_tally(self._generation)
            self._fresh()

    def agreed(self) -> None:
        """Count by the limits that the cell has now."""
        with self._lock:
            edges = edges_of(self._cell.limits)
            if edges != [over.edges for over in self.tally.overs]:
                self.tally.limited(edges)
            self._write_tally(self._generation)

    def flush(self) -> None:
        """Write the notes that are kept beside the values: kinds of exceptions, and what overruns are due
        to."""
        with self._lock:
            self._write_tally(self._generation)

    def _write_tally(self, generation: int) -> None:
        notes = {
            "generation": generation,
            "limits": asdict(self._cell.limits),
            "timed": self._cell.timed,
            "errors": self._cell.errors,
            "blame": {name: asdict(each) for name, each in self._cell.blame.items()},
            "attributed": self._cell.attributed,
        }
        arrays: dict[str, Any] = {"notes": np.frombuffer(json.dumps(notes).encode(), dtype=np.uint8)}
        buffer = io.BytesIO()
        np.savez(buffer, **(arrays | self.tally.arrays()))
        path = self._folder / f"{self._number}.npz"
        new = path.with_suffix(".tmp")
        new.write_bytes(buffer.getvalue())
        new.replace(path)


@dataclass
class Found:
    """What another process observed under one name."""

    process: str
    limits: Limits
    tally: Tally
    errors: dict[str, int]
    blame: dict[str, Blame]
    attributed: int


def gathered(folder: Path, without: str = "") -> Iterator[Found]:
    """What is in the folder of each process but the one named ``without``."""
    for process in sorted(folder.iterdir()) if folder.is_dir() else ():
        if process.name == without or not process.is_dir():
            continue
        for path in sorted(process.glob("*.npz")):
            found = _read(path)
            if found is not None:
                yield found


def _limits(written: dict[str, Any]) -> Limits:
    rig = written.pop("rig")
    return Limits(**written, rig=None if rig is None else (str(rig[0]), str(rig[1])))


def _read(path: Path) -> Found | None:
    """One name of one process, consistent although that may be writing; None if it cannot be read."""
    slots = path.with_suffix(".slots")
    for _ in range(100):
        try:
            raw = slots.read_bytes() if slots.exists() else b""
            with np.load(path, allow_pickle=False) as file:
                arrays: dict[str, NDArray[Any]] = {name: file[name] for name in file.files}
            notes = json.loads(arrays.pop("notes").tobytes())
            limits = _limits(notes["limits"])
            tally = Tally.of_arrays(arrays)
        except (OSError, ValueError, KeyError, EOFError) as error:
            _log.warning("%s is not what a process observed: %s", path, error)
            return None
        generation = int.from_bytes(raw[:HEAD], "little")
        if raw and generation > notes["generation"]:
            continue  # replaced between the two readings
        if raw and generation == notes["generation"]:
            values = np.frombuffer(raw, dtype=np.float64, offset=HEAD)
            cell = Cell(limits)
            cell.timed = bool(notes["timed"])
            cell.count(tally, values[~np.isnan(values)], time.perf_counter())
        blame = {name: Blame(**each) for name, each in notes["blame"].items()}
        return Found(path.parent.name, limits, tally, notes["errors"], blame, notes["attributed"])
    _log.warning("%s changes faster than it can be read", path)
    return None
