"""Ctrl-C, SIGTERM and a closed terminal, in every phase of a run."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from fault_bench import Cli, Evidence, assert_stopped, running

from harness.model import StimulusFlag, Verdict

pytestmark = pytest.mark.slow

FOREVER = {"scenarios.command.schedule.samples": 1_000_000}
SLEEPER = {"command": ["python", "-c", "import time; time.sleep(300)"], "ready": {"log": "never"}}


def interrupted(running: Cli, number: signal.Signals = signal.SIGINT) -> Evidence:
    """Send it to the group, wait for the end; what every interrupted run has to look like."""
    running.signal_group(number)
    assert running.finish() == 4, running.stderr
    evidence = running.evidence
    evidence.assert_whole()
    evidence.assert_nothing_runs()
    assert evidence.assert_aborted("interrupt") == f"ended by {number.name}"
    assert evidence.results.verdict is Verdict.ERROR
    assert evidence.event("safe_stop")
    assert "Traceback" not in running.stderr + running.stdout
    assert f"ended by {number.name}" in running.stdout
    assert "ABORTED" in running.stdout
    return evidence


def test_while_starting(tmp_path):
    with running(tmp_path, {**FOREVER, "processes.base": {**SLEEPER, "stop_timeout_s": 20.0}}) as run:
        run.wait_event("process_started", process="base")
        evidence = interrupted(run)
    assert len(evidence.stimuli) == 0
    assert not [line for line in run.robot if line["event"] == "command"]


@pytest.mark.parametrize("step", [{"sleep_s": 300.0}, {"call": ["sleep", "300"], "timeout_s": 300.0}])
def test_in_a_set_up_step(tmp_path, step):
    with running(tmp_path, {**FOREVER, "setup": [step]}) as run:
        run.wait_event("step", where="setup[0]")
        evidence = interrupted(run)
    assert len(evidence.stimuli) == 0
    assert [line["event"] for line in run.robot if line["event"] in ("command", "stop")] == ["stop"] * 2


def test_while_probing(tmp_path):
    changes = {"devices.robot.silent": True, "scenarios.command.probing.timeout_s": 300}
    with running(tmp_path, {**FOREVER, **changes}) as run:
        run.wait_event("phase", name="probing")
        evidence = interrupted(run)
    assert (evidence.stimuli["flags"] & StimulusFlag.PROBE).all()
    assert [line for line in run.robot if line["event"] == "stop"]


def test_in_the_warm_up(tmp_path):
    with running(tmp_path, {**FOREVER, "scenarios.command.schedule.warmup_s": 300}) as run:
        run.wait_event("phase", name="measuring")
        evidence = interrupted(run)
    assert evidence.scenario.sent == 0
    assert_stopped(run.robot)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_while_measuring(tmp_path, number):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(50)
        evidence = interrupted(run, number)
    assert evidence.scenario.sent >= 50
    assert_stopped(run.robot)
    commands = [line["key"] for line in run.robot if line["event"] == "command"]
    assert set(commands) <= set(evidence.stimuli["key"].tolist())


def test_to_the_harness_alone(tmp_path):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(5)
        run.popen.send_signal(signal.SIGINT)
        assert run.finish() == 4
        run.evidence.assert_aborted("interrupt")
        assert_stopped(run.robot)


def test_in_the_drain(tmp_path):
    # 3 probes, 10 warm-up commands and 100 measured ones: the robot answers all but the last ones.
    changes = {
        "devices.robot.silent_after": 60,
        "scenarios.command.schedule.samples": 100,
        "scenarios.command.timeout_ms": 300_000.0,
    }
    with running(tmp_path, changes) as run:
        run.wait_event("phase", name="drain")
        evidence = interrupted(run)
    assert evidence.scenario.open > 0
    assert evidence.scenario.lost == 0
    assert_stopped(run.robot)


def finished(running: Cli) -> Evidence:
    """The run had measured everything when the signal came: its verdict stands."""
    status = running.finish()
    evidence = running.evidence
    evidence.assert_whole()
    evidence.assert_nothing_runs()
    assert evidence.run["status"] == "finished"
    assert not evidence.results.aborted
    assert status == evidence.results.verdict.exit_status
    assert status in (0, 3)
    assert_stopped(running.robot)
    return evidence


def test_in_the_tear_down_the_tear_down_goes_on_and_the_verdict_stands(tmp_path):
    done = tmp_path / "torn_down"
    changes = {
        "teardown": [
            {"sleep_s": 1.0},
            {"call": [sys.executable, "-c", f"open({str(done)!r}, 'w').close()"]},
        ]
    }
    with running(tmp_path, changes) as run:
        run.wait_event("step", where="teardown[0]")
        run.signal_group(signal.SIGINT)
        evidence = finished(run)
    assert done.exists()
    assert evidence.event("signals", count=1, last="SIGINT")


def test_while_the_report_is_made_it_is_finished_and_the_verdict_stands(tmp_path):
    with running(tmp_path) as run:
        run.wait_event("ended")
        run.signal_group(signal.SIGINT)
        finished(run)


def test_a_second_and_a_third_signal_during_the_stop_change_nothing(tmp_path):
    changes = {"devices.robot.stop.repeat": 40, "devices.robot.stop.interval_ms": 50.0}
    with running(tmp_path, {**FOREVER, **changes}) as run:
        run.wait_measuring(20)
        run.signal_group(signal.SIGINT)
        wait_for(run, lambda: [line for line in run.robot if line["event"] == "stop"])
        run.signal_group(signal.SIGINT)
        time.sleep(0.2)
        run.signal_group(signal.SIGTERM)
        assert run.finish() == 4
        evidence = run.evidence
        evidence.assert_whole()
        assert evidence.assert_aborted("interrupt") == "ended by SIGINT"
        assert evidence.event("signals", count=3, last="SIGTERM")
        assert len([line for line in run.robot if line["event"] == "stop"]) == 40
        assert_stopped(run.robot)


def wait_for(running: Cli, holds: Callable[[], Any]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        assert running.popen.poll() is None, running.stderr
        time.sleep(0.005)
