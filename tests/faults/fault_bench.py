"""Helpers of the fault tests: a loopback rig from a few words, runs in this process or by the command line,
and what a run left on the disk and in the process table."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import numpy as np
import yaml

from harness import proctable
from harness.clock import HostClock
from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.errors import HarnessError
from harness.folder import RunFolder
from harness.model import FLOOR_SCENARIOS, NO_STAMP, StimulusFlag
from harness.results import Results, ScenarioResult
from harness.runner import RunOptions, run_rig

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]

# Limits such that logic decides, not the host: the median may be late by 100 ms before the bench counts as
# too noisy, and the load of the machine is no matter.
RIG: dict[str, Any] = {
    "rig": {"name": "loop", "description": "for tests", "simulated": True},
    "devices": {
        "robot": {
            "adapter": "loopback",
            "limits": {"value": 1.0},
            "stop": {"port": "command", "values": {"value": 0.0}, "repeat": 2, "interval_ms": 1.0},
            "ports": {
                "command": {"stimulus": {"key": "sequence", "values": {"value": {"alternate": [0.5, -0.5]}}}},
                "applied": {"response": {"of": "command", "match": {"kind": "sequence"}}},
            },
        }
    },
    "scenarios": {
        "command": {
            "kind": "command_round_trip",
            "stimulus": "robot.command",
            "response": "robot.applied",
            "timeout_ms": 2000.0,
            "schedule": {"kind": "paced", "rate_hz": 500, "samples": 200, "warmup_s": 0.02},
            "probing": {"consecutive": 3, "rate_hz": 200, "timeout_s": 30},
        }
    },
    "requirements": [
        {"id": "R", "scenario": "command", "quantile": 0.5, "limit": 1000, "unit": "ms", "confidence": 0.95}
    ],
    "host": {"realtime": False, "max_load_per_cpu": 1000, "floor_s": 0},
}


def until(holds: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    deadline = time.monotonic() + patience_s
    while not (found := holds()):
        assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}"
        time.sleep(0.01)
    return found


def lines(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a file of JSON objects; none if there is no such file."""
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().splitlines(keepends=True) if line.endswith("\n")]


def rig_file(folder: Path, changes: dict[str, Any] | None = None, base: dict[str, Any] | None = None) -> Path:
    """The rig with values changed by dotted path; ``None`` removes. The robot writes ``robot.jsonl``."""
    rig = json.loads(json.dumps(base or RIG))
    if base is None:
        rig["devices"]["robot"]["log"] = str(folder / "robot.jsonl")
    for path, value in (changes or {}).items():
        *way, last = path.split(".")
        at = rig
        for step in way:
            at = at.setdefault(step, {})
        if value is None:
            at.pop(last, None)
        else:
            at[last] = value
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "rig.yaml"
    file.write_text(yaml.safe_dump(rig, sort_keys=False))
    return file


