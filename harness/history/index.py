"""The history of a reports folder: asked like a list of runs, kept in an index, true to the folders."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import TypeVar

from harness.history import store
from harness.history.past import Broken, PastRun
from harness.history.reading import RESULTS, Found, finished, look, read_run

T = TypeVar("T")

BUSY_AT_END_S = 2.0
"""A run that ends waits no longer for other writers: the index is completed whenever it is asked."""
AT_ONCE = 200
"""As many folders are read before they are written in one transaction."""


class History:
    """The runs under a reports folder (RIG/RUN/). Open it with :meth:`open`, in a ``with`` block.

    One object belongs to one thread; as many processes as like may have the same folder open.
    """

    def __init__(self, reports: Path) -> None:
        self.reports = reports
        self._connection: sqlite3.Connection | None = None

    @classmethod
    def open(cls, reports: Path, *, rebuild: bool = False) -> History:
        """The history as the folders are now. ``rebuild``: read all of them again.

        Never fails for what lies in ``reports``: folders that cannot be read are in :attr:`broken`, an index
        that cannot be written is made in memory, a damaged one anew. A folder that does not exist has no
        runs.
        """
        history = cls(reports)
        try:
            history.refresh(rebuild=rebuild)
        except BaseException:
            history.close()
            raise
        return history

    def __enter__(self) -> History:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the index. Repeatable; asked again, it is opened again."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def refresh(self, *, rebuild: bool = False) -> int:
        """Take over what has changed in the folders; how many were read."""
        return self._ask(lambda connection: _refresh(connection, self.reports, rebuild))

    def runs(
        self, rig: str | None = None, *, since: datetime | None = None, last: int | None = None
    ) -> tuple[PastRun, ...]:
        """Runs that ended, aborted ones among them, the oldest first: of ``rig``, or of all rigs.

        ``since``: started then or later (an instant with a zone); ``last``: at most so many, the newest.
        """
        return self._ask(lambda connection: tuple(store.load(connection, self.reports, rig, since, last)))

    def rigs(self) -> tuple[str, ...]:
        """Rigs that have a run, by name."""
        return self._ask(lambda connection: tuple(store.rigs(connection)))

    @property
    def broken(self) -> tuple[Broken, ...]:
        """Folders whose results cannot be read, and why."""
        return self._ask(
            lambda connection: tuple(Broken(self.reports / key, why) for key, why in store.broken(connection))
        )

    def _ask(self, question: Callable[[sqlite3.Connection], T]) -> T:
        """The answer of the index; of another one where this cannot give it."""
        try:
            return question(self._opened())
        except sqlite3.OperationalError:
            pass
        except sqlite3.DatabaseError:
            with suppress(OSError, sqlite3.Error):
                self.close()
                store.discard(self.reports)
                return question(self._filled(store.connect(self.reports)))
        self.close()
        return question(self._filled(store.in_memory(self.reports)))

    def _opened(self) -> sqlite3.Connection:
        if self._connection is None:
            there = self.reports.is_dir()
            self._connection = store.connect(self.reports) if there else store.in_memory(self.reports)
        return self._connection

    def _filled(self, connection: sqlite3.Connection) -> sqlite3.Connection:
        self._connection = connection
        _refresh(connection, self.reports)
        return connection


def record(run: Path) -> None:
    """Take the run folder ``run`` over into the index of its reports folder, at the end of a run.

    Nothing is done for a folder that is not at its place, RIG/RUN: a copy that somebody looks at elsewhere
    makes no history there. Raises sqlite3.Error and OSError where it cannot be written.
    """
    found = look(run.absolute())
    if found is None:
        return
    reports = found.path.parent.parent
    (read,) = _read([found])
    if isinstance(read[1], PastRun) and found.key != f"{read[1].rig}/{read[1].run_id}":
        return
    try:
        connection = store.connect(reports, BUSY_AT_END_S)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError:
        store.discard(reports)
        connection = store.connect(reports, BUSY_AT_END_S)
    try:
        _write(connection, [read])
    finally:
        connection.close()


def _refresh(connection: sqlite3.Connection, reports: Path, rebuild: bool = False) -> int:
    there = {found.key: found for found in finished(reports)}
    known = store.stamps(connection)
    changed = [found for found in there.values() if rebuild or known.get(found.key) != found.stamp]
    waiting = iter(changed)
    while part := list(islice(waiting, AT_ONCE)):
        _write(connection, _read(part))
    if gone := [key for key in known if key not in there]:
        with store.transaction(connection):
            for key in gone:
                # Looked at again under the lock: it may have come meanwhile, and be in the index already.
                if look(reports / key) is None:
                    store.forget(connection, key)
    return len(changed)


def _read(part: Sequence[Found]) -> list[tuple[Found, PastRun | str]]:
    """Each folder's run, or why it has none."""
    read: list[tuple[Found, PastRun | str]] = []
    for found in part:
        try:
            read.append((found, read_run(found.path)))
        except (OSError, ValueError) as error:
            read.append((found, f"{RESULTS}: {error}"))
    return read


def _write(connection: sqlite3.Connection, read: Sequence[tuple[Found, PastRun | str]]) -> None:
    with store.transaction(connection):
        for found, run in read:
            if isinstance(run, str):
                store.keep_broken(connection, found.key, found.stamp, run)
            else:
                store.keep(connection, found.key, found.stamp, run)
