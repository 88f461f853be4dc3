"""A response port whose observations are edges of a line, whoever stamps them."""

from __future__ import annotations

import threading
from typing import Any

from harness.model import HOST_MONOTONIC, NO_KEY, NO_STAMP
from harness.ports import Sink


def edges_are_acts(data: Any) -> Any:
    """Options of a response before they are read: every edge is an act, no sample of something that goes on
    in between."""
    match = data.get("match") if isinstance(data, dict) else None
    if isinstance(match, dict) and match.get("kind") == "edge":
        return {**data, "match": {"signal": "command", **match}}
    return data


class EdgeResponse:
    """Edges as they come. Where edges are waited for, what a new sink gets first is the level that is there
    already: an edge is a change from something."""

    received_clock = HOST_MONOTONIC

    def __init__(self, match_kind: str, stamp_clock: str, received_is: str) -> None:
        self.stamp_clock, self.received_is = stamp_clock, received_is
        self._greets = match_kind == "edge"
        self._sinks: tuple[Sink, ...] = ()
        self._new: list[Sink] = []
        self._lock = threading.Lock()
        self._known: tuple[int, int, int, int] | None = None

    def listen(self, sink: Sink) -> None:
        """Give ``sink`` every observation from now on."""
        with self._lock:
            if self._greets:
                self._new.append(sink)
            else:
                self._sinks = (*self._sinks, sink)

    def deaf(self) -> None:
        """Forget the sinks; the device was closed."""
        with self._lock:
            self._sinks, self._known = (), None
            self._new.clear()

    def knows(self, level: int, received_ns: int, seen_ns: int, stamp_ns: int = NO_STAMP) -> None:
        """The level was read, and did not change."""
        self._known = (level, received_ns, seen_ns, stamp_ns)

    def greet(self) -> None:
        """Tell new sinks the level as far as it is known; on the device's thread."""
        if not self._new or self._known is None:
            return
        with self._lock:
            new, self._new = self._new, []
            self._sinks = (*self._sinks, *new)
        for sink in new:
            self._tell(sink, NO_KEY, *self._known)

    def take(
        self, level: int, received_ns: int, seen_ns: int, stamp_ns: int = NO_STAMP, key: int = NO_KEY
    ) -> None:
        """Hand one observation to every sink; on the device's thread."""
        self.greet()
        for sink in self._sinks:
            self._tell(sink, key, level, received_ns, seen_ns, stamp_ns)
        self.knows(level, received_ns, seen_ns, stamp_ns)

    def _tell(self, sink: Sink, key: int, level: int, received_ns: int, seen_ns: int, stamp_ns: int) -> None:
        sink(key, stamp_ns=stamp_ns, received_ns=received_ns, seen_ns=seen_ns, value=float(level))