@dataclasses.dataclass(frozen=True)
class Evidence:
    """What a run left."""

    folder: Path

    @property
    def run(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found

    @property
    def results(self) -> Results:
        return Results.model_validate_json((self.folder / "results.json").read_text())

    @property
    def scenario(self) -> ScenarioResult:
        return self.results.scenarios["command"]

    @property
    def events(self) -> list[dict[str, Any]]:
        return lines(self.folder / "events.jsonl")

    def event(self, name: str, /, **details: Any) -> list[dict[str, Any]]:
        return [e for e in self.events if e["event"] == name and details.items() <= e.items()]

    @property
    def all_stimuli(self) -> np.ndarray[Any, Any]:
        """With those of the floor."""
        return RunFolder.open(self.folder).stimuli()

    @property
    def stimuli(self) -> np.ndarray[Any, Any]:
        """Those of scenarios; the floor's are left out."""
        rows = self.all_stimuli
        return rows[rows["scenario"] < FLOOR_SCENARIOS]

    @property
    def samples(self) -> np.ndarray[Any, Any]:
        return RunFolder.open(self.folder).samples()

    def assert_whole(self) -> None:
        """Every file of a run folder is there, raw data as recorded, the journal gone."""
        names = {path.name for path in self.folder.iterdir()}
        wanted = {"run.json", "events.jsonl", "results.json", "report.pdf", "junit.xml", "summary.md"}
        wanted |= {f"{name}.parquet" for name in ("stimuli", "observations", "clocks", "samples")}
        assert wanted <= names, wanted - names
        assert "journal" not in names
        assert RunFolder.open(self.folder).verify_raw() == []
        assert (self.folder / "report.pdf").read_bytes().startswith(b"%PDF")

    def assert_aborted(self, kind: str, status: str = "aborted") -> str:
        """It is marked aborted everywhere; returns why, in words."""
        run, results = self.run, self.results
        assert (run["status"], run["abort_kind"]) == (status, kind)
        assert run["ended"]
        assert results.aborted
        assert results.abort_reason == run["abort_reason"]
        return str(run["abort_reason"])

    def assert_nothing_runs(self) -> None:
        """No process of the run, nor its guardian, is left."""
        until(lambda: not people(self.folder.name), f"gone: {people(self.folder.name)}")


def people(run_id: str) -> list[str]:
    """Live processes that belong to the run or were told of it: robot, guardian, progress, harness."""
    found = {entry.pid: entry.command for entry in proctable.run_members(run_id)}
    for path in Path("/proc").iterdir():
        if path.name.isdigit() and int(path.name) != os.getpid():
            with contextlib.suppress(OSError):
                if run_id.encode() in (path / "cmdline").read_bytes():
                    found[int(path.name)] = (
                        (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:300]
                    )
    return [f"{pid}: {command}" for pid, command in found.items() if proctable.is_running(pid)]


@dataclasses.dataclass(frozen=True)
class Ran(Evidence):
    """A run that was made in this process."""

    outcome: RunOutcome
    robot: list[dict[str, Any]]

    def robot_did(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.robot if line["event"] == event]

    def turns(self, every: int) -> int:
        """How many measured commands were the robot's Nth, 2Nth, ... one: what ``*_every: N`` concerns."""
        rows = self.stimuli
        measured = set(rows["key"][(rows["flags"] == 0)].tolist())
        keys = [line["key"] for line in self.robot_did("command")]
        return sum(1 for number, key in enumerate(keys, 1) if number % every == 0 and key in measured)

    def assert_stopped(self) -> None:
        assert_stopped(self.robot)


def assert_stopped(robot: list[dict[str, Any]]) -> None:
    """By the robot's own log: it got the stop, and no command after it."""
    order = [line["event"] for line in robot if line["event"] in ("command", "stop")]
    assert order, "the robot got nothing"
    assert order[-1] == "stop", order[-5:]
    assert "command" not in order[order.index("stop") :]


def run_here(
    folder: Path,
    changes: dict[str, Any] | None = None,
    *,
    clock: HostClock | None = None,
    report: bool = False,
    on_folder: Callable[[RunFolder], Any] = lambda folder: None,
    **options: Any,
) -> Ran:
    """Run the loopback rig in this process, by default even if it cannot pass."""
    file = rig_file(folder, changes)
    chosen = RunOptions(out=folder / "out", report=report, **{"anyway": True, **options})
    outcome = run_rig(load_rig(file), chosen, clock=clock, on_folder=on_folder)
    ran = Ran(outcome.folder, outcome, lines(folder / "robot.jsonl"))
    ran.assert_nothing_runs()
    return ran


class _Reader(threading.Thread):
    """Takes what a process writes, as it comes: a file would be under the limits that the tests set."""

    def __init__(self, pipe: IO[bytes] | None, deaf: bool = False) -> None:
        super().__init__(daemon=True)
        assert pipe is not None
        self._pipe = pipe
        self._deaf = deaf
        self._taken = b""
        self.start()

    def run(self) -> None:
        with self._pipe:
            while not self._deaf and (data := os.read(self._pipe.fileno(), 1 << 16)):
                self._taken += data

    @property
    def text(self) -> str:
        return self._taken.decode(errors="replace")


class Cli:
    """``harness ...`` in a session and process group of its own, as a shell starts it."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
        program: tuple[str, ...] = ("-m", "harness"),
        stdout_closed: bool = False,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        if arguments[:1] == ("run",):
            arguments = (*arguments, "--anyway")  # few samples, and verdicts that may not come
        self.home = folder
        self.out = folder / "out"
        self.popen = subprocess.Popen(
            [*prefix, sys.executable, *program, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
            cwd=folder,
            env={**os.environ, "COLUMNS": "200", "PYTHONPATH": str(ROOT), **(env or {})},
        )
        self._out, self._err = _Reader(self.popen.stdout, stdout_closed), _Reader(self.popen.stderr)

    @property
    def stdout(self) -> str:
        return self._out.text

    @property
    def stderr(self) -> str:
        return self._err.text

    @property
    def run_dir(self) -> Path:
        """The run folder, waited for."""

        def found() -> list[Path]:
            assert self.popen.poll() is None or list(self.out.glob("*/*/run.json")), self.stderr
            return list(self.out.glob("*/*/run.json"))

        return Path(until(found, "a run folder")[-1]).parent

    @property
    def evidence(self) -> Evidence:
        return Evidence(self.run_dir)

    @property
    def robot(self) -> list[dict[str, Any]]:
        return lines(self.home / "robot.jsonl")

    def wait_event(self, name: str, /, **details: Any) -> dict[str, Any]:
        """The first event of that kind, waited for."""
        evidence = self.evidence

        def found() -> list[dict[str, Any]]:
            hits = evidence.event(name, **details)
            assert hits or self.popen.poll() is None, f"ended without {name} {details}: {self.stderr}"
            return hits

        first: dict[str, Any] = until(found, f"event {name} {details}")[0]
        return first

    def wait_measuring(self, count: int = 20) -> None:
        """Until so many stimuli that are measured were sent."""
        self.wait_event("phase", name="measuring")
        folder = RunFolder.open(self.run_dir)

        def sent() -> bool:
            assert self.popen.poll() is None, self.stderr
            rows = folder.stimuli()
            counted = (rows["flags"] & (StimulusFlag.WARM_UP | StimulusFlag.PROBE)) == 0
            counted &= rows["scenario"] < FLOOR_SCENARIOS
            return int((counted & (rows["sent_ns"] != NO_STAMP)).sum()) >= count

        until(sent, f"{count} measured stimuli")

    def signal_group(self, number: signal.Signals) -> None:
        """As the terminal does on Ctrl-C: to every process of the foreground group."""
        os.killpg(self.popen.pid, number)

    def finish(self) -> int:
        """Wait for its end; the exit status."""
        status = self.popen.wait(PATIENCE_S)
        self._out.join()
        self._err.join()
        return status

    def kill(self) -> None:
        self.popen.kill()
        self.finish()


@contextlib.contextmanager
def cli(folder: Path, *arguments: str, **more: Any) -> Iterator[Cli]:
    """A running ``harness ARGUMENTS``; whatever the test leaves is ended, and told."""
    running = Cli(folder, *arguments, **more)
    try:
        yield running
    finally:
        running.kill()
        for path in running.out.glob("*/*") if arguments[0] == "run" else ():
            until(lambda run_id=path.name: not people(run_id), f"left: {people(path.name)}")


@contextlib.contextmanager
def running(
    folder: Path, changes: dict[str, Any] | None = None, *arguments: str, **more: Any
) -> Iterator[Cli]:
    """``harness run`` of the loopback rig with those changes."""
    file = rig_file(folder, changes)
    with cli(folder, "run", str(file), "--out", str(folder / "out"), *arguments, **more) as found:
        yield found


def call(folder: Path, *arguments: str, **more: Any) -> Cli:
    """``harness ARGUMENTS`` to its end."""
    with cli(folder, *arguments, **more) as found:
        found.finish()
    return found


def try_run(folder: Path, changes: dict[str, Any], **more: Any) -> HarnessError:
    """The error of a run that is refused before anything was started."""
    try:
        run_here(folder, changes, **more)
    except HarnessError as error:
        return error
    raise AssertionError("it ran")
