"""From raw tables to a report, also when they cannot be used."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from harness.conclude import conclude, rerender
from harness.config import find_rig, load_rig
from harness.errors import OperationError
from harness.folder import RunFolder
from harness.model import Verdict
from harness.runner import RunOptions, run_rig

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("conclude")
    patch = pytest.MonkeyPatch()
    patch.setenv("HARNESS_LOCK_DIR", str(root / "locks"))
    loaded = load_rig(find_rig("loopback"), ["scenarios.command.schedule.warmup_s=0.1"])
    outcome = run_rig(loaded, RunOptions(out=root, samples=100, anyway=True, command_line=("test",)))
    patch.undo()
    assert outcome.results is not None
    return outcome.folder


def test_rendering_again_gives_the_same_results(finished: Path) -> None:
    before = json.loads((finished / "results.json").read_text())
    pdf = (finished / "report.pdf").read_bytes()
    again = rerender(finished / "report.pdf")
    assert json.loads((finished / "results.json").read_text()) == before
    assert again.verdict.value == before["verdict"]
    assert (finished / "report.pdf").read_bytes() == pdf


def test_a_run_that_ends_is_in_the_history_and_an_index_that_fails_costs_no_run(finished: Path) -> None:
    reports = finished.parents[1]
    index = reports / ".history.sqlite"
    connection = sqlite3.connect(index)
    assert connection.execute("SELECT run_id FROM runs").fetchall() == [(finished.name,)]
    connection.close()
    index.unlink()
    index.mkdir()
    try:
        again = rerender(finished)
        assert again.results is not None and again.error is None
        assert RunFolder.open(finished).events()[-1]["event"] == "history_not_written"
    finally:
        index.rmdir()


def test_the_command_that_repeats_the_run_names_what_was_chosen(finished: Path) -> None:
    repeat = json.loads((finished / "results.json").read_text())["provenance"]["repeat"]
    assert "--set scenarios.command.schedule.samples=100" in repeat
    assert "--set scenarios.command.schedule.seed=" in repeat


def test_tables_that_cannot_be_used_still_give_every_document(finished: Path, tmp_path: Path) -> None:
    copy = tmp_path / "run"
    copy.mkdir()
    for file in finished.iterdir():
        if file.is_file():
            (copy / file.name).write_bytes(file.read_bytes())
    for name in ("results.json", "report.pdf", "junit.xml", "summary.md"):
        (copy / name).unlink()
    (copy / "stimuli.parquet").write_bytes(b"not a table")
    outcome = conclude(RunFolder.open(copy))
    assert outcome.verdict is Verdict.ERROR
    assert outcome.error
    assert "stimuli.parquet" in outcome.error
    for name in ("results.json", "report.pdf", "junit.xml", "summary.md"):
        assert (copy / name).is_file(), name
    assert json.loads((copy / "results.json").read_text())["requirements"][0]["verdict"] == "ERROR"


def test_a_run_that_never_ended_is_to_be_recovered_first(finished: Path, tmp_path: Path) -> None:
    run = json.loads((finished / "run.json").read_text())
    (tmp_path / "run.json").write_text(json.dumps({**run, "status": "running"}))
    with pytest.raises(OperationError, match="never ended") as caught:
        rerender(tmp_path)
    assert caught.value.hint is not None
    assert "harness recover" in caught.value.hint
