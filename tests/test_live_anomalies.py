"""Anomalies of a run that goes on: each sample is fed once, each finding told once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.analysis.anomalies import Kind
from harness.analysis.anomalies.moment import Moments
from harness.analysis.anomalies.of_run import anomalies
from harness.hosttable import HostTable, Subject
from harness.live_anomalies import Unusual
from harness.model import HOST_DTYPE, SAMPLE_DTYPE, HostMeasure, SampleFlag, StimulusFlag

BEGIN_NS = 5_000_000_000_000
MS = 1_000_000


def table(n: int = 5000) -> NDArray[Any]:
    """Samples at 200 Hz after ten of warm-up, 3 ms; a stall of 150 ms at number 3000."""
    rng = np.random.default_rng(5)
    rows = np.zeros(n, SAMPLE_DTYPE)
    rows["key"] = np.arange(n)
    rows["intended_ns"] = BEGIN_NS + np.cumsum(rng.uniform(0.5, 1.5, n) * 5 * MS).astype(np.int64)
    rows["sent_ns"] = rows["intended_ns"] + 20_000
    latency = 3.0 * rng.lognormal(0, 0.3, n)
    stalled = slice(3000, 3030)
    latency[stalled] += (rows["sent_ns"][3030] - rows["sent_ns"][stalled]) / MS
    rows["arrived_ns"] = rows["sent_ns"] + (latency * MS).astype(np.int64)
    rows["answers"] = 1
    rows["stimulus_flags"][:10] = int(StimulusFlag.WARM_UP)
    return rows


def test_each_finding_is_told_once_whatever_is_looked_at() -> None:
    rows, unusual, said = table(), Unusual(), []
    for end in range(100, len(rows) + 1, 100):
        # The newest samples: some were looked at before, the outcome of the last is not known yet.
        seen = rows[max(0, end - 700) : end].copy()
        seen["flags"][-20:] |= np.uint32(int(SampleFlag.OPEN))
        said += unusual.look("command", seen)
    assert len(said) == 1
    assert said[0].startswith("anomaly in command: burst")
    assert [one.kind for one in unusual.found].count(Kind.BURST) == 1
    assert unusual.look("another", rows[:50]) == []
    assert unusual.found == []


def test_results_say_the_same_as_the_live_ones() -> None:
    rows, unusual = table(), Unusual()
    unusual.look("command", rows)
    found = anomalies(rows, [])
    [one] = found.findings
    assert found.tested
    assert found.n == len(rows) - 10
    assert one.kind == unusual.found[0].kind.value
    assert rows["intended_ns"][3000] - 1 <= one.begin_ns <= rows["intended_ns"][3001]
    assert one.begin_s == unusual.found[0].begin_s


def test_too_few_samples_are_said_to_be() -> None:
    few = anomalies(table()[:300], [])
    assert not few.tested
    assert "too few" in few.words
    assert not anomalies(table()[:0], []).tested


def test_the_moment_tells_what_stood_out() -> None:
    rows = table()
    begin, end = int(rows["intended_ns"][3000]), int(rows["intended_ns"][3029])
    rows["sent_ns"][3000:3005] += 9 * MS
    looks = np.zeros(600, HOST_DTYPE)
    looks["t_ns"] = BEGIN_NS + (np.arange(600) + 1) * 40 * MS
    looks["over_ns"] = 40 * MS
    looks["measure"] = int(HostMeasure.SAMPLING_MS)
    looks["subject"] = -1
    stopped = looks[(looks["t_ns"] > begin) & (looks["t_ns"] < end)].copy()
    stopped["measure"], stopped["subject"], stopped["value"] = int(HostMeasure.STOPPED_MS), 77, 40
    waited = looks.copy()  # all along, and so nothing that stands out
    waited["measure"], waited["subject"], waited["value"] = int(HostMeasure.WAIT_MS), 77, 20
    host = HostTable(np.concatenate([looks, stopped, waited]), {77: Subject(77, "rig", "robot")})
    events = [
        {"t_ns": begin + MS, "utc": "", "event": "messages_lost", "message": "3 of /odom"},
        {"t_ns": begin + MS, "utc": "", "event": "phase", "name": "measuring"},
        {"t_ns": end + 2_000 * MS, "utc": "", "event": "swarm_fault"},
    ]
    said = Moments(rows, events, host).words(begin, end)
    assert said[0].startswith("robot was stopped")
    assert said[1].startswith("the sender was late by up to 9.02 ms")
    assert said[2] == "event messages lost +0.00 s: 3 of /odom"
    assert len(said) == 3
    assert Moments(rows, events, host).words(*rows["intended_ns"][[500, 600]].tolist()) == []
