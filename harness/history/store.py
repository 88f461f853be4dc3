"""The SQLite file of the history: its tables, and how it is opened, shared and replaced.

Its content can always be made again from the run folders, so that whatever is wrong with it is mended by
starting over. A rollback journal and no write-ahead log: the latter needs memory shared between all who have
the file open, which a reports folder on a network disk does not give, and writes into folders that may only
be read (https://www.sqlite.org/wal.html). Writers wait for each other; a transaction writes a few hundred
rows at most and reads no folder while it holds the lock.
"""

from __future__ import annotations

import fcntl
import json
import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import fields
from datetime import datetime, timezone
from pathlib import Path
from typing import Any
from urllib.parse import quote

from harness.history.past import PastRequirement, PastRun, PastScenario
from harness.model import Verdict

FILE = ".history.sqlite"
SCHEMA = 1
"""Version of what is in the tables: an index of another one, or with other columns, is filled again from the
folders."""
BUSY_S = 5.0

_OF_RUN = [each.name for each in fields(PastRun) if each.name not in ("path", "requirements", "scenarios")]
_OF_REQUIREMENT = [each.name for each in fields(PastRequirement)]
_OF_SCENARIO = [each.name for each in fields(PastScenario)]
_TABLES = {
    "runs": ["key", "stamp", *_OF_RUN],
    "requirements": ["run", "position", *_OF_REQUIREMENT],
    "scenarios": ["run", "position", *_OF_SCENARIO],
    "broken": ["key", "stamp", "why"],
}


def connect(reports: Path, busy_s: float | None = None) -> sqlite3.Connection:
    """The index of ``reports``, with the tables of this version; made where there is none.

    Raises sqlite3.OperationalError where it cannot be written: a folder that may only be read, a full disk, a
    writer that hangs; sqlite3.DatabaseError where it is damaged.
    """
    connection = sqlite3.connect(
        reports / FILE, timeout=BUSY_S if busy_s is None else busy_s, isolation_level=None
    )
    try:
        connection.execute("PRAGMA synchronous = NORMAL")
        if not _is_current(connection):
            with transaction(connection):
                _prepare(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def in_memory(reports: Path) -> sqlite3.Connection:
    """What can be read of the index of ``reports``, or nothing, in a database that ends with its
    connection."""
    with suppress(sqlite3.Error):
        return _copy(reports / FILE)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    _prepare(connection)
    return connection


def _copy(file: Path) -> sqlite3.Connection:
    there = sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, timeout=1.0)
    connection = sqlite3.connect(":memory:", isolation_level=None)
    try:
        there.backup(connection)
        if connection.execute("PRAGMA quick_check").fetchone() != ("ok",):
            raise sqlite3.DatabaseError(f"{file} is damaged")
        _prepare(connection)
    except BaseException:
        connection.close()
        raise
    finally:
        there.close()
    return connection


def _is_current(connection: sqlite3.Connection) -> bool:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    present = {made for (made,) in connection.execute("SELECT sql FROM sqlite_master WHERE type = 'table'")}
    return bool(version == SCHEMA and present >= {_statement(table) for table in _TABLES})


def _prepare(connection: sqlite3.Connection) -> None:
    if _is_current(connection):
        return
    for table in _TABLES:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(_statement(table))
    connection.execute("CREATE INDEX runs_by_rig ON runs (rig, started)")
    connection.execute(f"PRAGMA user_version = {SCHEMA}")


def _statement(table: str) -> str:
    columns = _TABLES[table]
    key = "key" if columns[0] == "key" else "run, position"
    return f"CREATE TABLE {table} ({_names(columns)}, PRIMARY KEY ({key}))"


def discard(reports: Path) -> None:
    """Remove a damaged index, unless somebody has put a sound one in its place meanwhile.

    Raises OSError where that is refused.
    """
    folder = os.open(reports, os.O_RDONLY | os.O_DIRECTORY)
    try:
        # Of several that have found it damaged one removes it, the others find what the first has made.
        fcntl.flock(folder, fcntl.LOCK_EX)
        if _sound(reports / FILE):
            return
        # The journal first: it must never be applied to the next file of that name.
        for suffix in ("-journal", ""):
            (reports / (FILE + suffix)).unlink(missing_ok=True)
    finally:
        os.close(folder)


def _sound(file: Path) -> bool:
    try:
        _copy(file).close()
    except sqlite3.OperationalError:
        return True  # in use, or not to be opened: no damage
    except sqlite3.DatabaseError:
        return False
    return True


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All of the block or nothing of it; the lock to write is taken at once, so that it never fails half-way.

    Raises sqlite3.OperationalError when the lock is not to be had in time.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def stamps(connection: sqlite3.Connection) -> dict[str, str]:
    """Of all folders that were looked at: key -> what its results were like."""
    rows = connection.execute("SELECT key, stamp FROM runs UNION ALL SELECT key, stamp FROM broken")
    return dict(rows.fetchall())


