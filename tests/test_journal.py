import errno
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import journal
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
    monkeypatch.setattr(journal, "_MADV_POPULATE_WRITE", 9999)
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


# --- damage ------------------------------------------------------------


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


# --- full disks ------------------------------------------------------------


def test_a_full_disk_at_creation_leaves_nothing(tmp_path, monkeypatch):
    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(RecordingError, match=r"the disk is full; 4496 more bytes") as caught:
        TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 10)
    assert "free at least 4496 bytes" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EFBIG])
def test_a_disk_that_fills_up_warns_ahead_and_then_stops_the_writer(tmp_path, monkeypatch, code):
    table = TableWriter.create(tmp_path / "t.tbl", STIMULUS_DTYPE, 100, block_rows=50)
    real = os.posix_fallocate

    def full(fd: int, offset: int, size: int) -> None:
        raise OSError(code, "full")

    monkeypatch.setattr(os, "posix_fallocate", full)
    for i in range(76):
        table.append(*row(i))
    deadline = time.monotonic() + 30
    while table.trouble is None and time.monotonic() < deadline:
        time.sleep(0.001)
    assert table.trouble is not None
    for i in range(76, 100):
        table.append(*row(i))
    for _ in range(2):
        with pytest.raises(RecordingError, match="2000 more bytes"):
            table.append(*row(100))
    np.testing.assert_array_equal(read_table(table.path), expected(100))
    monkeypatch.setattr(os, "posix_fallocate", real)
    table.append(*row(100))  # somebody made room
    assert table.trouble is None
    table.close()
    np.testing.assert_array_equal(read_table(table.path), expected(101))


LIMITED = """
import resource, sys
from pathlib import Path
from harness.errors import RecordingError
from harness.journal import TableWriter
from harness.model import STIMULUS_DTYPE
limit = int(sys.argv[2])
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
table = TableWriter.create(Path(sys.argv[1]), STIMULUS_DTYPE, 10, block_rows=1000)
i = 0
try:
    while i < 10_000_000:
        table.append(i, 2 * i, -i, i << 40, i % 2**32, i % 7, i % 65536)
        i += 1
except RecordingError as error:
    table.close()
    print(i, error.message)
"""


@pytest.mark.slow
def test_a_real_file_size_limit_gives_an_error_and_keeps_the_rows(tmp_path):
    path = tmp_path / "t.tbl"
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(path), "1000000"],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    assert "file-size limit" in message and str(path) in message
    assert int(count) == 24010  # 10 and as many thousands as fit into the limit
    np.testing.assert_array_equal(read_table(path), expected(int(count)))


@pytest.mark.slow
def test_a_really_full_disk_gives_an_error_and_keeps_the_rows(tmp_path):
    """A small tmpfs in a mount namespace of its own; a user namespace makes it possible for everybody."""
    path = tmp_path / "disk" / "t.tbl"
    path.parent.mkdir()
    script = textwrap.dedent(f"""
        mount -t tmpfs -o size=1m none {path.parent} || exit 77
        {sys.executable} -c "$LIMITED" {path} 0 && cp {path} {tmp_path}/kept.tbl
    """)
    command = ["unshare", "--mount", "sh", "-c", script]
    if os.geteuid() != 0:
        command[1:1] = ["--user", "--map-root-user"]
    done = subprocess.run(
        command,
        check=False,
        env={**os.environ, "LIMITED": LIMITED},
        capture_output=True,
        text=True,
        timeout=120,
    )
    if done.returncode != 0 and os.geteuid() != 0:
        # Where namespaces are forbidden, the file-size limit above is what shows the same path.
        assert "unshare" in done.stderr or done.returncode == 77, done.stderr
        return
    assert done.returncode == 0, done.stderr
    count, _, message = done.stdout.partition(" ")
    assert "the disk is full; 40000 more bytes" in message
    assert int(count) > 20_000
    np.testing.assert_array_equal(read_table(tmp_path / "kept.tbl"), expected(int(count)))


# --- kill -9 ------------------------------------------------------------

KILLED = """
import sys
from pathlib import Path
from harness.journal import TableWriter
from harness.model import STIMULUS_DTYPE
table = TableWriter.create(Path(sys.argv[1]), STIMULUS_DTYPE, 10, block_rows=int(sys.argv[2]))
out = sys.stdout
for i in range(50_000_000):
    table.append(i, 2 * i, -i, i << 40, i % 2**32, i % 7, i % 65536)
    if i % 500 == 0:
        out.write(f"{i + 1}\\n")
        out.flush()
"""


@pytest.mark.slow
def test_kill_9_at_any_instant_loses_no_counted_row(tmp_path):
    """What the process said it had counted is there, and every counted row is whole."""
    rng = random.Random(5)
    for attempt in range(15):
        path = tmp_path / f"{attempt}.tbl"
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(path), str(rng.choice([3, 64, 1000, 16384]))],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert child.stdout is not None
        said = [int(child.stdout.readline())]
        time.sleep(rng.uniform(0, 0.05))
        child.send_signal(signal.SIGKILL)
        rest = child.stdout.read()
        assert child.wait() == -signal.SIGKILL
        child.stdout.close()
        said += [int(line) for line in rest.splitlines(keepends=True) if line.endswith("\n")]
        assert not is_being_written(path)
        rows = read_table(path, STIMULUS_DTYPE)
        n = len(rows)
        i = np.arange(n)
        assert said[-1] <= n
        np.testing.assert_array_equal(rows["key"], i)
        np.testing.assert_array_equal(rows["intended_ns"], 2 * i)
        np.testing.assert_array_equal(rows["sent_ns"], -i)
        np.testing.assert_array_equal(rows["handed_ns"], i << 40)
        np.testing.assert_array_equal(rows["flags"], i % 2**32)
        np.testing.assert_array_equal(rows["scenario"], i % 7)
        np.testing.assert_array_equal(rows["variant"], i % 65536)
