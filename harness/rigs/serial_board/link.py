"""The host's end of the line: requests out, answers and events in, on a reader's thread of its own.

No more is sent than the board has room for; what is beyond that waits here, so that a burst of stimuli does
not wait for answers. Whoever is silent for too long is dropped by the board, so the reader speaks up.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from harness.clock import HostClock
from harness.errors import DeadlineError, OperationError
from harness.rigs.serial_board.frames import Decoder, Frame, encode
from harness.rigs.serial_board.line import library
from harness.rigs.serial_board.messages import ANSWER, ERRORS, Event, Request

if TYPE_CHECKING:
    import serial

Answered = Callable[[Frame, int], None]
"""Takes an answer, or a refusal, and CLOCK_MONOTONIC in ns of its arrival; on the reader's thread."""

SEQUENCES = 0x8000
"""Requests of the harness have numbers below; others, of the guardian, above."""
ANSWER_TIMEOUT_NS = 5_000_000_000
TURN_NS = 20_000_000
MAX_WAITING = 4096
SMALLEST_WINDOW = 128
"""Before a board has said what it takes."""


@dataclass
class _Pending:
    encoded: bytes
    answered: Answered | None
    sent_ns: int = 0


@dataclass
class _Question:
    done: threading.Event = field(default_factory=threading.Event)
    frame: Frame | None = None
    at_ns: int = 0

    def take(self, frame: Frame, at_ns: int) -> None:
        """The answer is there."""
        self.frame, self.at_ns = frame, at_ns
        self.done.set()


@dataclass(frozen=True)
class Listener:
    """What the reader tells, always on its thread: an event with its arrival, that time goes by (now),
    requests that were not answered (how many), and the end of the line (why)."""

    event: Callable[[Frame, int], None]
    idle: Callable[[int], None]
    unanswered: Callable[[int], None]
    lost: Callable[[str], None]


