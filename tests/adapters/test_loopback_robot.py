"""The loopback robot as a process: started by a rig file, stopped by the guardian, never left behind."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from loopback_bench import log_of, options, until

from harness.adapters.loopback import LoopbackDevice
from harness.model import Finding
from harness.ports import DeviceContext, Role
from harness.testing.device_bench import Recorder

pytestmark = pytest.mark.slow


@contextlib.contextmanager
def robot(*arguments: str, **environment: str) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-m", "harness.sim.loopback_robot", *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "loopback robot listens\n"
        yield process
    finally:
        process.kill()
        process.wait()
        assert process.stdout is not None
        process.stdout.close()


def external(run_id: str, findings: list[Finding] | None = None, **more: Any) -> LoopbackDevice:
    report = findings.append if findings is not None else (lambda finding: None)
    return LoopbackDevice(
        "robot", options(echo="process", external=True, **more), DeviceContext(run_id, report=report)
    )


def test_a_robot_of_the_rig_file_is_met_through_the_environment() -> None:
    device = external(f"test-{uuid.uuid4().hex[:8]}")
    device.open()  # before the robot is there, as a run does
    try:
        assert not device.is_ready("publishes", "applied")
        with robot(**device.process_environment()):
            until(lambda: device.is_ready("publishes", "applied"), "the robot")
            assert device.preflight() == []
            seen = Recorder()
            device.response("applied").listen(seen)
            stimulus = device.stimulus("command")
            stimulus.send(3, stimulus.prepare({"value": 0.5}))
            until(lambda: seen.keys == [3], "the answer")
    finally:
        device.close()


def test_a_socket_file_works_as_well_and_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "robot.socket"
    for _ in range(2):
        with robot("--socket", str(path)) as process:
            device = external("r", path=str(path))
            device.open()
            assert device.is_ready("echo", "")
            device.close()
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
        assert not path.exists()


def test_a_socket_file_that_a_killed_robot_left_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "robot.socket"
    with robot("--socket", str(path)):
        pass  # killed
    assert path.exists()
    with robot("--socket", str(path)):
        device = external("r", path=str(path))
        device.open()
        assert device.is_ready("echo", "")
        device.close()


def test_without_an_address_it_says_what_is_missing(capfd: pytest.CaptureFixture[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "HARNESS_LOOPBACK_SOCKET"}
    status = subprocess.run(
        [sys.executable, "-m", "harness.sim.loopback_robot"], env=environment, check=False
    )
    assert status.returncode == 2
    assert "HARNESS_LOOPBACK_SOCKET" in capfd.readouterr().err


def test_it_dies_with_a_status_of_its_own_and_the_device_says_so(tmp_path: Path) -> None:
    findings: list[Finding] = []
    device = external("r", findings, path=f"@test-{uuid.uuid4().hex}")
    (address,) = device.process_environment().values()
    with robot("--socket", address, "--die-after", "2") as process:
        device.open()
        stimulus = device.stimulus("command")
        for key in range(3):
            stimulus.send(key, stimulus.prepare({}))
        assert process.wait(30) == 70
        until(lambda: findings, "a finding")
        assert findings[0].name == "robot lost"
        device.close()


def test_it_ends_when_nobody_has_been_there_for_long() -> None:
    with robot("--socket", f"@test-{uuid.uuid4().hex}", "--linger-s", "0.2") as process:
        assert process.wait(30) == 0


def alive(pid: int) -> bool:
    """Whether it runs: where nobody reaps orphans, a zombie stays."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


HARNESS = """
import json, sys, time
from harness.adapters.loopback import LoopbackDevice, Options
from harness.ports import DeviceContext
told = json.loads(sys.argv[1])
device = LoopbackDevice("robot", Options.model_validate(told["options"]), DeviceContext(told["run_id"]))
device.open()
stimulus = device.stimulus("command")
prepared = stimulus.prepare({"value": 0.5})
print(device._peer.pid, flush=True)
end = time.monotonic() + 120
key = 0
while time.monotonic() < end:
    stimulus.send(key, prepared)
    key += 1
    time.sleep(0.01)
"""


@pytest.mark.parametrize("opened_first", [True, False])
def test_the_guardians_stop_arrives_after_the_harness_was_killed(tmp_path: Path, opened_first: bool) -> None:
    log = tmp_path / "robot.jsonl"
    run_id = f"test-{uuid.uuid4().hex[:8]}"
    stop = {"port": "command", "values": {"value": 0.0}, "repeat": 2, "interval_ms": 5.0}
    told = options(echo="process", log=str(log), stop=stop)
    guardian = LoopbackDevice("robot", told, DeviceContext(run_id, role=Role.GUARDIAN))
    if opened_first:
        guardian.open()  # finds nobody yet, and must not mind
    argument = json.dumps({"run_id": run_id, "options": told.model_dump(mode="json")})
    harness = subprocess.Popen([sys.executable, "-c", HARNESS, argument], stdout=subprocess.PIPE, text=True)
    try:
        assert harness.stdout is not None
        pid = int(harness.stdout.readline())
        until(lambda: len(log_of(log)) > 10, "commands")
        if not opened_first:
            guardian.open()
        os.kill(harness.pid, signal.SIGKILL)
        harness.wait()
        assert alive(pid), "the robot outlives the harness, so that it can be stopped"
        guardian.safe_stop()
        until(lambda: sum(row["event"] == "stop" for row in log_of(log)) == 2, "the stop in the log")
        guardian.close()
        until(lambda: not alive(pid), "the end of a robot that nobody holds any more")
    finally:
        harness.kill()
        harness.wait()
        assert harness.stdout is not None
        harness.stdout.close()
        guardian.close()
    events = [row["event"] for row in log_of(log)]
    assert max(index for index, event in enumerate(events) if event == "command") < events.index("stop")
    assert events[-1] == "ended"


def test_the_guardian_of_a_robot_in_a_thread_has_nothing_to_stop() -> None:
    guardian = LoopbackDevice("robot", options(echo="thread"), DeviceContext("r", role=Role.GUARDIAN))
    guardian.open()
    guardian.safe_stop()
    guardian.close()
