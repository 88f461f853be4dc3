"""A run as a trace: built of what was recorded, and received over gRPC as it was built."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import otlp_receiver
import pytest
import report_data
from click.testing import CliRunner
from opentelemetry.sdk.trace import TracerProvider

from harness.analysis.samples import counted
from harness.cli import cli
from harness.config import find_rig, load_rig, rig_from_resolved
from harness.errors import RecordingError, UnavailableError
from harness.folder import RunFolder
from harness.model import NO_STAMP
from harness.runner import RunOptions, run_rig
from harness.telemetry.export import OtlpLogs
from harness.telemetry.export.logs import records_of
from harness.telemetry.export.runs import Sent, export_run
from harness.telemetry.export.traces import SLOWEST, SPREAD, sampled, trace_of, wall_offset


def event(t_ns: int, what: str, **more: Any) -> dict[str, Any]:
    return {"t_ns": t_ns, "event": what, **more}


EVENTS = [
    event(1_000, "guardian_started"),
    event(2_000, "phase", name="set-up"),
    event(3_000, "phase", name="measuring", scenario="command"),
    event(50_000_000_000, "phase", name="drain", scenario="command"),
    event(50_000_000_500, "done"),
]
RUN = {"run_id": "r1", "scenarios": [{"name": "command"}], "rig": {"resolved": {"rig": {"name": "sim"}}}}


def test_phases_follow_each_other_and_commands_are_in_the_one_that_measures() -> None:
    table = report_data.samples(3000)
    trace = trace_of(RUN, EVENTS, table)
    assert (trace.name, trace.start_ns, trace.end_ns) == ("run sim", 1_000, 50_000_000_500)
    assert [(each.name, each.start_ns, each.end_ns) for each in trace.children] == [
        ("phase: set-up", 2_000, 3_000),
        ("phase: measuring", 3_000, 50_000_000_000),
        ("phase: drain", 50_000_000_000, 50_000_000_500),
    ]
    assert [len(each.children) > 0 for each in trace.children] == [False, True, False]
    by_key = {int(row["key"]): row for row in table}
    for command in trace.children[1].children:
        row = by_key[int(command.attributes["harness.key"])]
        assert command.start_ns == row["intended_ns"]
        for stage in command.children:
            assert command.start_ns <= stage.start_ns <= stage.end_ns <= command.end_ns
        assert bool(command.failed) == bool(row["flags"] & 1)
    # The stages of an answered one are all of it.
    whole = next(each for each in trace.children[1].children if len(each.children) == 4)
    assert sum(each.end_ns - each.start_ns for each in whole.children) == whole.end_ns - whole.start_ns


def test_the_slowest_are_sampled_unanswered_ones_first_and_others_evenly() -> None:
    table = report_data.samples(3000)
    rows = table[table["sent_ns"] != NO_STAMP]
    chosen = sampled(rows)
    assert len(chosen) <= SLOWEST + SPREAD and (np.diff(chosen) > 0).all()
    lost = np.flatnonzero(rows["arrived_ns"] == NO_STAMP)
    assert len(lost) == 6 and set(lost) <= set(chosen)
    latency = np.where(rows["arrived_ns"] == NO_STAMP, 0, rows["arrived_ns"] - rows["intended_ns"])
    assert set(np.argsort(-latency)[: SLOWEST - 6]) <= set(chosen)
    assert chosen[0] == 0 and chosen[-1] == len(rows) - 1
    assert len(sampled(rows[:0])) == 0 and len(sampled(rows[:3])) == 3


def test_what_cannot_be_placed_in_time_is_told() -> None:
    with pytest.raises(RecordingError, match="no events"):
        trace_of(RUN, [], report_data.samples(10))
    with pytest.raises(RecordingError, match="no reading of the wall clock"):
        wall_offset({"clocks": []}, np.zeros(0, [("clock", int)]))


@pytest.fixture(scope="module")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """One short run of the loopback rig."""
    rig = load_rig(find_rig(str(Path(__file__).resolve().parents[2] / "rig_configs" / "loopback.yaml")))
    out = tmp_path_factory.mktemp("traces")
    options = RunOptions(out=out, samples=100, anyway=True, report=False, command_line=("test",))
    run_rig(rig, options)
    yield next(each.parent for each in out.rglob("samples.parquet"))


@dataclass(frozen=True)
class Arrived:
    """A real run, and what a real receiver was sent of it."""

    folder: RunFolder
    sent: Sent
    receiver: otlp_receiver.Receiver


@pytest.fixture(scope="module")
def arrived(run_folder: Path) -> Iterator[Arrived]:
    with otlp_receiver.receiving() as receiver, pytest.MonkeyPatch.context() as patch:
        patch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
        yield Arrived(RunFolder.open(run_folder), export_run(run_folder), receiver)


@pytest.mark.slow
def test_a_real_run_arrives_at_a_real_receiver(arrived: Arrived) -> None:
    folder, spans = arrived.folder, arrived.receiver.traces.spans()
    offset = wall_offset(folder.run, folder.clocks())
    trace = trace_of(folder.run, folder.events(), folder.samples())
    assert len(spans) == arrived.sent.spans and len({span.trace_id for span in spans}) == 1

    def flat(span: Any, parent: str) -> Iterator[tuple[str, str, int, int]]:
        yield span.name, parent, span.start_ns + offset, span.end_ns + offset
        for child in span.children:
            yield from flat(child, span.name)

    names = {span.span_id: span.name for span in spans}
    assert len(names) == len(spans)
    got = [
        (span.name, names.get(span.parent_span_id, ""), span.start_time_unix_nano, span.end_time_unix_nano)
        for span in spans
    ]
    assert sorted(got) == sorted(flat(trace, ""))
    assert sum(name.startswith("command ") for name in names.values()) >= SPREAD


@pytest.mark.slow
def test_its_events_arrive_as_logs_within_their_phases(arrived: Arrived) -> None:
    events, records = arrived.folder.events(), arrived.receiver.logs.records()
    offset = wall_offset(arrived.folder.run, arrived.folder.clocks())
    assert len(records) == arrived.sent.records == len(events)
    names = {span.span_id: span.name for span in arrived.receiver.traces.spans()}
    phase = "run loopback"
    for event, record in zip(events, records, strict=True):
        if event["event"] == "phase":
            phase = f"phase: {event['name']}"
        assert record.time_unix_nano == event["t_ns"] + offset
        assert record.event_name == f"harness.{event['event']}"
        assert names[record.span_id] == phase
        assert record.severity_text == "INFO", record.body


@pytest.mark.slow
def test_its_latencies_arrive_sample_for_sample_and_slow_ones_lead_to_their_spans(arrived: Arrived) -> None:
    folder = arrived.folder
    metric = arrived.receiver.metrics()["harness.rig.latency"]
    points = {
        next(each.value.string_value for each in point.attributes if each.key == "harness.requirement"): point
        for point in metric.histogram.data_points
    }
    rig = rig_from_resolved(folder.run["rig"]["resolved"])
    latencies = [asked for asked in rig.requirements if asked.quantity == "latency" and asked.quantile]
    assert set(points) == {asked.id for asked in latencies} and latencies
    samples = folder.samples()
    samples = samples[(samples["scenario"] == 0) & counted(samples)]
    values = (samples["arrived_ns"] - samples["intended_ns"]) * 1e-9
    assert len(values) == 100
    spans = {span.span_id: span for span in arrived.receiver.traces.spans()}
    for asked in latencies:
        point = points[asked.id]
        bounds = list(point.explicit_bounds)
        assert point.count == len(values) and asked.limit * 1e-3 in bounds
        assert point.sum == pytest.approx(values.sum())
        at_most = np.cumsum(point.bucket_counts)[:-1]
        assert list(at_most) == [(values <= bound).sum() for bound in bounds]
        by_key = {str(row["key"]): row for row in samples}
        assert max(each.as_double for each in point.exemplars) == pytest.approx(max(values))
        for each in point.exemplars:
            key = each.filtered_attributes[0].value.string_value
            span = spans[each.span_id]
            assert span.name == f"command {key}" and span.trace_id == each.trace_id
            row = by_key[key]
            assert each.as_double == pytest.approx((row["arrived_ns"] - row["intended_ns"]) * 1e-9)


@pytest.mark.slow
def test_sent_again_it_is_the_same_trace(arrived: Arrived, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", arrived.receiver.address)
    first = [span.span_id for span in arrived.receiver.traces.spans()]
    result = CliRunner().invoke(cli, ["export", str(arrived.folder.path)], standalone_mode=False)
    assert result.return_value == 0 and f"{len(first)} spans" in result.output
    again = [span.span_id for span in arrived.receiver.traces.spans()][len(first) :]
    assert again == first


@pytest.mark.slow
def test_where_no_collector_listens_it_is_said(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with otlp_receiver.receiving() as receiver:
        gone = receiver.address
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", gone)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "1")
    with pytest.raises(UnavailableError, match=gone):
        export_run(run_folder)
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    assert export_run(run_folder) == Sent(0, 0, 0)


def test_what_went_wrong_is_a_warning() -> None:
    said = [
        event(1, "safe_stop", devices=["robot"], failures=["robot: no answer"]),
        event(2, "ended", kind="error", reason="the robot is gone"),
        event(3, "ended", kind=None, reason=None),
        event(4, "exception", text="..."),
    ]
    found = list(records_of(said, 1000, {}))
    assert [each["severity_text"] for each in found] == ["WARN", "WARN", "INFO", "WARN"]
    assert found[0]["body"] == 'safe_stop devices=["robot"] failures=["robot: no answer"]'
    assert [each["timestamp"] for each in found] == [1001, 1002, 1003, 1004]


def test_what_a_program_logs_arrives_with_the_span_it_was_in(monkeypatch: pytest.MonkeyPatch) -> None:
    log = logging.getLogger("test.otlp.program")
    log.setLevel(logging.DEBUG)
    with otlp_receiver.receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
        with OtlpLogs(logging.getLogger("test.otlp")):
            log.debug("not of interest")
            log.info("%d of %d", 3, 4, extra={"joint": "fl.hx"})
            with TracerProvider().get_tracer("t").start_as_current_span("moving") as span:
                log.warning("late")
            logging.getLogger("test.other").warning("of somebody else")
        log.info("after the end")
        records = receiver.logs.records()
    assert [(each.body.string_value, each.severity_text) for each in records] == [
        ("3 of 4", "INFO"),
        ("late", "WARN"),
    ]
    attributes = {each.key: each.value.string_value for each in records[0].attributes}
    assert attributes["joint"] == "fl.hx" and attributes["code.file.path"] == __file__
    assert int.from_bytes(records[1].span_id, "big") == span.get_span_context().span_id
