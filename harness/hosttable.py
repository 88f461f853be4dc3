"""What the host did during a run, as a table to compute with: ``RunFolder.host()`` gives one.

Rows are in the run folder sparsely (docs/run-folder.md); :meth:`HostTable.per_look` fills in the zeros.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.model import HOST_DTYPE, HostMeasure

HOST_SUBJECT = -1
_CORES = range(20, 30)
NAMES = "host.names"
"""In the journal: names of the processes, a JSON object a line."""


@dataclass(frozen=True)
class Subject:
    """A process that was followed. ``kind``: harness, rig (a program of the rig, or its child), helper (of
    the harness) or other."""

    pid: int
    kind: str
    name: str

    @property
    def words(self) -> str:
        """For a person."""
        return self.name if self.kind in ("harness", "rig") else f"{self.name} (pid {self.pid})"


@dataclass(frozen=True)
class HostTable:
    """``rows``: HOST_DTYPE, in order of ``t_ns`` for each subject; ``subjects``: the processes by pid. Both
    are empty for a run that recorded nothing of its host."""

    rows: NDArray[Any] = field(default_factory=lambda: np.empty(0, HOST_DTYPE))
    subjects: Mapping[int, Subject] = field(default_factory=dict)

    def of(self, measure: HostMeasure, subject: int | None = None) -> NDArray[Any]:
        """The rows of that measure, of that subject or of all."""
        chosen = self.rows["measure"] == measure
        if subject is not None:
            chosen &= self.rows["subject"] == subject
        found: NDArray[Any] = self.rows[chosen]
        return found

    @property
    def looks(self) -> NDArray[Any]:
        """The rows SAMPLING_MS, in order: each look's end ``t_ns`` and span ``over_ns``."""
        found = self.of(HostMeasure.SAMPLING_MS)
        ordered: NDArray[Any] = found[np.argsort(found["t_ns"], kind="stable")]
        return ordered

    def per_look(self, measure: HostMeasure, subject: int) -> NDArray[np.float64]:
        """The counter's rise in each of :attr:`looks`, 0 where there is no row; shape (looks,)."""
        looks = self.looks["t_ns"]
        out = np.zeros(len(looks))
        found = self.of(measure, subject)
        place = np.searchsorted(looks, found["t_ns"])
        known = place < len(looks)
        np.add.at(out, place[known], found["value"][known])
        return out

    def of_kind(self, kind: str) -> list[Subject]:
        """The processes of that kind, by pid."""
        return [each for _, each in sorted(self.subjects.items()) if each.kind == kind]

    def name_of(self, measure: int, subject: int) -> str:
        """What a row is about: ``host``, ``core 1``, or the name of a process."""
        if subject == HOST_SUBJECT:
            return "host"
        if measure in _CORES:
            return f"core {subject}"
        known = self.subjects.get(subject)
        return known.name if known is not None else f"pid {subject}"

    def kind_of(self, measure: int, subject: int) -> str:
        """``host``, ``core``, or the kind of the process."""
        if subject == HOST_SUBJECT:
            return "host"
        if measure in _CORES:
            return "core"
        known = self.subjects.get(subject)
        return known.kind if known is not None else "other"


def read_names(path: Path) -> dict[int, Subject]:
    """The names that the recording process wrote; a line that it could not finish is passed over."""
    found = {}
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return {}
    for line in lines:
        try:
            about = json.loads(line)
            found[int(about["pid"])] = Subject(int(about["pid"]), str(about["kind"]), str(about["name"]))
        except (ValueError, KeyError, TypeError):
            continue
    return found
