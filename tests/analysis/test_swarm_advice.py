"""Which phase to improve, by figures worked out by hand; and robots that got no CPU."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.analysis.starved import starved
from harness.analysis.statistics import distribution
from harness.analysis.swarm_advice import advice
from harness.config.schema import Requirement
from harness.results import SwarmResult, SwarmTrial

PHASES = ("detection", "election", "agreement", "re_forming")


def swarm(parts: list[tuple[float, ...]], **more: Any) -> SwarmResult:
    """Trials with these phases, in ms; ``waited``: for a CPU, of each."""
    waited = more.pop("waited", [None] * len(parts))
    trials = [
        SwarmTrial.model_construct(
            trial=number,
            observed_ms=900.0,
            warm_up=False,
            total_ms=sum(each),
            waited_ms=wait,
            waited_by="carl",
            **dict(zip((f"{name}_ms" for name in PHASES), each, strict=True)),
        )
        for number, (each, wait) in enumerate(zip(parts, waited, strict=True))
    ]
    phases = {
        name: distribution(np.array([each[place] for each in parts]), ()) for place, name in enumerate(PHASES)
    }
    return SwarmResult.model_construct(
        robots=["anna", "bert", "carl"], trials=trials, phases_ms=phases, gap_ms=None, **more
    )


def test_what_the_detection_may_take_and_the_timeout_would_have_to_be() -> None:
    # The 97.5 % quantile of 100 is the 98th: detection 60 + 97/100, the rest 9.
    found = swarm([(60.0 + k / 100, 6.0, 3.0, 0.0) for k in range(100)])
    lines = advice(found, 50.0, 0.95, 5.0, 55.0)
    assert lines[0].startswith("The longest phase is detection: 60.49 ms on average, 87% of the whole.")
    assert lines[1].startswith(
        "Detection takes 61.0 ms and may take 36.0: of 50 ms, 5.0 go to the uncertainty"
    )
    assert lines[2] == "The detector's timeout of 55 ms would have to shrink to 30.0 ms."
    assert "no election, however quick" in lines[3]


def test_with_room_to_spare_a_timeout_may_grow() -> None:
    found = swarm([(15.0, 3.0, 1.0, 0.0)] * 60)
    lines = advice(found.model_copy(update={"gap_ms": 7.25}), 50.0, 0.95, 5.0, 15.0)
    assert "Detection may take up to 41.0 ms, and takes 15.0" in lines[1]
    assert lines[2] == "The detector's timeout of 15 ms may grow to 41.0 ms."
    assert "A timeout below 7.2 ms" in lines[3] or "A timeout below 7.3 ms" in lines[3]
    assert len(lines) == 4


def test_a_timeout_that_robots_which_are_well_would_break_is_told() -> None:
    # Detection 61 may be 50 - 5 - 9 = 36: the timeout of 55 has to be 30, and silences reach 31.
    slow = swarm([(61.0, 6.0, 3.0, 0.0)] * 100)
    lines = advice(slow.model_copy(update={"gap_ms": 31.0}), 50.0, 0.95, 5.0, 55.0)
    assert lines[2].endswith("would have to shrink to 30.0 ms.")
    assert lines[3].startswith("No timeout does both: what the limit wants is below the 31.0 ms")
    lines = advice(slow.model_copy(update={"gap_ms": 29.0}), 50.0, 0.95, 5.0, 55.0)
    assert not any(each.startswith("No timeout does both") for each in lines)


def test_no_timeout_helps_where_the_rest_takes_all() -> None:
    lines = advice(swarm([(10.0, 50.0, 1.0, 0.0)] * 60), 50.0, 0.95, 5.0, 8.0)
    assert (
        lines[0].startswith("The longest phase is election") and "Nothing is left for detection" in lines[1]
    )
    assert len(lines) == 2
    lines = advice(swarm([(30.0, 30.0, 1.0, 0.0)] * 60), 50.0, 0.95, 5.0, 8.0)
    assert lines[2].startswith("No timeout is short enough: detection takes 22.0 ms beyond")


def test_without_a_trial_that_reorganised_there_is_no_advice() -> None:
    assert advice(swarm([]), 50.0, 0.95, 5.0, 15.0) == []


def requirement(**more: Any) -> Requirement:
    told = {"id": "R", "scenario": "s", "quantity": "latency", "quantile": 0.95, "limit": 50, "unit": "ms"}
    return Requirement.model_validate({**told, "confidence": 0.95, **more})


def test_a_robot_that_waits_for_a_cpu_is_named() -> None:
    waits = [1.0] * 95 + [6.0] * 5
    (check,) = starved(swarm([(15.0, 3.0, 1.0, 0.0)] * 100, waited=waits), [requirement()])
    assert check.ok and check.consequence == ""
    (check,) = starved(swarm([(15.0, 3.0, 1.0, 0.0)] * 100, waited=[1.0] * 94 + [6.0] * 6), [requirement()])
    assert not check.ok and check.consequence.startswith("INCONCLUSIVE")
    assert "carl in 6 trials" in check.value and check.remedy


def test_without_a_new_order_a_robot_may_wait_for_a_tenth_of_the_observation() -> None:
    # Observed for 900 ms: 90 ms are to that what 5 ms are to the limit of 50.
    for waited, ok in ((89.0, True), (91.0, False)):
        found = swarm([(15.0, 3.0, 1.0, 0.0)] * 10, waited=[waited] * 10)
        stuck = [each.model_copy(update={"total_ms": None}) for each in found.trials]
        (check,) = starved(found.model_copy(update={"trials": stuck}), [requirement()])
        assert check.ok == ok, check.value
        assert ("carl in 10 trials" in check.value) != ok


def test_who_is_no_process_of_the_run_is_not_judged() -> None:
    assert starved(swarm([(15.0, 3.0, 1.0, 0.0)] * 60), [requirement()]) == []
    waited = [9.0] * 60
    assert starved(swarm([(15.0, 3.0, 1.0, 0.0)] * 60, waited=waited), []) == []
