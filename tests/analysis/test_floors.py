"""The floor, from the rows of the raw tables to J, the checks and the results."""

import numpy as np
import pytest
from analysis_data import MS, around, observations, stimuli
from test_derive import N, analyse, resolved, run_json, tables

from harness.config import rig_from_resolved
from harness.model import FLOOR_SCENARIOS, Verdict

S = 1_000 * MS
MATCH = {"kind": "sequence", "path": None, "answers": "each"}


def entry(**changes):
    return {
        "name": "_floor_command",
        "port": "_floor_command.answer",
        "scenarios": ["command"],
        "before": FLOOR_SCENARIOS,
        "after": FLOOR_SCENARIOS + 1,
        "rate_hz": 200.0,
        "message_bytes": 48,
        "what": "the harness alone",
        "match": MATCH,
        "timeout_ms": 100.0,
        **changes,
    }


def loopback(latency_ms, start, first_key, number):
    """Floor rows and their answers; NaN is not answered."""
    latency = np.asarray(latency_ms, dtype=float)
    keys = first_key + np.arange(len(latency))
    sent = start + np.arange(len(latency), dtype=np.int64) * 5 * MS
    answered = np.flatnonzero(~np.isnan(latency))
    at = sent[answered] + np.round(latency[answered] * MS).astype(np.int64)
    return stimuli(sent, keys=keys, scenario=number), observations(keys[answered], at)


def run_with(before, after=(), *, item_ms=3.0, **changes):
    # Keys of the floor are numbered on their own, and so are the same as those of the scenario.
    start = 100 * S
    rows, answers, clocks = tables(latency_ms=item_ms, start=start)
    first, seen = loopback(before, start - 20 * S, 0, FLOOR_SCENARIOS)
    last, seen_later = loopback(after, start + 50 * S, len(before), FLOOR_SCENARIOS + 1)
    observed = {"robot.applied": answers, "_floor_command.answer": np.concatenate([seen, seen_later])}
    run = run_json(**{"floors": [entry()], **changes})
    return analyse(
        run,
        rig_from_resolved(resolved()),
        np.concatenate([first, rows, last]),
        observed,
        clocks,
        [],
        run_id="r",
        changed=[],
    )


def test_j_is_of_both_measurements_and_moves_the_fail_threshold_alone():
    before, after = around(0.2, 600), around(0.4, 500, seed=3)
    results, samples = run_with(before, after)
    (requirement,), (floor,) = results.requirements, results.floors
    assert (floor.n, floor.lost, floor.before.n, floor.after.n) == (1100, 0, 600, 500)
    assert floor.message_bytes == 48 and floor.what == "the harness alone"
    # 1100 are too few for a lower rank: the harness alone may exceed even the largest in 0.42 % of cases.
    assert requirement.floor == pytest.approx(max(before.max(), after.max()), abs=1e-5)
    assert any("the largest of 1100 loopback samples" in line for line in requirement.decision)
    assert requirement.pass_threshold == pytest.approx(10 - requirement.uncertainty)
    assert requirement.fail_threshold == pytest.approx(10 + requirement.uncertainty + requirement.floor)
    assert requirement.n == N and results.scenarios["command"].scheduled == N
    assert [c.name for c in requirement.checks if not c.ok] == []
    assert (samples["scenario"] >= FLOOR_SCENARIOS).sum() == 1100
    assert (samples["arrived_ns"] > samples["sent_ns"]).all()


def test_a_run_that_ended_before_the_second_measurement_has_the_first():
    results, _ = run_with(around(0.2, 600), floors=[entry(after=None)])
    assert results.floors[0].n == 600 and results.requirements[0].floor < 0.31


def test_a_floor_beyond_a_fifth_of_the_limit_decides_nothing():
    results, _ = run_with(around(2.5, 1000))
    (requirement,) = results.requirements
    assert requirement.verdict is Verdict.INCONCLUSIVE
    assert "floor" in requirement.reasons[0] and "fifth" in requirement.reasons[0]
    (check,) = (c for c in requirement.checks if c.name == "floor")
    assert check.remedy


def test_lost_loopback_answers_are_counted_and_unbound_j():
    latency = around(0.2, 1000)
    latency[[5, 500, 700]] = np.nan
    results, _ = run_with(latency)
    (requirement,) = results.requirements
    assert results.floors[0].lost == 3
    assert requirement.floor is None and requirement.fail_threshold is None
    assert requirement.verdict is Verdict.PASS
    slow, _ = run_with(latency, item_ms=20.0)
    assert slow.requirements[0].verdict is Verdict.INCONCLUSIVE


@pytest.mark.parametrize("item_ms", [3.0, 20.0])
def test_a_floor_that_could_not_be_measured_decides_nothing(item_ms):
    finding = {"name": "floor", "severity": "warning", "message": "the echo did not start"}
    results, _ = run_with([], item_ms=item_ms, floors=[], findings=[finding])
    (requirement,) = results.requirements
    assert requirement.verdict is Verdict.INCONCLUSIVE
    assert "the echo did not start" in requirement.reasons[0]
    assert "J: not measured, taken as 0" in requirement.decision
