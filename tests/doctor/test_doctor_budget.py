from __future__ import annotations

import math
from typing import Any

import pytest

from harness.doctor import Health
from harness.doctor.budget import judge, round_up, smallest_limit_ms
from harness.doctor.measure import Timing
from harness.doctor.need import Need

PLAIN, FAST = "wake-ups, ordinary priority", "wake-ups, real-time priority"
LOOP, ROS = "round trip, loopback", "round trip, ROS 2"


def one(name: str, p99: float, p99_9: float | None = None, **more: Any) -> Timing:
    return Timing(name, 3000, 0, p99 / 4, p99, p99_9 if p99_9 is not None else 2 * p99, 9 * p99, **more)


def reading(ns: float) -> Timing:
    return Timing("clock reading", 100, 0, ns / 1e6, ns / 1e6, ns / 1e6, ns / 1e6)


@pytest.mark.parametrize(
    ("value", "up"),
    [
        (1.01, 1.1),
        (1.0, 1.0),
        (9.91, 10.0),
        (0.0123, 0.013),
        (123.0, 130.0),
        (4.4, 4.4),
        (math.inf, math.inf),
        (0.0, 0.0),
    ],
)
def test_budgets_are_rounded_up_to_two_digits(value: float, up: float) -> None:
    assert round_up(value) == up


@pytest.mark.parametrize(
    ("lateness_p99", "floor_p99_9", "limit"),
    [
        (0.1, 0.1, 1.0),  # lateness decides: a tenth
        (0.1, 1.0, 5.0),  # the floor decides: a fifth
        (0.2, 0.4, 2.0),
        (0.1, math.inf, math.inf),
    ],
)
def test_the_smallest_limit_that_can_be_decided(lateness_p99, floor_p99_9, limit) -> None:
    assert smallest_limit_ms(one(PLAIN, lateness_p99), one(LOOP, 0.05, floor_p99_9)) == limit


def test_no_budget_from_half_the_timings() -> None:
    assert smallest_limit_ms(None, one(LOOP, 1)) is None
    assert smallest_limit_ms(one(PLAIN, 1), None) is None
    assert smallest_limit_ms(Timing(FAST, note="not allowed"), one(LOOP, 1)) is None


def judged(timed: list[Timing], need: Need) -> dict[str, tuple[Health, str]]:
    checks = judge(timed, need)
    assert all(check.why.endswith(".") for check in checks)
    assert all(check.remedy for check in checks if check.severity.rank >= Health.WARNING.rank)
    return {check.name: (check.severity, check.value) for check in checks}


def test_a_host_that_is_quick_enough() -> None:
    found = judged([reading(60), one(PLAIN, 0.2), one(FAST, 0.05), one(LOOP, 0.1), one(ROS, 0.5)], Need())
    assert {health for health, _ in found.values()} == {Health.OK}
    text = "without middleware p99 limits from 1 ms; through ROS 2 p99 limits from 5 ms"
    assert found["supported budget"][1] == text


@pytest.mark.parametrize(
    ("need", "name", "severity"),
    [
        # Only the priority that a run would have counts, and without a rig nothing is an error.
        (Need(), PLAIN, "info"),
        (Need(), FAST, "ok"),
        (Need(realtime=False), PLAIN, "warning"),
        (Need(realtime=False, tightest_ms=10, requirement="CMD"), PLAIN, "error"),
        (Need(realtime=False, tightest_ms=10, requirement="CMD"), "supported budget", "error"),
        (Need(realtime=False, tightest_ms=100, requirement="CMD"), PLAIN, "ok"),
        # ROS 2 is slow here; a rig that does not use it does not mind.
        (Need(), ROS, "warning"),
        (Need(), "supported budget", "warning"),
        (Need(ros=False, tightest_ms=10, requirement="CMD"), ROS, "info"),
        (Need(ros=False, tightest_ms=10, requirement="CMD"), "supported budget", "ok"),
        (Need(ros=True, tightest_ms=10, requirement="CMD"), ROS, "error"),
        (Need(ros=True, tightest_ms=10, requirement="CMD"), LOOP, "ok"),
    ],
)
def test_what_counts_for_whom(need: Need, name: str, severity: str) -> None:
    timed = [one(PLAIN, 3.0), one(FAST, 0.1), one(LOOP, 0.1), one(ROS, 2.0)]
    found = judged(timed, need)
    assert found[name][0] is Health(severity), found[name]


def test_a_limit_that_cannot_be_decided_is_named() -> None:
    need = Need(ros=False, tightest_ms=1.0, requirement="CMD-RTT")
    _, value = judged([one(PLAIN, 0.3), one(LOOP, 0.1)], need)["supported budget"]
    assert value.endswith("not enough for CMD-RTT: 1 ms")


def test_where_priority_is_refused_the_ordinary_one_decides() -> None:
    refused = Timing(FAST, note="not available: Operation not permitted")
    found = judged([one(PLAIN, 3.0), refused, one(LOOP, 0.1)], Need())
    assert found[FAST] == (Health.INFO, "not available: Operation not permitted")
    assert found[PLAIN][0] is Health.WARNING
    assert found["supported budget"][1].startswith("without middleware p99 limits from 30 ms")


def test_answers_that_were_lost_support_no_budget() -> None:
    found = judged([one(PLAIN, 0.1), one(LOOP, 0.1, math.inf)], Need(ros=False))
    assert found["supported budget"][0] is Health.WARNING
    assert "none: answers were lost" in found["supported budget"][1]
    assert found[LOOP][0] is Health.WARNING


def test_nothing_timed_is_no_claim() -> None:
    nothing = [Timing(PLAIN, note="x"), Timing(FAST, note="x"), Timing(LOOP, note="x"), Timing(ROS, note="x")]
    found = judged(nothing, Need(ros=True, tightest_ms=10))
    assert found["supported budget"] == (Health.INFO, "not available")
    assert judged([], Need())["supported budget"] == (Health.INFO, "not available")


def test_a_rig_on_ros_is_not_cleared_by_loopback_alone() -> None:
    found = judged([one(PLAIN, 0.1), one(LOOP, 0.1), Timing(ROS, note="not available: x")], Need(ros=True))
    assert found["supported budget"][0] is Health.INFO


@pytest.mark.parametrize(("ns", "severity"), [(60, "ok"), (2500, "warning")])
def test_a_clock_that_is_slow_to_read(ns: float, severity: str) -> None:
    found = judged([reading(ns)], Need())
    assert found["clock reading"][0] is Health(severity)
    assert found["clock reading"][1].startswith(f"p50 {ns} ns")
