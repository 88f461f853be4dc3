"""A file of JSON lines, for benches without a network: one line a name and instant, appended."""

from __future__ import annotations

import os
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from harness.atomic import to_json
from harness.errors import RecordingError
from harness.telemetry.export.periodic import Periodic
from harness.telemetry.export.points import points_of

if TYPE_CHECKING:
    from harness.telemetry.budget.registry import Budgets


class JsonLines(Periodic):
    """Appends what was observed so far to ``path``, every ``every_s`` seconds and when it is closed.

    Keys of a line: ``time``, ``operation``, ``pillar``, ``unit`` (``s`` for times), ``count``, ``sum``,
    ``min``, ``max``, ``failed``, ``limits``, ``over``, and ``at_most``: pairs of an edge and how many are at
    most that, where the number changes. Raises RecordingError where the file cannot be appended to.
    """

    def __init__(self, budgets: Budgets, path: Path, every_s: float = 60.0) -> None:
        self._budgets, self._path = budgets, Path(path)
        try:
            with self._path.open("ab"):
                pass
        except OSError as error:
            raise RecordingError(f"{path} cannot be appended to: {error.strerror}") from error
        super().__init__(self._append, every_s, "json-lines")

    def _append(self) -> None:
        now = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        lines = []
        for found in self._budgets.observed():
            points = points_of(found)
            if not points.count:
                continue
            steps, before = [], 0
            for edge, count in zip(points.edges, points.cumulative, strict=True):
                if count != before:
                    steps.append([edge, count])
                before = count
            line = {
                "time": now,
                "operation": points.name,
                "pillar": points.pillar,
                "unit": points.unit,
                "count": points.count,
                "sum": points.total,
                "min": points.smallest,
                "max": points.largest,
                "failed": points.failed,
                "limits": points.limits,
                "over": points.over,
                "at_most": steps,
            }
            lines.append(to_json(line) + "\n")
        # One write: lines of several programs do not mix.
        fd = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            os.write(fd, "".join(lines).encode())
        finally:
            os.close(fd)
