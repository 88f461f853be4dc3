"""Threads and processes in one report, and no observation lost, however a process ends."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.telemetry.budget import Budgets
from harness.telemetry.budget.gathering import FOLDER, OWNER
from harness.telemetry.budget.shared import SLOTS, gathered

PROGRAM = Path(__file__).with_name("budget_program.py")
ROOT = PROGRAM.parents[2]


def environment(**more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in (FOLDER, OWNER)}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


def report_of(method: str, threads: int, calls: int, folder: Path) -> dict[str, dict[str, object]]:
    done = subprocess.run(
        [sys.executable, str(PROGRAM), method, str(threads), str(calls)],
        env=environment(TMPDIR=str(folder)),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return {each["name"]: each for each in json.loads(done.stdout)["budgets"]}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fork", "spawn", "pool", "killed", "programs"])
def test_ten_threads_in_each_of_four_processes_lose_nothing(method: str, tmp_path: Path) -> None:
    found = report_of(method, 10, 1000, tmp_path)
    operation, value = found["operation"], found["value"]
    assert (operation["n"], operation["failed"]) == (50_000, 500)
    # In a pool one worker may take the work of another that is slow to start.
    assert operation["processes"] in (range(2, 6) if method == "pool" else (5,))
    assert operation["verdict"] != "FAIL"
    assert value["n"] == 5000 and value["mean"] == 495 and value["max"] == 990
    # Every process has found for itself what measuring adds; none of their overruns may be forgotten for it.
    limit = found["tight"]["limits"][0]  # type: ignore[index]
    assert (limit["over"], limit["n"]) == (5000, 5000)
    kinds = operation["errors"]
    assert isinstance(kinds, dict) and set(kinds) == {"ValueError"}
    if method not in ("killed", "pool"):
        assert kinds["ValueError"] == 500
    # The folder is removed by the one that owned it.
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("harness-budget")] == []


@pytest.mark.slow
def test_a_folder_that_is_given_gathers_any_programs_and_stays(tmp_path: Path) -> None:
    folder = tmp_path / "gathered"
    for _ in range(2):
        subprocess.run(
            [sys.executable, str(PROGRAM), "child", "2", "5000"],
            env=environment(**{FOLDER: str(folder)}),
            timeout=100,
            check=True,
        )
    line = Budgets(gather=folder, reports=None).results()["operation"]
    assert (line.n, line.failed, line.processes) == (20_000, 200, 2)
    assert line.errors == {"ValueError": 200} and line.limits.upper == 60_000
    # The places are few; what they held is in the tally.
    sizes = [each.stat().st_size for each in folder.rglob("*.slots")]
    assert len(sizes) == 6 and set(sizes) == {8 + 8 * SLOTS}


@pytest.mark.slow
def test_a_report_while_others_write_never_counts_twice_or_backwards(tmp_path: Path) -> None:
    folder = tmp_path / "gathered"
    program = subprocess.Popen(
        [sys.executable, str(PROGRAM), "child", "4", "20000"], env=environment(**{FOLDER: str(folder)})
    )
    counts = [0]
    try:
        until = time.monotonic() + 60
        while program.poll() is None and time.monotonic() < until:
            for found in gathered(folder):
                if found.limits.name == "operation":
                    counts.append(found.tally.n)
    finally:
        program.wait(60)
    (last,) = [found.tally.n for found in gathered(folder) if found.limits.name == "operation"]
    assert counts == sorted(counts) and max(counts) <= 80_000 and last == 80_000


def test_a_fork_begins_with_nothing_of_its_parent(tmp_path: Path) -> None:
    budgets = Budgets(gather=tmp_path, reports=None)
    measured = budgets.measure(max_time_ms=1000, name="f")(lambda: None)
    for _ in range(10):
        measured()
    child = os.fork()
    if child == 0:
        for _ in range(3):
            measured()
        os._exit(0)
    os.waitpid(child, 0)
    measured()
    line = budgets.results()["f"]
    assert (line.n, line.processes) == (14, 2)


def test_what_is_no_observation_is_left_out_and_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    budgets = Budgets(gather=tmp_path, reports=None)
    budgets.measure(max_time_ms=1000, name="f")(lambda: None)()
    other = tmp_path / "77-1"
    other.mkdir()
    (other / "0.npz").write_bytes(b"not at all")
    (tmp_path / "a file").write_text("x")
    assert budgets.results()["f"].n == 1
    assert "is not what a process observed" in caplog.text


def test_where_no_file_can_be_made_the_process_observes_for_itself(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "taken").write_text("a file, not a folder")
    budgets = Budgets(gather=tmp_path / "taken", reports=None)
    measured = budgets.measure(max_time_ms=1000, name="f")(lambda: None)
    for _ in range(5):
        measured()
    assert budgets.results()["f"].n == 5
    assert "in this process alone" in caplog.text


def test_reset_forgets_the_folder_too(tmp_path: Path) -> None:
    budgets = Budgets(gather=tmp_path / "g", reports=None)
    measured = budgets.measure(max_time_ms=1000, name="f")(lambda: None)
    for _ in range(2 * SLOTS + 5):
        measured()
    assert budgets.results()["f"].n == 2 * SLOTS + 5
    budgets.reset()
    measured()
    assert budgets.results()["f"].n == 1


def test_no_number_in_a_file_neither_waits_nor_is_lost(tmp_path: Path) -> None:
    budgets = Budgets(gather=tmp_path, reports=None)
    for number in range(SLOTS + 10):
        budgets.observe("v", float("nan") if number % 2 else float(number))
    line = budgets.results()["v"]
    assert (line.n, line.invalid) == (SLOTS // 2 + 5, SLOTS // 2 + 5)
