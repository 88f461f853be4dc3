import enum
import json
import os
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from harness import folder as module
from harness.errors import ConfigurationError, RecordingError
from harness.folder import RunFolder
from harness.model import (
    CLOCK_DTYPE,
    NO_STAMP,
    OBSERVATION_DTYPE,
    SAMPLE_DTYPE,
    STIMULUS_DTYPE,
    ClockInfo,
    ClockKind,
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


# --- making and opening -------------------------------------------------------------------------------


def test_a_new_folder_has_its_name_and_its_first_record(folder, tmp_path):
    assert folder.path == tmp_path / "reports" / "arm" / "2026-01-31T12-00-00Z-ab12"
    assert folder.run_id == "2026-01-31T12-00-00Z-ab12"
    assert sorted(p.name for p in folder.path.iterdir()) == ["journal", "processes", "run.json"]
    run = json.loads((folder.path / "run.json").read_text())
    assert run == folder.run
    assert (run["schema"], run["status"], run["ended"], run["started"]) == (
        1,
        "running",
        None,
        "2026-01-31T12:00:00.000+00:00",
    )


def test_the_name_is_utc_wherever_the_harness_runs(tmp_path):
    start = datetime(2026, 1, 31, 14, 0, 0, tzinfo=timezone(timedelta(hours=2)))
    assert RunFolder.create(tmp_path, "arm", start, "ff00").run_id == "2026-01-31T12-00-00Z-ff00"


def test_an_existing_run_is_never_overwritten(folder, tmp_path):
    with pytest.raises(RecordingError, match="exists already") as caught:
        RunFolder.create(tmp_path / "reports", "arm", START, "ab12")
    assert "--out" in str(caught.value)


def test_an_output_folder_that_is_a_file(tmp_path):
    (tmp_path / "reports").write_text("")
    with pytest.raises(RecordingError, match="cannot be made: Not a directory"):
        RunFolder.create(tmp_path / "reports", "arm", START, "ab12")


def test_an_output_folder_that_cannot_be_written(tmp_path):
    root = tmp_path / "reports"
    root.mkdir()
    for folder in (root, *list(tmp_path.parents)[:2]):
        folder.chmod(0o755)
    root.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    try:
        with pytest.raises(RecordingError, match="cannot be made: Permission denied") as caught:
            RunFolder.create(root, "arm", START, "ab12")
    finally:
        os.seteuid(user)
    assert "may write to" in str(caught.value)


def test_opening_by_the_folder_or_a_file_inside(folder):
    (folder.path / "processes" / "robot.log").write_text("")
    for path in (
        folder.path,
        folder.path / "run.json",
        folder.path / "processes" / "robot.log",
        folder.path / "journal",
    ):
        opened = RunFolder.open(path)
        assert (opened.path, opened.run) == (folder.path, folder.run)


def test_opening_by_a_relative_path(folder, monkeypatch):
    monkeypatch.chdir(folder.path)
    assert RunFolder.open(Path()).run_id == folder.run_id
    assert RunFolder.open(Path("report.pdf")).run_id == folder.run_id


@pytest.mark.parametrize(("name", "message"), [("", "has no run.json"), ("nowhere", "does not exist")])
def test_opening_what_is_no_run_folder(tmp_path, name, message):
    with pytest.raises(ConfigurationError, match=message) as caught:
        RunFolder.open(tmp_path / name)
    assert str(tmp_path) in caught.value.message


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_opening_a_damaged_record(folder, text):
    (folder.path / "run.json").write_text(text)
    with pytest.raises(RecordingError, match=r"run\.json: cannot be read"):
        RunFolder.open(folder.path)


# --- small files --------------------------------------------------------------------------------------


class Colour(str, enum.Enum):
    RED = "red"


@dataclass
class Thing:
    path: Path


def test_the_record_is_merged_and_understands_what_people_put_into_it(folder):
    folder.save_run(seed=np.int64(7), rig={"a": 1}, colour=Colour.RED, thing=Thing(Path("x")), when=START)
    folder.save_run(clock=ClockInfo("c", ClockKind.PTP), nan=float("nan"), array=np.arange(3), rig={"b": 2})
    run = RunFolder.open(folder.path).run
    assert run == folder.run
    assert (
        run["seed"] == 7
        and run["rig"] == {"b": 2}
        and run["colour"] == "red"
        and run["thing"] == {"path": "x"}
    )
    assert run["clock"]["kind"] == "ptp" and run["nan"] is None and run["array"] == [0, 1, 2]
    assert run["when"].startswith("2026-01-31T12") and run["status"] == "running"


def test_other_files_are_written_whole_and_inside(folder):
    folder.write_json("results.json", {"limit": float("inf"), "name": "é"})
    assert json.loads((folder.path / "results.json").read_text()) == {"limit": None, "name": "é"}
    folder.write_text("processes/note.txt", "x")
    assert (folder.path / "processes" / "note.txt").read_text() == "x"
    for name in ("../x", "/x", "a/../../x"):
        with pytest.raises(ValueError, match="not inside"):
            folder.write_text(name, "x")
    assert not list(folder.path.rglob("*.tmp"))


def test_a_write_that_fails_leaves_the_old_file_and_no_other(folder, monkeypatch):
    before = (folder.path / "run.json").read_bytes()

    def full(fd: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(RecordingError, match=r"run\.json: the disk is full"):
        folder.save_run(status="finished")
    assert (folder.path / "run.json").read_bytes() == before
    assert folder.run["status"] == "running"
    assert not list(folder.path.glob(".*"))


# --- events -------------------------------------------------------------------------------------------


class Clock:
    def monotonic_ns(self) -> int:
        return 5_000_000_001

    def realtime_ns(self) -> int:
        return 1_000_000_000_250_000_000


def test_events_have_their_instants_and_details(tmp_path):
    folder = RunFolder.create(tmp_path, "arm", START, "ab12", Clock())
    folder.event("phase", name="measuring", scenario="command")
    folder.event("odd", path=Path("x"), event_kind=3)
    assert folder.events() == [
        {
            "t_ns": 5_000_000_001,
            "utc": "2001-09-09T01:46:40.250+00:00",
            "event": "phase",
            "name": "measuring",
            "scenario": "command",
        },
        {
            "t_ns": 5_000_000_001,
            "utc": "2001-09-09T01:46:40.250+00:00",
            "event": "odd",
            "path": "x",
            "event_kind": 3,
        },
    ]


def test_no_events_yet(folder):
    assert folder.events() == []


def test_events_of_many_threads_are_all_whole(folder):
    def write(number: int) -> None:
        for i in range(100):
            folder.event("e", number=number, i=i, text="x" * 100)

    threads = [threading.Thread(target=write, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = folder.events()
    for number in range(4):
        assert [e["i"] for e in found if e["number"] == number] == list(range(100))
    assert [e["t_ns"] for e in found] == sorted(e["t_ns"] for e in found)


def test_a_line_cut_by_kill_9_harms_no_other(folder):
    folder.event("first")
    with (folder.path / "events.jsonl").open("a") as file:
        file.write('{"t_ns": 1, "event": "cu')
    RunFolder.open(folder.path).event("recovered")
    assert [e["event"] for e in folder.events()] == ["first", "recovered"]


def test_events_wait_for_a_disk_that_is_full(folder, monkeypatch):
    """Nothing is raised, so that a safe stop goes on; nothing is lost once there is room."""
    real, room = os.write, [10]

    def nearly_full(fd: int, data: bytes) -> int:
        if room[0] == 0:
            raise OSError(28, "No space left on device")
        written = real(fd, data[: room[0]])
        room[0] -= written
        return written

    monkeypatch.setattr(os, "write", nearly_full)
    folder.event("first")
    folder.event("second")
    assert folder.events() == []
    assert folder.trouble is not None and "events.jsonl: the disk is full" in str(folder.trouble)
    room[0] = 10_000
    folder.event("third")
    assert [e["event"] for e in folder.events()] == ["first", "second", "third"]
    assert folder.trouble is None


# --- raw tables ---------------------------------------------------------------------------------------


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
    assert content(RunFolder.open(copy)) == content(RunFolder.open(origin))
    RunFolder.open(copy).finalise_raw()
    folder = RunFolder.open(copy)
    assert content(folder) == content(RunFolder.open(origin))
    assert folder.verify_raw() == []
    whole = {"clocks.parquet", "observations.parquet", "processes", "run.json", "stimuli.parquet"}
    assert {path.name for path in copy.iterdir()} == whole

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


# --- samples ------------------------------------------------------------------------------------------


def some_samples() -> np.ndarray:
    samples = np.zeros(4, SAMPLE_DTYPE)
    samples["key"] = [1, 2, 3, 4]
    samples["intended_ns"] = 10**18 + 1  # beyond what a float holds exactly
    samples["sent_ns"] = [10**18 + 500_001, 10**18 + 1, NO_STAMP, 10**18 + 1]
    samples["arrived_ns"] = [10**18 + 1_500_001, NO_STAMP, NO_STAMP, 10**18 + 2]
    samples["scenario"] = [0, 1, 1, 9]
    return samples


def test_samples_come_back_and_are_readable_for_people(folder):
    folder.save_run(
        scenarios=[{"name": "command"}, {"name": "sensor"}],
        rig={
            "resolved": {
                "scenarios": {"command": {"response": "robot.applied"}, "sensor": {"response": "board.led"}}
            }
        },
    )
    samples = some_samples()
    folder.write_samples(samples)
    folder.write_samples(samples)
    assert folder.samples().tobytes() == samples.tobytes()
    frame = pd.read_parquet(folder.path / "samples.parquet")
    nan = float("nan")
    np.testing.assert_allclose(frame["latency_ms"], [1.0, nan, nan, 1e-6], rtol=1e-12)
    np.testing.assert_allclose(frame["latency_from_intent_ms"], [1.5, nan, nan, 1e-6], rtol=1e-12)
    np.testing.assert_allclose(frame["lateness_ms"], [0.5, 0.0, nan, 0.0], rtol=1e-12)
    assert frame["scenario_name"].astype(object).where(frame["scenario_name"].notna(), None).tolist() == [
        "command",
        "sensor",
        "sensor",
        None,
    ]
    assert frame["port"].astype(object).where(frame["port"].notna(), None).tolist() == [
        "robot.applied",
        "board.led",
        "board.led",
        None,
    ]


def test_samples_of_a_run_that_knows_no_scenarios(folder):
    folder.write_samples(some_samples())
    folder.write_samples(some_samples()[:0])
    assert folder.samples().tolist() == []


def test_no_samples_yet(folder):
    with pytest.raises(RecordingError, match="harness report"):
        folder.samples()


# --- size ---------------------------------------------------------------------------------------------

MILLION = """
import resource, sys
from datetime import datetime, timezone
from pathlib import Path
import numpy as np
from harness.folder import RunFolder
from harness.model import SAMPLE_DTYPE
n = 1_000_000
folder = RunFolder.create(Path(sys.argv[1]), "arm", datetime.now(timezone.utc), "ab12")
stimuli, observations = folder.create_table("stimuli", n), folder.create_table("a.b", 1000)
for i in range(n):
    stimuli.append(i, i, i, i, 0, 0, 0)
    observations.append(i, i, i, i, 1.5, 0, 0, 0)
folder.finalise_raw()
folder = RunFolder.open(folder.path)
samples = np.zeros(len(folder.stimuli()), SAMPLE_DTYPE)
samples["key"] = folder.observations()["a.b"]["key"]
folder.write_samples(samples)
assert folder.verify_raw() == []
assert np.array_equal(folder.samples()["key"], np.arange(n))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_a_million_samples_fit_into_a_gigabyte(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", MILLION, str(tmp_path)],
        check=True,
        capture_output=True,
        text=True,
        timeout=150,
    )
    assert int(done.stdout) << 10 < 1_000_000_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss > 0
