"""Two runs of one rig at the same time: the second is refused and told by whom; the first goes on."""

from __future__ import annotations

import json

import pytest
from fault_bench import assert_stopped, call, rig_file, running

pytestmark = pytest.mark.slow


def test_the_second_run_is_refused_and_says_by_whom_and_the_first_goes_on(tmp_path):
    with running(tmp_path / "first", {"scenarios.command.schedule.samples": 1500}) as first:
        first.wait_measuring(20)
        file = rig_file(tmp_path / "second")
        second = call(tmp_path / "second", "run", str(file), "--out", str(tmp_path / "second" / "out"))
        assert second.finish() == 4
        for part in (
            "rig 'loop' is in use",
            f"run {first.run_dir.name}",
            f"process {first.popen.pid}",
            f"kill -INT {first.popen.pid}",
        ):
            assert part in second.stderr, second.stderr
        assert "Traceback" not in second.stderr
        assert not (tmp_path / "second" / "out").exists()
        assert not second.robot
        assert first.popen.poll() is None, "the first run had ended meanwhile: give it more samples"
        status = first.finish()
        evidence = first.evidence
    assert evidence.run["status"] == "finished"
    assert status == evidence.results.verdict.exit_status
    assert evidence.scenario.sent + evidence.scenario.skipped == 1500
    assert evidence.scenario.lost == 0
    assert_stopped(first.robot)


def test_once_the_first_has_ended_the_rig_is_free_and_runs_lie_side_by_side(tmp_path):
    file = rig_file(tmp_path, {"scenarios.command.schedule.samples": 50})
    for _ in range(2):
        run = call(tmp_path, "run", str(file), "--out", str(tmp_path / "out"), "--quiet")
        assert run.finish() in (0, 3), run.stderr
    folders = sorted((tmp_path / "out" / "loop").iterdir())
    assert len(folders) == 2
    ids = [json.loads((folder / "run.json").read_text())["run_id"] for folder in folders]
    assert ids == [folder.name for folder in folders]