def forget(connection: sqlite3.Connection, key: str) -> None:
    """Remove what is kept of a folder."""
    for table, columns in _TABLES.items():
        connection.execute(f"DELETE FROM {table} WHERE {columns[0]} = ?", (key,))


def keep(connection: sqlite3.Connection, key: str, stamp: str, run: PastRun) -> None:
    """Replace what is kept of a folder by ``run``."""
    forget(connection, key)
    _insert(connection, "runs", [[key, stamp, *_values(run, _OF_RUN)]])
    for table, columns, parts in (
        ("requirements", _OF_REQUIREMENT, run.requirements),
        ("scenarios", _OF_SCENARIO, run.scenarios),
    ):
        rows = [[key, number, *_values(part, columns)] for number, part in enumerate(parts.values())]
        _insert(connection, table, rows)


def keep_broken(connection: sqlite3.Connection, key: str, stamp: str, why: str) -> None:
    """Remember that a folder cannot be read, so that it is named and not read again until it changes."""
    forget(connection, key)
    _insert(connection, "broken", [[key, stamp, why]])


def _insert(connection: sqlite3.Connection, table: str, rows: Sequence[Sequence[Any]]) -> None:
    marks = ", ".join("?" * len(_TABLES[table]))
    connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)


def _names(columns: Sequence[str]) -> str:
    # In quotes: `limit` and `commit` are words of SQL.
    return ", ".join(f'"{name}"' for name in columns)


def _values(part: Any, columns: Sequence[str]) -> list[Any]:
    return [_plain(getattr(part, name)) for name in columns]


def _plain(value: Any) -> Any:
    if isinstance(value, Verdict):
        return value.value
    if isinstance(value, datetime):
        return value.isoformat(timespec="microseconds")
    if isinstance(value, tuple):
        return json.dumps(value)
    return value if value is None or isinstance(value, str | int | float) else json.dumps(dict(value))


def load(
    connection: sqlite3.Connection, reports: Path, rig: str | None, since: datetime | None, last: int | None
) -> list[PastRun]:
    """Runs, the oldest first: of ``rig``, started at ``since`` or later, of these the newest ``last``."""
    where, values = ["1"], list[Any]()
    if rig is not None:
        where.append("rig = ?")
        values.append(rig)
    if since is not None:
        where.append("started >= ?")
        values.append(_plain(since.astimezone(timezone.utc)))
    chosen = f"FROM runs WHERE {' AND '.join(where)} ORDER BY started DESC, run_id DESC"
    if last is not None:
        chosen += f" LIMIT {int(last)}"
    rows = connection.execute(f"SELECT key, {_names(_OF_RUN)} {chosen}", values).fetchall()
    keys = f"SELECT key {chosen}"
    requirements = _parts(connection, "requirements", _OF_REQUIREMENT, keys, values)
    scenarios = _parts(connection, "scenarios", _OF_SCENARIO, keys, values)
    return [_run(reports, row, requirements, scenarios) for row in reversed(rows)]


Parts = dict[str, list[dict[str, Any]]]


def _parts(
    connection: sqlite3.Connection, table: str, columns: Sequence[str], keys: str, values: Sequence[Any]
) -> Parts:
    found: Parts = {}
    asked = f"SELECT run, {_names(columns)} FROM {table} WHERE run IN ({keys}) ORDER BY run, position"
    for run, *row in connection.execute(asked, values):
        found.setdefault(run, []).append(dict(zip(columns, row, strict=True)))
    return found


def _run(reports: Path, row: Sequence[Any], requirements: Parts, scenarios: Parts) -> PastRun:
    key, *values = row
    known = dict(zip(_OF_RUN, values, strict=True))
    return PastRun(
        path=reports / key,
        **{
            **known,
            "overrides": tuple(json.loads(known["overrides"])),
            "circumstances": json.loads(known["circumstances"]),
            "started": datetime.fromisoformat(known["started"]),
            "ended": None if known["ended"] is None else datetime.fromisoformat(known["ended"]),
            "verdict": Verdict(known["verdict"]),
            **{name: bool(known[name]) for name in ("aborted", "simulated", "dirty")},
        },
        requirements={
            each["id"]: PastRequirement(**{**each, "verdict": Verdict(each["verdict"])})
            for each in requirements.get(key, [])
        },
        scenarios={each["name"]: PastScenario(**each) for each in scenarios.get(key, [])},
    )


def broken(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Key and reason of each folder that cannot be read."""
    return [(key, why) for key, why in connection.execute("SELECT key, why FROM broken ORDER BY key")]


def rigs(connection: sqlite3.Connection) -> list[str]:
    """Rigs that have a run."""
    return [name for (name,) in connection.execute("SELECT DISTINCT rig FROM runs ORDER BY rig")]
