"""Metrics over OTLP, by the official exporter: histograms of what was observed, cumulative since the start.

By the standard variables (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/):
``OTEL_EXPORTER_OTLP_ENDPOINT``, ``_HEADERS``, ``_TIMEOUT``, ``_CERTIFICATE``, ``_INSECURE``;
``OTEL_SERVICE_NAME``, ``OTEL_RESOURCE_ATTRIBUTES``; ``OTEL_METRIC_EXPORT_INTERVAL``; ``OTEL_SDK_DISABLED``;
``OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION`` (``explicit_bucket_histogram``, with an edge at
every limit, or ``base2_exponential_bucket_histogram``). No histogram of the SDK is recorded into: points are
made of the tallies, so that a measured call costs the same with and without an export, and counts are exact.
Where no collector answers, the exporter says so in its log, and nothing else happens.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from harness import __version__
from harness.errors import ConfigurationError
from harness.telemetry.budget.observed import Observed
from harness.telemetry.export.extra import library
from harness.telemetry.export.periodic import Periodic
from harness.telemetry.export.points import Points, points_of

if TYPE_CHECKING:
    from harness.telemetry.budget.registry import Budgets

EXPLICIT = "explicit_bucket_histogram"
EXPONENTIAL = "base2_exponential_bucket_histogram"
AGGREGATION = "OTEL_EXPORTER_OTLP_METRICS_DEFAULT_HISTOGRAM_AGGREGATION"
LARGEST = 160
"""Buckets of either sign that are sent, as the SDK does."""


class Otlp(Periodic):
    """Exports every ``every_s`` seconds (by default ``OTEL_METRIC_EXPORT_INTERVAL``, a minute) and when it is
    closed.

    ``exporter``: by default the one for gRPC. Raises UnavailableError without the extra, ConfigurationError
    for a variable with a value that is none.
    """

    def __init__(self, budgets: Budgets, exporter: Any = None, every_s: float | None = None) -> None:
        if exporter is None:
            exporter = library("opentelemetry.exporter.otlp.proto.grpc.metric_exporter").OTLPMetricExporter()
        self._sdk = library("opentelemetry.sdk.metrics.export")
        self._exporter, self._budgets = exporter, budgets
        self._started = time.time_ns()
        self._aggregation = os.environ.get(AGGREGATION, EXPLICIT).lower()
        if self._aggregation not in (EXPLICIT, EXPONENTIAL):
            raise ConfigurationError(
                f"{AGGREGATION}={self._aggregation} is no aggregation", hint=f"{EXPLICIT} or {EXPONENTIAL}"
            )
        self._disabled = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true"
        resources = library("opentelemetry.sdk.resources")
        self._resource = resources.Resource.create({"service.version": __version__})
        scope = library("opentelemetry.sdk.util.instrumentation").InstrumentationScope
        self._scope = scope("harness.budget", __version__)
        super().__init__(self._export, _interval_s() if every_s is None else every_s, "otlp")

    def _export(self) -> None:
        if self._disabled:
            return
        sdk, now = self._sdk, time.time_ns()
        metrics = metrics_of(sdk, self._budgets.observed(), self._started, now, self._aggregation)
        if metrics:
            scope = sdk.ScopeMetrics(scope=self._scope, metrics=metrics, schema_url="")
            resource = sdk.ResourceMetrics(resource=self._resource, scope_metrics=[scope], schema_url="")
            self._exporter.export(sdk.MetricsData(resource_metrics=[resource]))

    def close(self) -> None:
        """Export once more, and end. Repeatable."""
        super().close()
        self._exporter.shutdown()


def _interval_s() -> float:
    text = os.environ.get("OTEL_METRIC_EXPORT_INTERVAL", "60000")
    try:
        return float(text) / 1e3
    except ValueError as error:
        raise ConfigurationError(
            f"OTEL_METRIC_EXPORT_INTERVAL={text!r} is no number of milliseconds"
        ) from error


def metrics_of(sdk: Any, observed: list[Observed], started: int, now: int, aggregation: str) -> list[Any]:
    """Metrics of what was observed: times together in one, everything else by its own name and unit; instants
    in ns since 1970."""
    times, metrics, overruns, failures = [], [], [], []
    cumulative = sdk.AggregationTemporality.CUMULATIVE
    make = _exponential if aggregation == EXPONENTIAL else explicit
    kind = sdk.ExponentialHistogram if aggregation == EXPONENTIAL else sdk.Histogram
    for found in observed:
        points = points_of(found)
        if not points.count:
            continue
        attributes = {"harness.operation": points.name, "harness.pillar": points.pillar}
        common = {"start_time_unix_nano": started, "time_unix_nano": now}
        point = make(sdk, found, points, attributes, common)
        if points.unit == "s":
            times.append(point)
        else:
            data = kind(data_points=[point], aggregation_temporality=cumulative)
            metrics.append(sdk.Metric(points.name, points.text or "observed by hand", points.unit, data))
        failures.append(sdk.NumberDataPoint(attributes=attributes, value=points.failed, **common))
        for which, count in points.over.items():
            limit = {**attributes, "harness.limit": which}
            overruns.append(sdk.NumberDataPoint(attributes=limit, value=count, **common))
    if times:
        data = kind(data_points=times, aggregation_temporality=cumulative)
        metrics.append(sdk.Metric("harness.budget.duration", "How long an operation took", "s", data))
    for name, text, unit, numbers in (
        ("harness.budget.overruns", "Observations beyond a limit", "{observation}", overruns),
        ("harness.budget.failures", "Operations that ended in an exception", "{operation}", failures),
    ):
        if numbers:
            data = sdk.Sum(data_points=numbers, aggregation_temporality=cumulative, is_monotonic=True)
            metrics.append(sdk.Metric(name, text, unit, data))
    return metrics


def explicit(
    sdk: Any, found: Observed, points: Points, attributes: Any, common: Any, exemplars: Sequence[Any] = ()
) -> Any:
    """A point of a histogram with the edges of ``points``."""
    counts = [
        count - before
        for before, count in zip((0, *points.cumulative), (*points.cumulative, points.count), strict=True)
    ]
    return sdk.HistogramDataPoint(
        attributes=attributes,
        count=points.count,
        sum=points.total,
        bucket_counts=counts,
        explicit_bounds=points.edges,
        min=points.smallest,
        max=points.largest,
        exemplars=list(exemplars),
        **common,
    )


def _exponential(sdk: Any, found: Observed, points: Points, attributes: Any, common: Any) -> Any:
    scale, above, below = found.tally.buckets.coarser_than(LARGEST)
    return sdk.ExponentialHistogramDataPoint(
        attributes=attributes,
        count=points.count,
        sum=points.total,
        scale=scale,
        zero_count=found.tally.buckets.zeros,
        positive=_dense(sdk, above),
        negative=_dense(sdk, below),
        flags=0,
        min=points.smallest,
        max=points.largest,
        **common,
    )


def _dense(sdk: Any, counts: dict[int, int]) -> Any:
    if not counts:
        return sdk.Buckets(offset=0, bucket_counts=[])
    low, high = min(counts), max(counts)
    return sdk.Buckets(offset=low, bucket_counts=[counts.get(key, 0) for key in range(low, high + 1)])
