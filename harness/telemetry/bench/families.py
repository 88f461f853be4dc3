"""The metrics of a bench as `prometheus_client` takes them; docs/dashboards.md lists them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from harness.model import Verdict
from harness.telemetry.bench.watch import BenchWatch
from harness.telemetry.export.extra import library
from harness.telemetry.export.points import points_of
from harness.telemetry.export.prometheus import buckets

REQUIREMENT = ("rig", "scenario", "requirement")


class BenchCollector:
    """What Prometheus is told at a scrape: what the watch found last; no disk is read meanwhile."""

    def __init__(self, watch: BenchWatch) -> None:
        self._watch = watch
        self._core = library("prometheus_client.core")

    def collect(self) -> Iterator[Any]:
        """All families; those of a run that goes on only while it does."""
        yield self._states(
            "harness_budget_verdict",
            "Verdict on a budget, over what was observed and the newest runs of rigs",
            ("operation", "pillar"),
            self._watch.verdicts,
        )
        yield from self._of_ended()
        yield from self._of_running()
        yield from self._counted()

    def _gauge(self, name: str, text: str, *labels: str) -> Any:
        return self._core.GaugeMetricFamily(name, text, labels=labels)

    def _states(self, name: str, text: str, labels: tuple[str, ...], found: dict[Any, Verdict]) -> Any:
        family = self._gauge(name, text, *labels, "verdict")
        for key, verdict in list(found.items()):
            for each in Verdict:
                family.add_metric([*key, each.value], float(each is verdict))
        return family

    def _of_ended(self) -> Iterator[Any]:
        runs = self._core.CounterMetricFamily(
            "harness_rig_runs", "Runs that ended", labels=("rig", "verdict")
        )
        at = self._gauge(
            "harness_rig_last_run_timestamp_seconds", "When the newest run ended", "rig", "simulated"
        )
        latency = self._gauge(
            "harness_rig_latency_quantile_seconds",
            "Latency of the newest ended run",
            "rig",
            "scenario",
            "quantile",
        )
        phases = self._gauge(
            "harness_swarm_phase_seconds", "Phases of reorganising, newest ended run",
            "rig", "scenario", "phase", "quantile",
        )  # fmt: skip
        trials = self._gauge(
            "harness_swarm_trials", "Trials of the newest ended run, by outcome", "rig", "scenario", "outcome"
        )
        violations = self._gauge(
            "harness_swarm_violations", "Violations in the newest ended run", "rig", "scenario"
        )
        anomalies = self._gauge(
            "harness_rig_anomalies", "Anomalies in the newest ended run", "rig", "scenario", "kind"
        )
        values = {
            word: self._gauge(
                f"harness_requirement_{word}", f"{text}, newest ended run; in seconds or in the unit",
                *REQUIREMENT, "limit_is", "unit",
            )
            for word, text in (("limit", "Limit"), ("estimate", "Estimate"), ("bound", "What was shown"))
        }  # fmt: skip
        headroom = self._gauge(
            "harness_requirement_headroom_ratio",
            "How many times better than the limit, as far as shown",
            *REQUIREMENT,
        )
        verdicts: dict[tuple[str, ...], Verdict] = {}
        for name, rig in list(self._watch.past.rigs.items()):
            for each in Verdict:
                runs.add_metric([name, each.value], rig.runs[each.value])
            if (newest := rig.newest) is None:
                continue
            at.add_metric([name, str(newest.simulated).lower()], newest.at_s)
            for family, found in (
                (latency, newest.quantiles),
                (phases, newest.phases),
                (trials, newest.trials),
                (anomalies, newest.anomalies),
            ):
                for key, value in found.items():
                    family.add_metric([name, *key], value)
            for scenario, count in newest.violations.items():
                violations.add_metric([name, scenario], count)
            for asked in newest.requirements:
                key = (name, asked.scenario, asked.id)
                verdicts[key] = Verdict(asked.verdict)
                for word, family in values.items():
                    if (value := getattr(asked, word)) is not None:
                        family.add_metric([*key, asked.limit_is, asked.unit], value)
                if asked.headroom is not None:
                    headroom.add_metric(list(key), asked.headroom)
        yield from (runs, at, latency, phases, trials, violations, anomalies, headroom, *values.values())
        yield self._states(
            "harness_requirement_verdict", "Verdict of the newest ended run", REQUIREMENT, verdicts
        )

    def _of_running(self) -> Iterator[Any]:
        running = self._gauge("harness_rig_running", "Whether a run has begun and not ended", "rig")
        heartbeat = self._gauge(
            "harness_rig_heartbeat_timestamp_seconds", "Last sign of life of the run", "rig"
        )
        done = self._gauge("harness_rig_running_samples", "Samples that are known", "rig", "scenario")
        planned = self._gauge("harness_rig_running_planned", "Samples that are planned", "rig", "scenario")
        lost = self._gauge("harness_rig_running_lost", "Stimuli without an answer", "rig", "scenario")
        skipped = self._gauge("harness_rig_running_skipped", "Stimuli that were not sent", "rig", "scenario")
        quantiles = self._gauge(
            "harness_rig_running_quantile_seconds", "Latency from sent of the newest 20 000 samples",
            "rig", "scenario", "quantile",
        )  # fmt: skip
        late = self._gauge(
            "harness_rig_running_lateness_p99_seconds", "How late the harness itself sends", "rig", "scenario"
        )
        verdicts: dict[tuple[str, ...], Verdict] = {}
        for name in list(self._watch.past.rigs):
            live = self._watch.live.get(name)
            running.add_metric([name], float(live is not None))
            if live is None:
                continue
            heartbeat.add_metric([name], live.life.heartbeat_s)
            for scenario, figures in list(live.life.figures.items()):
                where = [name, scenario]
                for family, number in (
                    (done, figures.done),
                    (planned, figures.planned),
                    (lost, figures.lost),
                    (skipped, figures.skipped),
                ):
                    family.add_metric(where, number)
                for quantile, value in (("0.5", figures.p50_ms), ("0.99", figures.p99_ms)):
                    if value is not None:
                        quantiles.add_metric([*where, quantile], value * 1e-3)
                if figures.lateness_p99_ms is not None:
                    late.add_metric(where, figures.lateness_p99_ms * 1e-3)
            for watched, verdict in list(live.life.verdicts.items()):
                verdicts[name, watched.scenario, watched.requirement] = verdict
        yield from (running, heartbeat, done, planned, lost, skipped, quantiles, late)
        yield self._states(
            "harness_rig_running_verdict", "As it looks by now; no verdict", REQUIREMENT, verdicts
        )

    def _counted(self) -> Iterator[Any]:
        latency = self._core.HistogramMetricFamily(
            "harness_rig_latency_seconds",
            "Latency from intent; an unanswered stimulus counts with its timeout",
            labels=REQUIREMENT,
        )
        overruns = self._core.CounterMetricFamily(
            "harness_rig_overruns", "Samples beyond the limit, unanswered ones too", labels=REQUIREMENT
        )
        limits = self._gauge("harness_rig_limit_seconds", "The limit of the latency", *REQUIREMENT)
        allowed = self._gauge(
            "harness_rig_allowed_ratio", "Share of samples that may be beyond the limit", *REQUIREMENT
        )
        for name, counted in list(self._watch.ever.items()):
            for watched, observed in counted.observed():
                points, where = points_of(observed), [name, watched.scenario, watched.requirement]
                latency.add_metric(where, buckets(points), points.total)
                overruns.add_metric(where, points.over["upper"])
                limits.add_metric(where, watched.limit_s)
                allowed.add_metric(where, points.allowed)
        yield from (latency, overruns, limits, allowed)
