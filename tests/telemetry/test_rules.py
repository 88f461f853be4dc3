"""Alerting rules by promtool: each pending, firing and resolved, and explained in the runbooks."""

from __future__ import annotations

import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness.telemetry.rules import ALERTS, RUNBOOKS, rules

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "dashboards" / "prometheus" / "rules.yaml"
OPERATION = 'operation="check", pillar="security"'
RIG = 'rig="arm", scenario="command", requirement="CMD"'


@dataclass(frozen=True)
class Story:
    """Series, and the instants at which the alert is quiet, pending, firing and quiet again."""

    series: dict[str, str]
    quiet: str
    pending: str
    firing: str
    resolved: str
    every: str = "1m"


def burning(share: int, minutes: int, after: int) -> dict[str, str]:
    """An hour of observations of which ``share`` of a hundred are overruns, then none; 1 % is allowed."""
    overruns = f"0+{share}x{minutes} {share * minutes}x{after}"
    return {
        f'harness_budget_overruns_total{{{OPERATION}, limit="upper"}}': overruns,
        f"harness_budget_duration_seconds_count{{{OPERATION}}}": f"0+100x{minutes + after}",
        f"harness_budget_allowed_ratio{{{OPERATION}}}": f"0.01x{minutes + after}",
    }


def verdict(metric: str, which: str) -> dict[str, str]:
    labels = OPERATION if "budget" in metric else RIG
    return {f'{metric}{{{labels}, verdict="{which}"}}': "0x5 1x10 0x10"}


STORIES = {
    "HarnessBudgetBurnsFast": Story(burning(20, 10, 60), "0m", "1m", "5m", "25m"),
    "HarnessBudgetBurns": Story(burning(10, 20, 120), "0m", "3m", "12m", "80m"),
    "HarnessBudgetBurnsSlowly": Story(burning(2, 60, 500), "0m", "10m", "50m", "500m"),
    "HarnessBudgetBreached": Story(verdict("harness_budget_verdict", "FAIL"), "5m", "6m", "8m", "18m"),
    "HarnessRequirementFailed": Story(
        verdict("harness_requirement_verdict", "FAIL"), "5m", "6m", "8m", "18m"
    ),
    "HarnessBenchError": Story(verdict("harness_requirement_verdict", "ERROR"), "5m", "6m", "8m", "18m"),
    "HarnessWorseThanLastWeek": Story(
        {f"harness_requirement_headroom_ratio{{{RIG}}}": "10x192 4x72 10x72"},
        "192h", "201h", "210h", "330h", "1h",
    ),
    "HarnessRigSilent": Story(
        {'harness_rig_running{rig="arm"}': "1x20",
         'harness_rig_heartbeat_timestamp_seconds{rig="arm"}': "0+60x5 300x5 660+60x9"},
        "7m", "8m", "10m", "12m",
    ),
    "HarnessBenchSilent": Story(
        {'up{job="harness", instance="bench"}': "1x5 0x5 1x10"}, "5m", "6m", "9m", "12m"
    ),
    "HarnessRigNotMeasured": Story(
        # promtool's clock begins at 0: 200 s of the eight days are left.
        {'harness_rig_last_run_timestamp_seconds{rig="arm", simulated="true"}': "-691000x80 4800x20",
         'harness_rig_running{rig="arm"}': "0x100"},
        "3m", "4m", "66m", "82m",
    ),
}  # fmt: skip


def test_every_alert_has_a_story() -> None:
    assert set(STORIES) == {each.name for each in ALERTS}


def test_the_rules_in_git_are_those_of_the_code_and_promtool_accepts_them() -> None:
    assert yaml.safe_load(RULES.read_text()) == rules()
    done = subprocess.run(
        ["promtool", "check", "rules", str(RULES)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def states(name: str, at: str, *found: str) -> dict[str, Any]:
    samples = [{"labels": f'{{alertstate="{state}"}}', "value": 1} for state in found]
    query = f'count by (alertstate) (ALERTS{{alertname="{name}"}})'
    return {"expr": query, "eval_time": at, "exp_samples": samples}


@pytest.mark.slow
@pytest.mark.parametrize("name", STORIES)
def test_an_alert_becomes_pending_fires_and_is_resolved(name: str, tmp_path: Path) -> None:
    story = STORIES[name]
    expected = [
        states(name, story.quiet),
        states(name, story.pending, "pending"),
        states(name, story.firing, "firing"),
        states(name, story.resolved),
    ]
    test = {
        "rule_files": [str(RULES)],
        "evaluation_interval": story.every,
        # Otherwise a turn is evaluated in any order, and a record may come after its alert.
        "group_eval_order": [each["name"] for each in rules()["groups"]],
        "tests": [
            {
                "interval": story.every,
                "input_series": [{"series": each, "values": values} for each, values in story.series.items()],
                "promql_expr_test": expected,
            }
        ],
    }
    file = tmp_path / "test.yaml"
    file.write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", str(file)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_has_its_section_in_the_runbooks() -> None:
    text = (ROOT / RUNBOOKS).read_text(encoding="utf-8")
    sections = dict(re.findall(r"^## (\w+)\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL))
    assert set(sections) == {each.name for each in ALERTS}
    for name, section in sections.items():
        for word in ("**Means:**", "**Look at:**", "**Do:**"):
            assert word in section, name
    for each in ALERTS:
        assert each.as_rule()["annotations"]["runbook_url"] == f"{RUNBOOKS}#{each.name.lower()}"
