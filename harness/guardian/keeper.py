"""The guardian process: waits for the harness to be gone or silent, then stops every device, first of all.

Nothing here depends on the harness's threads, interpreter or goodwill: the kernel closes the pipe of a dead
process and marks its pidfd, and both are polled.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import threading
import time
from pathlib import Path

from harness import proctable
from harness.guardian.protocol import CHUNK, Lines, Message, encode
from harness.guardian.record import Record
from harness.guardian.undo import Undo, undo
from harness.guardian.watched import Order, WatchedDevice

STOP_DEADLINE_S = 3.0
"""For all devices together, side by side; processes are ended afterwards even if a device still hangs."""
OPENING_DEADLINE_S = 20.0
"""For devices that were still being opened; their stop begins as soon as they are."""
CLOSE_DEADLINE_S = 3.0
UNDO_FIRST_S = 0.3
"""Waking a process or taking a link up takes microseconds; then the devices are stopped, undone or not."""
UNDO_DEADLINE_S = 15.0
"""For commands that undo faults, before the run's processes are ended."""
RECORD_DEADLINE_S = 2.0
TICK_S = 0.5
IGNORED = ("SIGINT", "SIGHUP", "SIGTERM", "SIGQUIT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGPIPE", "SIGXFSZ")


class Keeper:
    """The guardian's loop. ``commands`` and ``replies`` are the ends of the two pipes."""

    def __init__(
        self,
        run_id: str,
        folder: Path,
        *,
        commands: int,
        replies: int,
        harness_pid: int,
        hang_timeout_s: float,
    ) -> None:
        self._run_id = run_id
        self._commands = commands
        self._replies = replies
        self._harness_pid = harness_pid
        self._hang_timeout_s = hang_timeout_s
        self._record = Record(folder / "guardian.jsonl")
        self._lines = Lines()
        self._devices: dict[str, WatchedDevice] = {}
        self._sessions: dict[int, int] = {}
        self._broken: dict[str, list[Undo]] = {}
        self._reply_lock = threading.Lock()
        self._beating = False
        self._silence_s = 0.0
        self._acted_in_silence = False
        self._released = False
        self._closed = False
        os.set_blocking(commands, False)
        os.set_blocking(replies, False)
        self._wake, self._waker = os.pipe()
        os.set_blocking(self._waker, False)
        self._pidfd: int | None = None
        with contextlib.suppress(OSError):
            self._pidfd = os.pidfd_open(harness_pid)

    def run(self) -> int:
        """Watch until released (returns 0) or until the harness is gone and the robot stopped (returns 1)."""
        try:
            reason = self._watch()
        except BaseException as error:
            # A guardian that cannot watch any more must not be the reason that nobody stops the robot.
            reason = f"guardian failed: {type(error).__name__}: {error}"
        if reason is None:
            self._close_devices()
            return 0
        self._act(reason, end_processes=True)
        return 1

    def _watch(self) -> str | None:
        """Return None when released, else why the harness counts as gone."""
        poll = select.poll()
        for descriptor in (self._commands, self._wake, self._pidfd):
            if descriptor is not None:
                poll.register(descriptor, select.POLLIN)
        self._reply({"event": "hello"})
        last = time.monotonic()
        while True:
            idle = self._pidfd is not None and not self._beating
            ready = {descriptor for descriptor, _ in poll.poll(None if idle else round(TICK_S * 1e3))}
            now = time.monotonic()
            # Counted in short steps: time in which this process did not run either (a frozen container, a
            # machine without a free core) says nothing about the harness.
            self._silence_s += min(now - last, 2 * TICK_S)
            last = now
            if self._wake in ready:
                os.read(self._wake, CHUNK)
                _ignore_signals()
            self._receive()
            if self._released:
                return None
            if self._closed:
                return "the harness's pipe closed without a release"
            if self._pidfd in ready or os.getppid() != self._harness_pid:
                # It may have released and ended since the pipe was read.
                self._receive()
                return None if self._released else "the harness process ended without a release"
            if self._beating and self._silence_s > self._hang_timeout_s and not self._acted_in_silence:
                self._acted_in_silence = True
                reason = f"no heartbeat of the harness for {self._hang_timeout_s:g} s"
                self._act(reason, end_processes=False)
                self._reply({"event": "acted", "reason": reason})

    def _receive(self) -> None:
        """Take everything that is in the pipe."""
        while not self._closed:
            try:
                data = os.read(self._commands, CHUNK)
            except BlockingIOError:
                return
            if not data:
                self._closed = True
                return
            self._silence_s = 0.0
            self._acted_in_silence = False
            for message in self._lines.feed(data):
                self._obey(message)

    def _obey(self, message: Message) -> None:
        operation = message.get("op")
        if operation == "beat":
            self._beating = True
        elif operation == "quiet":
            self._beating = False
        elif operation == "release":
            self._released = True
        elif operation == "watch_process":
            entry = proctable.read(int(message["pid"]))
            if entry is not None:
                self._sessions[entry.session] = self._session_start(entry)
            self._reply({"re": message["id"], "error": None})
        elif operation == "breaking":
            self._broken[str(message["what"])] = list(message["undo"])
            self._reply({"re": message["id"], "error": None})
        elif operation == "whole":
            self._broken.pop(str(message["what"]), None)
        elif operation == "watch_device":
            device = WatchedDevice(message["name"], message["adapter"], message["options"], self._run_id)
            self._devices[device.name] = device
            number = message["id"]
            device.open(lambda error: self._opened(number, error))
        else:
            self._record.add("message not understood", text=json.dumps(message)[:200])

    @staticmethod
    def _session_start(entry: proctable.Entry) -> int:
        leader = proctable.read(entry.session)
        return leader.started if leader else entry.started

    def _opened(self, number: int, error: Message | None) -> None:
        """On the device's thread: tell the harness, and have the main thread take the signals back."""
        self._reply({"re": number, "error": error})
        with contextlib.suppress(OSError):
            os.write(self._waker, b"!")

    def _reply(self, message: Message) -> None:
        """Never waits: a harness that hangs does not read."""
        with self._reply_lock, contextlib.suppress(OSError):
            os.write(self._replies, encode(message))

    def _act(self, reason: str, end_processes: bool) -> None:
        """Stop every device, before all else; then write down; then end the run's processes."""
        noticed_ns = time.monotonic_ns()
        # A robot that hangs or is cut off hears no stop. Beside the stops: a command that takes long must not
        # keep those of the others.
        undoing = threading.Thread(target=self._undo, name="undo", daemon=True)
        undoing.start()
        undoing.join(UNDO_FIRST_S)
        devices = dict(self._devices)
        orders = {name: device.stop() for name, device in devices.items()}
        opening = [name for name, device in devices.items() if not device.settled.is_set()]
        _wait([order.done for name, order in orders.items() if name not in opening], STOP_DEADLINE_S)
        if opening:
            _wait([devices[name].settled for name in opening], OPENING_DEADLINE_S)
            _wait([orders[name].done for name in opening], STOP_DEADLINE_S)
        self._record.add(
            "acting", noticed_ns, reason=reason, run_id=self._run_id, harness_pid=self._harness_pid
        )
        for name, order in orders.items():
            self._record_stop(name, order)
        undoing.join(UNDO_DEADLINE_S)
        if not end_processes:
            self._record.add("processes kept")
            return
        try:
            ended = proctable.end_run_processes(self._run_id, {self._harness_pid}, sessions=self._sessions)
        except Exception as error:
            self._record.add("ending processes failed", error=f"{type(error).__name__}: {error}")
        else:
            for text in ended:
                self._record.add("process ended", process=text)
        self._close_devices()
        self._record.add("done")
        self._record.finish(RECORD_DEADLINE_S)

    def _undo(self) -> None:
        """Undo what was broken on purpose, the last one first."""
        for what, undoings in reversed(list(self._broken.items())):
            for each in undoings:
                self._record.add("fault undone", fault=what, result=undo(each))

    def _record_stop(self, name: str, order: Order) -> None:
        attempts = list(order.attempts)
        self._record.add(
            "device stopped" if any(a.after_ns and not a.error for a in attempts) else "device NOT stopped",
            attempts[0].before_ns if attempts else None,
            device=name,
            calls=len(attempts),
            returned=sum(a.after_ns is not None for a in attempts),
            finished=order.done.is_set(),
            errors=sorted({a.error for a in attempts if a.error}),
        )

    def _close_devices(self) -> None:
        _wait([device.close().done for device in self._devices.values()], CLOSE_DEADLINE_S)


