"""``harness budgets``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import report_data
from click.testing import CliRunner

from harness.cli import cli
from harness.telemetry.budget import Budgets

FILE = """pillar: robotics
budgets:
  robotics.command: {text: a command, unit: ms, upper: 10, rig: {kind: command_round_trip, quantity: latency}}
  mine: {text: mine, unit: ms, upper: 1000}
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.yaml").write_text(FILE)
    return tmp_path


@pytest.mark.parametrize(("verdict", "status"), [("PASS", 0), ("FAIL", 1), ("INCONCLUSIVE", 3), ("ERROR", 4)])
def test_the_exit_status_is_the_verdict(place: Path, verdict: str, status: int) -> None:
    table = report_data.samples(3000)
    found = report_data.results(
        {"command": report_data.scenario_result(table)}, [report_data.requirement(table, verdict=verdict)]
    )
    folder = place / "reports" / "sim" / "2026-01-01T00-00-00Z-aaaa"
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(found.model_dump_json(by_alias=True))
    done = CliRunner().invoke(cli, ["budgets", "--budgets", "b.yaml"], standalone_mode=False)
    assert done.return_value == status, done.output
    assert f"({verdict})" in done.output


def test_what_programs_have_observed_and_other_formats(place: Path) -> None:
    book = Budgets(gather=place / "gathered", reports=None)
    measured = book.measure(name="mine")(lambda: None)  # the limit is in the file alone
    for _ in range(5):
        measured()
    arguments = [
        "budgets",
        "--budgets",
        "b.yaml",
        "--folder",
        "gathered",
        "--format",
        "json",
        "--out",
        "o.json",
    ]
    done = CliRunner().invoke(cli, arguments, standalone_mode=False)
    assert done.return_value == 3 and done.output == ""
    (line,) = (each for each in json.loads((place / "o.json").read_text())["budgets"] if each["n"])
    assert (line["name"], line["n"], line["upper"]) == ("mine", 5, 1000)
    assert line["limits"][0]["n"] == 5 and line["unlimited"] == 0


def test_a_mistake_is_told(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from harness.cli import main

    (place / "b.yaml").write_text(FILE.replace("upper: 1000", "uper: 1000"))
    with pytest.raises(SystemExit) as ended:
        main(["budgets", "--budgets", "b.yaml"])
    assert ended.value.code == 2
    assert "b.yaml:4" in capsys.readouterr().err
