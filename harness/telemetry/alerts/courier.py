"""Takes what is to be told to a receiver, in a thread of its own, again if need be."""

from __future__ import annotations

import json
import logging
import os
import queue
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from harness.errors import ConfigurationError, UnavailableError
from harness.telemetry.alerts.files import Receiver

_log = logging.getLogger("harness.alerts")

ATTEMPTS = 8
LONGEST_S = 60.0
TIMEOUT_S = 10.0
GRACE_S = 5.0
WAITING = 1000
AGAIN = (408, 425, 429)
"""Refusals beside 5xx that may be different later (RFC 9110, RFC 6585, RFC 8470)."""

Notice = dict[str, Any]
Send = Callable[[bytes], None]


class _RefusedError(Exception):
    """``again``: whether it may be different later. Its text holds no secret."""

    def __init__(self, text: str, *, again: bool) -> None:
        super().__init__(text)
        self.again = again


class Courier:
    """One receiver. Notices are taken in their order, each up to 8 times: 1, 2, 4 ... at most 60 s apart
    (``first_s``: the first of them). When 1000 wait, a further one is dropped, and logged.

    Raises ConfigurationError for a variable that is not set or holds no URL, UnavailableError for a command
    that is not there.
    """

    def __init__(self, name: str, receiver: Receiver, first_s: float = 1.0) -> None:
        self._name, self._first_s = name, first_s
        self._send = _webhook(name, receiver) if receiver.command is None else _command(name, receiver)
        self._queue: queue.Queue[Notice | None] = queue.Queue(WAITING)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"harness-alerts-{name}", daemon=True)
        self._thread.start()

    def tell(self, notice: Notice) -> None:
        """Have it told; returns at once."""
        try:
            self._queue.put_nowait(notice)
        except queue.Full:
            _log.error("receiver %s: %d notices wait; %s is dropped", self._name, WAITING, notice["alert"])

    def _run(self) -> None:
        while (notice := self._queue.get()) is not None:
            self._deliver(notice)

    def _deliver(self, notice: Notice) -> None:
        data = json.dumps(notice).encode()
        for attempt in range(ATTEMPTS):
            try:
                self._send(data)
                return
            except _RefusedError as refused:
                said, again = str(refused), refused.again
            except Exception as error:
                # Texts of errors of others may hold the URL.
                said, again = type(error).__name__, True
            last = not again or attempt == ATTEMPTS - 1
            if last or self._closing.wait(min(self._first_s * 2.0**attempt, LONGEST_S)):
                break
        _log.error("receiver %s was not told %s (%s): %s", self._name, notice["alert"], notice["state"], said)

    def close(self) -> None:
        """Tell what waits, once each, for at most 5 s. Repeatable."""
        if self._closing.is_set():
            return
        self._closing.set()
        until = time.monotonic() + GRACE_S
        try:
            self._queue.put(None, timeout=GRACE_S)
        except queue.Full:
            pass
        self._thread.join(max(0.0, until - time.monotonic()))
        if self._thread.is_alive():
            _log.error("receiver %s did not answer within %g s of the end", self._name, GRACE_S)


def _variable(name: str, variable: str) -> str:
    value = os.environ.get(variable, "").strip()
    if not value:
        raise ConfigurationError(
            f"receiver {name!r}: the environment variable {variable} is not set",
            hint=f"export {variable}=...",
        )
    if not value.isprintable():
        raise ConfigurationError(f"receiver {name!r}: {variable} holds a line break or the like")
    return value


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the token is for the host that was named."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _webhook(name: str, receiver: Receiver) -> Send:
    assert receiver.url_env is not None
    url = _variable(name, receiver.url_env)
    try:
        whole = urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname
    except ValueError:
        whole = None
    if not whole:
        raise ConfigurationError(f"receiver {name!r}: {receiver.url_env} holds no http:// or https:// URL")
    headers = {key: _variable(name, variable) for key, variable in receiver.headers_env.items()}
    headers["Content-Type"] = "application/json"
    opener = urllib.request.build_opener(_Stay)

    def send(data: bytes) -> None:
        request = urllib.request.Request(url, data, headers, method="POST")
        try:
            with opener.open(request, timeout=TIMEOUT_S):
                return
        except urllib.error.HTTPError as error:
            with error:
                again = error.code >= 500 or error.code in AGAIN
            raise _RefusedError(f"HTTP status {error.code}", again=again) from None

    return send


def _command(name: str, receiver: Receiver) -> Send:
    command = receiver.command
    assert command is not None
    if shutil.which(command[0]) is None:
        raise UnavailableError(
            f"receiver {name!r}: there is no command {command[0]}", hint="give its whole path, executable"
        )

    def send(data: bytes) -> None:
        try:
            ended = subprocess.run(
                command,
                input=data + b"\n",
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=TIMEOUT_S,
                check=False,
                start_new_session=True,  # Ctrl-C is for the harness: this one has something to tell
            )
        except subprocess.TimeoutExpired:
            raise _RefusedError(f"the command took more than {TIMEOUT_S:g} s", again=True) from None
        if ended.returncode:
            raise _RefusedError(f"the command ended with status {ended.returncode}", again=True)

    return send
