"""A finished run of a rig, sent over OTLP: its trace, its events as logs, its latencies with exemplars.

Made of the run folder, so that it costs the run nothing. Ids are derived from the id of the run: sent again,
it is the same trace. The latency of each requirement is a histogram with an edge at its limit, where an
unanswered stimulus counts with its timeout; its exemplars are the commands that the trace shows, each with
its span.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import __version__
from harness.analysis.samples import counted, latency_ms
from harness.config import rig_from_resolved
from harness.errors import UnavailableError
from harness.folder import RunFolder
from harness.telemetry.bench.live import Watched, watched_of
from harness.telemetry.budget.guarding import edges_of
from harness.telemetry.budget.observed import Observed
from harness.telemetry.budget.tally import Tally
from harness.telemetry.export.extra import library
from harness.telemetry.export.logs import records_of
from harness.telemetry.export.otlp import explicit
from harness.telemetry.export.points import points_of
from harness.telemetry.export.traces import SpanData, trace_of, wall_offset

BATCH = 512
"""Spans or records in one message, as the SDK sends them."""
GRPC = "opentelemetry.exporter.otlp.proto.grpc"


@dataclass(frozen=True)
class Exporters:
    """Where to send; what is None goes over gRPC by the standard variables."""

    spans: Any = None
    records: Any = None
    metrics: Any = None


@dataclass(frozen=True)
class Sent:
    """How much was sent: spans, records of the log, histograms (one for each requirement on a latency)."""

    spans: int
    records: int
    histograms: int


def export_run(folder: Path, to: Exporters | None = None) -> Sent:
    """Send the run in that folder, by default over gRPC by the standard variables.

    Raises RecordingError for a folder that is none, or that knows no wall clock; UnavailableError without the
    extra ``telemetry``, or where no collector takes it.
    """
    found, to = RunFolder.open(folder), to or Exporters()
    samples = found.samples()
    trace = trace_of(found.run, found.events(), samples)
    offset = wall_offset(found.run, found.clocks())
    if os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Sent(0, 0, 0)
    resource = library("opentelemetry.sdk.resources").Resource.create({"service.version": __version__})
    spans = _Spans(str(found.run.get("run_id", found.path.name)), resource, offset)
    spans.add(trace)
    exporter = to.spans or library(f"{GRPC}.trace_exporter").OTLPSpanExporter()
    _send(exporter, spans.ended, "spans")
    records = _records(found, offset, spans, resource)
    exporter = to.records or library(f"{GRPC}._log_exporter").OTLPLogExporter()
    _send(exporter, records, "log records")
    points = _points(found, samples, spans, offset)
    if points:
        exporter = to.metrics or library(f"{GRPC}.metric_exporter").OTLPMetricExporter()
        _send_points(exporter, points, resource)
    return Sent(len(spans.ended), len(records), len(points))


class _Spans:
    """The spans of a run, with ids by its name. ``phases``: by their begin, in ns of CLOCK_MONOTONIC, trace
    and span; ``commands``: by scenario and key, the same."""

    def __init__(self, run: str, resource: Any, offset: int) -> None:
        sdk = library("opentelemetry.sdk.trace")
        memory = library("opentelemetry.sdk.trace.export.in_memory_span_exporter").InMemorySpanExporter()
        provider = sdk.TracerProvider(resource=resource, id_generator=_Ids(run), shutdown_on_exit=False)
        provider.add_span_processor(library("opentelemetry.sdk.trace.export").SimpleSpanProcessor(memory))
        self._tracer, self._memory, self._offset = provider.get_tracer("harness.run"), memory, offset
        self._api = library("opentelemetry.trace")
        self.phases: dict[int, tuple[int, int]] = {}
        self.commands: dict[tuple[str, int], tuple[int, int]] = {}

    @property
    def ended(self) -> Sequence[Any]:
        """All of them."""
        found: Sequence[Any] = self._memory.get_finished_spans()
        return found

    def add(self, span: SpanData, parent: Any = None, scenario: str = "") -> None:
        """This one and those below it."""
        context = None if parent is None else self._api.set_span_in_context(parent)
        made = self._tracer.start_span(
            span.name, context, attributes=span.attributes, start_time=span.start_ns + self._offset
        )
        if span.failed:
            made.set_status(self._api.StatusCode.ERROR, span.failed)
        ids = made.get_span_context()
        if span.key is not None:
            self.commands[scenario, span.key] = ids.trace_id, ids.span_id
        elif parent is None or span.name.startswith("phase"):
            self.phases[span.start_ns] = ids.trace_id, ids.span_id
        scenario = str(span.attributes.get("harness.scenario", scenario))
        for child in span.children:
            self.add(child, made, scenario)
        made.end(end_time=span.end_ns + self._offset)


class _Ids:
    """Ids by the name of a run: the same ones every time."""

    def __init__(self, run: str) -> None:
        self._digest = hashlib.sha256(run.encode())
        self._n = 0

    def _next(self, size: int) -> int:
        self._n += 1
        digest = self._digest.copy()
        digest.update(self._n.to_bytes(8, "big"))
        return int.from_bytes(digest.digest()[:size], "big") or 1

    def generate_span_id(self) -> int:
        """64 bits, as of the W3C's trace context."""
        return self._next(8)

    def generate_trace_id(self) -> int:
        """128 bits."""
        return self._next(16)

    def is_trace_id_random(self) -> bool:
        """A hash: its lowest 56 bits are as good as random."""
        return True


