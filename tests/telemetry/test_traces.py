"""A run as a trace: built of what was recorded, and received over gRPC as it was built."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import otlp_receiver
import pytest
import report_data

from harness.config import find_rig, load_rig
from harness.errors import RecordingError
from harness.model import NO_STAMP
from harness.runner import RunOptions, run_rig
from harness.telemetry.export import export_run
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


@pytest.mark.slow
def test_a_real_run_arrives_at_a_real_receiver(run_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from harness.folder import RunFolder

    with otlp_receiver.receiving() as receiver:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", receiver.address)
        sent = export_run(run_folder)
        spans = receiver.traces.spans()
    folder = RunFolder.open(run_folder)
    offset = wall_offset(folder.run, folder.clocks())
    trace = trace_of(folder.run, folder.events(), folder.samples())
    assert len(spans) == sent and len({span.trace_id for span in spans}) == 1

    def flat(span: Any, parent: str) -> Iterator[tuple[str, str, int, int]]:
        yield span.name, parent, span.start_ns + offset, span.end_ns + offset
        for child in span.children:
            yield from flat(child, span.name)

    names = {span.span_id: span.name for span in spans}
    got = [
        (span.name, names.get(span.parent_span_id, ""), span.start_time_unix_nano, span.end_time_unix_nano)
        for span in spans
    ]
    assert sorted(got) == sorted(flat(trace, ""))
    assert sum(name.startswith("command ") for name in names.values()) >= SPREAD
