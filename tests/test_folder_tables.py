"""The raw tables of a run folder: live, final, damaged, and killed in between."""

import os
import subprocess
import sys
from datetime import datetime, timezone
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest

from harness import folder as module
from harness.errors import RecordingError
from harness.folder import RunFolder
from harness.model import (
    CLOCK_DTYPE,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "reports", "arm", START, "ab12")


def fill(folder: RunFolder, n: int = 100) -> None:
    """Rows in every table; the tables stay open."""
    folder.save_run(ports={"robot.applied": {}, "robot.odom": {}, "robot.quiet": {}})
    stimuli = folder.create_table("stimuli", n)
    applied = folder.create_table("robot.applied", 8, block_rows=16)
    odom = folder.create_table("robot.odom", 8)
    clocks = folder.create_table("clocks", 8)
    for i in range(n):
        stimuli.append(i, 10 * i, NO_STAMP if i % 9 == 0 else 10 * i + 1, 10 * i + 2, i % 8, 0, i % 2)
        applied.append(i, 3, i, i + 1, float("nan") if i % 2 else i / 7, 0, 1, 2)
    for i in range(n // 2):
        odom.append(-1, NO_STAMP, NO_STAMP, i, -i / 3, 1, 0, 0)
        clocks.append(i, i + 1, i + 1, i + 2, 1, i % 3, 0)


def content(folder: RunFolder) -> dict[str, bytes]:
    tables = {"stimuli": folder.stimuli(), "clocks": folder.clocks(), **folder.observations()}
    return {name: rows.tobytes() for name, rows in tables.items()}


def test_a_live_run_can_be_read_by_others_and_stays_the_same_to_the_end(folder):
    fill(folder)
    live = content(RunFolder.open(folder.path))
    assert set(live) == {"stimuli", "clocks", "robot.applied", "robot.odom", "robot.quiet"}
    assert len(live["stimuli"]) == 100 * STIMULUS_DTYPE.itemsize and live["robot.quiet"] == b""
    folder.close()
    folder.close()
    assert content(folder) == live
    hashes = folder.finalise_raw()
    assert set(hashes) == {"stimuli.parquet", "observations.parquet", "clocks.parquet"}
    assert not (folder.path / "journal").exists()
    opened = RunFolder.open(folder.path)
    assert content(opened) == live
    assert opened.run["raw_sha256"] == hashes and opened.verify_raw() == []
    assert (opened.stimuli().dtype, opened.clocks().dtype) == (STIMULUS_DTYPE, CLOCK_DTYPE)
    assert all(rows.dtype == OBSERVATION_DTYPE for rows in opened.observations().values())
    stamp = (folder.path / "run.json").stat().st_mtime_ns
    assert opened.finalise_raw() == hashes
    assert (folder.path / "run.json").stat().st_mtime_ns == stamp


def test_others_can_read_the_parquet_files_without_the_harness(folder):
    fill(folder)
    folder.finalise_raw()
    frame = pd.read_parquet(folder.path / "observations.parquet")
    assert frame.groupby("port", observed=True).size().to_dict() == {"robot.applied": 100, "robot.odom": 50}
    metadata = pyarrow.parquet.read_metadata(folder.path / "observations.parquet")
    assert metadata.row_group(0).column(0).compression == "ZSTD"
    assert len(pd.read_parquet(folder.path / "stimuli.parquet")) == 100


def test_a_run_that_recorded_nothing_has_empty_tables(folder):
    assert content(folder) == {"stimuli": b"", "clocks": b""}
    folder.save_run(ports={"a.b": {}})
    folder.finalise_raw()
    assert content(RunFolder.open(folder.path)) == {"stimuli": b"", "clocks": b"", "a.b": b""}


@pytest.mark.parametrize("name", ["samples", "robot", "a.b.c", "../x.y", "a/b.c", ""])
def test_a_table_of_another_name(folder, name):
    with pytest.raises(ValueError, match="neither stimuli"):
        folder.create_table(name, 10)


def test_nobody_finalises_what_is_still_being_written(folder):
    fill(folder)
    before = content(folder)
    with pytest.raises(RecordingError, match=r"clocks\.tbl.*still being written"):
        RunFolder.open(folder.path).finalise_raw()
    assert content(folder) == before
    folder.finalise_raw()
    assert content(folder) == before


def test_a_table_with_a_count_beyond_its_end_is_salvaged_and_said_so(folder):
    fill(folder)
    folder.close()
    os.truncate(folder.path / "journal" / "stimuli.tbl", 4096 + 30 * 40 + 3)
    assert len(folder.stimuli()) == 30
    folder.finalise_raw()
    assert len(folder.stimuli()) == 30 and len(folder.observations()["robot.applied"]) == 100
    salvaged = [e for e in folder.events() if e["event"] == "table_salvaged"]
    assert [e["table"] for e in salvaged] == ["stimuli.tbl"] and "counts 100 rows, the file holds 30" in str(
        salvaged
    )


def test_a_table_that_is_none_keeps_the_journal(folder):
    fill(folder)
    folder.close()
    (folder.path / "journal" / "clocks.tbl").write_bytes(b"x" * 5000)
    with pytest.raises(RecordingError, match=r"clocks\.tbl: begins with"):
        folder.finalise_raw()
    assert len(list((folder.path / "journal").glob("*.tbl"))) == 4
    assert len(folder.stimuli()) == 100


def test_a_folder_without_raw_data(folder):
    (folder.path / "journal").rmdir()
    for read in (folder.stimuli, folder.clocks, folder.observations, folder.finalise_raw):
        with pytest.raises(RecordingError, match=r"neither .* nor a journal"):
            read()
    assert folder.verify_raw() == ["stimuli.parquet", "observations.parquet", "clocks.parquet"]


def test_changed_and_missing_files_are_found(folder):
    fill(folder)
    assert len(folder.verify_raw()) == 3
    folder.finalise_raw()
    with (folder.path / "clocks.parquet").open("r+b") as file:
        file.seek(100)
        byte = file.read(1)
        file.seek(100)
        file.write(bytes([byte[0] ^ 1]))
    (folder.path / "stimuli.parquet").rename(folder.path / "elsewhere")
    assert RunFolder.open(folder.path).verify_raw() == ["stimuli.parquet", "clocks.parquet"]


def test_a_damaged_parquet_file(folder):
    fill(folder)
    folder.finalise_raw()
    (folder.path / "stimuli.parquet").write_bytes(b"PAR1 rubbish")
    (folder.path / "clocks.parquet").write_bytes((folder.path / "observations.parquet").read_bytes())
    with pytest.raises(RecordingError, match=r"stimuli\.parquet: cannot be read"):
        folder.stimuli()
    with pytest.raises(RecordingError, match=r"clocks\.parquet: has no column t1_ns"):
        folder.clocks()


def test_a_write_that_does_not_read_back_the_same_keeps_the_journal(folder, monkeypatch):
    fill(folder)
    before = content(folder)
    from harness import parquet

    real = parquet._read

    def flipped(path: Path) -> object:
        table = real(path)
        return table.slice(0, table.num_rows - 1)

    monkeypatch.setattr(parquet, "_read", flipped)
    with pytest.raises(RecordingError, match="does not read back the same"):
        folder.finalise_raw()
    monkeypatch.undo()
    assert (folder.path / "journal").is_dir() and not list(folder.path.glob("*.parquet"))
    assert content(folder) == before


def test_a_full_disk_at_the_end_keeps_the_journal(folder, tmp_path):
    fill(folder)
    before = content(folder)
    folder.close()
    script = (
        "import resource, sys; from pathlib import Path; from harness.folder import RunFolder; "
        "f = RunFolder.open(Path(sys.argv[1])); resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000)); "
        "f.finalise_raw()"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(folder.path)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 1 and "RecordingError" in done.stderr and "file-size limit" in done.stderr, (
        done.stderr
    )
    assert content(folder) == before
    folder.finalise_raw()
    assert content(folder) == before


def test_a_table_made_final_in_the_midst_of_reading(folder, monkeypatch):
    """Between looking for the journal and reading it: what was there a moment ago is read from Parquet."""
    fill(folder)
    folder.close()
    before = content(folder)
    reader = RunFolder.open(folder.path)
    real = module.read_table

    def late(*arguments: object, **options: object) -> object:
        monkeypatch.setattr(module, "read_table", real)
        folder.finalise_raw()
        return real(*arguments, **options)

    monkeypatch.setattr(module, "read_table", late)
    assert reader.observations()["robot.applied"].tobytes() == before["robot.applied"]


EVERY_INSTANT = """
# Ends the process at the n-th look at or change of a file while finalising, for every n.
import os, shutil, sys
from pathlib import Path
import pyarrow.parquet
from harness.folder import RunFolder

origin, copy = Path(sys.argv[1]), Path(sys.argv[2])
CHANGES = ("os.rename", "os.remove", "os.rmdir", "shutil.rmtree")
os.fsync = os.fdatasync = lambda fd: None  # a process that ends loses none of what it wrote

def content(folder):
    tables = {"stimuli": folder.stimuli(), "clocks": folder.clocks(), **folder.observations()}
    return {name: rows.tobytes() for name, rows in tables.items()}

def kill_at(n):
    left = n
    def hook(event, arguments):
        nonlocal left
        if event in CHANGES or (event == "open" and str(copy) in str(arguments[0])):
            left -= 1
            if left == 0:
                os._exit(99)
    sys.addaudithook(hook)

def child(action):
    pid = os.fork()
    if pid == 0:
        try:
            action()
        except BaseException:
            import traceback
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def finalise(n):
    folder = RunFolder.open(copy)
    kill_at(n)
    folder.finalise_raw()

def check():
    assert content(RunFolder.open(copy)) == written
    RunFolder.open(copy).finalise_raw()
    folder = RunFolder.open(copy)
    assert content(folder) == written
    assert folder.verify_raw() == []
    whole = {"clocks.parquet", "observations.parquet", "processes", "run.json", "stimuli.parquet"}
    assert {path.name for path in copy.iterdir()} == whole

written = content(RunFolder.open(origin))
n = 0
while True:
    n += 1
    shutil.copytree(origin, copy)
    status = child(lambda: finalise(n))
    assert status in (0, 99), status
    assert child(check) == 0, f"killed at instant {n}"
    shutil.rmtree(copy)
    if status == 0:
        break
print(n)
"""


@pytest.mark.slow
def test_killed_at_any_instant_while_finalising_loses_nothing(folder, tmp_path):
    fill(folder)
    folder.close()
    done = subprocess.run(
        [sys.executable, "-c", EVERY_INSTANT, str(folder.path), str(tmp_path / "copy")],
        check=False,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 20, "the instants were not seen"
