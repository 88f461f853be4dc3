"""The harness's end of the guardian."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import DeadlineError, HarnessError, OperationError, RecordingError
from harness.guardian.protocol import CHUNK, Lines, Message, encode, rebuild_error
from harness.proctable import RUN_ID_VARIABLE

START_TIMEOUT_S = 30.0
OPEN_TIMEOUT_S = 30.0
REQUEST_TIMEOUT_S = 10.0
RELEASE_TIMEOUT_S = 15.0
HANG_TIMEOUT_S = 10.0
POLL_S = 0.05

_BOOT = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[1])['path']; "
    "from harness.guardian.keeper import main; main()"
)
"""``python -m harness.guardian`` with the module search path of the harness, so that the folder one happens
to stand in shadows no module and every adapter that the harness can import is there for the guardian too."""


class Guardian:
    """A running guardian. Its methods may be called from several threads; only ``start`` makes one.

    When this process ends, however it ends, without :meth:`release`, the guardian stops every watched device,
    ends the run's processes and writes ``guardian.jsonl``.
    """

    def __init__(self, popen: subprocess.Popen[bytes], commands: int, replies: int) -> None:
        self._popen = popen
        self._commands = commands
        self._replies = replies
        self._send_lock = threading.Lock()
        self._read_lock = threading.Lock()
        self._lines = Lines()
        self._numbers = itertools.count(1)
        self._answers: dict[int, Message | None] = {}
        self._greeted = False
        self._acted_reason: str | None = None
        self._open = True
        self._torn = False

    @classmethod
    def start(
        cls, run_id: str, folder: Path, keep_fds: tuple[int, ...] = (), hang_timeout_s: float = HANG_TIMEOUT_S
    ) -> Guardian:
        """Start the guardian of a run and wait until it watches.

        ``folder`` is the run folder. ``keep_fds`` stay open in the guardian until it has ended: the rig's
        lock, so that nobody else can have the rig before it stands still. ``hang_timeout_s``: see
        :meth:`beat`. Raises RecordingError when the run folder cannot be written, OperationError or
        DeadlineError when the guardian does not come up.
        """
        log = folder / "processes" / "_guardian.log"
        commands_read, commands_write = os.pipe()
        replies_read, replies_write = os.pipe()
        ours, theirs = (commands_write, replies_read), (commands_read, replies_write)
        told = {
            "run_id": run_id,
            "folder": str(folder.absolute()),
            "commands": commands_read,
            "replies": replies_write,
            "keep": list(keep_fds),
            "harness_pid": os.getpid(),
            "hang_timeout_s": hang_timeout_s,
            "path": sys.path,
        }
        # Without the run id in its environment: ending the processes of a run must not end its guardian.
        env = {key: value for key, value in os.environ.items() if key != RUN_ID_VARIABLE}
        try:
            try:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = log.open("wb")
            except OSError as error:
                raise RecordingError(f"the guardian's log cannot be written: {error}") from error
            with output:
                popen = subprocess.Popen(
                    [sys.executable, "-c", _BOOT, json.dumps(told)],
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    pass_fds=(*theirs, *keep_fds),
                )
        except BaseException:
            for descriptor in ours:
                os.close(descriptor)
            raise
        finally:
            for descriptor in theirs:
                os.close(descriptor)
        os.set_blocking(commands_write, False)
        guardian = cls(popen, *ours)
        try:
            guardian._await(lambda: guardian._greeted, START_TIMEOUT_S, "the guardian did not come up")
        except BaseException:
            guardian.release()
            raise
        return guardian

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._popen.pid

    def watch_device(
        self, name: str, adapter: str, options: Mapping[str, Any], timeout_s: float = OPEN_TIMEOUT_S
    ) -> None:
        """Have the guardian build and open the device, and stop it from now on if need be.

        ``options`` are those of the rig file as JSON can carry them. Raises what opening raised (a
        HarnessError of the same class), DeadlineError after ``timeout_s``, OperationError when the guardian
        is gone.
        """
        self._request(
            {"op": "watch_device", "name": name, "adapter": adapter, "options": dict(options)},
            timeout_s,
            f"the guardian's own path to device {name!r}",
        )

    def watch_process(self, name: str, pid: int) -> None:
        """Have the guardian end the session of this process too, even where its environment was cleaned."""
        self._request(
            {"op": "watch_process", "name": name, "pid": pid}, REQUEST_TIMEOUT_S, f"process {name!r}"
        )

    def breaking(self, what: str, undoings: Sequence[Mapping[str, Any]]) -> None:
        """Something is about to be broken on purpose: if the harness ends before :meth:`whole`, the guardian
        undoes it, before it stops the devices. ``what`` names it. Raises OperationError, DeadlineError."""
        told = {"op": "breaking", "what": what, "undo": [dict(each) for each in undoings]}
        self._request(told, REQUEST_TIMEOUT_S, f"the fault {what}")

    def whole(self, what: str) -> None:
        """It has been undone. Raises OperationError, DeadlineError."""
        self._send({"op": "whole", "what": what})

    def beat(self) -> None:
        """Say that the harness is alive; never waits, never raises. About every 0.5 s, from the first one on.

        When beats had begun and nothing comes for ``hang_timeout_s``, the guardian stops every device (and
        keeps the processes); see :meth:`acted`.
        """
        if not self._send_lock.acquire(blocking=False):
            return  # something else is being sent, which says as much
        try:
            if self._open:
                os.write(self._commands, self._framed({"op": "beat"}))
                self._torn = False
        except OSError:
            pass  # full: the guardian is behind and will find plenty; broken: alive() tells
        finally:
            self._send_lock.release()

    def stop_beating(self) -> None:
        """Silence is no hang any more, until the next :meth:`beat`: for phases without housekeeping.

        Never raises; without a guardian there is nothing to tell.
        """
        with contextlib.suppress(HarnessError):
            self._send({"op": "quiet"})

    def alive(self) -> bool:
        """Whether the guardian still watches. False after :meth:`release` and when it was killed."""
        return self._open and self._popen.poll() is None

    def acted(self) -> bool:
        """Whether the guardian stopped the devices because the harness seemed to hang: the run is to be
        aborted."""
        if self._open:
            self._read(0.0)
        return self._acted_reason is not None

    @property
    def acted_reason(self) -> str | None:
        """Why it acted, in words; None if it did not (as of the last call of :meth:`acted`)."""
        return self._acted_reason

    def release(self) -> None:
        """The normal end: the guardian closes its devices and ends without acting. Repeatable; never
        raises."""
        if not self._open:
            return
        # It may be gone already, or so stuck that it is ended below.
        with contextlib.suppress(HarnessError):
            self._send({"op": "release"})
        with self._send_lock, self._read_lock:
            self._open = False
            try:
                self._popen.wait(RELEASE_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._popen.kill()
                self._popen.wait()
            finally:
                os.close(self._commands)
                os.close(self._replies)

    def _request(self, message: Message, timeout_s: float, what: str) -> None:
        number = next(self._numbers)
        self._send({**message, "id": number})
        self._await(lambda: number in self._answers, timeout_s, f"{what}: no answer from the guardian")
        error = self._answers.pop(number)
        if error is not None:
            raise rebuild_error(error, what)

    def _send(self, message: Message) -> None:
        deadline = time.monotonic() + REQUEST_TIMEOUT_S
        with self._send_lock:
            if not self._open:
                raise OperationError("the guardian was released")
            data = memoryview(self._framed(message))
            self._torn = True
            while data:
                try:
                    data = data[os.write(self._commands, data) :]
                except BlockingIOError:
                    if time.monotonic() > deadline:
                        raise DeadlineError(f"the guardian (pid {self.pid}) takes no messages") from None
                    select.select([], [self._commands], [], POLL_S)
                except OSError as error:
                    raise self._gone() from error
            self._torn = False

    def _framed(self, message: Message) -> bytes:
        """The message, beginning a line of its own even if Ctrl-C cut the one before."""
        return (b"\n" if self._torn else b"") + encode(message)

    def _await(self, holds: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not holds():
            ended = self._popen.poll() is not None
            self._read(POLL_S)
            if holds():
                return
            if ended:
                raise self._gone()
            if time.monotonic() > deadline:
                raise DeadlineError(f"{what} within {timeout_s:g} s")

    def _read(self, patience_s: float) -> None:
        with self._read_lock:
            if not self._open or not select.select([self._replies], [], [], patience_s)[0]:
                return
            for message in self._lines.feed(os.read(self._replies, CHUNK)):
                if "re" in message:
                    self._answers[int(message["re"])] = message["error"]
                elif message.get("event") == "hello":
                    self._greeted = True
                elif message.get("event") == "acted":
                    self._acted_reason = str(message["reason"])

    def _gone(self) -> OperationError:
        code = self._popen.poll()
        how = "" if code is None else f" (exit status {code})" if code >= 0 else f" (signal {-code})"
        return OperationError(
            f"the guardian (pid {self.pid}) is gone{how}: nobody would stop the robot if the harness died",
            hint="see processes/_guardian.log in the run folder",
        )
