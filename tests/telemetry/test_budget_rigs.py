"""Budgets that runs of rigs decide."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import report_data

from harness.results import Results
from harness.telemetry.budget import Budgets
from harness.telemetry.budget.limits import Limits
from harness.telemetry.budget.rigs import from_runs

COMMAND = Limits("command", upper=10, rig=("command_round_trip", "latency"))


def written(reports: Path, run: str, rig: str = "sim", aborted: bool = False, **changes: Any) -> Results:
    """Results of a run in its folder; ``changes`` of the requirement."""
    table = report_data.samples(3000)
    requirement = report_data.requirement(table, **changes)
    found = report_data.results(
        {"command": report_data.scenario_result(table)}, [requirement], run_id=run, aborted=aborted
    )
    folder = reports / rig / run
    folder.mkdir(parents=True)
    (folder / "results.json").write_text(found.model_dump_json(by_alias=True))
    return found


def test_the_newest_run_of_each_rig_that_ended_decides(tmp_path: Path) -> None:
    written(tmp_path, "2026-01-01T00-00-00Z-aaaa")
    newest = written(tmp_path, "2026-01-02T00-00-00Z-bbbb")
    written(tmp_path, "2026-01-03T00-00-00Z-cccc", aborted=True)
    written(tmp_path, "2026-01-01T00-00-00Z-dddd", rig="other")
    (tmp_path / "sim" / "2026-01-04T00-00-00Z-eeee").mkdir()
    (tmp_path / "sim" / "2026-01-04T00-00-00Z-eeee" / "results.json").write_text("{broken")
    found = from_runs([COMMAND], tmp_path)
    assert [each.run for each in found] == ["2026-01-01T00-00-00Z-dddd", "2026-01-02T00-00-00Z-bbbb"]
    asked = newest.requirements[0]
    assert found[1].verdict == asked.verdict and found[1].n == asked.n
    assert found[1].bound == asked.upper_bound
    assert found[1].average == newest.scenarios["command"].latency_ms.mean


@pytest.mark.parametrize(
    ("budget", "changes", "verdict"),
    [
        ({"upper": 10}, {"verdict": "PASS", "limit": 10.0}, "PASS"),
        ({"upper": 10}, {"verdict": "PASS", "limit": 8.0}, "PASS"),
        ({"upper": 10}, {"verdict": "PASS", "limit": 20.0}, "INCONCLUSIVE"),
        ({"upper": 10, "quantile": 0.999}, {"verdict": "PASS", "limit": 10.0}, "INCONCLUSIVE"),
        ({"upper": 10, "confidence": 0.99}, {"verdict": "PASS", "limit": 10.0}, "INCONCLUSIVE"),
        ({"upper": 10, "quantile": 0.9}, {"verdict": "PASS", "limit": 10.0}, "PASS"),
        ({"upper": 10}, {"verdict": "FAIL", "limit": 20.0}, "FAIL"),
        ({"upper": 10}, {"verdict": "FAIL", "limit": 8.0}, "INCONCLUSIVE"),
        ({"upper": 10, "quantile": 0.9}, {"verdict": "FAIL", "limit": 10.0}, "INCONCLUSIVE"),
        ({"upper": 10}, {"verdict": "ERROR", "limit": 10.0}, "ERROR"),
        ({"upper": 0.01, "unit": "s"}, {"verdict": "PASS", "limit": 10.0}, "PASS"),
        ({"lower": 10}, {"verdict": "PASS", "limit": 10.0}, "INCONCLUSIVE"),
    ],
)
def test_a_verdict_is_taken_over_only_where_it_follows(
    tmp_path: Path, budget: dict[str, Any], changes: dict[str, Any], verdict: str
) -> None:
    written(tmp_path, "2026-01-01T00-00-00Z-aaaa", **changes)
    (found,) = from_runs([Limits("command", rig=COMMAND.rig, **budget)], tmp_path)
    assert found.verdict.value == verdict, found.reason


def test_other_kinds_and_units_are_not_taken(tmp_path: Path) -> None:
    written(tmp_path, "2026-01-01T00-00-00Z-aaaa")
    other = [
        Limits("a", upper=10, rig=("swarm_reorganization", "latency")),
        Limits("b", upper=10, rig=("command_round_trip", "jitter")),
        Limits("c", upper=10, unit="Hz", rig=COMMAND.rig),
        Limits("d", upper=10),
    ]
    assert from_runs(other, tmp_path) == []
    assert from_runs([COMMAND], tmp_path / "nowhere") == []


def test_a_report_has_them_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "reports", "2026-01-01T00-00-00Z-aaaa", verdict="PASS", limit=10.0)
    budgets = Budgets()
    budgets.load(Path(__file__).resolve().parents[2] / "budgets")
    report = budgets.results()
    assert report.verdict == "PASS"
    text = str(report)
    assert "Runs of rigs:\n- robotics.command_response: " in text and "ms avg (PASS) " in text
    assert "robotics.command_response" not in text.splitlines()[-1]
    assert json.loads(report.render("json"))["runs"][0]["budget"] == "robotics.command_response"
    assert "## Runs of rigs" in report.render("markdown")
