"""What the long runs share: a run in this process, whether its folder is whole, and what it left behind."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil

from harness import proctable
from harness.conclude import RunOutcome
from harness.config import load_rig
from harness.errors import UnavailableError
from harness.folder import RunFolder
from harness.lock import RigLock
from harness.model import Verdict
from harness.runner import RunOptions, run_rig

PATIENCE_S = 60.0
ROOT = Path(__file__).parents[2]
SHM = Path("/dev/shm")
FILES = ["run.json", "results.json", "report.pdf", "junit.xml", "summary.md", "events.jsonl"]
FILES += ["stimuli.parquet", "observations.parquet", "clocks.parquet", "samples.parquet"]


def until(holds: Callable[[], Any], what: Callable[[], str]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"not within {PATIENCE_S:g} s: {what()}"
        time.sleep(0.05)


def run(rig: str, out: Path, changes: Sequence[str] = ()) -> RunOutcome:
    """One run of a rig of ``rig_configs/``, its report and all."""
    return run_rig(load_rig(ROOT / "rig_configs" / f"{rig}.yaml", changes), RunOptions(out=out))


def check_whole(outcome: RunOutcome) -> dict[str, Any]:
    """The run went to its end, its folder has every file, its counts add up; returns those counts."""
    folder = RunFolder.open(outcome.folder)
    assert folder.run["status"] == "finished", folder.run["abort_reason"]
    assert outcome.error is None and outcome.results is not None
    assert [name for name in FILES if not (outcome.folder / name).stat().st_size] == []
    assert not (outcome.folder / "journal").exists()
    assert folder.verify_raw() == []
    results: dict[str, Any] = json.loads((outcome.folder / "results.json").read_text())
    assert outcome.verdict in (Verdict.PASS, Verdict.INCONCLUSIVE), results["requirements"]
    (scenario,) = results["scenarios"].values()
    assert scenario["scheduled"] == scenario["schedule"]["samples"]
    assert scenario["sent"] + scenario["skipped"] + scenario["unsent"] == scenario["scheduled"]
    assert scenario["answered"] + scenario["lost"] + scenario["open"] == scenario["sent"]
    return dict(scenario)


def check_nothing_left(rig_name: str, run_id: str) -> None:
    """No process of the run, and the rig is free for the next one, once the guardian has had time to end."""
    until(lambda: not proctable.run_members(run_id), lambda: f"{proctable.run_members(run_id)} have ended")

    def free() -> bool:
        try:
            RigLock.acquire(rig_name, "soak").release()
        except UnavailableError:
            return False
        return True

    until(free, lambda: f"the lock of {rig_name} is free")


def ownerless_shared_memory() -> set[str]:
    """Files of Fast DDS in /dev/shm that no other living process maps."""
    mapped = set()
    for process in psutil.process_iter():
        if process.pid == psutil.Process().pid:
            continue
        try:
            text = Path(f"/proc/{process.pid}/maps").read_text()
        except OSError:
            continue  # it has ended, or belongs to somebody else
        mapped |= {Path(line.split()[-1]).name for line in text.splitlines() if "fastrtps_" in line}
    found = {path.name for path in SHM.iterdir() if path.name.startswith(("fastrtps_", "sem.fastrtps_"))}
    # The lock of a segment, and the mutex of a port, are named after it.
    return {name for name in found if not any(own in name or name in own for own in mapped)}
