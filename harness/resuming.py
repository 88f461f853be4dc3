"""Going on with a series of trials that was interrupted, under the same plan.

The new run repeats nothing that counts: it makes the trials that are left, and its verdict is over all of
them, by the test that was declared before the first. The earlier run's folder is copied into the new one, so
that the evidence is whole wherever that is taken.
"""

from __future__ import annotations

import platform
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import harness
from harness.config import LoadedRig, find_rig, load_rig
from harness.errors import ConfigurationError, RecordingError
from harness.folder import PARTS, RunFolder
from harness.model import Finding, Severity
from harness.retained import refuse_without_raw


@dataclass(frozen=True)
class Resumed:
    """An earlier run to go on with. ``done``: trials of its scenario that count, in all parts so far."""

    folder: RunFolder
    loaded: LoadedRig
    scenario: str
    done: int

    @property
    def part(self) -> int:
        """The number of the part that the new run is, from 1 for a run that resumes none."""
        return len(self.folder.parts()) + 2

    @property
    def seed(self) -> int:
        """That of the plan."""
        return int(self.folder.run["seed"])

    def findings(self) -> list[Finding]:
        """What a reader has to know of the part before."""
        run = self.folder.run
        told = [
            Finding(
                "resumed series",
                Severity.INFO,
                f"part {self.part}: run {self.folder.run_id} ended early ({run.get('abort_reason')}) after"
                f" {self.done} trials, which count",
            )
        ]
        for what, before, now in (
            ("version of the harness", run.get("harness_version"), harness.__version__),
            ("host", (run.get("host") or {}).get("hostname"), platform.node()),
        ):
            if before != now:
                message = f"the {what} was {before} in the part before, and is {now} in this one"
                told.append(Finding("resumed series", Severity.WARNING, message))
        return told

    def carry(self, into: RunFolder) -> None:
        """Copy the earlier parts into the new run folder. Raises RecordingError."""
        sources = [*self.folder.parts(), self.folder]
        told = []
        try:
            for number, each in enumerate(sources, 1):
                goal = into.path / PARTS / f"{number}_{each.run_id}"
                shutil.copytree(each.path, goal, ignore=shutil.ignore_patterns(PARTS, "report.pdf", "*.mcap"))
                told.append(
                    {
                        "run_id": each.run_id,
                        **{key: each.run.get(key) for key in ("started", "ended", "abort_reason")},
                    }
                )
        except OSError as error:
            raise RecordingError(
                f"the earlier part cannot be copied into {into.path}: {error}",
                hint="make room, then resume again",
            ) from error
        into.save_run(parts=told)


def may_go_on(folder: RunFolder) -> bool:
    """Whether a run that was cut short has a series of trials that another run may go on with."""
    resolved = (folder.run.get("rig") or {}).get("resolved") or {}
    scenarios = list((resolved.get("scenarios") or {}).values())
    return (
        folder.run.get("status") in ("aborted", "recovered")
        and len(scenarios) == 1
        and scenarios[0]["schedule"]["kind"] == "trials"
        and scenarios[0]["kind"] != "sensor_to_action"
        and not scenarios[0].get("moves")
    )


def prepare(path: Path, rig: Path | None = None) -> Resumed:
    """What it takes to go on with the run in ``path``; ``rig``: its rig file, where that lies elsewhere.
    Raises ConfigurationError where that cannot be, RecordingError where its tables were let go."""
    folder = RunFolder.open(path)
    run = folder.run
    status = run.get("status")
    if status == "running":
        raise ConfigurationError(
            f"{folder.path} was never closed: it still runs, or was killed",
            hint=f"if it was killed: harness recover {folder.path}, then resume it",
        )
    if status == "finished":
        raise ConfigurationError(
            f"{folder.path} ended by its plan: there is nothing to resume",
            hint="a new series is a run of its own: harness run",
        )
    if not may_go_on(folder):
        raise ConfigurationError(
            f"{folder.path}: only a run of one scenario of trials, and not of onsets, can be resumed",
            hint="run it anew; with --scenario NAME a run has one",
        )
    refuse_without_raw(folder.path)
    loaded = _same_rig(folder, rig)
    name = next(iter(loaded.rig.scenarios))
    _not_resumed_yet(folder)
    return Resumed(folder, loaded, name, _done(folder, name))


def _same_rig(folder: RunFolder, rig: Path | None) -> LoadedRig:
    """The rig of the run, from its file, which has to be what it was."""
    told = folder.run["rig"]
    file = rig or Path(str(told["file"]))
    try:
        file = file if file.is_file() else find_rig(file.stem)
    except ConfigurationError as error:
        raise ConfigurationError(
            f"the rig file {file} of {folder.run_id} is not here",
            hint="call it where the run was called, or name it: harness resume RUN --rig FILE",
        ) from error
    loaded = load_rig(file, tuple(told["overrides"]))
    if loaded.sha256 != told["sha256"]:
        raise ConfigurationError(
            f"{loaded.path} is not what it was when {folder.run_id} began (SHA-256 {told['sha256'][:12]}...)",
            hint="a series is resumed under the same plan: take the file back to what it was, or begin anew",
        )
    chosen = told.get("only_scenarios") or list(loaded.rig.scenarios)
    scenarios = {name: spec for name, spec in loaded.rig.scenarios.items() if name in chosen}
    requirements = [each for each in loaded.rig.requirements if each.scenario in scenarios]
    left = loaded.rig.model_copy(update={"scenarios": scenarios, "requirements": requirements})
    return replace(loaded, rig=left)


def _not_resumed_yet(folder: RunFolder) -> None:
    """Nobody chooses among several continuations of one series."""
    for other in sorted(folder.path.parent.glob(f"*/{PARTS}/*_{folder.run_id}")):
        name = other.parent.parent.name
        raise ConfigurationError(
            f"{folder.run_id} was resumed already, by {name}",
            hint=f"go on with that one: harness resume {other.parent.parent}",
        )


def _done(folder: RunFolder, scenario: str) -> int:
    """Trials that count in all parts so far."""
    from harness.analysis.parts import part_of
    from harness.analysis.samples import tried

    total = 0
    for each in [*folder.parts(), folder]:
        names = [str(one["name"]) for one in each.run.get("scenarios", [])]
        if scenario in names:
            total += int(tried(part_of(each).sample(scenario, names.index(scenario)).samples).sum())
    return total
