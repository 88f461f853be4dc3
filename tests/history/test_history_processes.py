"""Several processes write and ask at once; some of them are killed."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import history_data as data
import pytest

from harness.history import History
from harness.history.store import FILE

pytestmark = pytest.mark.slow

WRITER = """
import sys, time
from pathlib import Path
from harness.history import History, record
reports, mine = Path(sys.argv[1]), sys.argv[2:]
print("ready", flush=True)
sys.stdin.readline()
for number, name in enumerate(mine):
    prepared = reports / ".prepared" / name
    folder = reports / "sim" / name
    prepared.rename(folder)
    if number % 3 == 2:
        with History.open(reports, rebuild=number % 2 == 0) as history:
            assert any(run.run_id == name for run in history.runs("sim")), name
            assert history.broken == (), history.broken
    else:
        record(folder)
"""


def started(reports: Path, names: list[str]) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(reports), *names],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def ended(process: subprocess.Popen[str]) -> int:
    assert process.stdin is not None and process.stdout is not None
    try:
        return process.wait(60)
    finally:
        process.kill()
        process.wait()
        process.stdin.close()
        process.stdout.close()


def prepared(reports: Path, count: int) -> list[str]:
    """Run folders that only have to be put in their place."""
    names = []
    for number in range(count):
        folder = data.written(reports / ".aside", number)
        target = reports / ".prepared" / folder.name
        target.parent.mkdir(exist_ok=True)
        folder.rename(target)
        names.append(folder.name)
    (reports / "sim").mkdir()
    return names


def sound(reports: Path) -> None:
    """The index is whole, and says what one made anew says."""
    connection = sqlite3.connect(reports / FILE)
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    connection.close()
    with History.open(reports) as history:
        before = history.runs()
        history.refresh(rebuild=True)
        assert history.runs() == before


def test_four_processes_write_and_ask_at_once(tmp_path: Path) -> None:
    names = prepared(tmp_path, 48)
    writers = [started(tmp_path, names[share::4]) for share in range(4)]
    for each in writers:
        go(each)
    assert [ended(each) for each in writers] == [0] * 4
    connection = sqlite3.connect(tmp_path / FILE)
    (count,) = connection.execute("SELECT COUNT(*) FROM runs").fetchone()
    connection.close()
    assert count == 48, "nobody's row was lost to another one"
    sound(tmp_path)


def test_a_killed_writer_leaves_an_index_that_others_go_on_with(tmp_path: Path) -> None:
    names = prepared(tmp_path, 40)
    random.Random(7).shuffle(names)
    victims = [started(tmp_path, names[:16]), started(tmp_path, names[16:32])]
    survivor = started(tmp_path, names[32:])
    for each in (*victims, survivor):
        go(each)
    for number, each in enumerate(victims):
        # Killed once it is at work, wherever that is.
        while not (tmp_path / "sim" / names[16 * number + 4]).exists() and each.poll() is None:
            pass
        each.send_signal(signal.SIGKILL)
    assert ended(survivor) == 0
    assert {ended(each) for each in victims} <= {-signal.SIGKILL, 0}
    sound(tmp_path)
    with History.open(tmp_path) as history:
        assert len(history.runs()) == len(list((tmp_path / "sim").iterdir()))


def test_several_that_find_it_damaged_make_one_new_index(tmp_path: Path) -> None:
    names = prepared(tmp_path, 24)
    data.written(tmp_path, 100, "other")
    (tmp_path / FILE).write_bytes(b"no database at all, but long enough for a header of one " * 90)
    writers = [started(tmp_path, names[share::3]) for share in range(3)]
    for each in writers:
        go(each)
    assert [ended(each) for each in writers] == [0] * 3
    sound(tmp_path)


def test_a_folder_that_may_only_be_read_answers(tmp_path: Path) -> None:
    """As another user where this one may write everywhere."""
    reports = tmp_path / "reports"
    for number in range(3):
        data.written(reports, number)
    with History.open(reports):
        pass
    data.written(reports, 3)
    shutil.copytree(reports, tmp_path / "bare", ignore=shutil.ignore_patterns(FILE))
    for each in (reports, tmp_path / "bare"):
        for path in (each, *each.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
    code = """
import os, sys
from pathlib import Path
import harness.history
for reports in map(Path, sys.argv[1:]):
    os.chdir(reports)
    pid = os.fork()
    if not pid:
        if os.geteuid() == 0:
            os.setgid(65534); os.setuid(65534)
        from harness.history import History
        assert not os.access(".", os.W_OK)
        with History.open(Path(".")) as history:
            assert len(history.runs()) == 4, history.runs()
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0, reports
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(reports), str(tmp_path / "bare")],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    for each in (reports, tmp_path / "bare"):
        for path in (each, *each.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
    assert done.returncode == 0, done.stderr
    assert not (tmp_path / "bare" / FILE).exists()
