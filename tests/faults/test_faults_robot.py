"""Robots that die, never appear, answer late, twice, out of order, only the newest, or not at all."""

from __future__ import annotations

from typing import Any

import pytest
from fault_bench import Ran, run_here

from harness.model import SampleFlag, Verdict

pytestmark = pytest.mark.slow


def asks(limit_ms: float, timeout_ms: float, quantile: float = 0.5) -> dict[str, Any]:
    """Another requirement. The bench may be late by a tenth of the limit: leave it room."""
    return {
        "requirements": [{"id": "R", "scenario": "command", "quantile": quantile, "limit": limit_ms}],
        "scenarios.command.timeout_ms": timeout_ms,
    }


def exit_status(ran: Ran) -> int:
    from harness.cli_run import finish

    return finish(ran.outcome, quiet=True)


def test_a_robot_that_dies_mid_run_is_an_error_that_names_it(tmp_path):
    ran = run_here(tmp_path, {"devices.robot.die_after": 60}, report=True)
    ran.assert_whole()
    reason = ran.assert_aborted("device")
    assert "robot" in reason and "ended with status 70" in reason, reason
    assert ran.results.verdict is Verdict.ERROR
    assert exit_status(ran) == 4
    assert ran.robot_did("died")
    assert not ran.robot_did("stop")  # nobody was there to take it, and the run went on to its report
    # 60 were taken, the 61st was not: nothing that was sent before is missing.
    assert set(range(61)) <= set(ran.stimuli["key"].tolist())
    assert ran.scenario.open + ran.scenario.answered + ran.scenario.lost == ran.scenario.sent
    assert any("safe stop" in text for e in ran.event("safe_stop") for text in e["failures"])


def test_a_process_of_the_rig_that_dies_mid_run_is_named_with_its_log_and_last_words(tmp_path):
    code = "import time; print('up', flush=True); time.sleep(1.5); raise SystemExit('battery empty')"
    changes = {
        "processes.base": {"command": ["python", "-c", code], "ready": {"log": "up"}},
        "scenarios.command.schedule.samples": 100000,
    }
    ran = run_here(tmp_path, changes)
    reason = ran.assert_aborted("device")
    for part in ("'base'", "ended by itself", "battery empty", "processes/base.log"):
        assert part in reason, reason
    assert "battery empty" in (ran.folder / "processes" / "base.log").read_text()
    ran.assert_stopped()
    assert exit_status(ran) == 4


def test_a_robot_that_had_already_failed_when_it_died_has_failed(tmp_path):
    changes = {
        **asks(99.0, 100.0, quantile=0.9),
        # The first probe is the first command; every second one is lost from then on.
        "scenarios.command.probing.consecutive": 1,
        "devices.robot.drop_every": 2,
        # So slow that a busy host skips few, and well before the last command.
        "scenarios.command.schedule.rate_hz": 40,
        "devices.robot.die_after": 120,
    }
    ran = run_here(tmp_path, changes)
    assert "ended with status 70" in ran.assert_aborted("device")
    (requirement,) = ran.results.requirements
    assert requirement.verdict is Verdict.FAIL, requirement.reasons
    assert "whatever the missing ones had brought" in requirement.reasons[0]
    assert exit_status(ran) == 4  # cut short, whatever it had shown by then


def test_a_robot_that_never_appears_ends_the_run_before_anything_is_sent(tmp_path):
    changes = {
        "devices.robot.external": True,
        "devices.robot.log": None,
        "processes.robot": {
            "command": ["python", "-c", "import time; time.sleep(60)"],
            "ready": {"publishes": "applied", "timeout_s": 0.5},
            "stop_timeout_s": 5.0,
        },
    }
    ran = run_here(tmp_path, changes, report=True)
    reason = ran.assert_aborted("device")
    for part in ("'robot'", "not ready after 0.5 s", "somebody publishes applied", "robot.log"):
        assert part in reason, reason
    assert len(ran.stimuli) == 0
    ran.assert_whole()
    assert exit_status(ran) == 4


def test_a_robot_process_that_ends_at_once_is_told_with_its_last_words(tmp_path):
    changes = {
        "devices.robot.external": True,
        "devices.robot.log": None,
        "processes.robot": {
            "command": ["python", "-c", "raise SystemExit('no such serial port')"],
            "ready": {"publishes": "applied", "timeout_s": 20},
        },
    }
    ran = run_here(tmp_path, changes)
    reason = ran.assert_aborted("device")
    assert "ended before it was ready" in reason and "no such serial port" in reason


def test_late_answers_beyond_the_limit_fail(tmp_path):
    ran = run_here(tmp_path, {**asks(100.0, 2000.0), "devices.robot.delay_ms": 150.0})
    (requirement,) = ran.results.requirements
    # A host that had to skip a tenth of the stimuli is told as such.
    assert requirement.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE), requirement.reasons
    assert requirement.exceedances_sent == ran.scenario.answered == ran.scenario.sent > 100
    assert ran.scenario.latency_ms.min >= 150.0
    assert exit_status(ran) == 1


