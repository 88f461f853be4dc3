"""Packed record arrays to Parquet and back, without loss. pyarrow is imported on use: it takes a while."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from harness.atomic import replacing
from harness.errors import RecordingError

if TYPE_CHECKING:
    import pyarrow

Records = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Labels:
    """A column of repeated text: ``names[code]`` for every code, shape (rows,); -1 is no text."""

    codes: np.ndarray[Any, Any]
    names: Sequence[str]


def file_sha256(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def write_records(
    path: Path,
    records: Records,
    extra: Mapping[str, np.ndarray[Any, Any] | Labels] | None = None,
    metadata: Mapping[str, str] | None = None,
) -> str:
    """Write the columns of ``records`` (rows,) and ``extra`` ones; returns the file's SHA-256.

    The file appears whole or not at all, and only after it was read back and found equal.
    Raises RecordingError.
    """
    import pyarrow
    import pyarrow.parquet

    columns = {name: pyarrow.array(np.ascontiguousarray(records[name])) for name in records.dtype.names or ()}
    labels = []
    for name, column in (extra or {}).items():
        if isinstance(column, Labels):
            labels.append(name)
            columns[name] = _dictionary(column)
        else:
            columns[name] = pyarrow.array(np.ascontiguousarray(column))
    table = pyarrow.table(columns).replace_schema_metadata(dict(metadata or {}))
    with replacing(path, table.nbytes) as temporary:
        # Instants differ little from row to row: a quarter of the size of plain integers.
        deltas = {
            name: "DELTA_BINARY_PACKED" for name in columns if pyarrow.types.is_int64(columns[name].type)
        }
        pyarrow.parquet.write_table(
            table, temporary, compression="zstd", use_dictionary=labels, column_encoding=deltas
        )
        back, _ = _from_table(path, _read(temporary), records.dtype)
        if back.tobytes() != records.tobytes():
            raise RecordingError(
                f"{path}: what was written does not read back the same",
                hint="check the disk; the raw data is untouched",
            )
        return file_sha256(temporary)


def _dictionary(column: Labels) -> pyarrow.Array:
    import pyarrow

    codes = column.codes.astype(np.int32)
    return pyarrow.DictionaryArray.from_arrays(
        pyarrow.array(codes, mask=codes < 0), pyarrow.array(list(column.names), pyarrow.string())
    )


def _read(path: Path, columns: Sequence[str] | None = None) -> pyarrow.Table:
    import pyarrow
    import pyarrow.parquet

    try:
        if columns is not None:
            # Of those that are not there nothing is said here.
            with pyarrow.parquet.ParquetFile(path) as file:
                return file.read(columns=list(columns))
        return pyarrow.parquet.read_table(path)
    except FileNotFoundError:
        raise
    except (pyarrow.ArrowException, OSError) as error:
        raise RecordingError(
            f"{path}: cannot be read: {error}",
            hint="the file is damaged; restore it from a copy of the run folder",
        ) from error


def _from_table(path: Path, table: pyarrow.Table, dtype: np.dtype[Any]) -> tuple[Records, dict[str, str]]:
    names = dtype.names or ()
    missing = [name for name in names if name not in table.column_names]
    if missing:
        raise RecordingError(
            f"{path}: has no column {', '.join(missing)}",
            hint="was it written by another version of the harness?",
        )
    records = np.empty(table.num_rows, dtype)
    for name in names:
        records[name] = table.column(name).to_numpy()
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    return records, metadata


def read_records(path: Path, dtype: np.dtype[Any], *, narrow: bool = False) -> tuple[Records, dict[str, str]]:
    """The columns of ``dtype`` as records (rows,), and the file's own metadata. With ``narrow`` no
    other column is read.

    Raises RecordingError for a damaged file or missing columns. FileNotFoundError passes through.
    """
    return _from_table(path, _read(path, dtype.names if narrow else None), dtype)


def read_labelled(path: Path, dtype: np.dtype[Any], label: str) -> tuple[dict[str, Records], dict[str, str]]:
    """The same, told apart by the text in column ``label``; rows keep their order."""
    table = _read(path)
    records, metadata = _from_table(path, table, dtype)
    if label not in table.column_names:
        raise RecordingError(f"{path}: has no column {label}", hint="is it the observations of a run?")
    import pyarrow

    column = table.column(label).combine_chunks()
    if not pyarrow.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    if isinstance(column, pyarrow.ChunkedArray):
        column = column.combine_chunks() if column.num_chunks != 1 else column.chunk(0)
    codes = column.indices.to_numpy(zero_copy_only=False)
    found = {name: records[codes == code] for code, name in enumerate(column.dictionary.to_pylist())}
    return {name: rows for name, rows in found.items() if len(rows)}, metadata


def read_table_of(
    path: Path, dtype: np.dtype[Any], texts: Sequence[str]
) -> tuple[Records, list[np.ndarray[Any, Any]]]:
    """The columns of ``dtype`` as records (rows,), and the columns of text named, each (rows,) of objects.

    Raises RecordingError for a damaged file or missing columns. FileNotFoundError passes through.
    """
    table = _read(path)
    records, _ = _from_table(path, table, dtype)
    missing = [name for name in texts if name not in table.column_names]
    if missing:
        raise RecordingError(
            f"{path}: has no column {', '.join(missing)}",
            hint="was it written by another version of the harness?",
        )
    return records, [table.column(name).to_numpy() for name in texts]
