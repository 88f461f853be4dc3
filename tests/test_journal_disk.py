"""A journal on a disk that fills up, and under kill -9: no counted row is lost."""

import errno
import os
import random
import signal
import subprocess
import sys
import textwrap
import time

import numpy as np
import pytest

from harness.errors import RecordingError
from harness.journal import TableWriter, is_being_written, read_table
from harness.model import STIMULUS_DTYPE


def row(i: int) -> tuple[int, int, int, int, int, int, int]:
    return i, 2 * i, -i, i << 40, i % 2**32, i % 7, i % 65536


def expected(n: int) -> np.ndarray:
    return np.array([row(i) for i in range(n)], STIMULUS_DTYPE)


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
