import enum
import json
import os
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest

from harness.errors import ConfigurationError, RecordingError
from harness.folder import RunFolder
from harness.model import (
    ClockInfo,
    ClockKind,
)

START = datetime(2026, 1, 31, 12, 0, 0, tzinfo=timezone.utc)


@pytest.fixture
def folder(tmp_path) -> RunFolder:
    return RunFolder.create(tmp_path / "reports", "arm", START, "ab12")


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
