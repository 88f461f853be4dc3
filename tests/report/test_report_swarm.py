"""What the report says of a swarm: phases, violations by name, every trial."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import numpy as np
import report_data as data

from harness.analysis.statistics import distribution
from harness.report.junit import render_junit
from harness.report.summary import render_summary
from harness.report.swarm import reorganised
from harness.results import (
    RequirementResult,
    ScenarioResult,
    SwarmChange,
    SwarmFault,
    SwarmResult,
    SwarmTimeline,
    SwarmTrial,
)
from harness.wording import swarm_words

PHASES = ("detection", "election", "agreement", "re_forming")


def trial(number: int, *parts: float, violations: tuple[str, ...] = (), verified: bool = True) -> SwarmTrial:
    return SwarmTrial(
        trial=number,
        fault_ns=number,
        robot="anna",
        kind="kill",
        verified=verified,
        evidence="pid 7 in state S",
        warm_up=number == 0,
        leader="bert" if parts else None,
        term=5 if parts else None,
        total_ms=sum(parts) if parts else None,
        last_sign_ms=-3.0,
        since_last_ms=sum(parts) if parts else None,
        handed_ms=0.01,
        proven_ms=0.4,
        noticed_ms=parts[0] if parts else None,
        noticed_by="bert",
        stood_ms=None,
        stood=None,
        first_follows_ms=sum(parts[:2]) if parts else None,
        first_follows="bert",
        last_follows_ms=sum(parts[:3]) if parts else None,
        last_follows="carl",
        last_holds="carl",
        observed_ms=900.0,
        waited_ms=0.2,
        waited_by="bert",
        faults=[
            SwarmFault(robot="anna", kind="kill", at_ms=0.0, verified=verified, evidence="pid 7 in state S")
        ],
        **dict(zip((f"{name}_ms" for name in PHASES), parts or (None,) * 4, strict=True)),
        violations=list(violations),
        why=[] if parts else ["carl follows nobody in term 4 and holds slot 2"],
    )


def swarm(*trials: SwarmTrial, violations: tuple[str, ...] = ()) -> SwarmResult:
    known = [each for each in trials if each.total_ms is not None]
    phases = {
        name: distribution(np.array([getattr(each, f"{name}_ms") for each in known], float), ())
        for name in (*PHASES, "total")
    }
    return SwarmResult(
        robots=["anna", "bert", "carl"],
        settle_ms=100.0,
        period_ms=5.0,
        gap_ms=6.0,
        detection_timeout_ms=15.0,
        phases_ms=phases,
        trials=list(trials),
        violations=list(violations),
    )


REQUIREMENT = RequirementResult.model_construct(
    quantity="latency", quantile=0.95, limit=50.0, unit="ms", uncertainty=5.0
)


def shown(result: SwarmResult | None, folder: Path | None = None) -> str:
    scenario = ScenarioResult.model_construct(swarm=result)
    with tempfile.TemporaryDirectory() as temporary:
        root = folder or Path(temporary)
        return json.dumps(list(reorganised("swarm", scenario, [REQUIREMENT], root)), ensure_ascii=False)


def test_other_scenarios_show_nothing() -> None:
    assert shown(None) == "[]"


def test_phases_and_the_longest_of_them() -> None:
    result = swarm(trial(0, 15.0, 4.0, 1.0, 0.5), trial(1, 17.0, 2.0, 1.5, 0.0))
    said = shown(result)
    assert "20.50" in said and "0 (warm-up)" in said and "None: no two leaders" in said
    assert "every 5.0 ms" in said


def test_violations_and_swarms_that_did_not_reorganise_are_told() -> None:
    words = "two leaders in term 5: bert and carl"
    said = shown(
        swarm(trial(0, 15.0, 4.0, 1.0, 0.0, violations=(words,)), trial(1), violations=(f"trial 0: {words}",))
    )
    assert f"trial 0: {words}" in said and "carl follows nobody in term 4" in said
    assert "None: no two leaders" not in said


def test_a_fault_that_did_not_take_hold_is_told() -> None:
    assert "the fault did not take hold: pid 7 in state S" in shown(swarm(trial(1, verified=False)))


def test_a_long_list_keeps_the_slowest(tmp_path: Path) -> None:
    many = [trial(number, float(number % 97), 4.0, 1.0, 0.0) for number in range(200)]
    scenario = ScenarioResult.model_construct(swarm=swarm(*many))
    blocks = list(reorganised("swarm", scenario, [REQUIREMENT], tmp_path))
    rows = blocks[-1]["rows"]
    assert len(rows) == 150
    assert "50 quicker ones are in results.json" in blocks[-1]["caption"]


def test_timelines_and_phases_are_drawn_from_the_results_alone(tmp_path: Path) -> None:
    calm = SwarmChange(at_ms=-12.0, follows="anna", term=4, slot=1, state=1)
    changes = {
        "anna": [calm],
        "bert": [
            calm,
            SwarmChange(at_ms=16.0, follows=None, term=5, slot=None, state=3),
            SwarmChange(at_ms=18.0, follows="bert", term=5, slot=0, state=4),
        ],
        "carl": [calm, SwarmChange(at_ms=19.0, follows="bert", term=5, slot=2, state=1)],
    }
    one = trial(1, 16.0, 2.0, 1.0, 0.0)
    result = swarm(one).model_copy(
        update={
            "timelines": [
                SwarmTimeline(trial=1, why="the slowest", begin_ms=-12.0, end_ms=34.0, robots=changes)
            ]
        }
    )
    said = shown(result, tmp_path)
    assert "Trial 1 (the slowest)" in said and "Reorganised after 19" in said
    drawn = (tmp_path / "swarm-timeline-0.svg").read_text(encoding="utf-8")
    for words in ("follows anna", "follows bert", "follows nobody", "noticed", "anna kill", "role 2"):
        assert words in drawn, words
    assert "detection" in (tmp_path / "swarm-phases.svg").read_text(encoding="utf-8")


def test_a_trial_with_a_violation_that_never_ends_is_drawn(tmp_path: Path) -> None:
    broken = trial(1, violations=("two leaders in term 5: bert and carl",))
    lines = [SwarmTimeline(trial=1, why="a violation", begin_ms=-12.0, end_ms=915.0, robots={"anna": []})]
    said = shown(swarm(broken).model_copy(update={"timelines": lines}), tmp_path)
    assert "Two leaders in term 5: bert and carl." in said
    assert (tmp_path / "swarm-timeline-0.svg").is_file()


def test_the_swarm_in_few_words() -> None:
    words = "two leaders in term 5: bert and carl"
    warm, good, stuck = trial(0, 99.0, 4.0, 1.0, 0.0), trial(1, 15.0, 4.0, 1.0, 0.5), trial(2)
    found = swarm(warm, good, stuck, violations=(f"trial 1: {words}",))
    done = swarm(good).phases_ms
    assert swarm_words(found.model_copy(update={"phases_ms": done})) == [
        "reorganised in 1 of 2 trials, median 20.5 ms (detection 15.0, election 4.0, agreement 1.0,"
        " re-forming 0.5), at most 20.5 ms",
        "violations: 1",
    ]
    assert swarm_words(swarm(warm)) == []
    assert swarm_words(swarm(stuck)) == ["reorganised in 0 of 1 trials", "violations: none"]


def test_summary_and_junit_tell_phases_and_violations() -> None:
    results, _, _ = data.whole(300)
    name, scenario = next(iter(results.scenarios.items()))
    told = scenario.model_copy(update={"swarm": swarm(trial(1, 15.0, 4.0, 1.0, 0.5))})
    results = results.model_copy(update={"scenarios": {name: told}})
    assert f"- {name}: reorganised in 1 of 1 trials, median 20.5 ms" in render_summary(results)
    assert "violations: none" in render_junit(results)
