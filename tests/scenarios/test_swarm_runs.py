"""The reference swarm measured for real, beside what its robots say they did; and a broken one."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.folder import RunFolder
from harness.model import Verdict
from harness.results import Results, SwarmResult
from harness.runner import RunOptions, run_rig
from harness.sim.swarm.phases import reorganisation
from harness.sim.swarm.truth import events

pytestmark = pytest.mark.slow
RIG = Path(__file__).parents[2] / "rig_configs" / "sim_swarm.yaml"
TRIALS = 4
WARM_UP = 1


def run(
    folder: Path,
    *words: str,
    samples: int,
    changes: tuple[str, ...] = (),
    edit: Callable[[str], str] = str,
) -> tuple[RunOutcome, Results]:
    text = edit(RIG.read_text(encoding="utf-8"))
    more = "".join(f', "{word}"' for word in words)
    rig = folder / "swarm.yaml"
    rig.write_text(text.replace('--status-hz, "200"]', f'--status-hz, "200"{more}]'), encoding="utf-8")
    fixed = ("record.bag=false", "host.max_load_per_cpu=100", "scenarios.failover.schedule.stopping=fixed")
    loaded = load_rig(rig, (*fixed, *changes))
    options = RunOptions(out=folder / "out", samples=samples, anyway=True, report=False)
    outcome = run_rig(loaded, options)
    text = (outcome.folder / "results.json").read_text(encoding="utf-8")
    return outcome, Results.model_validate_json(text)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    folder = tmp_path_factory.mktemp("swarm")
    outcome, results = run(folder, "--log-truth", str(folder / "truth"), samples=TRIALS)
    assert outcome.error is None and not results.aborted, results.abort_reason
    return folder / "truth", results


def test_ports_of_one_topic_see_the_same_messages(measured: tuple[Path, Results]) -> None:
    directory, results = measured
    folder = RunFolder.open(directory.parent / "out" / "sim-swarm" / results.run_id)
    tables = folder.observations()
    for robot in swarm_of(results).robots:
        stamps = [
            tables[f"swarm.{robot}_{column}"]["received_ns"]
            for column in ("leader", "term", "slot", "slot_term", "state")
        ]
        # The ports begin to record one after the other, and end together.
        since = max(each[0] for each in stamps)
        stamps = [each[each >= since] for each in stamps]
        assert len(stamps[0]) > 100
        assert all(np.array_equal(stamps[0], other) for other in stamps[1:])


def swarm_of(results: Results) -> SwarmResult:
    swarm = results.scenarios["failover"].swarm
    assert swarm is not None
    return swarm


def test_every_trial_is_there_and_verified(measured: tuple[Path, Results]) -> None:
    _, results = measured
    swarm, scenario = swarm_of(results), results.scenarios["failover"]
    assert len(swarm.trials) == TRIALS + WARM_UP and scenario.sent == TRIALS
    assert all(each.verified and "state Z" in each.evidence for each in swarm.trials)
    terms = [each.term for each in swarm.trials if each.term is not None]
    assert terms == sorted(set(terms))
    assert swarm.period_ms == pytest.approx(5.0, rel=0.3)
    for each in swarm.trials:
        if each.total_ms is not None:
            parts = (each.detection_ms, each.election_ms, each.agreement_ms, each.re_forming_ms)
            assert sum(part or 0.0 for part in parts) == pytest.approx(each.total_ms)


def test_the_instants_are_those_of_the_robots_own_logs(measured: tuple[Path, Results]) -> None:
    directory, results = measured
    swarm, truth = swarm_of(results), events(directory)
    (whole,) = (each for each in results.uncertainty if each.name == "expanded uncertainty U")
    assert whole.half_width_ms is not None and whole.half_width_ms >= (swarm.period_ms or 0.0)
    off = []
    for place, each in enumerate(swarm.trials):
        if each.total_ms is None:
            continue
        lost = swarm.robots.index(each.robot) + 1
        until = each.fault_ns + round((each.total_ms + swarm.settle_ms) * 1e6)
        true = reorganisation(truth, {1, 2, 3, 4, 5} - {lost}, each.fault_ns, until)
        assert true is not None, place
        assert (swarm.robots[true.leader - 1], true.term) == (each.leader, each.term)
        off.append(each.total_ms - true.phases_ms()["total"])
    assert off
    # A message cannot arrive before what it tells of; how much later one may is up to the scheduler.
    assert min(off) > -1.0
    assert statistics.median(off) <= whole.half_width_ms


def monitored(text: str) -> str:
    """The rig that sees all robots through one topic, by name, every number a string."""
    start, end = text.index('      "{robot}_leader"'), text.index("      # What is broken")
    response = (
        "response: {{topic: /swarm/status, type: diagnostic_msgs/msg/DiagnosticArray, value: {}, names: {}}}"
    )
    ports = [
        f'      "{{robot}}_{column}": {{'
        + response.format(
            f'"status[name={{robot}}].values[key={column}].value"', "robots" if n == 0 else "[]"
        )
        + "}\n"
        for n, column in enumerate(("leader", "term", "slot", "slot_term", "state"))
    ]
    text = text[:start] + "".join(ports) + text[end:]
    return text.replace("ready: {publishes: /robot5/status}", "ready: {publishes: /swarm/status}")


def test_all_robots_of_one_topic_are_told_apart(tmp_path: Path) -> None:
    outcome, results = run(tmp_path, "--monitor-hz", "100", samples=2, edit=monitored)
    assert outcome.error is None and not results.aborted, results.abort_reason
    swarm = swarm_of(results)
    assert swarm.period_ms == pytest.approx(10.0, rel=0.3)
    terms = [each.term for each in swarm.trials if each.total_ms is not None]
    assert terms and terms == sorted(set(terms))
    lost = [each.robot for each in swarm.trials]
    new = [each.leader for each in swarm.trials]
    assert all(a == b for a, b in zip(new, lost[1:], strict=False) if a is not None)


def test_split_brain_is_caught(tmp_path: Path) -> None:
    changes = ("scenarios.failover.stable_timeout_s=8.0", "scenarios.failover.schedule.warmup=0")
    # It lies from the first loss of a leader on, which is the only trial then: no order is stable any more.
    outcome, results = run(tmp_path, "--misbehave", "split-brain:4", samples=2, changes=changes)
    assert outcome.verdict is not Verdict.PASS
    assert any("two leaders in term" in words for words in swarm_of(results).violations)
    (requirement,) = results.requirements
    assert any("two leaders in term" in reason for reason in requirement.reasons)
