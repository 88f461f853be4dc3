"""What a run folder says once its raw tables were let go (``harness prune``): its marker, and the refusal to
derive anything again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from harness.errors import RecordingError

MARKER = "let_go.json"
"""Written into a run folder before anything of it is removed; docs/history.md has its keys."""

RAW_FILES = ("stimuli.parquet", "observations.parquet", "clocks.parquet")
"""What results are derived from; neither samples nor a bag are needed for it."""


def let_go(folder: Path) -> dict[str, Any] | None:
    """The marker of a run folder; None where nothing was let go. One that cannot be read counts as one."""
    try:
        found = json.loads((folder / MARKER).read_bytes())
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def missing(
    folder: Path, name: str, hint: str = "copy the whole run folder from its origin"
) -> RecordingError:
    """What to say of a file ``name`` that the folder of a run lacks."""
    marker = let_go(folder)
    if marker is None:
        what = "no" if name == "samples.parquet" else "neither"
        rest = "" if what == "no" else " nor a journal"
        return RecordingError(f"{folder} has {what} {name}{rest}", hint=hint)
    when = str(marker.get("when", "an unknown time")).replace("T", " ")[:16]
    return RecordingError(
        f"{folder}: its raw tables were let go at {when} by harness prune: {name} is no more, and nothing "
        "can be derived again; its results and report stand",
        hint=f"read report.pdf and results.json; or restore the files that {MARKER} names from a copy",
    )


def refuse_without_raw(folder: Path) -> None:
    """Raise RecordingError where files of the folder were let go and are not back: deriving again would put
    an ERROR in the place of its results."""
    marker = let_go(folder)
    if marker is None:
        return
    named = [str(each.get("name")) for each in marker.get("files", []) if isinstance(each, dict)]
    needed = [each for each in named if each.rpartition("/")[2] in RAW_FILES or "journal/" in each]
    for name in needed or RAW_FILES:
        if not (folder / name).is_file():
            raise missing(folder, name)
