"""A real little harness in a process of its own, for tests that kill, interrupt or freeze it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness import proctable

PATIENCE_S = 40.0

HARNESS = """
import fcntl, json, os, signal, sys, time
from pathlib import Path
from harness.clock import HostClock
from harness.config.schema import Process
from harness.guardian import Guardian
from harness.processes import Processes

told = json.loads(sys.argv[1])
folder = Path(told["folder"])
lock = os.open(told["lock"], os.O_RDWR | os.O_CREAT | os.O_CLOEXEC)
fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
guardian = Guardian.start(told["run_id"], folder, (lock,), told["hang_timeout_s"])
processes = Processes(told["run_id"], folder / "processes", HostClock())
code = '''
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
time.sleep(300)
'''
child = processes.start("robot", Process(command=["python", "-c", code]), folder, {})
guardian.watch_process("robot", child.pid)
for name, options in told["devices"].items():
    guardian.watch_device(name, "recording", options, 30.0)
for what, undoings in told["breaking"].items():
    guardian.breaking(what, undoings)
for what in told["whole"]:
    guardian.whole(what)
if told["fork"]:
    if os.fork() == 0:  # holds every descriptor of the harness, the guardian's pipe too
        time.sleep(300)
told_pids = {"harness": os.getpid(), "guardian": guardian.pid, "child": child.pid}
Path(told["ready"]).write_text(json.dumps(told_pids))
end = time.monotonic() + 300
while time.monotonic() < end:
    if told["beats"]:
        guardian.beat()
    if guardian.acted():
        Path(told["ready"] + ".acted").write_text(guardian.acted_reason)
        break
    time.sleep(0.05)
guardian.release()
"""


def until(holds: Callable[[], Any], what: str) -> Any:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {PATIENCE_S} s: {what}"
        time.sleep(0.01)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines()]


class LittleHarness:
    """A process that starts a guardian, a robot process with a daemonised child, and then "measures"."""

    def __init__(self, folder: Path, **told: Any) -> None:
        self.folder = folder / "run"
        self.folder.mkdir()
        self.lock = folder / "rig.lock"
        self.calls = folder / "calls.jsonl"
        self.ready = folder / "ready.json"
        self.run_id = f"test-{os.getpid()}-{time.monotonic_ns()}"
        settings: dict[str, Any] = {
            "run_id": self.run_id,
            "folder": str(self.folder),
            "lock": str(self.lock),
            "ready": str(self.ready),
            "hang_timeout_s": 10.0,
            "beats": False,
            "fork": False,
            "breaking": {},
            "whole": [],
            "devices": {"arm": self.recording(), "base": self.recording()},
        }
        self.popen = subprocess.Popen(
            [sys.executable, "-c", HARNESS, json.dumps({**settings, **told})], start_new_session=True
        )
        self.guardian_pid = 0

    def recording(self, **options: Any) -> dict[str, Any]:
        return {"adapter": "recording", "path": str(self.calls), **options}

    def wait_up(self) -> None:
        def up() -> bool:
            assert self.popen.poll() is None, "the little harness died"
            return self.ready.exists() and self.ready.read_text().endswith("}")

        until(up, "the little harness is up")
        pids = json.loads(self.ready.read_text())
        self.guardian_pid = pids["guardian"]
        # Robot, its daemonised grandchild: two processes of the run.
        until(lambda: len(self.members()) == 2, "robot and grandchild run")

    def members(self) -> list[int]:
        return [entry.pid for entry in proctable.run_members(self.run_id)]

    def calls_of(self, operation: str, name: str | None = None) -> list[dict[str, Any]]:
        return [c for c in lines(self.calls) if c["op"] == operation and name in (None, c["name"])]

    def events(self) -> list[dict[str, Any]]:
        return lines(self.folder / "guardian.jsonl")

    def event(self, name: str) -> list[dict[str, Any]]:
        return [event for event in self.events() if event["event"] == name]

    def wait_guardian_gone(self) -> None:
        until(lambda: not proctable.is_running(self.guardian_pid), "the guardian has ended")

    def end(self) -> None:
        self.popen.kill()
        self.popen.wait()
        if self.guardian_pid:
            self.wait_guardian_gone()
        proctable.end_run_processes(self.run_id, set(), grace_s=0.0)


def options(path: Path, **more: Any) -> dict[str, Any]:
    return {"adapter": "recording", "path": str(path), **more}
