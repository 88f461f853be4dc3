"""From the raw tables of a run to its verdict and report; also after a crash, and again whenever it is
asked for."""

from __future__ import annotations

import traceback
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

from harness.errors import HarnessError, OperationError, RecordingError
from harness.folder import RunFolder
from harness.model import Verdict
from harness.processes import end_run_processes
from harness.results import Results
from harness.retained import refuse_without_raw


@dataclass(frozen=True)
class RunOutcome:
    """What came of a run. ``error`` says in words what ended it early or what could not be derived;
    ``results`` is None when nothing could be derived."""

    folder: Path
    verdict: Verdict
    results: Results | None
    error: str | None = None


def conclude(folder: RunFolder, error: str | None = None, *, report: bool = True) -> RunOutcome:
    """Make the raw tables final, derive the results, write the report. What fails is said in the outcome."""
    from harness.analysis.derive import derive, derive_undecided
    from harness.history.index import record

    trouble: list[str] = [error] if error else []
    results: Results | None = None
    try:
        folder.finalise_raw()
        results = derive(folder)
    except Exception as failure:
        trouble.append(_in_words(folder, "results could not be derived", failure))
        # A build server still wants its error cases, and a reader the reason on paper.
        with suppress(Exception):
            results = derive_undecided(folder, "; ".join(trouble))
    verdict = results.verdict if results else Verdict.ERROR
    if report and results is not None:
        from harness.report import render

        try:
            render(folder.path)
        except Exception as failure:
            verdict = Verdict.ERROR
            trouble.append(_in_words(folder, "the report could not be written", failure))
    try:
        record(folder.path)
    except Exception as failure:
        # The index is made again from the folders whenever it is asked: no run is lost by this.
        folder.event("history_not_written", message=f"{type(failure).__name__}: {failure}")
    return RunOutcome(folder.path, verdict, results, "; ".join(trouble) or None)


def _in_words(folder: RunFolder, what: str, failure: Exception) -> str:
    if isinstance(failure, HarnessError):
        again = isinstance(failure, RecordingError)
        return f"{what}: {failure}" + (f"\n  then: harness report {folder.path}" if again else "")
    folder.event("exception", traceback="".join(traceback.format_exception(failure)))
    return f"{what}: {type(failure).__name__}: {failure}"


def rerender(path: Path) -> RunOutcome:
    """Everything right of the raw tables once more (``harness report``). Raises ConfigurationError for a
    wrong folder, OperationError for a run that has not ended, RecordingError where its tables were let go."""
    folder = RunFolder.open(path)
    if folder.run.get("status") == "running":
        raise OperationError(
            f"{folder.path} is of a run that never ended",
            hint=f"if it crashed: harness recover {folder.path}",
        )
    refuse_without_raw(folder.path)
    return conclude(folder)


def recover(path: Path) -> RunOutcome:
    """Bring the run of a killed harness to a report marked aborted (``harness recover``).

    Ends processes that the run left behind. Raises OperationError when the run is still going on.
    """
    from harness.lock import RigLock

    folder = RunFolder.open(path)
    if folder.run.get("status") != "running":
        refuse_without_raw(folder.path)
        return conclude(folder, folder.run.get("abort_reason"))
    lock = RigLock.acquire(folder.run["rig"]["resolved"]["rig"]["name"], f"recover {folder.run_id}")
    try:
        ended = end_run_processes(folder.run_id, set())
        if ended:
            folder.event("leftovers_ended", processes=ended)
        reason = "the harness was killed or crashed; recovered from the journal"
        folder.save_run(
            ended=datetime.now(timezone.utc).isoformat(timespec="milliseconds"),
            status="recovered",
            abort_kind="harness",
            abort_reason=reason,
        )
        return conclude(folder, reason)
    finally:
        lock.release()