def _records(found: RunFolder, offset: int, spans: _Spans, resource: Any) -> Sequence[Any]:
    sdk, api = library("opentelemetry.sdk._logs"), library("opentelemetry._logs")
    export = library("opentelemetry.sdk._logs.export")
    memory = export.InMemoryLogRecordExporter()
    provider = sdk.LoggerProvider(resource=resource, shutdown_on_exit=False)
    provider.add_log_record_processor(export.SimpleLogRecordProcessor(memory))
    log = provider.get_logger("harness.run", __version__)
    flags = library("opentelemetry.trace").TraceFlags(1)
    for fields in records_of(found.events(), offset, spans.phases):
        number = api.SeverityNumber[fields["severity_text"]]
        log.emit(api.LogRecord(severity_number=number, trace_flags=flags, **fields))
    made: Sequence[Any] = memory.get_finished_logs()
    return made


def _points(found: RunFolder, samples: NDArray[Any], spans: _Spans, offset: int) -> list[Any]:
    """One point of the histogram for each requirement that single samples keep or break."""
    rig = rig_from_resolved(found.run["rig"]["resolved"])
    names = [str(each["name"]) for each in found.run.get("scenarios", [])]
    sdk = library("opentelemetry.sdk.metrics.export")
    exemplar = library("opentelemetry.sdk.metrics").Exemplar
    points = []
    for watched in watched_of(rig):
        if watched.scenario not in names:
            continue
        rows = samples[samples["scenario"] == names.index(watched.scenario)]
        rows = rows[counted(rows)]
        seconds = latency_ms(rows, "intended_ns") * 1e-3
        known = ~np.isnan(seconds)
        if not known.any():
            continue
        rows, seconds = rows[known], _with_lost(seconds[known], watched)
        tally = Tally(edges_of(watched.limits))
        tally.add(seconds, 0.0)
        observed = Observed(watched.limits, tally, {}, {}, 0, frozenset())
        shown = [
            exemplar(
                {"harness.key": str(key)}, float(value), int(at) + offset, span_id=ids[1], trace_id=ids[0]
            )
            for key, value, at in zip(rows["key"], seconds, rows["sent_ns"], strict=True)
            if (ids := spans.commands.get((watched.scenario, int(key)))) is not None
        ]
        attributes = {
            "harness.rig": rig.rig.name,
            "harness.scenario": watched.scenario,
            "harness.requirement": watched.requirement,
        }
        begun, ended = int(rows["intended_ns"].min()), int(rows["sent_ns"].max())
        common = {"start_time_unix_nano": begun + offset, "time_unix_nano": ended + offset}
        points.append(explicit(sdk, observed, points_of(observed), attributes, common, shown))
    return points


def _with_lost(seconds: NDArray[np.float64], watched: Watched) -> NDArray[np.float64]:
    return np.where(np.isinf(seconds), watched.lost_s, seconds)


def _send_points(exporter: Any, points: list[Any], resource: Any) -> None:
    sdk = library("opentelemetry.sdk.metrics.export")
    scope = library("opentelemetry.sdk.util.instrumentation").InstrumentationScope("harness.run", __version__)
    data = sdk.Histogram(data_points=points, aggregation_temporality=sdk.AggregationTemporality.CUMULATIVE)
    metric = sdk.Metric("harness.rig.latency", "Latency from intent of the commands of a run", "s", data)
    of_scope = sdk.ScopeMetrics(scope=scope, metrics=[metric], schema_url="")
    of_resource = sdk.ResourceMetrics(resource=resource, scope_metrics=[of_scope], schema_url="")
    _taken(exporter.export(sdk.MetricsData(resource_metrics=[of_resource])), "metrics")
    exporter.shutdown()


def _send(exporter: Any, items: Sequence[Any], what: str) -> None:
    for begin in range(0, len(items), BATCH):
        _taken(exporter.export(list(items[begin : begin + BATCH])), what)
    exporter.shutdown()


def _taken(result: Any, what: str) -> None:
    if result.name != "SUCCESS":
        where = os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4317")
        raise UnavailableError(
            f"no collector takes the {what} at {where}",
            hint="start one there, or set OTEL_EXPORTER_OTLP_ENDPOINT (docs/performance-budget.md)",
        )
