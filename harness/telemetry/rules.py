"""Recording and alerting rules for Prometheus, as code; ``python -m harness.telemetry.dashboards`` writes
them.

Burn rate: the share of observations beyond a limit over the share that may be, so that 1 just keeps the
budget. Windows and factors are those of *The Site Reliability Workbook*, chapter 5 ("Multiwindow,
multi-burn-rate alerts"), for a budget of 30 days: 14.4 over 1 h and 5 min, 6 over 6 h and 30 min, 1 over
3 d and 6 h.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

WINDOWS = ("5m", "30m", "1h", "6h", "3d")
BURNS = (
    ("HarnessBudgetBurnsFast", 14.4, "1h", "5m", "1m", "critical"),
    ("HarnessBudgetBurns", 6, "6h", "30m", "5m", "critical"),
    ("HarnessBudgetBurnsSlowly", 1, "3d", "6h", "30m", "warning"),
)
RUNBOOKS = "docs/runbooks.md"
WORSE = 0.8
"""Headroom of this share of a week before is a degradation."""


@dataclass(frozen=True)
class Alert:
    """One alerting rule; its runbook is the section of docs/runbooks.md of the same name."""

    name: str
    expr: str
    lasting: str
    severity: str
    summary: str

    def as_rule(self) -> dict[str, Any]:
        """For Prometheus."""
        return {
            "alert": self.name,
            "expr": self.expr,
            "for": self.lasting,
            "labels": {"severity": self.severity},
            "annotations": {"summary": self.summary, "runbook_url": f"{RUNBOOKS}#{self.name.lower()}"},
        }


def _records() -> list[dict[str, Any]]:
    records = []
    for window in WINDOWS:
        budgets = (
            f"sum by (operation, pillar, limit) (rate(harness_budget_overruns_total[{window}]))"
            " / on (operation, pillar) group_left () ("
            f"sum by (operation, pillar) (rate(harness_budget_duration_seconds_count[{window}]))"
            f" or sum by (operation, pillar) (rate(harness_budget_value_count[{window}])))"
            " / on (operation, pillar) group_left ()"
            " max by (operation, pillar) (harness_budget_allowed_ratio)"
        )
        rigs = (
            f"sum by (rig, scenario, requirement) (rate(harness_rig_overruns_total[{window}]))"
            f" / sum by (rig, scenario, requirement) (rate(harness_rig_latency_seconds_count[{window}]))"
            " / max by (rig, scenario, requirement) (harness_rig_allowed_ratio)"
        )
        records.append({"record": f"harness:budget_burn:{window}", "expr": budgets})
        records.append({"record": f"harness:rig_burn:{window}", "expr": rigs})
    records += [{"record": name, "expr": expr} for name, expr in _others()]
    return records


def _others() -> Iterator[tuple[str, str]]:
    for record, by, name in (
        ("harness:budget_p99_seconds:5m", "operation, pillar", "harness_budget_duration_seconds"),
        ("harness:budget_p99_value:5m", "operation, pillar, unit", "harness_budget_value"),
        ("harness:rig_p99_seconds:5m", "rig, scenario, requirement", "harness_rig_latency_seconds"),
    ):
        yield record, f"histogram_quantile(0.99, sum by ({by}, le) (rate({name}_bucket[5m])))"
    yield (
        "harness:requirement_headroom:1d",
        "avg by (rig, scenario, requirement) (avg_over_time(harness_requirement_headroom_ratio[1d]))",
    )
    yield (
        "harness:rig_pass_share:all",
        'sum by (rig) (harness_rig_runs_total{verdict="PASS"}) / (sum by (rig) (harness_rig_runs_total) > 0)',
    )


ALERTS = (
    *(
        Alert(
            name,
            f"(harness:budget_burn:{long} > {factor} and harness:budget_burn:{short} > {factor})"
            f" or (harness:rig_burn:{long} > {factor} and harness:rig_burn:{short} > {factor})",
            lasting,
            severity,
            "{{ $labels.operation }}{{ $labels.rig }} {{ $labels.requirement }} uses up its budget"
            f" more than {factor:g} times too fast, over {long} and {short}",
        )
        for name, factor, long, short, lasting, severity in BURNS
    ),
    Alert(
        "HarnessBudgetBreached", 'harness_budget_verdict{verdict="FAIL"} == 1', "1m", "critical",
        "{{ $labels.operation }} ({{ $labels.pillar }}) breaks its budget",
    ),
    Alert(
        "HarnessRequirementFailed", 'harness_requirement_verdict{verdict="FAIL"} == 1', "1m", "critical",
        "{{ $labels.rig }}: {{ $labels.requirement }} failed in the newest run",
    ),
    Alert(
        "HarnessBenchError", 'harness_requirement_verdict{verdict="ERROR"} == 1', "1m", "warning",
        "{{ $labels.rig }}: the bench broke, {{ $labels.requirement }} was not decided",
    ),
    Alert(
        "HarnessWorseThanLastWeek",
        f"harness:requirement_headroom:1d < {WORSE} * (harness:requirement_headroom:1d offset 1w)",
        "1h", "warning",
        "{{ $labels.rig }}: headroom of {{ $labels.requirement }} is {{ $value | humanize }},"
        " less than 80 % of that of the week before",
    ),
    Alert(
        "HarnessRigSilent",
        "harness_rig_running == 1 and on (rig) time() - harness_rig_heartbeat_timestamp_seconds > 120",
        "1m", "critical",
        "{{ $labels.rig }}: a run has not ended, and gave no sign of life for two minutes",
    ),
    Alert(
        "HarnessBenchSilent", 'up{job="harness"} == 0', "2m", "critical",
        "{{ $labels.instance }}: harness metrics does not answer",
    ),
    Alert(
        "HarnessRigNotMeasured",
        "time() - harness_rig_last_run_timestamp_seconds > 8 * 86400"
        " unless on (rig) harness_rig_running == 1",
        "1h", "warning",
        "{{ $labels.rig }}: not measured for more than eight days",
    ),
)  # fmt: skip


def rules() -> dict[str, Any]:
    """The whole file."""
    return {
        "groups": [
            {"name": "harness-records", "rules": _records()},
            {"name": "harness-alerts", "rules": [each.as_rule() for each in ALERTS]},
        ]
    }