def test_answers_later_than_the_timeout_are_lost_and_their_instant_is_kept(tmp_path):
    # Every third command is answered after the next one, or when the robot's patience of 100 ms ends; one at
    # a time, there is no next one before that.
    changes = {
        **asks(49.0, 50.0, quantile=0.9),
        "scenarios.command.schedule": {
            "kind": "trials",
            "samples": 30,
            "stopping": "fixed",
            "warmup": 0,
            "quiet_ms": 60.0,
            "dwell_ms": [1.0, 2.0],
        },
        "scenarios.command.probing.consecutive": 1,
        "devices.robot.reorder_every": 3,
    }
    ran = run_here(tmp_path, changes)
    assert ran.outcome.error is None
    late = ran.samples[(ran.samples["flags"] & SampleFlag.LATE) != 0]
    assert ran.scenario.late == len(late) == ran.scenario.lost >= 9
    assert ((late["flags"] & SampleFlag.LOST) != 0).all()
    assert ((late["arrived_ns"] - late["sent_ns"]) > 50_000_000).all()
    assert ran.results.verdict is not Verdict.PASS


def test_answers_given_twice_are_counted(tmp_path):
    ran = run_here(tmp_path, {"devices.robot.twice_every": 4})
    assert ran.outcome.error is None
    assert ran.scenario.duplicates == ran.turns(4) > 20
    assert ran.scenario.answered == ran.scenario.sent


def test_answers_out_of_order_are_counted(tmp_path):
    ran = run_here(tmp_path, {"devices.robot.reorder_every": 5})
    # The last one of the run may have nobody to overtake it; so may one before a stall of the host.
    assert ran.turns(5) - 3 <= ran.scenario.out_of_order <= ran.turns(5)
    assert ran.scenario.out_of_order > 10
    assert ran.scenario.answered == ran.scenario.sent
    assert ran.scenario.duplicates == 0


def test_a_robot_that_never_answers_is_told_from_its_ports_and_what_was_seen(tmp_path):
    changes = {
        "devices.robot.silent": True,
        **asks(19.0, 20.0),
        "scenarios.command.probing": {"consecutive": 3, "rate_hz": 100, "timeout_s": 0.4},
    }
    ran = run_here(tmp_path, changes)
    reason = ran.assert_aborted("device")
    for part in ("robot.command", "robot.applied", "none of them was answered", "3 in a row"):
        assert part in reason, reason
    assert ran.scenario.probes > 3
    assert ran.scenario.sent == 0
    ran.assert_stopped()


def test_a_robot_that_answers_too_seldom_is_told_so(tmp_path):
    changes = {
        "devices.robot.drop_every": 2,
        **asks(19.0, 20.0),
        "scenarios.command.probing": {"consecutive": 3, "rate_hz": 100, "timeout_s": 0.6},
    }
    reason = run_here(tmp_path, changes).assert_aborted("device")
    assert "probes went to robot.command" in reason and "were answered on robot.applied" in reason, reason


def test_a_robot_that_answers_only_the_newest_is_right_where_the_rig_says_so(tmp_path):
    changes = {
        "devices.robot.latest": True,
        "devices.robot.cycle_ms": 10.0,
        "devices.robot.ports.applied.response.match.answers": "latest",
    }
    ran = run_here(tmp_path, changes)
    assert ran.outcome.error is None
    assert ran.scenario.answered == ran.scenario.sent > 100
    assert ran.scenario.superseded >= 50  # about four in five at 500 Hz and a cycle of 10 ms


def test_a_robot_that_answers_only_the_newest_loses_the_others_where_each_has_to_be_answered(tmp_path):
    changes = {
        "devices.robot.latest": True,
        "devices.robot.cycle_ms": 10.0,
        **asks(299.0, 300.0, quantile=0.9),
        "scenarios.command.schedule.samples": 100,
    }
    ran = run_here(tmp_path, changes)
    assert ran.outcome.error is None
    assert ran.scenario.lost >= 50
    assert ran.scenario.superseded == 0
    (requirement,) = ran.results.requirements
    assert requirement.exceedances >= 50
    # A host that had to skip a tenth of the stimuli is told as such.
    assert requirement.verdict in (Verdict.FAIL, Verdict.INCONCLUSIVE), requirement.reasons


def test_a_robot_that_goes_silent_is_stopped_after_so_many_unanswered_in_a_row(tmp_path):
    changes = {
        **asks(19.0, 20.0),
        "devices.robot.silent_after": 40,
        "scenarios.command.max_unanswered": 10,
        "scenarios.command.schedule.samples": 100000,
    }
    ran = run_here(tmp_path, changes, report=True)
    reason = ran.assert_aborted("device")
    for part in ("commands in a row were not answered", "robot.applied", "max_unanswered is 10"):
        assert part in reason, reason
    ran.assert_stopped()
    ran.assert_whole()
    assert ran.scenario.sent < 20000
    assert ran.results.verdict is Verdict.ERROR
    assert "count neither way" in " ".join(ran.results.requirements[0].reasons)
    assert exit_status(ran) == 4


def test_messages_lost_inside_the_harness_are_the_bench_s_error(tmp_path):
    ran = run_here(tmp_path, {"devices.robot.lose_inside_every": 20})
    reason = ran.assert_aborted("device") if ran.run["status"] == "aborted" else ""
    (requirement,) = ran.results.requirements
    assert requirement.verdict is Verdict.ERROR, (reason, requirement.reasons)
    assert "messages lost" in " ".join(requirement.reasons)
    ran.assert_stopped()
    assert exit_status(ran) == 4
