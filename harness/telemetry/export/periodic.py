"""Something that is done every so often in a thread of its own, and once more at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from harness.errors import ConfigurationError

_log = logging.getLogger("harness.budget")
P = TypeVar("P", bound="Periodic")


class Periodic:
    """Calls ``act`` every ``every_s`` seconds from when it is made until it is closed; a context manager.
    What it raises is logged: an export that fails is no reason to disturb what is measured."""

    def __init__(self, act: Callable[[], None], every_s: float, name: str) -> None:
        if not every_s > 0:
            raise ConfigurationError(f"{name} every {every_s} s: a time above zero is needed")
        self._act, self._every_s, self._name = act, every_s, name
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"harness-{name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._ended.wait(self._every_s):
            self.now()

    def now(self) -> None:
        """Do it at once, in the thread of the caller."""
        try:
            self._act()
        except Exception:
            _log.exception("%s failed; the next one is in %g s", self._name, self._every_s)

    def close(self) -> None:
        """Do it once more, and no more. Repeatable."""
        if not self._ended.is_set():
            self._ended.set()
            self._thread.join()
            self.now()

    def __enter__(self: P) -> P:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