def _wait(events: list[threading.Event], patience_s: float) -> None:
    """For all of them together, no longer than ``patience_s``."""
    deadline = time.monotonic() + patience_s
    for event in events:
        event.wait(max(0.0, deadline - time.monotonic()))


def _ignore_signals() -> None:
    """Terminal, group and session signals must not end the guardian; some SDKs install handlers on
    opening."""
    for name in IGNORED:
        signal.signal(getattr(signal, name), signal.SIG_IGN)


def main() -> None:
    """Entry point: one argument, a JSON object with the arguments of :class:`Keeper` and ``keep``."""
    _ignore_signals()
    faulthandler.enable()
    told = json.loads(sys.argv[1])
    for descriptor in (told["commands"], told["replies"], *told["keep"]):
        # What a device starts from here must hold neither the pipes nor the rig's lock.
        os.set_inheritable(descriptor, False)
    # For what a device starts from here; not for this process, whose own environment stays as it was started.
    os.environ[proctable.RUN_ID_VARIABLE] = told["run_id"]
    keeper = Keeper(
        told["run_id"],
        Path(told["folder"]),
        **{name: told[name] for name in ("commands", "replies", "harness_pid", "hang_timeout_s")},
    )
    # Not sys.exit: neither a thread that hangs in a device's library nor a full disk may hold the end.
    os._exit(keeper.run())
