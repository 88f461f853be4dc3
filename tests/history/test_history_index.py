"""The index says what the folders say, whatever happens to it and to them."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import history_data as data
import pytest

from harness.history import History, record
from harness.history.store import FILE
from harness.model import Verdict


def ids(history: History, rig: str | None = None) -> list[str]:
    return [run.run_id for run in history.runs(rig)]


def test_runs_come_oldest_first_with_their_figures(tmp_path: Path) -> None:
    for number in (3, 1, 2):
        data.written(tmp_path, number, p99_ms=number)
    data.written(tmp_path, 5, "other")
    with History.open(tmp_path) as history:
        runs = history.runs("sim")
        assert [run.requirements["CMD-RTT"].estimate for run in runs] == [1, 2, 3]
        assert history.rigs() == ("other", "sim")
        assert len(history.runs()) == 4
    run = runs[0]
    assert run.path == tmp_path / "sim" / run.run_id
    assert run.started == data.FIRST + timedelta(hours=1)
    assert run.verdict is Verdict.PASS and run.requirements["CMD-RTT"].verdict is Verdict.PASS
    assert run.commit_words == "000000000" and not run.dirty and run.simulated and not run.aborted
    assert run.rig_hash == "ab" * 32 and run.version == "0.1.0"
    assert run.host_class == "Intel(R) Core(TM) i7-1370P, 2 CPUs, x86_64"
    assert run.circumstances["robot.software"] == "robot 1.0"
    assert run.circumstances["kernel"] == data.HOST["kernel"] and "load_1_min" not in run.circumstances
    command = run.scenarios["command"]
    assert (command.message, command.answer) == ("geometry_msgs/msg/TwistStamped",) * 2
    assert (command.schedule, command.rate_hz, command.message_bytes) == ("paced at 200 Hz", 200.0, 64)
    assert command.p99_ms == 1 and command.p50_ms == 0.25 and command.sent == 400


def test_runs_are_chosen_by_time_and_number(tmp_path: Path) -> None:
    for number in range(5):
        data.written(tmp_path, number, p99_ms=1 + number)
    with History.open(tmp_path) as history:

        def estimates(**chosen: object) -> list[float | None]:
            return [run.requirements["CMD-RTT"].estimate for run in history.runs("sim", **chosen)]  # type: ignore[arg-type]

        since = data.FIRST + timedelta(hours=2)
        assert estimates(since=since) == [3, 4, 5]
        assert estimates(since=since.astimezone(), last=2) == [4, 5]
        assert estimates(last=1) == [5]
        assert estimates(last=0) == []
        assert history.runs("nobody") == ()


def test_what_changes_in_the_folders_is_taken_over(tmp_path: Path) -> None:
    first = data.written(tmp_path, 1)
    second = data.written(tmp_path, 2)
    with History.open(tmp_path) as history:
        assert history.refresh() == 0
        (second / "results.json").write_text(json.dumps(data.results(2, p99_ms=12.0)))
        shutil.rmtree(first)
        data.written(tmp_path, 3)
        assert history.refresh() == 2
        assert [run.verdict.value for run in history.runs()] == ["FAIL", "PASS"]
        assert history.refresh() == 0


def test_a_rebuilt_index_is_the_same(tmp_path: Path) -> None:
    for number in range(3):
        data.written(tmp_path, number)
    with History.open(tmp_path) as history:
        before = history.runs()
    with History.open(tmp_path, rebuild=True) as history:
        assert history.runs() == before
        assert history.refresh(rebuild=True) == 3
        assert history.runs() == before


@pytest.mark.parametrize(
    "damage",
    [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000, b"{}", b'{"run_id": 1, "rig": [], "provenance": 3}'],
)
def test_a_folder_that_cannot_be_read_is_named_and_skipped(tmp_path: Path, damage: bytes) -> None:
    data.written(tmp_path, 1)
    broken = data.written(tmp_path, 2)
    (broken / "results.json").write_bytes(damage)
    (tmp_path / "notes.txt").write_text("no rig")
    (tmp_path / "sim" / "notes.txt").write_text("no run")
    with History.open(tmp_path) as history:
        assert len(history.runs()) == 1
        (named,) = history.broken
        assert named.path == broken and "results.json" in named.why
        assert history.refresh() == 0, "read once, not every time"
        (broken / "results.json").write_text(json.dumps(data.results(2)))
        history.refresh()
        assert len(history.runs()) == 2 and history.broken == ()


def test_results_of_which_a_value_is_missing_are_broken_and_no_run(tmp_path: Path) -> None:
    folder = data.written(tmp_path, 1)
    whole = json.loads((folder / "results.json").read_text())
    for key in ("run_id", "started", "verdict", "requirements", "scenarios", "provenance"):
        (folder / "results.json").write_text(json.dumps({k: v for k, v in whole.items() if k != key}))
        with History.open(tmp_path) as history:
            assert history.runs() == (), key
            assert key in history.broken[0].why


def test_without_a_run_json_only_the_message_types_are_unknown(tmp_path: Path) -> None:
    folder = data.written(tmp_path, 1)
    (folder / "run.json").write_text("{")
    with History.open(tmp_path) as history:
        (run,) = history.runs()
    assert (run.scenarios["command"].message, run.scenarios["command"].schedule) == ("", "paced at 200 Hz")


def test_a_folder_without_runs_has_none(tmp_path: Path) -> None:
    with History.open(tmp_path) as history:
        assert history.runs() == () and history.rigs() == () and history.broken == ()
    with History.open(tmp_path / "nowhere") as history:
        assert history.runs() == ()
    assert not (tmp_path / "nowhere").exists()


@pytest.mark.parametrize(
    "damage", ["text", "cut", "holes", "other tables", "other columns", "older", "newer"]
)
def test_a_damaged_or_foreign_index_is_made_again(tmp_path: Path, damage: str) -> None:
    for number in range(30):
        data.written(tmp_path, number)
    with History.open(tmp_path) as history:
        before = history.runs()
    file = tmp_path / FILE
    content = file.read_bytes()
    if damage == "text":
        file.write_bytes(b"this is no database, but it is longer than a header of one" * 40)
    elif damage == "cut":
        file.write_bytes(content[: len(content) // 2])
    elif damage == "holes":
        file.write_bytes(content[:4096] + b"\x5a" * (len(content) - 4096))
    else:
        connection = sqlite3.connect(file)
        if damage == "other tables":
            connection.executescript("DROP TABLE runs; DROP TABLE scenarios; CREATE TABLE runs (odd);")
        elif damage == "other columns":
            connection.execute("ALTER TABLE requirements DROP COLUMN estimate")
        else:
            connection.execute(f"PRAGMA user_version = {0 if damage == 'older' else 99}")
        connection.commit()
        connection.close()
    with History.open(tmp_path) as history:
        assert history.runs() == before
    with History.open(tmp_path) as history:
        assert history.refresh() == 0, "the new index is kept"
        assert history.runs() == before


def test_an_index_that_cannot_be_written_answers_all_the_same(tmp_path: Path) -> None:
    data.written(tmp_path, 1)
    (tmp_path / FILE).symlink_to(tmp_path / "nowhere" / "x")
    with History.open(tmp_path) as history:
        assert len(history.runs()) == 1
        data.written(tmp_path, 2)
        history.refresh()
        assert len(history.runs()) == 2


def test_a_writer_that_hangs_is_not_waited_for_in_vain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.history.store.BUSY_S", 0.05)
    data.written(tmp_path, 1)
    with History.open(tmp_path) as history:
        assert len(history.runs()) == 1
    data.written(tmp_path, 2)
    hanging = sqlite3.connect(tmp_path / FILE, isolation_level=None)
    hanging.execute("BEGIN IMMEDIATE")
    try:
        with History.open(tmp_path) as history:
            assert len(history.runs()) == 2
    finally:
        hanging.close()


def test_a_run_that_ends_is_recorded_where_it_belongs(tmp_path: Path) -> None:
    folder = data.written(tmp_path, 1)
    record(folder)
    connection = sqlite3.connect(tmp_path / FILE)
    assert connection.execute("SELECT rig, verdict FROM runs").fetchall() == [("sim", "PASS")]
    connection.close()
    elsewhere = tmp_path / "copies" / "some"
    shutil.copytree(folder, elsewhere / "run")
    record(elsewhere / "run")
    record(tmp_path / "sim")
    assert not list(tmp_path.glob(f"*/{FILE}"))


def test_asking_imports_neither_the_rig_files_nor_the_tables() -> None:
    from harness import folder
    from harness.history import reading

    assert reading.RUN == folder.RUN
    code = (
        "import sys, harness.history.command; "
        "heavy = ('harness.folder', 'harness.config', 'pyarrow', 'scipy', 'matplotlib'); "
        "print([each for each in heavy if each in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_reports_folder_may_move(tmp_path: Path) -> None:
    data.written(tmp_path / "here", 1)
    with History.open(tmp_path / "here") as history:
        assert history.runs()[0].path.is_dir()
    (tmp_path / "here").rename(tmp_path / "there")
    with History.open(tmp_path / "there") as history:
        assert history.refresh() == 0
        assert history.runs()[0].path.is_dir()
