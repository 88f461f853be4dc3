"""Actions as stimulus and response, against a server in a process of its own."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from ros2_bench import Bench, told, until

from harness.adapters.ros2 import loop
from harness.adapters.ros2.device import Ros2Device
from harness.errors import OperationError, SafetyError
from harness.model import ObservationFlag
from harness.ports import Role
from harness.testing.device_bench import Recorder

pytestmark = pytest.mark.slow

TYPE = "harness_interfaces/action/FollowTrajectory"
PORTS: dict[str, Any] = {
    "move": {"stimulus": {"action": "/echo/go", "type": TYPE}},
    "accepted": {"response": {"of": "move", "event": "accepted"}},
    "first": {"response": {"of": "move", "event": "feedback", "value": "header.stamp.sec"}},
    "reached": {"response": {"of": "move", "event": "result", "accepted_if": {"error_code": 0}}},
}
ANSWERS = ("accepted", "first", "reached")
CANCEL = {"port": "move", "cancel": True, "repeat": 3, "interval_ms": 10.0}
REJECTED, FURTHER = ObservationFlag.REJECTED, ObservationFlag.FURTHER


def opened(bench: Bench, role: Role = Role.HARNESS, **changes: Any) -> Ros2Device:
    device = bench.device(role, ports=PORTS, **changes)
    device.open()
    return device


def moved(device: Ros2Device, count: int, pause_s: float = 0.01) -> dict[str, Recorder]:
    """Goals at that distance, once the server is found, and what its ports saw."""
    recorders = {name: Recorder() for name in ANSWERS}
    until(lambda: all(one.ready for one in device._calls()[0].callers), "the server")
    until(lambda: all(look.matched for look in device._lookout().look()), "its feedback")
    for name, recorder in recorders.items():
        device.response(name).listen(recorder)
    stimulus = device.stimulus("move")
    prepared = stimulus.prepare({})
    for key in range(count):
        before, after = stimulus.send(key, prepared)
        assert before <= after
        time.sleep(pause_s)
    return recorders


def flags(recorder: Recorder) -> dict[int, list[int]]:
    """The flags of what came for each goal, in order."""
    found: dict[int, list[int]] = {}
    for row in recorder.rows:
        found.setdefault(row["key"], []).append(row["flags"])
    return found


def test_acceptance_first_feedback_and_result_are_answers_of_their_own(bench: Bench):
    bench.mover("--refuse-every", "4", "--abort-every", "3")
    recorders = moved(opened(bench), 8)
    until(lambda: len(flags(recorders["reached"])) == 8, "8 results")
    refused, aborted = {3, 7}, {2, 5}
    assert flags(recorders["accepted"]) == {key: [REJECTED if key in refused else 0] for key in range(8)}
    assert flags(recorders["reached"]) == {
        key: [REJECTED if key in refused | aborted else 0] for key in range(8)
    }
    assert flags(recorders["first"]) == {
        key: [REJECTED] if key in refused else [0, FURTHER, FURTHER] for key in range(8)
    }
    rows = {name: {row["key"]: row for row in each.rows[::-1]} for name, each in recorders.items()}
    for key in set(range(8)) - refused:
        instants = [rows[name][key]["received_ns"] for name in ANSWERS]
        assert instants == sorted(instants) and len(set(instants)) == 3
        assert rows["first"][key]["value"] == 0.0


def test_without_its_own_loop_stamps_are_those_of_the_harness(bench: Bench, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(loop.DirectLoop, "available", staticmethod(lambda: False))
    bench.mover("--refuse-every", "3")
    device = opened(bench, stop=CANCEL)
    recorders = moved(device, 6)
    until(lambda: len(flags(recorders["reached"])) == 6, "6 results")
    seen = ObservationFlag.NOT_MIDDLEWARE
    said_no = {key: [seen | REJECTED if key in (2, 5) else seen] for key in range(6)}
    assert flags(recorders["accepted"]) == flags(recorders["reached"]) == said_no
    assert flags(recorders["first"])[0] == [0, FURTHER, FURTHER]  # a topic, whose stamp the executor keeps
    device.safe_stop()


def test_goals_of_others_are_not_ours(bench: Bench):
    bench.mover()
    recorders = moved(opened(bench), 1)
    other = bench.device(run_id="run-2", ports=PORTS)
    other.open()
    theirs = moved(other, 5)
    until(lambda: len(flags(theirs["reached"])) == 5, "their results")
    assert flags(recorders["first"]) == {0: [0, FURTHER, FURTHER]} and len(recorders["reached"].rows) == 1
    message = told(other, "other client").message
    assert "/harness_run_1 has a client of the action /echo/go" in message


def test_the_stop_cancels_what_goes_on(bench: Bench):
    bench.mover("--step-ms", "2000")
    device = opened(bench, stop=CANCEL)
    recorders = moved(device, 3)
    until(lambda: len(recorders["accepted"].rows) == 3, "3 goals on their way")
    device.safe_stop()
    until(lambda: len(recorders["reached"].rows) == 3, "the end of all goals")
    assert {tuple(each) for each in flags(recorders["reached"]).values()} == {(REJECTED,)}
    device.safe_stop()


def test_the_guardian_cancels_goals_that_it_does_not_know(bench: Bench):
    server = bench.mover("--step-ms", "2000")
    device = opened(bench)
    guardian = opened(bench, Role.GUARDIAN, stop=CANCEL)
    recorders = moved(device, 2)
    until(lambda: len(recorders["accepted"].rows) == 2, "2 goals on their way")
    guardian.safe_stop()
    until(lambda: len(recorders["reached"].rows) == 2, "the end of all goals")
    assert {tuple(each) for each in flags(recorders["reached"]).values()} == {(REJECTED,)}
    server.end()
    with pytest.raises(OperationError, match="/echo/go did not acknowledge"):
        guardian.safe_stop()


@pytest.mark.parametrize("role", [Role.HARNESS, Role.GUARDIAN])
def test_a_server_that_does_not_cancel_is_told_of(bench: Bench, role: Role):
    bench.mover("--step-ms", "3000", "--refuse-cancel")
    device = opened(bench)
    stopping = device if role is Role.HARNESS else opened(bench, role, stop=CANCEL)
    if role is Role.HARNESS:
        device.close()
        device = stopping = opened(bench, stop=CANCEL)
    recorders = moved(device, 2)
    until(lambda: len(recorders["accepted"].rows) == 2, "2 goals on their way")
    with pytest.raises(OperationError, match=r"did not cancel 2 goal\(s\), which go on"):
        stopping.safe_stop()


def test_a_goal_that_holds_follows_the_cancel_and_limits_hold_for_it(bench: Bench):
    bench.mover("--step-ms", "1000", "--feedback", "0")
    hold = {"port": "move", "values": {"trajectory.points[0].positions": [0.5, -0.5]}}
    limits = {"trajectory.points.positions": 1.0}
    device = opened(bench, stop={**CANCEL, "hold": hold}, limits=limits)
    recorders = moved(device, 1)
    device.safe_stop()
    until(lambda: len(recorders["reached"].rows) == 1, "the end of the goal")
    assert recorders["accepted"].keys == [0]  # the goal that holds is nobody's answer
    with pytest.raises(SafetyError, match=r"trajectory\.points\.positions = 1\.5"):
        device.stimulus("move").prepare({"trajectory.points[1].positions": [0.0, 1.5]})


def test_a_dead_server_ends_nothing_but_the_answers(bench: Bench):
    server = bench.mover("--die-after", "2")
    device = opened(bench, stop=CANCEL)
    recorders = moved(device, 5)
    server.process.wait(20)
    assert set(recorders["accepted"].keys) <= {0, 1}
    with pytest.raises(OperationError, match="did not acknowledge that its goals are cancelled"):
        device.safe_stop()


def test_the_preflight_names_an_action_of_another_type(bench: Bench):
    bench.server("--serve", "/echo/go/_action/send_goal")
    device = opened(bench, patience_s=0.2)
    assert told(device, "type differs").remedy == "write type: std_srvs/srv/SetBool"
    assert device.is_ready("serves", "/echo/go")
