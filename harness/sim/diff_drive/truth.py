"""What the robot really did, for tests that compare the harness with it.

One JSON object a line, written when the fate of a command is settled::

    {"number": 1, "stamp_ns": ..., "received_ns": ..., "taken_ns": ..., "applied_ns": ...,
     "answered_ns": [...], "superseded": false, "linear_mps": 0.2, "angular_radps": 0.0}

``stamp_ns`` is the command's own stamp. The instants are CLOCK_MONOTONIC: when the middleware had received
the command, when the loop took it, when the physics step that applied it was done, and just before each
answer was handed over (empty: none was). The last line is
``{"end": "stopped", "commands": N, "steps": N, "slipped_ns": N}``, or ``"end": "died"``.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from harness.sim.diff_drive.answers import Command


class TruthLog:
    """Writes the file; does nothing without a path. Unbuffered, so that a killed robot's log is whole."""

    def __init__(self, path: Path | None) -> None:
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)

    def command(self, command: Command) -> None:
        """The fate of ``command`` is settled."""
        if self._file is not None:
            self._line(
                number=command.number,
                stamp_ns=command.stamp_ns,
                received_ns=command.received_ns,
                taken_ns=command.taken_ns,
                applied_ns=command.applied_ns,
                answered_ns=command.answered_ns,
                superseded=command.superseded,
                linear_mps=command.linear_mps,
                angular_radps=command.angular_radps,
            )

    def end(self, how: str, commands: int, steps: int, slipped_ns: int) -> None:
        """The robot ends; nothing follows."""
        if self._file is not None:
            self._line(end=how, commands=commands, steps=steps, slipped_ns=slipped_ns)
            os.close(self._file)
            self._file = None

    def _line(self, **entry: Any) -> None:
        assert self._file is not None
        os.write(self._file, json.dumps(entry).encode() + b"\n")
