"""What a device is replaced by while the harness measures its own floor."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from typing import Any

LOOPBACK: dict[str, Any] = {
    "adapter": "loopback",
    "ports": {
        "command": {"stimulus": {"key": "sequence", "values": {"value": 0.5}}},
        "answer": {"response": {"of": "command", "match": {"kind": "sequence"}}},
    },
}


@dataclass(frozen=True)
class FloorTwin:
    """A device with nothing but the harness and its transport in the loop.

    ``options``: its section of a rig file, with a stimulus port ``command`` and a response port ``answer``.
    ``command``: the echo as a program, in the words of ``processes.*.command``; empty where the device starts
    its own. ``what``: for the report. ``message_bytes``: size of a command, None where it is not known.
    """

    options: dict[str, Any]
    what: str
    command: tuple[str, ...] = ()
    message_bytes: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    settle_s: float = 0.1
    """How long the first measurement warms up."""
    place: str = ""
    """The name, in ``options`` and ``command``, at which device and echo meet; empty where they need none."""

    def apart(self, number: int) -> FloorTwin:
        """The same at a place of its own: twins that are open at a time must not hear each other's echoes."""
        if not self.place:
            return self
        place = f"{self.place}_{number}"
        return replace(
            self,
            options=json.loads(json.dumps(self.options).replace(self.place, place)),
            command=tuple(word.replace(self.place, place) for word in self.command),
            place=place,
        )

    @classmethod
    def loopback(cls) -> FloorTwin:
        """The harness against an echo process over a Unix socket."""
        return cls(LOOPBACK, "the harness alone, against an echo process over a Unix socket")
