"""The device's end of the connection to its robot: sends frames, reads answers on a thread of its own."""

from __future__ import annotations

import itertools
import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from harness.adapters.loopback.wire import KEY_OFFSET, Frame, Kind, Splitter
from harness.clock import HostClock
from harness.errors import DeadlineError, OperationError

FULL_TIMEOUT_MS = 50
"""How long a hand-over waits for room in the socket before the robot counts as stuck."""

_KEY_BYTES = 8


@dataclass
class _Question:
    answered: threading.Event = field(default_factory=threading.Event)
    reply: Frame | None = None
    at_ns: int = 0


class Link:
    """One open connection.

    ``taken`` gets every answer with its instants: frame, CLOCK_REALTIME, CLOCK_MONOTONIC, both read as the
    frame left the socket. ``lost`` is called once, on the reader's thread, when the
    robot closes the connection.
    """

    def __init__(
        self,
        name: str,
        connection: socket.socket,
        clock: HostClock,
        taken: Callable[[Frame, int, int], None],
        lost: Callable[[], None],
    ) -> None:
        self._name = name
        self._connection = connection
        self._clock = clock
        self._taken = taken
        self._lost = lost
        self._lock = threading.Lock()
        self._questions: dict[int, _Question] = {}
        self._numbers = itertools.count(1)
        self._closing = False
        self.broken = False
        self._reader = threading.Thread(target=self._read, name=f"loopback-{name}", daemon=True)
        self._reader.start()

    def send(self, raw: bytearray, key: int) -> tuple[int, int]:
        """Hand one frame over with ``key`` in it; CLOCK_MONOTONIC in ns just before and after.

        Raises OperationError when the robot is gone, or when its socket stays full for FULL_TIMEOUT_MS.
        """
        clock = self._clock
        with self._lock:
            if self.broken:
                raise OperationError(f"{self._name}: the robot is gone", hint="see its log and exit status")
            raw[KEY_OFFSET : KEY_OFFSET + _KEY_BYTES] = key.to_bytes(_KEY_BYTES, "little", signed=True)
            before_ns = clock.monotonic_ns()
            try:
                self._push(raw)
            except OSError as error:
                self.broken = True
                raise OperationError(
                    f"{self._name}: the robot did not take a command: {error.strerror or error}",
                    hint="it died, or it hangs and its socket is full",
                ) from error
            return before_ns, clock.monotonic_ns()

    def _push(self, raw: bytearray) -> None:
        view: bytearray | memoryview = raw
        while view:
            try:
                sent = self._connection.send(view, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)
                if sent == len(view):
                    return
                view = memoryview(view)[sent:]
            except BlockingIOError:
                poller = select.poll()
                poller.register(self._connection, select.POLLOUT)
                if not poller.poll(FULL_TIMEOUT_MS):
                    raise TimeoutError(f"its socket was full for {FULL_TIMEOUT_MS} ms") from None

    def ask(self, kind: Kind, timeout_s: float) -> tuple[int, Frame, int]:
        """Send a question and wait for its reply: T1, the reply, T4. Raises DeadlineError, OperationError."""
        number = next(self._numbers)
        question = self._questions[number] = _Question()
        try:
            t1_ns, _ = self.send(Frame(kind, 0, 0, number, 0, 0, 0.0).pack(), number)
            if not question.answered.wait(timeout_s):
                raise DeadlineError(f"{self._name}: the robot did not reply within {timeout_s:g} s")
        finally:
            del self._questions[number]
        if question.reply is None:
            raise OperationError(f"{self._name}: the robot is gone", hint="see its log and exit status")
        return t1_ns, question.reply, question.at_ns

    def _read(self) -> None:
        splitter = Splitter()
        clock = self._clock
        while True:
            try:
                data = self._connection.recv(1 << 16)
            except OSError:
                data = b""
            real_ns = clock.realtime_ns()
            mono_ns = clock.monotonic_ns()
            if not data:
                break
            for frame in splitter.feed(data):
                if frame.kind in (Kind.ANSWER, Kind.SIGNAL):
                    self._taken(frame, real_ns, mono_ns)
                elif (question := self._questions.get(frame.key)) is not None:
                    question.reply, question.at_ns = frame, mono_ns
                    question.answered.set()
        self.broken = True
        for question in tuple(self._questions.values()):
            question.answered.set()
        if not self._closing:
            self._lost()

    def close(self) -> None:
        """Let go of the connection and wait for the reader. Repeatable."""
        self._closing = True
        try:
            self._connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # the robot closed it first
        if threading.current_thread() is not self._reader:
            self._reader.join()
        self._connection.close()
