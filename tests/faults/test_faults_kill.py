"""kill -9 of the harness and of its guardian, what recovering yields, and a harness that stands still."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from fault_bench import Cli, Evidence, assert_stopped, call, lines, people, running, until

from harness.model import NO_STAMP, SampleFlag, StimulusFlag, Verdict

pytestmark = pytest.mark.slow

FOREVER = {"scenarios.command.schedule.samples": 1_000_000}


def guardian_of(run: Cli) -> int:
    """Its pid: the one process told of the run in its arguments that is in a session of its own."""
    found = [line for line in people(run.run_dir.name) if "harness.guardian" in line]
    assert len(found) == 1, found
    return int(found[0].partition(":")[0])


def killed(run: Cli) -> Evidence:
    run.popen.kill()
    assert run.popen.wait() == -signal.SIGKILL
    evidence = run.evidence
    evidence.assert_nothing_runs()
    return evidence


class Killed:
    """One run that was killed while measuring, what was found then, and after recovering."""

    def __init__(self, folder: Path) -> None:
        with running(folder, {**FOREVER, "processes.base": self.base()}) as run:
            run.wait_measuring(200)
            self.evidence = killed(run)
            self.robot = run.robot
        self.guardian = lines(self.evidence.folder / "guardian.jsonl")
        self.status_before = self.evidence.run["status"]
        self.early = call(folder, "report", str(self.evidence.folder))
        self.recovered = call(folder, "recover", str(self.evidence.folder))
        self.stimuli = self.evidence.stimuli
        self.results = self.evidence.results
        self.again = call(folder, "recover", str(self.evidence.folder))
        self.report = call(folder, "report", str(self.evidence.folder), "--json")

    @staticmethod
    def base() -> dict[str, object]:
        """A process of the rig that leaves a daemon behind."""
        code = (
            "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork():\n  os._exit(0)\n"
            "print('up', flush=True)\ntime.sleep(300)"
        )
        return {"command": ["python", "-c", code], "ready": {"log": "up"}}


@pytest.fixture(scope="module")
def after(tmp_path_factory: pytest.TempPathFactory, locks: Path) -> Killed:
    return Killed(tmp_path_factory.mktemp("killed"))


def test_after_kill_9_the_guardian_has_stopped_the_robot(after):
    assert_stopped(after.robot)
    peers = {line["peer"] for line in after.robot if line["event"] == "command"}
    assert {line["peer"] for line in after.robot if line["event"] == "stop"}.isdisjoint(peers)
    events = [line["event"] for line in after.guardian]
    assert events[0] == "acting" and events[-1] == "done"
    assert [line["device"] for line in after.guardian if line["event"] == "device stopped"] == ["robot"]


def test_after_kill_9_the_report_says_what_to_do(after):
    assert after.status_before == "running"
    assert after.early.finish() == 4
    assert f"harness recover {after.evidence.folder}" in after.early.stderr
    assert "Traceback" not in after.early.stderr


def test_recover_yields_every_stimulus_that_had_been_sent(after):
    assert after.recovered.finish() == 4
    arrived = [line["key"] for line in after.robot if line["event"] == "command"]
    assert len(arrived) > 200
    sent = after.stimuli[after.stimuli["sent_ns"] != NO_STAMP]
    assert set(arrived) <= set(sent["key"].tolist())
    # Not more either: only the one in hand may not have gone out.
    assert len(set(sent["key"].tolist()) - set(arrived)) <= 1
    assert (np.diff(sent["sent_ns"]) >= 0).all()


def test_the_recovered_report_is_whole_and_marked_aborted(after):
    after.evidence.assert_whole()
    reason = after.evidence.assert_aborted("harness", status="recovered")
    assert "killed or crashed" in reason
    assert after.results.verdict is Verdict.ERROR
    assert "ABORTED" in after.recovered.stdout
    assert "aborted" in (after.evidence.folder / "summary.md").read_text().lower()
    assert after.evidence.scenario.lost == 0  # what was on its way is open, not lost


def test_recovering_and_reporting_again_changes_nothing(after):
    assert after.again.finish() == 4
    assert after.report.finish() == 4
    results = json.loads(after.report.stdout)
    assert results["aborted"] is True
    assert results["scenarios"]["command"]["sent"] == after.results.scenarios["command"].sent
    assert after.evidence.stimuli.tobytes() == after.stimuli.tobytes()


@pytest.mark.parametrize("phase", ["probing", "set-up", "tear-down"])
def test_kill_9_in_other_phases(tmp_path, phase):
    changes = {
        "devices.robot.silent": phase == "probing",
        "setup": [{"sleep_s": 300.0}] if phase == "set-up" else [],
        "teardown": [{"sleep_s": 300.0}],
        "scenarios.command.probing.timeout_s": 300,
    }
    with running(tmp_path, changes) as run:
        run.wait_event("phase", name=phase)
        if phase == "probing":
            until(lambda: [line for line in run.robot if line["event"] == "command"], "a probe")
        evidence = killed(run)
        assert [line for line in run.robot if line["event"] == "stop"]
    assert call(tmp_path, "recover", str(evidence.folder)).finish() == 4
    evidence.assert_whole()
    evidence.assert_aborted("harness", status="recovered")
    arrived = {line["key"] for line in run.robot if line["event"] == "command"}
    assert arrived <= set(evidence.stimuli["key"].tolist())


def test_without_its_guardian_a_run_is_aborted_by_the_safe_stop(tmp_path):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(20)
        os.kill(guardian_of(run), signal.SIGKILL)
        assert run.finish() == 4, run.stderr
        evidence = run.evidence
        reason = evidence.assert_aborted("safety")
        assert "guardian" in reason
        evidence.assert_whole()
        evidence.assert_nothing_runs()
        assert_stopped(run.robot)
        assert not (evidence.folder / "guardian.jsonl").exists()


def test_recover_leaves_a_run_that_is_going_on_alone(tmp_path):
    with running(tmp_path, FOREVER) as run:
        run.wait_measuring(20)
        tried = call(tmp_path, "recover", str(run.run_dir))
        assert tried.finish() == 4
        assert run.run_dir.name in tried.stderr and f"process {run.popen.pid}" in tried.stderr
        early = call(tmp_path, "report", str(run.run_dir))
        assert early.finish() == 4
        before = len(run.robot)
        until(lambda: len(run.robot) > before + 50, "the run goes on")
        run.signal_group(signal.SIGINT)
        assert run.finish() == 4
        run.evidence.assert_aborted("interrupt")


def test_no_burst_of_commands_follows_a_stall_of_250_ms(tmp_path):
    changes = {
        "scenarios.command.schedule.rate_hz": 200,
        "scenarios.command.schedule.samples": 300,
        "scenarios.command.schedule.seed": 4,
    }
    with running(tmp_path, changes) as run:
        run.wait_measuring(30)
        for _ in range(2):
            run.popen.send_signal(signal.SIGSTOP)
            time.sleep(0.25)
            run.popen.send_signal(signal.SIGCONT)
            time.sleep(0.2)
        status = run.finish()
        evidence = run.evidence
    assert not evidence.results.aborted
    assert status == evidence.results.verdict.exit_status
    rows = evidence.stimuli[(evidence.stimuli["flags"] & StimulusFlag.PROBE) == 0]
    assert_no_burst(rows, 200.0)
    skipped = (rows["flags"] & StimulusFlag.SKIPPED) != 0
    assert skipped.sum() >= 60  # two times some 50 were due meanwhile
    assert (rows["sent_ns"][skipped] == NO_STAMP).all()
    assert evidence.scenario.skipped == skipped[rows["flags"] & StimulusFlag.WARM_UP == 0].sum()
    # They count neither for nor against the robot.
    samples = evidence.samples
    assert ((samples["flags"] & SampleFlag.LOST) == 0).all()
    (requirement,) = evidence.results.requirements
    assert requirement.n == evidence.scenario.sent
    assert len(rows) == 304


def assert_no_burst(rows: np.ndarray, rate_hz: float) -> None:
    """No two sends are closer than half the smallest gap that was planned, which is half a period."""
    sent = rows["sent_ns"][rows["sent_ns"] != NO_STAMP]
    assert np.diff(sent).min() >= 0.25e9 / rate_hz