class Link:
    """One open port. ``window``: bytes that may be unanswered; ``keep_alive_ns``: longest silence."""

    def __init__(self, name: str, port: serial.Serial, clock: HostClock, listener: Listener) -> None:
        self.broken = False
        self.window = SMALLEST_WINDOW
        self.keep_alive_ns = 100_000_000
        self.decoder = Decoder()
        self._name, self._port, self._clock, self._listener = name, port, clock, listener
        self._errors = (library().SerialException, OSError, TypeError)
        self._lock = threading.Lock()
        self._numbers = itertools.cycle(range(1, SEQUENCES))
        self._pending: dict[int, _Pending] = {}
        self._waiting: deque[tuple[int, _Pending]] = deque()
        self._in_flight = 0
        self._written_ns = clock.monotonic_ns()
        self._closing = False
        self._reader = threading.Thread(target=self._read, name=f"serial-board-{name}", daemon=True)
        self._reader.start()

    def send(
        self, kind: Request, body: bytes = b"", answered: Answered | None = None
    ) -> tuple[int, int, int]:
        """Hand one request over; never waits for its answer. CLOCK_MONOTONIC in ns just before and just
        after, and its sequence. Raises OperationError when the board is gone, or far behind."""
        with self._lock:
            before_ns, number, _ = self._submit(kind, body, answered)
            return before_ns, self._clock.monotonic_ns(), number

    def ask(self, kind: Request, body: bytes, timeout_s: float) -> tuple[int, Frame, int]:
        """Send a request and wait: T1, the answer, T4. Raises DeadlineError without an answer, OperationError
        for a refusal, a board that is gone, or a line so busy that T1 would not be true."""
        question = _Question()
        with self._lock:
            before_ns, number, at_once = self._submit(kind, body, question.take)
        if not question.done.wait(timeout_s):
            with self._lock:
                self._settle(number)
            raise DeadlineError(f"{self._name}: the board did not answer within {timeout_s:g} s")
        if question.frame is None:
            raise OperationError(f"{self._name}: the board is gone", hint="look at its cable")
        if question.frame.type == Event.ERROR:
            raise OperationError(f"{self._name}: {refusal(question.frame)}")
        if not at_once:
            raise OperationError(f"{self._name}: the line was busy")
        return before_ns, question.frame, question.at_ns

    def close(self) -> None:
        """Let go of the port and wait for the reader. Repeatable."""
        self._closing = True
        self._port.cancel_read()
        if threading.current_thread() is not self._reader:
            self._reader.join()
        self._port.close()

    # -- out, all under the lock -----------------------------------------------------------------------------

    def _submit(self, kind: Request, body: bytes, answered: Answered | None) -> tuple[int, int, bool]:
        if self.broken or self._closing:
            raise OperationError(f"{self._name}: the board is gone", hint="look at its cable; open it again")
        if len(self._waiting) >= MAX_WAITING:
            raise OperationError(f"{self._name}: {MAX_WAITING} requests wait", hint="send fewer, or slower")
        number = next(self._numbers)
        pending = _Pending(encode(Frame(kind, number, body)), answered)
        before_ns = self._clock.monotonic_ns()
        at_once = not self._waiting and self._fits(pending)
        if at_once:
            self._write(number, pending)
        else:
            self._waiting.append((number, pending))
        return before_ns, number, at_once

    def _fits(self, pending: _Pending) -> bool:
        return self._in_flight == 0 or self._in_flight + len(pending.encoded) <= self.window

    def _write(self, number: int, pending: _Pending) -> None:
        pending.sent_ns = self._written_ns = self._clock.monotonic_ns()
        self._pending[number] = pending
        self._in_flight += len(pending.encoded)
        try:
            self._port.write(pending.encoded)
        except self._errors as error:
            self.broken = True
            raise OperationError(
                f"{self._name}: the line failed: {error}", hint="look at its cable"
            ) from error

    def _settle(self, number: int) -> _Pending | None:
        """Forget a request, and send what waited for its place."""
        pending = self._pending.pop(number, None)
        if pending is not None:
            self._in_flight -= len(pending.encoded)
        while self._waiting and self._fits(self._waiting[0][1]) and not self.broken:
            self._write(*self._waiting.popleft())
        return pending

    # -- in, on the reader's thread --------------------------------------------------------------------------

    def _read(self) -> None:
        reason, looked_ns = "", 0
        while not self._closing:
            try:
                data = self._port.read(self._port.in_waiting or 1)
                now_ns = self._clock.monotonic_ns()
                for frame in self.decoder.take(data):
                    self._take(frame, now_ns)
                if now_ns - looked_ns > TURN_NS:
                    looked_ns = now_ns
                    self._expire(now_ns)
                    self._listener.idle(now_ns)
                if now_ns - self._written_ns > self.keep_alive_ns:
                    self.send(Request.ECHO)
            except (*self._errors, OperationError) as error:
                reason = str(error)
                break
        self.broken = True
        with self._lock:
            left = [*self._pending.values(), *(pending for _, pending in self._waiting)]
            self._pending.clear()
            self._waiting.clear()
        for pending in left:
            owner = getattr(pending.answered, "__self__", None)
            if isinstance(owner, _Question):
                owner.done.set()
        if not self._closing:
            self._listener.lost(reason)

    def _take(self, frame: Frame, now_ns: int) -> None:
        if 0xC0 <= frame.type < Event.ERROR:
            self._listener.event(frame, now_ns)
            return
        with self._lock:
            pending = self._settle(frame.sequence)
        if pending is not None and pending.answered is not None:
            pending.answered(frame, now_ns)

    def _expire(self, now_ns: int) -> None:
        """After what had arrived was taken: a stall of this process makes no answer late."""
        with self._lock:
            old = [n for n, each in self._pending.items() if now_ns - each.sent_ns > ANSWER_TIMEOUT_NS]
            for number in old:
                self._settle(number)
        if old:
            self._listener.unanswered(len(old))


def refusal(frame: Frame) -> str:
    """An error answer in words."""
    kind, code = (*frame.body, 0, 0)[:2]
    what = Request(kind).name.lower() if kind in iter(Request) else f"request {kind:#04x}"
    return f"the board refused `{what}`: {ERRORS.get(code, f'error {code}')}"


def is_answer(frame: Frame, kind: Request) -> bool:
    """Whether that is the answer to a request of that kind, and no refusal."""
    return frame.type == kind | ANSWER
