"""Each sample of a growing run once, as samples.parquet has it at the end."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).parent))

from node_bench import PATIENCE_S, ROOT, counted, lost, rig_file

from harness.ros.tracker import Known, Tracker
from harness.ros.watched import WatchedRun

pytestmark = pytest.mark.slow


def trials(path: Path) -> Path:
    """The rig with answers that carry no key: the first one after a command counts."""
    rig = yaml.safe_load(path.read_text(encoding="utf-8"))
    rig["devices"]["robot"]["ports"]["applied"]["response"]["match"] = {"kind": "order"}
    command = rig["scenarios"]["command"]
    command["timeout_ms"] = 30
    command["schedule"] = {"kind": "trials", "samples": 100, "stopping": "fixed"}
    command["schedule"] |= {"quiet_ms": 2, "dwell_ms": [1, 4], "warmup": 3}
    path.write_text(yaml.safe_dump(rig), encoding="utf-8")
    return path


def two_scenarios(path: Path) -> Path:
    rig = yaml.safe_load(path.read_text(encoding="utf-8"))
    first = rig["scenarios"]["command"]
    first["schedule"]["samples"] = 150
    rig["scenarios"]["again"] = {**first, "schedule": {**first["schedule"], "samples": 90}}
    path.write_text(yaml.safe_dump(rig), encoding="utf-8")
    return path


def started(rig: Path, monkeypatch: pytest.MonkeyPatch) -> WatchedRun:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(rig.parent / "locks"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    return WatchedRun([f"--out={rig.parent / 'reports'}", "--anyway", "--quiet", "--", str(rig)], rig.stem)


def all_of(run: WatchedRun) -> list[Known]:
    """Its samples, taken as they come."""
    taken: list[Known] = []
    deadline = time.monotonic() + PATIENCE_S
    while not run.over or run.samples:
        assert time.monotonic() < deadline, run.snapshot
        while run.samples:
            taken.append(run.samples.popleft())
        time.sleep(0.02)
    return taken


@pytest.mark.parametrize("change", [lambda path: path, trials, two_scenarios], ids=["paced", "trials", "two"])
def test_every_sample_comes_once(change: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert callable(change)
    run = started(change(rig_file(tmp_path, samples=200)), monkeypatch)
    try:
        taken = all_of(run)
        folder = run.folder
        assert folder is not None, run.snapshot
        rows = counted(folder)
        assert [each.scenario for each in taken] == [row["scenario_name"] for row in rows]
        assert len({each.at_ns for each in taken}) == len(rows) >= 100
        assert [math.isnan(each.latency_ms) for each in taken] == [
            lost(row) or row["sent_ns"] < 0 for row in rows
        ]
        last = list(run.snapshot.requirements)
        assert last == ["LOOP-RTT"]
        results = json.loads((folder / "results.json").read_text())
        assert (run.snapshot.phase, run.snapshot.verdict) == ("finished", results["verdict"])
        figures = run.snapshot.figures
        mine = [row for row in rows if row["scenario_name"] == figures.scenario]
        assert (figures.done, figures.lost) == (len(mine), sum(map(lost, mine)))
        for limit in (1_000_000, 7):
            again = [each for part in Tracker(folder).rest(limit) for each in part]
            assert [each.at_ns for each in again] == [each.at_ns for each in taken]
    finally:
        run.interrupt()
        run.close()


def test_memory_is_bounded_while_nobody_takes_the_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.ros.watched.BATCH", 50)
    run = started(rig_file(tmp_path, samples=400), monkeypatch)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while run.process.status is None:
            assert time.monotonic() < deadline
            assert len(run.samples) < 100
            time.sleep(0.02)
        taken = all_of(run)
        assert run.folder is not None
        assert len(taken) == len(counted(run.folder)) == 400
    finally:
        run.interrupt()
        run.close()


def test_a_folder_that_is_no_run_has_no_samples(tmp_path: Path) -> None:
    tracker = Tracker(tmp_path)
    assert tracker.look(10) == []
    assert list(tracker.rest(10)) == []
    assert tracker.figures.done == 0


def test_a_run_interrupted_before_it_begins_has_done_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = started(rig_file(tmp_path), monkeypatch)
    run.interrupt()
    run.close()
    run._thread.join()
    assert run.process.status != 0
    assert not list(tmp_path.glob("reports/*/*/results.json"))


def test_the_folder_is_told_on_a_descriptor(tmp_path: Path) -> None:
    told, tell = os.pipe()
    command = [
        sys.executable,
        "-m",
        "harness",
        "run",
        f"--folder-fd={tell}",
        "--out=reports",
        "--anyway",
        "-q",
    ]
    environment = {**os.environ, "HARNESS_LOCK_DIR": str(tmp_path / "locks"), "PYTHONPATH": str(ROOT)}
    rig = rig_file(tmp_path, samples=20)
    done = subprocess.run(
        [*command, str(rig)],
        cwd=tmp_path,
        env=environment,
        pass_fds=(tell,),
        capture_output=True,
        check=False,
    )
    os.close(tell)
    with os.fdopen(told) as pipe:
        (line,) = pipe.read().splitlines()
    assert done.returncode in (1, 3), done.stderr
    assert Path(line).is_absolute()
    assert (Path(line) / "results.json").is_file()
