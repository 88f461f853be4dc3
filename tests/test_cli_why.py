"""``harness why``: of a real run, with and without a cause; opinions never alter a verdict."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from harness.analysis import derive as deriving
from harness.cli import cli
from harness.config import load_rig
from harness.folder import RunFolder
from harness.results import Results
from harness.runner import RunOptions, run_rig

ROOT = Path(__file__).resolve().parents[1]
SETTINGS = (
    "scenarios.command.schedule.samples=400",
    "host.max_load_per_cpu=1000",
    "host.floor_s=0",
    "host.realtime=false",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rig = load_rig(ROOT / "rig_configs" / "loopback.yaml", SETTINGS)
    return run_rig(rig, RunOptions(out=tmp_path_factory.mktemp("why"))).folder


def test_it_prints_what_it_found(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["why", str(folder)])
    assert result.exit_code == 0, result.output
    assert "command" in result.output
    assert "no clear cause" in result.output or "because:" in result.output


def test_as_json_it_is_what_the_results_hold(folder: Path) -> None:
    result = CliRunner().invoke(cli, ["why", str(folder), "--json"])
    told = json.loads(result.output)
    kept = Results.model_validate_json((folder / "results.json").read_bytes())
    assert told == [each.model_dump(mode="json") for each in kept.bottlenecks]
    assert told[0]["scenario"] == "command" and told[0]["n"] == 400


def test_a_run_that_has_not_ended_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run.json").write_text(json.dumps({"status": "running", "run_id": "x"}))
    result = CliRunner().invoke(cli, ["why", str(tmp_path)])
    assert "has not ended" in str(result.exception)


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path) -> None:
    result = CliRunner().invoke(cli, ["why", str(tmp_path)])
    assert "is no run folder" in str(result.exception)


def test_opinions_that_cannot_be_had_alter_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = Results.model_validate_json((folder / "results.json").read_bytes())

    def fail(*_: object) -> None:
        raise ValueError("planted")

    monkeypatch.setattr(deriving, "bottlenecks", fail)
    after = deriving.derive(RunFolder.open(folder))
    assert after.bottlenecks == []
    assert after.model_copy(update={"bottlenecks": before.bottlenecks}) == before
    assert RunFolder.open(folder).events()[-1]["message"] == "ValueError: planted"
