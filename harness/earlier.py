"""Which runs of the same rig came before this one: a reader has to know whether this is the only one.

Each run is judged alone at its own confidence. Whoever repeats a run until it passes and shows that one has
not tested at that confidence; so every report tells of the runs beside it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from harness.history.reading import read_json

MOST = 20
"""As many of the newest are listed."""
TIME_LIMIT_S = 1.0
"""Looking ends then, also on a slow network disk: what is left is listed by name alone."""


def earlier_runs(
    run: Path,
    sha256: str,
    *,
    most: int = MOST,
    limit_s: float = TIME_LIMIT_S,
    clock: Callable[[], float] = time.monotonic,
) -> list[dict[str, str]]:
    """Earlier runs beside the folder ``run`` of a run that starts, the newest first, at most ``most``.

    Each has ``run_id``, ``started`` (ISO 8601, or empty), ``verdict`` (in words where there is none) and
    ``same_rig_file`` (yes, no, or unknown: the hash of the rig file is ``sha256`` or another). Runs that were
    cut short or killed are among them. Never raises OSError; a folder that cannot be read is listed as such.
    """
    try:
        # Names begin with the start in UTC, and so sort by it.
        names = sorted((each.name for each in run.parent.iterdir() if each.name != run.name), reverse=True)
    except OSError:
        return []
    until = clock() + limit_s
    found: list[dict[str, str]] = []
    for name in names:
        if len(found) == most:
            break
        folder = run.parent / name
        if clock() > until:
            found.append(_entry(name, "", "not looked at: reading took too long", "unknown"))
        elif (folder / "run.json").is_file():
            found.append(_look(folder, sha256))
    return found


def _look(folder: Path, sha256: str) -> dict[str, str]:
    run = _read(folder / "run.json")
    if run is None:
        return _entry(folder.name, "", "its run.json cannot be read", "unknown")
    results = _read(folder / "results.json") or {}
    rig = run.get("rig")
    known = str(rig.get("sha256") or "") if isinstance(rig, dict) else ""
    return _entry(
        str(run.get("run_id") or folder.name),
        str(run.get("started") or ""),
        str(results.get("verdict") or "none: the run did not come to its end"),
        "unknown" if not known else "yes" if known == sha256 else "no",
    )


def _entry(run_id: str, started: str, verdict: str, same: str) -> dict[str, str]:
    return {"run_id": run_id, "started": started, "verdict": verdict, "same_rig_file": same}


def _read(file: Path) -> dict[str, Any] | None:
    try:
        return read_json(file)
    except (OSError, ValueError):
        return None
