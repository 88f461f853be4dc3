"""What ends a run, and what every way out of it has in common."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import people, run_here, try_run, until

from harness.adapters.loopback.device import LoopbackDevice
from harness.errors import ConfigurationError, OperationError
from harness.folder import RunFolder
from harness.model import NO_STAMP, StimulusFlag, Verdict

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("locks")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(folder))
        yield folder


def base(code: str = "import time; print('up', flush=True); time.sleep(300)") -> dict[str, Any]:
    return {"command": ["python", "-c", code], "ready": {"log": "up"}}


# --- what ends it ---------------------------------------------------------------------------------------


def test_an_error_of_the_harness_itself_stops_the_robot_and_keeps_the_traceback(tmp_path, monkeypatch):
    calls = []

    def broken(self: LoopbackDevice, clock: str) -> None:
        calls.append(clock)
        if len(calls) > 2:
            raise ZeroDivisionError("a mistake in an adapter")

    monkeypatch.setattr(LoopbackDevice, "exchange", broken)
    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 100_000}, report=True)
    reason = ran.assert_aborted("harness")
    assert "ZeroDivisionError: a mistake in an adapter" in reason
    (event,) = ran.event("exception")
    assert "Traceback" in event["traceback"] and "broken" in event["traceback"]
    ran.assert_stopped()
    ran.assert_whole()


def test_an_error_in_the_sending_thread_stops_the_robot(tmp_path, monkeypatch):
    from harness.adapters.loopback.ports import LoopbackStimulus

    original, sent = LoopbackStimulus.send, []

    def broken(self: LoopbackStimulus, key: int, prepared: bytearray) -> tuple[int, int]:
        sent.append(key)
        if len(sent) > 60:
            raise ZeroDivisionError("a mistake in a port")
        return original(self, key, prepared)

    monkeypatch.setattr(LoopbackStimulus, "send", broken)
    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 100_000})
    assert "a mistake in a port" in ran.assert_aborted("harness")
    assert len(sent) == 61
    assert len(ran.robot_did("command")) == 60
    ran.assert_stopped()
    rows = ran.stimuli
    assert rows["key"][rows["sent_ns"] != NO_STAMP].tolist() == sent[:60]
    # The one that could not be handed over is in the table, and counts neither for nor against the robot.
    assert (rows["key"][-1], rows["flags"][-1] & StimulusFlag.UNSENT) == (sent[60], StimulusFlag.UNSENT)
    assert ran.scenario.unsent == 1


def test_nothing_is_sent_while_nobody_keeps_house(tmp_path, monkeypatch):
    """Housekeeping hangs in a device for a while; the sending thread does not."""
    hung_ns: list[int] = []

    exchange = LoopbackDevice.exchange

    def hanging(self: LoopbackDevice, clock: str) -> tuple[int, int, int, int] | None:
        if not hung_ns and self._answers > 30:
            hung_ns.append(time.monotonic_ns())
            time.sleep(2.5)
        return exchange(self, clock)

    monkeypatch.setattr("harness.bench.UNWATCHED_NS", 500_000_000)
    monkeypatch.setattr(LoopbackDevice, "exchange", hanging)
    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 100_000})
    assert "housekeeping hung" in ran.assert_aborted("device")
    sent = ran.stimuli["sent_ns"][ran.stimuli["sent_ns"] != NO_STAMP]
    # Some were sent until it was noticed, none for the two seconds after.
    assert sent.max() - hung_ns[0] < 2_000_000_000
    assert ran.event("safe_stop")[0]["t_ns"] - sent.max() > 500_000_000
    ran.assert_stopped()


def test_a_stop_that_fails_is_told_and_does_not_keep_the_rest(tmp_path, monkeypatch):
    def broken(self: LoopbackDevice) -> None:
        raise OperationError("the stop does not go out")

    monkeypatch.setattr(LoopbackDevice, "safe_stop", broken)
    ran = run_here(
        tmp_path, {"scenarios.command.schedule.samples": 20, "processes.base": base()}, report=True
    )
    assert "safe stop of robot: the stop does not go out" in ran.assert_aborted("device")
    ran.assert_whole()


def test_a_robot_that_hangs_is_told_and_ended(tmp_path):
    """It is stopped by a signal: the socket takes commands for a while, nobody answers."""
    changes = {
        "scenarios.command.schedule.samples": 100_000,
        "scenarios.command.timeout_ms": 100.0,
        "scenarios.command.max_unanswered": 20,
        "requirements": [{"id": "R", "scenario": "command", "limit": 99}],
    }

    def freeze(folder: RunFolder) -> None:
        def later() -> None:
            until(lambda: len(folder.stimuli()) > 40, "some stimuli")
            for line in people(folder.run_id):
                if "loopback_robot" in line or "python" in line.partition(": ")[2][:8]:
                    pid = int(line.partition(":")[0])
                    if "harness.sim.loopback_robot" in " ".join(psutil.Process(pid).cmdline()):
                        os.kill(pid, signal.SIGSTOP)

        threading.Thread(target=later, daemon=True).start()

    ran = run_here(tmp_path, changes, on_folder=freeze)
    reason = ran.assert_aborted("device")
    assert "commands in a row were not answered" in reason, reason
    assert ran.results.verdict is Verdict.ERROR


def test_a_process_that_does_not_obey_is_ended_all_the_same(tmp_path):
    code = (
        "import signal, time\nfor n in (signal.SIGINT, signal.SIGTERM): signal.signal(n, signal.SIG_IGN)\n"
        "print('up', flush=True)\ntime.sleep(300)"
    )
    stubborn = {**base(code), "stop_timeout_s": 0.2}
    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 20, "processes.base": stubborn})
    assert ran.run["status"] == "finished"


def test_a_daemon_that_a_process_left_behind_is_ended_and_told(tmp_path):
    code = (
        "import os, time\nif os.fork() == 0:\n os.setsid()\n if os.fork():\n  os._exit(0)\n time.sleep(300)\n"
        "time.sleep(0.2)\nprint('up', flush=True)\ntime.sleep(300)"
    )
    ran = run_here(tmp_path, {"scenarios.command.schedule.samples": 20, "processes.base": base(code)})
    (event,) = ran.event("leftovers_ended")
    assert len(event["processes"]) == 1 and "SIGTERM" in event["processes"][0]


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scenarios": ("other",)}, "no scenario 'other'"),
        ({"samples": 0}, "--samples 0"),
    ],
)
def test_options_that_fit_no_run_are_refused_before_anything_is_made(tmp_path, options, says):
    error = try_run(tmp_path, {}, **options)
    assert isinstance(error, ConfigurationError)
    assert says in str(error)
    assert not (tmp_path / "out").exists()
