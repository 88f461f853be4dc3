import os
import struct
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import blocks, journal
from harness.errors import RecordingError
from harness.journal import TableWriter, is_being_written, read_table
from harness.model import CLOCK_DTYPE, OBSERVATION_DTYPE, SAMPLE_DTYPE, STIMULUS_DTYPE
from harness.tablefile import HEADER_BYTES

ODD_DTYPE = np.dtype([("a", "<i4"), ("b", "<u2"), ("c", "<f8")])  # 14 bytes: no padding, divides no page


def row(i: int) -> tuple[int, int, int, int, int, int, int]:
    return i, 2 * i, -i, i << 40, i % 2**32, i % 7, i % 65536


def expected(n: int) -> np.ndarray:
    return np.array([row(i) for i in range(n)], STIMULUS_DTYPE)


@pytest.mark.parametrize("dtype", [STIMULUS_DTYPE, OBSERVATION_DTYPE, CLOCK_DTYPE, SAMPLE_DTYPE, ODD_DTYPE])
def test_rows_of_every_type_come_back_as_they_were_written(tmp_path, dtype):
    rng = np.random.default_rng(1)
    rows = np.frombuffer(rng.bytes(dtype.itemsize * 500), dtype).copy()
    for name in dtype.names:
        if dtype[name].kind == "f":
            rows[name] = rng.normal(size=500)
    with TableWriter.create(tmp_path / "t.tbl", dtype, 10, block_rows=7) as table:
        for one in rows:
            table.append(*one.tolist())
        assert table.count == 500
    assert read_table(tmp_path / "t.tbl").tobytes() == rows.tobytes()
    assert read_table(tmp_path / "t.tbl", dtype).dtype == dtype


@settings(max_examples=60, deadline=None)
@given(rows=st.integers(0, 300), block=st.integers(1, 200), n=st.integers(0, 900))
def test_any_block_size_and_any_count(tmp_path_factory, rows, block, n):
    path = tmp_path_factory.mktemp("t") / "t.tbl"
    with TableWriter.create(path, STIMULUS_DTYPE, rows, block_rows=block) as table:
        for i in range(n):
            table.append(*row(i))
        np.testing.assert_array_equal(read_table(path, STIMULUS_DTYPE), expected(n))
    assert path.stat().st_size == HEADER_BYTES + n * STIMULUS_DTYPE.itemsize
    np.testing.assert_array_equal(read_table(path, STIMULUS_DTYPE), expected(n))


def test_the_header_is_what_the_documentation_says(tmp_path):
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4) as table:
        table.append(*row(3))
    data = (tmp_path / "t.tbl").read_bytes()
    assert struct.unpack_from("<8sIIQ", data) == (b"HARNTBL\0", 1, 40, 1)
    assert data[64:].startswith(b'[["key", "<i8"], ["intended_ns", "<i8"]')


def test_close_is_repeatable_and_ends_the_helper_thread(tmp_path):
    table = TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4)
    other = TableWriter.create(tmp_path / "u.tbl", STIMULUS_DTYPE, 4)
    table.append(*row(0))
    table.close()
    table.close()
    assert [t for t in threading.enumerate() if t.name == "harness-journal"]
    other.close()
    assert not [t for t in threading.enumerate() if t.name == "harness-journal"]
    assert table.count == 1
    with pytest.raises(RecordingError, match="is closed"):
        table.append(*row(1))
    table.grow_ahead()
    assert len(read_table(tmp_path / "t.tbl")) == 1


def test_an_existing_table_is_never_overwritten(tmp_path):
    TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4).close()
    with pytest.raises(RecordingError, match="exists already"):
        TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4)


def test_no_folder_for_the_table(tmp_path):
    with pytest.raises(RecordingError, match=r"cannot write .* No such file"):
        TableWriter.create(tmp_path / "missing" / "t.tbl", STIMULUS_DTYPE, 4)


@pytest.mark.parametrize(
    "dtype",
    [
        np.dtype([("a", "S4")]),
        np.dtype([("a", ">i8")]),
        np.dtype("<i8"),
        np.dtype({"names": ["a"], "formats": ["<i4"], "itemsize": 8}),
    ],
)
def test_only_packed_little_endian_numbers(tmp_path, dtype):
    with pytest.raises(ValueError):
        TableWriter.create(tmp_path / "t.tbl", dtype, 4)
    assert list(tmp_path.iterdir()) == []


def test_a_value_that_does_not_fit_is_not_counted(tmp_path):
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4) as table:
        table.append(*row(0))
        with pytest.raises(struct.error):
            table.append(0, 0, 0, 0, -1, 0, 0)
        with pytest.raises(struct.error):
            table.append(1, 2)
        table.append(*row(1))
    np.testing.assert_array_equal(read_table(tmp_path / "t.tbl"), expected(2))


def test_the_last_row_can_be_amended(tmp_path):
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 3, block_rows=3) as table:
        amend = table.amender("sent_ns", "handed_ns")
        with pytest.raises(ValueError, match="no row"):
            amend(0, 0)
        for i in range(10):
            table.append(i, 2 * i, 7, 7, *row(i)[4:])
            amend(-i, i << 40)
            np.testing.assert_array_equal(read_table(tmp_path / "t.tbl"), expected(i + 1))
        with pytest.raises(ValueError, match="not adjacent"):
            table.amender("key", "sent_ns")
    with pytest.raises(RecordingError, match="is closed"):
        amend(1, 2)


