"""What is on which dashboard: titles, queries, units."""

from __future__ import annotations

from harness.telemetry.dashboards.panels import Board, Panel

RIG = (("rig", "harness_rig_running"),)
OF_RIG = '{rig=~"$rig"}'
BURN = 'harness:budget_burn:1h{pillar=~"$pillar"}'
P99_OF_LIMIT = (
    "harness:budget_p99_seconds:5m / on (operation, pillar) group_left ()"
    ' max by (operation, pillar) (harness_budget_limit{limit="upper"})'
)


def _mean(family: str, match: str) -> str:
    """Over the last minute, of what was observed under the names that match."""
    both = (f"rate(harness_budget_{family}_{part}{{operation{match}}}[1m])" for part in ("sum", "count"))
    return " / ".join(both)


CPU = _mean("value", '="system.cpu"')
SWITCHES = _mean("value", '="host.context_switches"')
ROUND_TRIP = _mean("duration_seconds", r'=~"path\\.$rig\\..*round_trip"')
LOSS = _mean("value", r'=~"path\\.$rig\\..*lost"')

OVERVIEW = Board(
    "harness-overview",
    "Harness: all pillars against their budgets",
    "Every budget of every pillar: verdict, burn rate, distance from its limit.",
    (
        Panel(
            "Budgets by verdict",
            "Of those of which anything was observed",
            "stat",
            "none",
            (('sum by (verdict) (harness_budget_verdict{pillar=~"$pillar"})', "{{verdict}}"),),
            8,
        ),
        Panel(
            "Requirements of rigs by verdict",
            "Of the newest run of each rig",
            "stat",
            "none",
            (("sum by (verdict) (harness_requirement_verdict)", "{{verdict}}"),),
            8,
        ),
        Panel(
            "Benches that answer",
            "harness metrics, by address",
            "stat",
            "none",
            (('up{job="harness"}', "{{instance}}"),),
            8,
        ),
        Panel(
            "Verdicts by pillar",
            "1: the verdict that holds now",
            "table",
            "none",
            (('harness_budget_verdict{pillar=~"$pillar"} == 1', "{{operation}}"),),
        ),
        Panel(
            "p99 as a share of the limit",
            "Above 1 the budget is broken, by the last 5 min",
            "series",
            "percentunit",
            ((P99_OF_LIMIT, "{{pillar}} {{operation}}"),),
        ),
        Panel(
            "Burn rate over 1 h",
            "1 just keeps the budget; 14.4 uses up that of 30 days in two",
            "series",
            "none",
            ((BURN, "{{operation}} {{limit}}"),),
        ),
        Panel(
            "Observations per second",
            "How much is measured",
            "series",
            "ops",
            (
                (
                    'sum by (pillar) (rate(harness_budget_duration_seconds_count{pillar=~"$pillar"}[5m]))'
                    ' or sum by (pillar) (rate(harness_budget_value_count{pillar=~"$pillar"}[5m]))',
                    "{{pillar}}",
                ),
            ),
        ),
        Panel(
            "Limits",
            "In seconds, or in the unit",
            "table",
            "none",
            (('harness_budget_limit{pillar=~"$pillar"}', "{{operation}}"),),
            24,
        ),
    ),
    (("pillar", "harness_budget_limit"),),
)
DETAIL = Board(
    "harness-rig",
    "Harness: one rig",
    "The run that goes on, and the newest that ended.",
    (
        Panel(
            "Running",
            "1: a run goes on",
            "stat",
            "none",
            ((f"harness_rig_running{OF_RIG}", "{{rig}}"),),
            6,
            5,
        ),
        Panel(
            "Since the last sign of life",
            "Of the run that goes on",
            "stat",
            "s",
            ((f"time() - harness_rig_heartbeat_timestamp_seconds{OF_RIG}", "{{rig}}"),),
            6,
            5,
        ),
        Panel(
            "Done",
            "Share of the planned samples",
            "stat",
            "percentunit",
            ((f"harness_rig_running_samples{OF_RIG} / harness_rig_running_planned{OF_RIG}", "{{scenario}}"),),
            6,
            5,
        ),
        Panel(
            "As it looks by now",
            "No verdict: that comes at the end, with all checks",
            "stat",
            "none",
            (
                (
                    f"sum by (requirement, verdict) (harness_rig_running_verdict{OF_RIG} == 1)",
                    "{{requirement}} {{verdict}}",
                ),
            ),
            6,
            5,
        ),
        Panel(
            "Running percentiles",
            "Latency from sent, newest 20 000 samples, and the limit",
            "series",
            "s",
            (
                (f"harness_rig_running_quantile_seconds{OF_RIG}", "{{scenario}} {{quantile}}"),
                (f"harness_rig_limit_seconds{OF_RIG}", "limit {{requirement}}"),
            ),
        ),
        Panel(
            "Lateness of the harness",
            "p99; a tenth of the limit is allowed",
            "series",
            "s",
            ((f"harness_rig_running_lateness_p99_seconds{OF_RIG}", "{{scenario}}"),),
        ),
        Panel(
            "Lost and skipped",
            "Of the run that goes on",
            "series",
            "none",
            (
                (f"harness_rig_running_lost{OF_RIG}", "lost {{scenario}}"),
                (f"harness_rig_running_skipped{OF_RIG}", "skipped {{scenario}}"),
            ),
        ),
        Panel(
            "Burn rate over 5 min",
            "1 just keeps the requirement",
            "series",
            "none",
            ((f"harness:rig_burn:5m{OF_RIG}", "{{requirement}}"),),
        ),
        Panel(
            "Newest run: requirements",
            "Estimate, what was shown, limit; seconds, or the unit",
            "table",
            "none",
            (
                (f"harness_requirement_estimate{OF_RIG}", "estimate {{requirement}}"),
                (f"harness_requirement_bound{OF_RIG}", "shown {{requirement}}"),
                (f"harness_requirement_limit{OF_RIG}", "limit {{requirement}}"),
            ),
        ),
        Panel(
            "Newest run: latency",
            "Quantiles",
            "bars",
            "s",
            ((f"harness_rig_latency_quantile_seconds{OF_RIG}", "{{scenario}} {{quantile}}"),),
        ),
        Panel(
            "Network path: round trip",
            "Mean of an echo a second to each device whose address is known",
            "series",
            "s",
            ((ROUND_TRIP, "{{operation}}"),),
        ),
        Panel(
            "Network path: loss",
            "Share of the echoes that did not come back",
            "series",
            "percentunit",
            ((LOSS, "{{operation}}"),),
        ),
    ),
    RIG,
    "now-15m",
)
LATENCY = Board(
    "harness-latency",
    "Harness: distribution of latencies",
    "Edges are powers of two and the limit: counts are exact, quantiles lie within one step.",
    (
        Panel(
            "Rigs: heat map",
            "Samples per second by latency from intent",
            "heatmap",
            "s",
            ((f"sum by (le) (rate(harness_rig_latency_seconds_bucket{OF_RIG}[1m]))", "{{le}}"),),
            24,
            10,
        ),
        Panel(
            "Rigs: distribution",
            "Samples up to each edge within the time shown, less those before",
            "bars",
            "none",
            ((f"sum by (le) (increase(harness_rig_latency_seconds_bucket{OF_RIG}[$__range]))", "{{le}}"),),
        ),
        Panel(
            "Rigs: p99",
            "By the last 5 min",
            "series",
            "s",
            ((f"harness:rig_p99_seconds:5m{OF_RIG}", "{{rig}} {{requirement}}"),),
        ),
        Panel(
            "Operations: heat map",
            "Observations per second by duration",
            "heatmap",
            "s",
            (("sum by (le) (rate(harness_budget_duration_seconds_bucket[1m]))", "{{le}}"),),
            24,
            10,
        ),
        Panel(
            "Operations: p99",
            "By the last 5 min",
            "series",
            "s",
            (("harness:budget_p99_seconds:5m", "{{pillar}} {{operation}}"),),
            24,
        ),
    ),
    RIG,
)
SWARM = Board(
    "harness-swarm",
    "Harness: swarm",
    "Reorganisation after the leader is lost.",
    (
        Panel(
            "Phases of the newest run",
            "Median of each",
            "bars",
            "s",
            (('harness_swarm_phase_seconds{phase!="total",quantile="0.5"}', "{{rig}} {{phase}}"),),
        ),
        Panel(
            "Reorganisation time over the runs",
            "Whole time, quantiles of the newest run",
            "series",
            "s",
            (('harness_swarm_phase_seconds{phase="total"}', "{{rig}} {{quantile}}"),),
        ),
        Panel("Trials", "By outcome", "stat", "none", (("harness_swarm_trials", "{{rig}} {{outcome}}"),)),
        Panel(
            "Violations",
            "Two leaders in a term, ...",
            "stat",
            "none",
            (("harness_swarm_violations", "{{rig}}"),),
        ),
        Panel(
            "Phases over the runs",
            "p99 of each",
            "series",
            "s",
            (('harness_swarm_phase_seconds{quantile="0.99"}', "{{rig}} {{phase}}"),),
            24,
        ),
    ),
    (),
    "now-7d",
)
CORRELATION = Board(
    "harness-correlation",
    "Harness: correlation between pillars",
    "What moves together: every pillar as a share of its limit, above what the host did.",
    (
        Panel(
            "p99 of operations as a share of the limit",
            "All pillars",
            "series",
            "percentunit",
            ((P99_OF_LIMIT, "{{pillar}} {{operation}}"),),
            24,
        ),
        Panel(
            "p99 of rigs as a share of the limit",
            "By the last 5 min",
            "series",
            "percentunit",
            (
                (
                    "harness:rig_p99_seconds:5m / on (rig, scenario, requirement) harness_rig_limit_seconds",
                    "{{rig}} {{requirement}}",
                ),
            ),
            24,
        ),
        Panel("CPU", "All cores, on the mean", "series", "percent", ((CPU, "{{instance}}"),)),
        Panel("Context switches", "Per second", "series", "ops", ((SWITCHES, "{{instance}}"),)),
        Panel(
            "Burn rates, side by side",
            "Over 5 min",
            "series",
            "none",
            (
                ("max by (pillar) (harness:budget_burn:5m)", "{{pillar}}"),
                ("max by (rig) (harness:rig_burn:5m)", "{{rig}}"),
            ),
            24,
        ),
    ),
)
FLEET = Board(
    "harness-fleet",
    "Harness: history of the fleet",
    "All rigs over weeks.",
    (
        Panel(
            "Runs by verdict",
            "Within the reports folder",
            "stat",
            "none",
            (("sum by (verdict) (harness_rig_runs_total)", "{{verdict}}"),),
        ),
        Panel(
            "Share that passes",
            "Of the runs that were kept",
            "bars",
            "percentunit",
            (("harness:rig_pass_share:all", "{{rig}}"),),
        ),
        Panel(
            "Headroom",
            "Limit over what was shown; below 1 not shown",
            "series",
            "none",
            (("harness:requirement_headroom:1d", "{{rig}} {{requirement}}"),),
            24,
        ),
        Panel(
            "Since the last run",
            "",
            "bars",
            "s",
            (("time() - harness_rig_last_run_timestamp_seconds", "{{rig}}"),),
        ),
        Panel("Rigs that run", "", "series", "none", (("sum(harness_rig_running)", "running"),)),
        Panel(
            "Newest verdicts",
            "1: the verdict that holds now",
            "table",
            "none",
            (("harness_requirement_verdict == 1", "{{rig}} {{requirement}}"),),
            24,
        ),
    ),
    (),
    "now-30d",
)
BOARDS = (OVERVIEW, DETAIL, LATENCY, SWARM, CORRELATION, FLEET)
