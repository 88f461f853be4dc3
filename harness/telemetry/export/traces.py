"""A run of a rig as a trace: the run, its phases, and sampled commands with their stages.

Sampled are the slowest commands of each scenario, which is where one looks, and others spread
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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import RecordingError
from harness.model import HOST_REALTIME, NO_STAMP, SampleFlag

SLOWEST = 20
SPREAD = 80
STAGES = (
    ("lateness", "intended_ns", "sent_ns"),
    ("hand-over", "sent_ns", "handed_ns"),
    ("answer", "handed_ns", "arrived_ns"),
    ("harness receive", "arrived_ns", "seen_ns"),
)


@dataclass(frozen=True)
class SpanData:
    """One span: instants in ns of CLOCK_MONOTONIC; ``failed``: why it did not do what it was to, or empty;
    ``key``: of a command."""

    name: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    failed: str = ""
    children: Sequence[SpanData] = ()
    key: int | None = None


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
        int(row["key"]),
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
