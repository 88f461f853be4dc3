"""``host.parquet``: what the host did during a run, with the names in it, so that it reads alone."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.hosttable import NAMES, HostTable, Subject, read_names
from harness.model import HOST_DTYPE, HostMeasure
from harness.parquet import Labels, read_table_of, write_records
from harness.tablefile import SUFFIX, is_being_written, read_table

HOST = "host.parquet"
TABLES = (f"host{SUFFIX}", f"pauses{SUFFIX}")
ENDS_S = 3.0
_MEASURES = {int(each): each.name.lower() for each in HostMeasure}


def write_host(path: Path, host: HostTable, metadata: Mapping[str, str]) -> str:
    """Write the rows in order of time, with text columns ``name`` (of the measure), ``subject_kind`` and
    ``subject_name``; the file's SHA-256. Raises RecordingError."""
    rows = host.rows[np.argsort(host.rows["t_ns"], kind="stable")]
    measures, place = np.unique(rows["measure"], return_inverse=True)
    # A run of an hour has millions of rows, and some hundred different pairs: names are made of these alone.
    keys = (rows["measure"].astype(np.int64) << 32) + rows["subject"]
    _, first, each = np.unique(keys, return_index=True, return_inverse=True)
    known = rows[first][["measure", "subject"]].tolist()
    extra = {
        "name": _labels([_MEASURES.get(number, f"measure {number}") for number in measures.tolist()], place),
        "subject_kind": _labels([host.kind_of(*pair) for pair in known], each),
        "subject_name": _labels([host.name_of(*pair) for pair in known], each),
    }
    return write_records(path, rows, extra, metadata)


def host_of(journal: Path, file: Path) -> HostTable:
    """The table while there is a journal, and from the Parquet file afterwards; empty where nothing was
    recorded. Raises RecordingError for damage."""
    if not journal.is_dir():
        return read_host(file)
    there = [journal / name for name in TABLES if (journal / name).is_file()]
    rows = [read_table(each, HOST_DTYPE, salvage=True) for each in there]
    return HostTable(np.concatenate([np.empty(0, HOST_DTYPE), *rows]), read_names(journal / NAMES))


def wait_for_host(journal: Path) -> None:
    """What records the host ends a moment after a harness that was killed: give it that moment."""
    table, end = journal / TABLES[0], time.monotonic() + ENDS_S
    while table.is_file() and is_being_written(table) and time.monotonic() < end:
        time.sleep(0.02)


def _labels(texts: list[str], rows: NDArray[np.int64]) -> Labels:
    """``texts[row]`` for each of ``rows``."""
    names = sorted(set(texts))
    codes: NDArray[Any] = np.array([names.index(text) for text in texts], np.int32)
    return Labels(codes[rows], names)


def read_host(path: Path) -> HostTable:
    """The rows back, with the processes they are about; an empty table where there is no file. Raises
    RecordingError for a damaged one."""
    try:
        rows, columns = read_table_of(path, HOST_DTYPE, ("subject_kind", "subject_name"))
    except FileNotFoundError:
        return HostTable()
    kinds, names = columns
    # A core has the number of some process perhaps: only rows about processes tell their names.
    processes = np.flatnonzero(~np.isin(kinds, ["host", "core"]))
    _, first = np.unique(rows["subject"][processes], return_index=True)
    found = {}
    for index in processes[first]:
        pid = int(rows["subject"][index])
        found[pid] = Subject(pid, str(kinds[index]), str(names[index]))
    return HostTable(rows, found)
