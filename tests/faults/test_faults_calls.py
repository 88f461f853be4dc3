"""Whole runs against a service and an action: what is answered, what says no, and kill -9 amid goals."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fault_bench import Cli, Evidence, cli, rig_file, until

from harness.folder import RunFolder
from harness.model import ObservationFlag

pytestmark = [pytest.mark.slow, pytest.mark.ros]

PACED = {"kind": "paced", "rate_hz": 50, "samples": 100, "warmup_s": 0.2}
PROBING = {"consecutive": 3, "rate_hz": 20, "timeout_s": 40}


def server(kind: str, *arguments: str) -> dict[str, Any]:
    name = {"ros2_server": "/echo/call", "ros2_action_server": "/echo/go"}[kind]
    command = ["python", "-m", f"harness.sim.{kind}", *arguments, "--seconds", "300"]
    return {"command": command, "ready": {"serves": name}}


RIG: dict[str, Any] = {
    "rig": {"name": "calls", "simulated": True},
    "processes": {
        "gripper": server("ros2_server", "--shuffle-ms", "60", "--refuse-every", "10"),
        "arm": server("ros2_action_server", "--step-ms", "10", "--refuse-every", "5", "--abort-every", "7"),
    },
    "devices": {
        "robot": {
            "adapter": "ros2",
            "domain_id": "auto",
            "discovery": "localhost",
            "stop": {"port": "move", "cancel": True},
            "ports": {
                "grip": {
                    "stimulus": {
                        "service": "/echo/call",
                        "type": "std_srvs/srv/SetBool",
                        "values": {"data": {"alternate": [True, False]}},
                    }
                },
                "gripped": {"response": {"of": "grip", "event": "reply", "accepted_if": {"success": True}}},
                "move": {
                    "stimulus": {
                        "action": "/echo/go",
                        "type": "harness_interfaces/action/FollowTrajectory",
                    }
                },
                "accepted": {"response": {"of": "move", "event": "accepted"}},
                "first": {"response": {"of": "move", "event": "feedback"}},
                "reached": {"response": {"of": "move", "event": "result"}},
            },
        }
    },
    "setup": [{"send": "robot.grip"}, {"wait_for": "robot.gripped"}],
    "scenarios": {
        "grip": {
            "kind": "command_round_trip",
            "stimulus": "robot.grip",
            "response": "robot.gripped",
            "timeout_ms": 2000,
            "schedule": PACED,
            "probing": PROBING,
        },
        "move": {
            "kind": "command_round_trip",
            "stimulus": "robot.move",
            "stages": ["robot.accepted", "robot.first"],
            "response": "robot.reached",
            "timeout_ms": 2000,
            "schedule": {**PACED, "samples": 70},
            "probing": {**PROBING, "consecutive": 2},
        },
    },
    "requirements": [
        {"id": "GRIP", "scenario": "grip", "quantile": 0.5, "limit": 1900},
        {"id": "MOVE", "scenario": "move", "quantile": 0.5, "limit": 1900},
    ],
    "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
}


def run(folder: Path, changes: dict[str, Any] | None = None) -> Any:
    return cli(folder, "run", str(rig_file(folder, changes, base=RIG)), "--out", str(folder / "out"))


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    ran: Cli
    with run(tmp_path_factory.mktemp("calls")) as ran:
        ran.finish()
        found = ran.evidence
    found.assert_whole()
    assert not found.results.aborted, found.results.abort_reason
    return found


def test_what_said_no_is_lost_and_counted_as_rejected(evidence: Evidence):
    for name, sent in (("grip", 100), ("move", 70)):
        scenario = evidence.results.scenarios[name]
        assert scenario.sent + scenario.skipped + scenario.unsent == sent
        assert scenario.sent == scenario.answered + scenario.lost + scenario.open
        # Every tenth reply says no; of the goals, every fifth is refused and every seventh aborted.
        share = {"grip": 0.1, "move": 11 / 35}[name]
        assert scenario.sent * share - 2 <= scenario.rejected <= scenario.sent * share + 2
        assert scenario.lost >= scenario.rejected > 0
        assert (scenario.duplicates, scenario.unmatched) == (0, 0)
        assert scenario.match.startswith("call: the middleware tells")
        (loss,) = [check for check in scenario.checks if check.name == "loss"]
        assert loss.value.endswith(f"; {scenario.rejected} answers said no")
    assert evidence.results.scenarios["grip"].out_of_order > 0


def test_every_answer_is_one_to_its_own_request(evidence: Evidence):
    observed = RunFolder.open(evidence.folder).observations()
    keys = set(evidence.stimuli["key"].tolist())
    for port in ("robot.gripped", "robot.accepted", "robot.reached"):
        found = observed[port]["key"].tolist()
        assert len(found) == len(set(found)) and not observed[port]["flags"].max() & ObservationFlag.FURTHER
        # Those of the set-up step, which sends each of its two value sets.
        assert len(set(found) - keys) == (2 if port == "robot.gripped" else 0)
    first = observed["robot.first"]
    answers = first["key"][first["flags"] & ObservationFlag.FURTHER == 0].tolist()
    assert len(answers) == len(set(answers)) and len(first) > 2 * len(answers)


def test_the_stages_of_a_goal_are_told_apart(evidence: Evidence):
    move = evidence.results.scenarios["move"]
    assert [hop.name for hop in move.hops] == ["robot.accepted", "robot.first", "robot.reached"]
    assert [hop.missing for hop in move.hops] == [0, 0, 0]
    middle = [hop.since_sent_ms.p50 for hop in move.hops]
    assert None not in middle and middle == sorted(middle)
    assert sum(move.hops_lost.values()) == move.lost > move.hops_lost["sent"] > 0


def test_feedback_is_in_the_table_and_in_no_bag(evidence: Evidence):
    assert len(RunFolder.open(evidence.folder).observations()["robot.first"]) > 100
    assert "_action" not in str(evidence.run.get("bag"))


def test_rejected_ones_are_in_the_summary(evidence: Evidence):
    summary = (evidence.folder / "summary.md").read_text("utf-8")
    (header,) = [line for line in summary.splitlines() if line.startswith("| Scenario |")]
    (row,) = [line for line in summary.splitlines() if line.startswith("| move |")]
    cells = dict(zip(header.split(" | "), row.split(" | "), strict=True))
    assert cells["Rejected"] == str(evidence.results.scenarios["move"].rejected)


def test_after_kill_9_the_guardian_cancels_every_goal(tmp_path: Path):
    arm = server("ros2_action_server", "--step-ms", "60000")
    accept = {**RIG["scenarios"]["move"], "stages": [], "response": "robot.accepted"}
    accept["schedule"] = {**PACED, "rate_hz": 10, "samples": 1_000_000}
    changes = {
        "processes.arm": arm,
        "setup": None,
        "scenarios": {"move": accept},
        "requirements": [{"id": "MOVE", "scenario": "move", "quantile": 0.5, "limit": 1900}],
    }
    ran: Cli
    with run(tmp_path, changes) as ran:
        ran.wait_measuring(5)
        ran.popen.kill()
        ran.popen.wait()
        found = ran.evidence
        found.assert_nothing_runs()
    log = found.folder / "processes" / "arm.log"
    accepted = RunFolder.open(found.folder).observations()["robot.accepted"]
    until(lambda: log.read_text().count("cancelled") >= len(accepted), "every goal cancelled")
    assert len(accepted) >= 5
