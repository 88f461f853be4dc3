"""The disk is full, at the start and in the middle; the output folder cannot be written."""

from __future__ import annotations

import contextlib
import os
import resource
import shlex
from pathlib import Path

import pytest
from fault_bench import Cli, Evidence, assert_stopped, call, cli, rig_file, running

pytestmark = pytest.mark.slow

SMALL_TABLES = (
    "-c",
    "import harness.bench; harness.bench.OBSERVATION_ROWS = 1000; from harness.cli import main; main()",
)
"""The command line, with tables that need more space soon."""


def test_a_table_that_cannot_grow_ends_the_run_in_good_order(tmp_path):
    # The second block of observations would make the file larger than any may be.
    changes = {"scenarios.command.schedule.samples": 5000, "scenarios.command.probing.timeout_s": 5}
    limit = ("prlimit", f"--fsize={800 << 10}")
    with running(tmp_path, changes, prefix=limit, program=SMALL_TABLES) as run:
        assert run.finish() == 4, run.stderr
    evidence = run.evidence
    reason = evidence.assert_aborted("recording")
    assert "observations.robot.applied" in reason and "free at least" in reason, reason
    assert_stopped(run.robot)
    evidence.assert_nothing_runs()
    evidence.assert_whole()
    assert evidence.scenario.sent < 5000
    arrived = [line["key"] for line in run.robot if line["event"] == "command"]
    assert set(arrived) <= set(evidence.stimuli["key"].tolist())
    assert "Traceback" not in run.stdout + run.stderr


def test_when_nothing_can_be_written_any_more_the_robot_is_stopped_and_recover_yields_all(tmp_path):
    with running(tmp_path, {"scenarios.command.schedule.samples": 600}) as run:
        run.wait_measuring(50)
        resource.prlimit(run.popen.pid, resource.RLIMIT_FSIZE, (64, 64))
        assert run.finish() == 4, run.stderr
        evidence = run.evidence
        evidence.assert_nothing_runs()
    assert_stopped(run.robot)
    assert "Traceback" not in run.stdout + run.stderr
    assert f"harness recover {evidence.folder}" in " ".join((run.stdout + run.stderr).split())
    assert evidence.run["status"] == "running"  # nobody could write anything else
    arrived = [line["key"] for line in run.robot if line["event"] == "command"]
    assert len(arrived) > 300
    recovered = call(tmp_path, "recover", str(evidence.folder))
    assert recovered.finish() == 4
    evidence.assert_whole()
    evidence.assert_aborted("harness", status="recovered")
    assert set(arrived) <= set(evidence.stimuli["key"].tolist())


class SmallDisk:
    """A small tmpfs for the output folder, in a mount namespace; the run is copied out at the end."""

    def __init__(self, folder: Path, size: str, changes: dict[str, object]) -> None:
        self.out = folder / "out"
        self.out.mkdir()
        self.kept = folder / "kept"
        kept = f"{shlex.quote(str(self.out / 'loop'))} {shlex.quote(str(self.kept))}"
        script = (
            f"mount -t tmpfs -o size={size} none {shlex.quote(str(self.out))} || exit 77\n"
            f'"$@"; status=$?; cp -r {kept}; exit $status'
        )
        user = () if os.geteuid() == 0 else ("--user", "--map-root-user")
        self.prefix = ("unshare", "--mount", *user, "sh", "-c", script, "sh")
        self.arguments = ("run", str(rig_file(folder, changes)), "--out", str(self.out))

    def inside(self, run: Cli) -> Path:
        """The output folder as processes in the namespace see it."""
        return Path(f"/proc/{run.popen.pid}/root{self.out}")

    def evidence(self) -> Evidence:
        (found,) = self.kept.glob("*/run.json")
        return Evidence(found.parent)


def fill(folder: Path) -> None:
    """Until there is no byte left."""
    with (folder / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            for size in (1 << 20, 4096):
                file.write(b"\0" * size)


def test_a_disk_that_is_too_small_is_told_before_anything_is_started(tmp_path):
    disk = SmallDisk(tmp_path, "40m", {})
    with cli(tmp_path, *disk.arguments, prefix=disk.prefix) as run:
        status = run.finish()
    if status != 4:
        forbidden(run, status)
        return
    reason = disk.evidence().assert_aborted("recording")
    assert "MiB free, the run may need" in reason and "--out" in reason
    assert not run.robot
    assert not disk.evidence().event("guardian_started")


def test_a_disk_that_fills_up_during_the_run_stops_the_robot(tmp_path):
    # Steps that take some room in the record of events, where the last page of a file is always there.
    step = {"call": ["sh", "-c", f"sleep 0.5 # {'x' * 2000}"]}
    changes = {"setup": [{"send": "robot.command", "values": {"value": 0.1}}, *[step] * 12]}
    disk = SmallDisk(tmp_path, "100m", changes)
    with cli(tmp_path, *disk.arguments, prefix=disk.prefix) as run:
        run.out = disk.inside(run)
        try:
            run.wait_event("step", where="setup[2]")
        except (AssertionError, OSError):
            forbidden(run, run.finish())
            return
        fill(disk.inside(run))
        assert run.finish() == 4, run.stderr
    assert "the disk is full" in run.stdout + run.stderr
    assert "Traceback" not in run.stdout + run.stderr
    assert_stopped(run.robot)
    # What was allocated ahead and is not needed makes room for the report.
    evidence = disk.evidence()
    assert "the disk is full" in evidence.assert_aborted("recording")
    evidence.assert_whole()
    evidence.assert_nothing_runs()
    assert len(evidence.event("step")) < 13


def forbidden(run: Cli, status: int) -> None:
    """Where a user may make no namespace of his own, the file-size limits above have to do."""
    assert os.geteuid() != 0, (status, run.stdout, run.stderr)
    assert status in (1, 77), (status, run.stderr)


@pytest.mark.parametrize("where", ["a file", "below a file", "not to be made"])
def test_an_output_folder_that_cannot_be_written_is_told_at_once(tmp_path, where):
    file = rig_file(tmp_path)
    (tmp_path / "taken").write_text("")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "loop").write_text("")
    out = {"a file": tmp_path / "taken", "below a file": tmp_path / "out", "not to be made": Path("/proc/no")}
    with cli(tmp_path, "run", str(file), "--out", str(out[where])) as run:
        status = run.finish()
    assert status == (2 if where == "a file" else 4)
    assert str(out[where]) in run.stderr
    assert "Traceback" not in run.stderr
    assert where == "a file" or "--out" in run.stderr
    assert not run.robot
