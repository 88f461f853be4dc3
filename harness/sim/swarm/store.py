"""What a robot remembers when it is started again."""

from __future__ import annotations

import os
from pathlib import Path

from harness.sim.swarm.settings import Memory


class Store:
    """Term and vote in a file of 16 bytes. It survives the process, not a loss of power: no fsync."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: int | None = None

    def load(self, *, first: bool) -> Memory | None:
        """What was kept; an empty memory for a robot that never ran; None where it is gone."""
        if first:
            self.keep(Memory())
            return Memory()
        try:
            raw = self._path.read_bytes()
        except OSError:
            return None
        return Memory(int.from_bytes(raw[:8], "little"), int.from_bytes(raw[8:16], "little"))

    def keep(self, memory: Memory) -> None:
        """Write it, before anything is sent that depends on it."""
        if self._file is None:
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT, 0o644)
        os.pwrite(self._file, memory.term.to_bytes(8, "little") + memory.voted_for.to_bytes(8, "little"), 0)
