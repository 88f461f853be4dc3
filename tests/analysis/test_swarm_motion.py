"""Robots that report nothing but where they are: onsets of several ports, trial by trial, on made tables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.analysis.samples import latency_ms
from harness.analysis.swarm import SwarmSampled
from harness.analysis.swarm_motion import sample_motion
from harness.analysis.timebase import Timebase
from harness.config.match import Match
from harness.config.schema import SwarmReorganization, Trials
from harness.model import (
    CLOCK_DTYPE,
    HOST_MONOTONIC,
    HOST_REALTIME,
    NO_STAMP,
    OBSERVATION_DTYPE,
    STIMULUS_DTYPE,
    SampleFlag,
)

MS = 1_000_000
ROBOTS = ["a", "b", "c"]
FAULT_MS = 1000.25
RULE = Match(kind="onset", threshold=0.01, rest_ms=200.0)


def sampled(starts: dict[str, float | None], **more: Any) -> SwarmSampled:
    """``a`` is broken; the others drive off so many ms after it, at 1 m/s, seen every 5 ms; None: never."""
    spec = SwarmReorganization(
        kind="swarm_reorganization",
        stimulus="swarm.kill",
        moves="swarm.{robot}_x",
        robots=ROBOTS,
        robot="a",
        timeout_ms=300.0,
        schedule=Trials(kind="trials", samples=120),
        **more,
    )
    tables = {}
    for robot in ROBOTS:
        times = np.arange(500.0, 1600.0, 5.0)
        table = np.zeros(len(times), OBSERVATION_DTYPE)
        table["received_ns"] = (times * MS).astype(np.int64)
        table["seen_ns"] = table["received_ns"] + 40_000
        start = starts.get(robot)
        if start is not None:
            table["value"] = np.maximum(0.0, (times - FAULT_MS - start) * 1e-3)
        table["stamp_ns"], table["received_clock"] = NO_STAMP, 0
        tables[f"swarm.{robot}_x"] = table
    stimuli = np.zeros(1, STIMULUS_DTYPE)
    stimuli["sent_ns"] = stimuli["intended_ns"] = stimuli["handed_ns"] = round(FAULT_MS * MS)
    fault = {"event": "swarm_fault", "scenario": "s", "key": 0, "robot": 1, "target": "a", "kind": "kill"}
    fault |= {"begun_ns": 700 * MS, "before_ns": round(FAULT_MS * MS), "after_ns": round(FAULT_MS * MS)}
    fault |= {"verified": True, "evidence": "gone"}
    ended = {"event": "swarm_trial_ended", "scenario": "s", "key": 0, "observed_ns": 1500 * MS}
    ended |= {"restored_ns": 1500 * MS, "ended_ns": 1590 * MS}
    timebase = Timebase([HOST_MONOTONIC, HOST_REALTIME], np.zeros(0, CLOCK_DTYPE), {})
    return sample_motion("s", spec, RULE, stimuli, tables.__getitem__, timebase, [fault, ended], 1600 * MS)


def test_the_last_onset_ends_the_trial_and_the_first_one_is_the_detection() -> None:
    found = sampled({"b": 40.0, "c": 70.0})
    (trial,) = found.swarm.trials
    # The edge of the band, 10 mm at 1 m/s, is crossed 10 ms after each began.
    assert (trial.noticed_by, trial.last_holds) == ("b", "c")
    assert trial.noticed_ms == pytest.approx(50.0) and trial.total_ms == pytest.approx(80.0)
    assert trial.detection_ms == pytest.approx(50.0) and trial.re_forming_ms == pytest.approx(30.0)
    assert latency_ms(found.samples) == pytest.approx([80.0])
    assert found.onsets is not None and found.onsets.gap_ms[0] == pytest.approx(5.0)
    assert (trial.leader, trial.term, trial.violations, trial.why) == (None, None, [], [])


def test_who_does_not_move_makes_the_trial_an_exceedance_and_is_named() -> None:
    found = sampled({"b": 40.0, "c": None})
    assert found.samples["flags"][0] & SampleFlag.LOST and np.isinf(latency_ms(found.samples)[0])
    assert found.swarm.trials[0].why == ["c did not begin to move"]
    assert any("c did not begin to move" in words for words in found.remarks)


def test_of_movers_alone_motion_is_expected() -> None:
    found = sampled({"b": 40.0, "c": None}, movers=["b"])
    assert found.swarm.trials[0].total_ms == pytest.approx(50.0) and found.swarm.trials[0].why == []


def test_who_was_not_at_rest_leaves_the_trial_undecided() -> None:
    found = sampled({"b": 40.0, "c": -100.0})
    assert found.samples["flags"][0] & SampleFlag.FALSE_ONSET
    assert found.swarm.trials[0].why == ["c was not at rest before the fault"]
    assert found.swarm.trials[0].total_ms is None
