"""300 leaders of the reference swarm killed: what the harness saw, beside what the robots logged."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from soak_bench import ROOT

from harness.config import load_rig
from harness.results import Results, SwarmResult
from harness.runner import RunOptions, run_rig
from harness.sim.swarm.phases import reorganisation
from harness.sim.swarm.settings import Event
from harness.sim.swarm.truth import events

pytestmark = [pytest.mark.soak, pytest.mark.ros]
TRIALS = 300
SLACK_MS = 1.0
"""A message cannot arrive before it was sent, but for the conversion between two clocks."""


def elections(truth: list[tuple[int, Event]], since_ns: int, until_ns: int) -> Counter[tuple[int, int]]:
    """(leader, term) of every majority in the logs between two instants."""
    return Counter(
        (robot, event.term)
        for robot, event in truth
        if event.name == "elected" and since_ns <= event.at_ns <= until_ns
    )


def compare(swarm: SwarmResult, truth: list[tuple[int, Event]], uncertainty_ms: float) -> list[str]:
    """What does not fit between the trials and the logs, in words."""
    wrong: list[str] = []
    late: list[float] = []
    numbers = range(1, len(swarm.robots) + 1)
    for place, each in enumerate(swarm.trials):
        if each.total_ms is None:
            wrong.append(f"trial {place}: no reorganisation seen: {each.why}")
            continue
        lost = swarm.robots.index(each.robot) + 1
        until = each.fault_ns + round((each.total_ms + swarm.settle_ms) * 1e6)
        true = reorganisation(truth, set(numbers) - {lost}, each.fault_ns, until)
        if true is None:
            wrong.append(f"trial {place}: invented: the robots log no reorganisation")
        elif (swarm.robots[true.leader - 1], true.term) != (each.leader, each.term):
            wrong.append(f"trial {place}: {each.leader} in term {each.term}, logged: {true}")
        else:
            late.append(each.total_ms - true.phases_ms()["total"])
            if not -SLACK_MS <= late[-1] <= uncertainty_ms:
                wrong.append(f"trial {place}: {late[-1]:.2f} ms after the truth, U {uncertainty_ms:.2f} ms")
    print(f"{len(late)} totals, {min(late):.2f} to {max(late):.2f} ms after the truth")
    return wrong


def test_300_lost_leaders_and_no_event_missed_or_invented(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_LOCK_DIR", str(tmp_path / "locks"))
    text = (ROOT / "rig_configs" / "sim_swarm.yaml").read_text(encoding="utf-8")
    words = '--status-hz, "200"'
    assert words in text
    rig = tmp_path / "swarm.yaml"
    rig.write_text(text.replace(words, f"{words}, --log-truth, {json.dumps(str(tmp_path / 'truth'))}"))
    changes = ("record.bag=false", "host.max_load_per_cpu=100", "scenarios.failover.schedule.stopping=fixed")
    options = RunOptions(out=tmp_path / "out", samples=TRIALS, anyway=True)
    outcome = run_rig(load_rig(rig, changes), options)
    assert outcome.error is None
    results = Results.model_validate_json((outcome.folder / "results.json").read_text(encoding="utf-8"))
    swarm = results.scenarios["failover"].swarm
    assert swarm is not None and not results.aborted, results.abort_reason
    assert sum(not each.warm_up for each in swarm.trials) == TRIALS
    assert all(each.verified for each in swarm.trials)

    (whole,) = (each for each in results.uncertainty if each.name == "expanded uncertainty U")
    assert whole.half_width_ms is not None
    truth = events(tmp_path / "truth")
    assert compare(swarm, truth, whole.half_width_ms) == []

    # Each majority that the robots logged belongs to a trial, and the other way round.
    last = swarm.trials[-1]
    until_ns = last.fault_ns + round((last.observed_ms or 0.0) * 1e6)
    logged = elections(truth, swarm.trials[0].fault_ns, until_ns)
    seen = Counter(
        (swarm.robots.index(each.leader) + 1, each.term or 0) for each in swarm.trials if each.leader
    )
    assert seen - logged == Counter(), "invented"
    missed = {f"term {term}" for _, term in logged - seen}
    unnamed = {words for words in missed if not any(f"{words}," in f"{v}," for v in swarm.violations)}
    assert unnamed == set(), "missed: the robots logged it, and neither a trial nor a violation names it"
    assert swarm.violations == [], "real, found and named, and not wanted"
