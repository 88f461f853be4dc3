"""A run of a rig as a trace: the run, its phases, and sampled commands with their stages, over OTLP.

Made of the run folder after the run, so that it costs the run nothing; a trace can be made again from the
same folder. Sampled are the slowest commands of each scenario, which is where one looks, and others spread
evenly over it. ::

    run RIG
      phase: measuring
        command 1234          from its intended send to its answer, or to its timeout
          lateness            until it was sent
          hand-over           until the device had taken it
          answer              until the answer's instant
          harness receive     until the harness saw it

Instants are CLOCK_MONOTONIC, moved to wall time by the run's readings of CLOCK_REALTIME (the median of their
distance); a wall clock that was set during the run is not followed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RecordingError
from harness.model import HOST_REALTIME, NO_STAMP, SampleFlag
from harness.telemetry.export.extra import library

SLOWEST = 20
SPREAD = 80
QUEUE = 1 << 16
"""Spans that may wait for the collector; a run has some hundred a scenario."""
STAGES = (
    ("lateness", "intended_ns", "sent_ns"),
    ("hand-over", "sent_ns", "handed_ns"),
    ("answer", "handed_ns", "arrived_ns"),
    ("harness receive", "arrived_ns", "seen_ns"),
)


@dataclass(frozen=True)
class SpanData:
    """One span: instants in ns of CLOCK_MONOTONIC; ``failed``: why it did not do what it was to, or empty."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    failed: str = ""
    children: Sequence[SpanData] = ()


def trace_of(run: Mapping[str, Any], events: Sequence[Mapping[str, Any]], samples: NDArray[Any]) -> SpanData:
    """The trace of a run from its run.json, its events and its samples (SAMPLE_DTYPE).

    Raises RecordingError for a run without events.
    """
    if not events:
        raise RecordingError("the run has no events: nothing is known of when it was what")
    stamps = [int(each["t_ns"]) for each in events]
    names = [str(each["name"]) for each in run.get("scenarios", [])]
    marks = [each for each in events if each.get("event") == "phase"]
    ends = [*(int(each["t_ns"]) for each in marks[1:]), max(stamps)]
    phases = [
        SpanData(
            f"phase: {mark.get('name')}",
            int(mark["t_ns"]),
            end,
            {"harness.scenario": str(mark["scenario"])} if "scenario" in mark else {},
        )
        for mark, end in zip(marks, ends, strict=True)
    ]
    children = [_with_commands(phase, names, samples) for phase in phases]
    aborted = str(run.get("abort_reason") or "")
    rig = run.get("rig") or {}
    name = ((rig.get("resolved") or {}).get("rig") or {}).get("name", "")
    return SpanData(
        f"run {name}".strip(),
        min(stamps),
        max(stamps),
        {"harness.run": str(run.get("run_id", "")), "harness.rig": str(name)},
        aborted,
        children,
    )


def _with_commands(phase: SpanData, names: Sequence[str], samples: NDArray[Any]) -> SpanData:
    scenario = phase.attributes.get("harness.scenario")
    if phase.name != "phase: measuring" or scenario not in names:
        return phase
    rows = samples[samples["scenario"] == names.index(str(scenario))]
    rows = rows[rows["sent_ns"] != NO_STAMP]
    chosen = rows[sampled(rows)]
    return SpanData(
        phase.name, phase.start_ns, phase.end_ns, phase.attributes, children=[*map(_command, chosen)]
    )


def sampled(rows: NDArray[Any]) -> NDArray[np.int64]:
    """Ascending positions of the slowest rows (unanswered ones first) and of others spread evenly over
    all."""
    n = len(rows)
    taken = np.where(
        rows["arrived_ns"] == NO_STAMP, np.inf, rows["arrived_ns"].astype(np.float64) - rows["intended_ns"]
    )
    slowest = np.argsort(-taken, kind="stable")[:SLOWEST]
    spread = np.linspace(0, n - 1, min(n, SPREAD)).astype(np.int64) if n else np.zeros(0, dtype=np.int64)
    return np.unique(np.concatenate([slowest, spread]))


def _command(row: Any) -> SpanData:
    known = [int(row[name]) for name in ("intended_ns", "sent_ns", "handed_ns", "arrived_ns", "seen_ns")]
    known = [each for each in known if each != NO_STAMP]
    lost = bool(row["flags"] & SampleFlag.LOST)
    stages = [
        SpanData(name, int(row[first]), int(row[second]))
        for name, first, second in STAGES
        if NO_STAMP not in (row[first], row[second]) and row[second] >= row[first]
    ]
    return SpanData(
        f"command {int(row['key'])}",
        min(known),
        max(known),
        {"harness.key": str(int(row["key"])), "harness.answers": int(row["answers"])},
        "not answered within the timeout" if lost else "",
        stages,
    )


def wall_offset(run: Mapping[str, Any], clocks: NDArray[Any]) -> int:
    """CLOCK_REALTIME less CLOCK_MONOTONIC in ns, by the median of the run's readings.

    Raises RecordingError where there are none.
    """
    names = [str(each["name"]) for each in run.get("clocks", [])]
    rows = clocks[clocks["clock"] == names.index(HOST_REALTIME)] if HOST_REALTIME in names else clocks[:0]
    if len(rows) == 0:
        raise RecordingError("the run has no reading of the wall clock: its trace has no place in time")
    middle = rows["t1_ns"] + (rows["t4_ns"] - rows["t1_ns"]) // 2
    return int(np.median(rows["t2_ns"] - middle))


def export_run(folder: Path, exporter: Any = None) -> int:
    """Send the trace of a run folder, by default over gRPC by the standard variables; how many spans that
    was.

    Raises RecordingError for a folder that is none, UnavailableError without the extra.
    """
    from harness.folder import RunFolder

    found = RunFolder.open(folder)
    trace = trace_of(found.run, found.events(), found.samples())
    if exporter is None:
        exporter = library("opentelemetry.exporter.otlp.proto.grpc.trace_exporter").OTLPSpanExporter()
    offset = wall_offset(found.run, found.clocks())
    provider = library("opentelemetry.sdk.trace").TracerProvider(shutdown_on_exit=False)
    batches = library("opentelemetry.sdk.trace.export").BatchSpanProcessor(exporter, max_queue_size=QUEUE)
    provider.add_span_processor(batches)
    sent = sum(1 for _ in _send(provider.get_tracer("harness.run"), trace, offset, None))
    provider.shutdown()
    return sent


def _send(tracer: Any, span: SpanData, offset: int, parent: Any) -> Iterator[SpanData]:
    trace = library("opentelemetry.trace")
    context = None if parent is None else trace.set_span_in_context(parent)
    made = tracer.start_span(
        span.name, context, attributes=span.attributes, start_time=span.start_ns + offset
    )
    if span.failed:
        made.set_status(trace.StatusCode.ERROR, span.failed)
    yield span
    for child in span.children:
        yield from _send(tracer, child, offset, made)
    made.end(end_time=span.end_ns + offset)
