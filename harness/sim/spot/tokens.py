"""Who may speak to the robot: user tokens, opaque to the client, that expire."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterable
from typing import Any

LOCKOUT_AFTER = 6
"""Wrong passwords in a row after which logins are refused for a while."""
LOCKOUT_S = 5.0


class Tokens:
    """Tokens given out, and until when (CLOCK_MONOTONIC) each holds."""

    def __init__(self, username: str, password: str, life_s: float) -> None:
        self._username, self._password, self._life_s = username, password, life_s
        self._until: dict[str, float] = {}
        self._lock = threading.Lock()
        self._wrong = 0
        self._locked_until = 0.0

    def login(self, username: str, password: str) -> str | None:
        """A new token, or None for wrong credentials."""
        with self._lock:
            right = secrets.compare_digest(
                f"{username}\0{password}".encode(), f"{self._username}\0{self._password}".encode()
            )
            if not right:
                self._wrong += 1
                if self._wrong >= LOCKOUT_AFTER:
                    self._wrong, self._locked_until = 0, time.monotonic() + LOCKOUT_S
                return None
            self._wrong = 0
            return self._new()

    def refresh(self, token: str) -> str | None:
        """A new token for one that still holds, or None."""
        with self._lock:
            return self._new() if self._until.get(token, 0.0) > time.monotonic() else None

    @property
    def locked_out(self) -> bool:
        """Whether logins are refused for now."""
        return time.monotonic() < self._locked_until

    def expire(self) -> None:
        """No token holds any longer."""
        with self._lock:
            self._until.clear()

    def allow(self, metadata: Iterable[tuple[str, Any]]) -> bool:
        """Whether a call with that metadata carries a token that holds."""
        for key, value in metadata:
            if key == "authorization":
                return self._until.get(str(value)[7:], 0.0) > time.monotonic()
        return False

    def _new(self) -> str:
        token = secrets.token_urlsafe(24)
        self._until[token] = time.monotonic() + self._life_s
        return token
