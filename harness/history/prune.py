"""Retention: raw tables and bags of old runs are let go, what they showed is kept.

Of a run folder go the tables (``*.parquet``), the journal and the bag, also those of the earlier parts of a
resumed series. What stays: results, report, JUnit, summary, run.json, events, logs, and a summary of the
samples that is written first. The marker that names every file with its size and hash is written before the
first file goes, so that a killed prune leaves a folder that says what it lacks, and the next one finishes it.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import numpy as np

from harness import __version__
from harness.analysis.samples import LATENCIES, latency_ms, tried
from harness.analysis.statistics import order_quantile, ordered
from harness.atomic import sync_folder, to_json, write_text
from harness.bags.recording import NAME, SPOOLS
from harness.errors import RecordingError
from harness.folder import JOURNAL, PARTS, RunFolder
from harness.history.index import History
from harness.history.past import PastRun
from harness.parquet import file_sha256
from harness.retained import MARKER, let_go

SUMMARY = "samples_summary.json"
KEEP = "keep"
"""A file of this name in a run folder: its raw tables are never let go."""
SHARES = (*(number / 1000 for number in range(1, 1000)), 0.9995, 0.9999, 0.99995, 0.99999, 1.0)
SCHEMA = 1
_FOLDERS = (JOURNAL, ".journal-done", NAME, SPOOLS)


@dataclass(frozen=True)
class Candidate:
    """One run that is looked at. ``files``: what would be let go, within its folder; ``kept``: why nothing of
    it is, empty where it is let go."""

    run: PastRun
    files: tuple[Path, ...]
    size: int
    kept: str


def candidates(
    reports: Path, older: timedelta, *, last: int = 1, rig: str | None = None, now: datetime | None = None
) -> list[Candidate]:
    """The runs that still have raw tables, the oldest first. Kept are those that are not ``older``, the
    newest ``last`` of each rig, and those with a file ``keep``."""
    with History.open(reports) as history:
        runs = history.runs(rig)
    until = (now or datetime.now(timezone.utc)) - older
    newest: dict[str, list[PastRun]] = {}
    for run in runs:
        newest.setdefault(run.rig, []).append(run)
    spared = {run.path for members in newest.values() for run in members[-last:]} if last else set()
    found = []
    for run in runs:
        files = tuple(_raw(run.path))
        if not files:
            continue
        kept = ""
        if run.started > until:
            kept = "not old enough"
        elif run.path in spared:
            kept = f"among the newest {last} of its rig" if last > 1 else "the newest of its rig"
        elif run.path.is_symlink():
            kept = "a link to another folder"
        elif (run.path / KEEP).exists():
            kept = f"has a file {KEEP}"
        found.append(Candidate(run, files, sum(_size(each) for each in files), kept))
    return found


def _raw(folder: Path) -> Iterator[Path]:
    for within in [folder, *sorted(each for each in (folder / PARTS).glob("*") if each.is_dir())]:
        yield from sorted(within.glob("*.parquet"))
        for name in _FOLDERS:
            if not (within / name).is_symlink():
                yield from sorted(each for each in (within / name).rglob("*") if each.is_file())


def _size(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def release(candidate: Candidate) -> int:
    """Let the files of ``candidate`` go; how many bytes that were.

    Raises HarnessError, and removes nothing, where the run goes on, a raw table is not what run.json says it
    was (it may be wanted in a dispute), or the summary or the marker cannot be written.
    """
    path = candidate.run.path
    folder = RunFolder.open(path)
    marker = let_go(path)
    if marker is None or not marker.get("files"):
        _refuse(folder)
        if not (path / SUMMARY).is_file():
            write_text(path / SUMMARY, to_json(summary(folder)) + "\n")
        files = [
            {"name": each.relative_to(path).as_posix(), "bytes": _size(each), "sha256": file_sha256(each)}
            for each in candidate.files
        ]
        when = datetime.now(timezone.utc).isoformat(timespec="seconds")
        about = {"schema": SCHEMA, "when": when, "harness_version": __version__, "files": files}
        write_text(path / MARKER, to_json(about, indent=2) + "\n")
        sync_folder(path)
    else:
        _refuse_others(path, candidate, marker["files"])
    for each in candidate.files:
        each.unlink(missing_ok=True)
    for within in [path, *(path / PARTS).glob("*")]:
        for name in _FOLDERS:
            with suppress(OSError):
                shutil.rmtree(within / name)
    return candidate.size


def _refuse(folder: RunFolder) -> None:
    if folder.run.get("status") == "running":
        raise RecordingError(
            f"{folder.path} is of a run that never ended",
            hint=f"if it crashed: harness recover {folder.path}",
        )
    for each in [folder, *folder.parts()]:
        if (each.path / JOURNAL).is_dir() or not each.run.get("raw_sha256"):
            continue  # it never came as far as tables with hashes
        if changed := each.verify_raw():
            raise RecordingError(
                f"{each.path}: {', '.join(changed)} is not what the run recorded, or missing",
                hint="look into that first: the raw tables are the evidence of what happened to them",
            )


def _refuse_others(path: Path, candidate: Candidate, named: Sequence[Mapping[str, Any]]) -> None:
    """What is there although the marker says it went was put back: only if it is the same may it go again."""
    known = {each["name"]: each["sha256"] for each in named}
    for each in candidate.files:
        name = each.relative_to(path).as_posix()
        if known.get(name) != file_sha256(each):
            raise RecordingError(f"{path}: {name} is not what {MARKER} names", hint="look into that first")


def summary(folder: RunFolder) -> dict[str, Any]:
    """What is kept of the samples of all parts: by scenario how many count, how many were lost, and the
    quantiles of both latencies in ms at SHARES (order statistics; null where they fall among the lost).

    Raises HarnessError where samples cannot be read.
    """
    samples = np.concatenate([each.samples(LATENCIES) for each in [*folder.parts(), folder]])
    found: dict[str, Any] = {}
    for number, scenario in enumerate(folder.run.get("scenarios") or []):
        mine = samples[samples["scenario"] == number]
        counting = mine[tried(mine)]
        found[str(scenario["name"])] = {
            "n": len(counting),
            "lost": int(np.isinf(latency_ms(counting)).sum()),
            "latency_ms": _quantiles(latency_ms(counting)),
            "latency_from_intent_ms": _quantiles(latency_ms(counting, "intended_ns")),
        }
    return {"schema": SCHEMA, "shares": SHARES, "scenarios": found}


def _quantiles(values: Any) -> list[float | None]:
    ascending = ordered(values)
    found = [order_quantile(ascending, share) for share in SHARES]
    return [round(each, 6) if np.isfinite(each) else None for each in found]