def test_nothing_is_allocated_ahead_before_three_quarters_are_used(tmp_path):
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 100, block_rows=50) as table:
        for i in range(74):
            table.append(*row(i))
        table.grow_ahead()
        assert table._next is None
        table.append(*row(74))
        table.grow_ahead()
        assert table._next is not None


def test_the_next_block_is_there_before_it_is_needed(tmp_path):
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 100, block_rows=50) as table:
        for i in range(76):
            table.append(*row(i))
        deadline = time.monotonic() + 30
        while table._next is None and time.monotonic() < deadline:
            time.sleep(0.001)
        assert table._next is not None
        size = (tmp_path / "t.tbl").stat()
        assert size.st_size == HEADER_BYTES + 150 * 40
        assert size.st_blocks * 512 >= size.st_size, "sparse"
        for i in range(76, 120):
            table.append(*row(i))
    np.testing.assert_array_equal(read_table(tmp_path / "t.tbl"), expected(120))


def test_growing_without_the_helper_thread_and_on_an_old_kernel(tmp_path, monkeypatch):
    monkeypatch.setattr(journal._keeper, "request", lambda table: None)
    monkeypatch.setattr(blocks, "_MADV_POPULATE_WRITE", 9999)
    with TableWriter.create(tmp_path / "t.tbl", ODD_DTYPE, 3, block_rows=1000) as table:
        for i in range(5000):
            table.append(i, i % 65536, i / 3)
    rows = read_table(tmp_path / "t.tbl")
    assert rows["a"].tolist() == list(range(5000))
    assert rows["c"].tolist() == [i / 3 for i in range(5000)]


def test_a_reader_in_between_sees_only_whole_rows(tmp_path):
    stop = threading.Event()
    path = tmp_path / "t.tbl"
    table = TableWriter.create(path, STIMULUS_DTYPE, 10, block_rows=64)

    def write() -> None:
        i = 0
        while not stop.is_set() and i < 200_000:
            table.append(*row(i))
            i += 1

    thread = threading.Thread(target=write)
    thread.start()
    try:
        seen = 0
        for _ in range(50):
            rows = read_table(path, STIMULUS_DTYPE)
            assert len(rows) >= seen
            seen = len(rows)
            last = rows[-200:]
            assert last.tolist() == [row(i) for i in range(seen - len(last), seen)]
    finally:
        stop.set()
        thread.join()
        table.close()


def test_who_is_writing_is_known(tmp_path):
    table = TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 4)
    assert is_being_written(tmp_path / "t.tbl")
    table.close()
    assert not is_being_written(tmp_path / "t.tbl")


@pytest.fixture
def written(tmp_path) -> Path:
    with TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 10) as table:
        for i in range(10):
            table.append(*row(i))
    return tmp_path / "t.tbl"


def patch(path: Path, offset: int, data: bytes) -> None:
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


@pytest.mark.parametrize(
    ("offset", "data", "message"),
    [
        (0, b"PARQUET!", "begins with b'PARQUET!'"),
        (8, b"\x09", "table layout 9, this harness reads 1"),
        (12, b"\x08\0\0\0", "rows of 8 bytes, 40 expected"),
        (24, b"\xff\xff\xff\x7f", "description of the columns is damaged"),
        (70, b"X", "description of the columns is damaged"),
    ],
)
def test_a_damaged_header_is_refused_with_what_is_wrong(written, offset, data, message):
    patch(written, offset, data)
    with pytest.raises(RecordingError, match=message) as caught:
        read_table(written)
    assert str(written) in str(caught.value) and caught.value.hint


def test_a_damaged_description_does_not_matter_to_who_knows_the_columns(written):
    patch(written, 70, b"X")
    np.testing.assert_array_equal(read_table(written, STIMULUS_DTYPE), expected(10))


def test_other_columns_than_expected(written):
    with pytest.raises(RecordingError, match="stamp_ns"):
        read_table(written, OBSERVATION_DTYPE)


def test_a_count_beyond_the_file_is_refused_or_salvaged(written):
    patch(written, 16, struct.pack("<Q", 11))
    with pytest.raises(RecordingError, match="counts 11 rows, the file holds 10"):
        read_table(written)
    np.testing.assert_array_equal(read_table(written, salvage=True), expected(10))


@pytest.mark.parametrize("size", [0, 63, HEADER_BYTES - 1])
def test_a_file_cut_within_its_header(written, size):
    os.truncate(written, size)
    with pytest.raises(RecordingError, match=f"{size} bytes, shorter"):
        read_table(written, salvage=True)


def test_a_file_cut_within_a_row(written):
    os.truncate(written, HEADER_BYTES + 3 * 40 + 17)
    with pytest.raises(RecordingError, match="the file holds 3"):
        read_table(written)
    np.testing.assert_array_equal(read_table(written, salvage=True), expected(3))


def test_a_missing_table_is_a_missing_file(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_table(tmp_path / "t.tbl")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(RecordingError, match="cannot be read"):
        read_table(tmp_path)
