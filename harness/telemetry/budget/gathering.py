"""Which processes report together: the first that measures, and all that it starts, however it starts them.

The first one names a folder in its environment, which its children inherit; it is made when a child has
something to put there, and removed when the first one ends. Who sets the variable himself gathers any number
of programs, and keeps the folder.
"""

from __future__ import annotations

import atexit
import itertools
import logging
import os
import secrets
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from harness.telemetry.budget.cell import Cell, Put
from harness.telemetry.budget.shared import Found, Slots, gathered

FOLDER = "HARNESS_BUDGET_FOLDER"
OWNER = "HARNESS_BUDGET_OWNER"

_log = logging.getLogger("harness.budget")


class Gathering:
    """The part of this process in it. ``folder`` None: by the environment, as above."""

    def __init__(self, folder: Path | None = None) -> None:
        self._given = folder
        self.renew()

    def renew(self) -> None:
        """Find out who this process is; after a fork it is another one."""
        self._numbers = itertools.count()
        self._process = f"{os.getpid()}-{time.monotonic_ns()}"
        self._slots: list[Slots] = []
        self._opening = threading.Lock()
        self._owned = False
        self.folder = self._given
        if self.folder is None:
            inherited = os.environ.get(FOLDER)
            if inherited is None:
                name = f"harness-budget-{os.getuid()}-{secrets.token_hex(8)}"
                inherited = os.environ[FOLDER] = str(Path(tempfile.gettempdir()) / name)
                os.environ[OWNER] = str(os.getpid())
            self.folder = Path(inherited)
            self._owned = os.environ.get(OWNER) == str(os.getpid())
            if self._owned:
                atexit.register(self.remove, os.getpid())

    @property
    def reports(self) -> bool:
        """Whether this is the process that the others are gathered by, so that it need not write files."""
        return self._owned

    def share(self, cell: Cell) -> Put:
        """What a cell of a process that does not report puts with: a file, from its first value on; its own
        memory where none can be made."""

        def first(value: float) -> None:
            with self._opening:
                if cell.put is first:  # else another thread was quicker
                    cell.put = self._open(cell)
                    cell.tell()
            cell.put(value)

        return first

    def _open(self, cell: Cell) -> Put:
        owner = os.environ.get(OWNER)
        assert self.folder is not None
        try:
            if self._given is None and owner is not None:
                os.kill(int(owner), 0)  # who reports has ended: nobody would remove the folder
            place = self.folder / self._process
            place.mkdir(parents=True, exist_ok=True, mode=0o700)
            slots = Slots(place, next(self._numbers), cell)
        except (OSError, ValueError) as error:
            _log.warning("%s is observed in this process alone: %s", cell.limits.name, error)
            cell.share = None
            cell.renew()
            return cell.put
        self._slots.append(slots)
        cell.store = slots
        if len(self._slots) == 1:
            atexit.register(self.flush)
            if "multiprocessing.util" in sys.modules:
                # Its children leave without atexit.
                sys.modules["multiprocessing.util"].Finalize(None, self.flush, exitpriority=10)
        return slots.put

    def others(self) -> Iterator[Found]:
        """What is in the folder, of this process as well where it writes there."""
        if self.folder is not None:
            yield from gathered(self.folder)

    def flush(self) -> None:
        """Write what is kept beside the values."""
        for slots in self._slots:
            slots.flush()

    def clear(self) -> None:
        """Forget what was gathered."""
        self._slots = []
        if self.folder is not None and self.folder.is_dir():
            shutil.rmtree(self.folder, ignore_errors=True)

    def remove(self, process: int) -> None:
        """At the end of the process that owns the folder."""
        if os.getpid() == process:
            self.clear()


def after_fork(renew: Callable[[], None]) -> None:
    """Call that in every child."""
    os.register_at_fork(after_in_child=renew)
