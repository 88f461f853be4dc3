"""What goes through the guardian's two pipes: JSON objects, one a line.

To the guardian: ``watch_device``, ``watch_process`` (both with ``id``), ``beat``, ``quiet``, ``release`` as
``op``. Back: ``{"re": id, "error": null | {...}}``, ``{"event": "hello"}``, ``{"event": "acted", "reason":
...}``.
"""

from __future__ import annotations

import json
from typing import Any

from harness import errors

CHUNK = 65536
LONGEST = 2000
"""Characters of an error that are passed on: a pipe that nobody reads holds little."""

Message = dict[str, Any]


def encode(message: Message) -> bytes:
    """One line."""
    return json.dumps(message, separators=(",", ":")).encode() + b"\n"


class Lines:
    """Cuts a stream of bytes into messages; what is no JSON object comes out as ``{"garbled": text}``."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> list[Message]:
        """The messages that ``data`` completes. An unfinished last line is kept for the next call."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [self._decode(line) for line in whole if line]

    @staticmethod
    def _decode(line: bytes) -> Message:
        try:
            message = json.loads(line)
        except ValueError:
            message = None
        return message if isinstance(message, dict) else {"garbled": line[:200].decode(errors="replace")}


def describe_error(error: BaseException) -> Message:
    """An exception as a message can carry it."""
    return {
        "type": type(error).__name__,
        "message": str(getattr(error, "message", None) or error)[:LONGEST] or type(error).__name__,
        "hint": getattr(error, "hint", None),
    }


def rebuild_error(described: Message, prefix: str) -> errors.HarnessError:
    """The exception again, of the same class if it is one of the harness's, else OperationError."""
    kind = getattr(errors, str(described.get("type")), None)
    text = str(described.get("message"))
    if isinstance(kind, type) and issubclass(kind, errors.HarnessError):
        return kind(f"{prefix}: {text}", hint=described.get("hint"))
    return errors.OperationError(f"{prefix}: {described.get('type')}: {text}")
