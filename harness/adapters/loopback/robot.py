"""The loopback robot: answers commands, and misbehaves on demand. Needs nothing but the standard library.

Runs in a thread of the harness or, through ``python -m harness.sim.loopback_robot``, as a process of its own.
"""

from __future__ import annotations

import dataclasses
import heapq
import itertools
import json
import random
import selectors
import socket
import time
from dataclasses import dataclass, field
from typing import IO, Any

from harness.adapters.loopback.signal import Signal
from harness.adapters.loopback.wire import NO_KEY, Frame, Kind, Splitter, widen

HELD_NS = 100_000_000
"""An answer held back for reordering goes out after this long if no other answer overtakes it."""


@dataclass(frozen=True)
class Behaviour:
    """How the robot answers. ``every=N`` means the Nth, 2Nth, ... command it takes; 0 means never.

    ``busy_ms``: it computes this long, in a loop that lets nothing else of the robot run, before it answers,
    and logs ``served`` with ``key``, ``taken_ns`` (out of the socket) and ``answered_ns`` (just before the
    answer), both on CLOCK_MONOTONIC: a robot whose true delay is known.

    ``signal_hz``: it answers nothing, and sends its signal at this rate to everybody who is connected
    (:mod:`.signal`), from the start. The signal follows each command after ``dead_ms`` and up to
    ``dead_jitter_ms``, and the log says ``moves`` with ``key``, ``taken_ns`` and ``departs_ns``.
    """

    delay_ms: float = 0.0
    jitter_ms: float = 0.0
    busy_ms: float = 0.0
    seed: int = 1
    drop_every: int = 0
    twice_every: int = 0
    reorder_every: int = 0
    silent: bool = False
    silent_after: int = 0
    latest: bool = False
    cycle_ms: float = 5.0
    die_after: int = 0
    clock_offset_ms: float = 0.0
    clock_drift_ppm: float = 0.0
    clock_step_ms: float = 0.0
    clock_step_after: int = 0
    signal_hz: float = 0.0
    signal_tau_ms: float = 0.0
    signal_noise: float = 0.0
    signal_sway: float = 0.0
    dead_ms: float = 0.0
    dead_jitter_ms: float = 0.0

    def arguments(self) -> list[str]:
        """The command line of the robot program that means this behaviour."""
        found = []
        for each in dataclasses.fields(self):
            value = getattr(self, each.name)
            if value != each.default:
                flag = "--" + each.name.replace("_", "-")
                found += [flag] if value is True else [flag, repr(value)]
        return found


class DiedError(Exception):
    """The robot reached ``die_after``."""


class OwnClock:
    """The robot's own clock: starts at the host's wall clock plus an offset, and runs a little wrong.

    ``epoch_ns`` + elapsed + elapsed ``drift_ppb`` / 1e9, with elapsed since ``start_ns`` (CLOCK_MONOTONIC).
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self.start_ns = time.monotonic_ns()
        self.epoch_ns = time.time_ns() + round(behaviour.clock_offset_ms * 1e6)
        self.drift_ppb = round(behaviour.clock_drift_ppm * 1000)

    def now_ns(self) -> int:
        """Its time in ns since the epoch."""
        elapsed = time.monotonic_ns() - self.start_ns
        return self.epoch_ns + elapsed + elapsed * self.drift_ppb // 1_000_000_000

    def step(self, ms: float) -> None:
        """Set it forward by that much."""
        self.epoch_ns += round(ms * 1e6)

    def facts(self) -> dict[str, int]:
        """For the robot's log: what converts its stamps exactly."""
        return {"start_ns": self.start_ns, "epoch_ns": self.epoch_ns, "drift_ppb": self.drift_ppb}


@dataclass(eq=False)
class _Peer:
    connection: socket.socket
    number: int
    splitter: Splitter = field(default_factory=Splitter)
    pending: bytearray = field(default_factory=bytearray)


@dataclass(order=True)
class _Answer:
    due_ns: int
    order: int
    peer: _Peer = field(compare=False)
    frame: Frame = field(compare=False)
    gone: bool = field(default=False, compare=False)


class Robot:
    """One robot and its connections, served by one thread that never blocks on a peer."""

    def __init__(self, behaviour: Behaviour, log: IO[str] | None = None) -> None:
        self._behaviour = behaviour
        self._log = log
        self._random = random.Random(behaviour.seed)
        self._clock = OwnClock(behaviour)
        self._selector = selectors.DefaultSelector()
        self._wake, self._waker = socket.socketpair()
        self._numbers = itertools.count(1)
        self._order = itertools.count()
        self._peers: set[_Peer] = set()
        self._answers: list[_Answer] = []
        self._held: _Answer | None = None
        self._newest: dict[tuple[_Peer, int], Frame] = {}
        self._done_ns = 0
        self._last_due_ns = 0
        self._commands = 0
        self._running = True
        self._signal = (
            Signal(
                behaviour.signal_hz,
                behaviour.signal_tau_ms,
                behaviour.signal_noise,
                behaviour.signal_sway,
                behaviour.seed,
            )
            if behaviour.signal_hz
            else None
        )

    def stop(self) -> None:
        """End :meth:`serve`; from any thread or a signal handler."""
        self._running = False
        try:
            self._waker.send(b"x")
        except OSError:
            pass  # already closed: it has ended

    def serve(
        self,
        listener: socket.socket | None = None,
        connection: socket.socket | None = None,
        linger_s: float | None = None,
    ) -> None:
        """Answer on ``connection`` and on whoever connects to ``listener``, until stopped.

        With ``linger_s`` it also ends when nobody has been connected for that long. Raises DiedError when it
        reaches ``die_after``. Closes all its sockets.
        """
        try:
            self._serve(listener, connection, linger_s)
        finally:
            for peer in tuple(self._peers):
                self._drop(peer)
            if listener is not None:
                listener.close()
            self.close()
            self._write("ended")

    def close(self) -> None:
        """Let go of what a robot holds from the start; for one that never served."""
        for each in (self._selector, self._wake, self._waker):
            each.close()

    def _serve(
        self, listener: socket.socket | None, connection: socket.socket | None, linger_s: float | None
    ) -> None:
        self._write("started", clock=self._clock.facts())
        self._selector.register(self._wake, selectors.EVENT_READ)
        if listener is not None:
            listener.setblocking(False)
            self._selector.register(listener, selectors.EVENT_READ, "listener")
        if connection is not None:
            self._add(connection)
        alone_since = time.monotonic()
        while self._running:
            for key, events in self._selector.select(self._wait_s(linger_s)):
                if key.data == "listener" and listener is not None:
                    self._add(listener.accept()[0])
                elif isinstance(key.data, _Peer):
                    self._attend(key.data, events)
            self._send_due()
            self._send_signal()
            if self._log is not None:
                self._log.flush()
            if self._peers:
                alone_since = time.monotonic()
            elif linger_s is not None and time.monotonic() - alone_since > linger_s:
                break

    def _wait_s(self, linger_s: float | None) -> float | None:
        waits = [] if linger_s is None or self._peers else [min(linger_s, 0.2)]
        if self._answers:
            waits.append(max(0.0, (self._answers[0].due_ns - time.monotonic_ns()) * 1e-9))
        if self._signal is not None and self._peers:
            waits.append(max(0.0, (self._signal.due_ns - time.monotonic_ns()) * 1e-9))
        return min(waits, default=None)

    def _add(self, connection: socket.socket) -> None:
        widen(connection).setblocking(False)
        peer = _Peer(connection, next(self._numbers))
        self._peers.add(peer)
        self._selector.register(connection, selectors.EVENT_READ, peer)
        self._write("connected", peer=peer.number)

    def _drop(self, peer: _Peer) -> None:
        self._peers.discard(peer)
        self._selector.unregister(peer.connection)
        peer.connection.close()
        self._write("disconnected", peer=peer.number)

    def _attend(self, peer: _Peer, events: int) -> None:
        try:
            if events & selectors.EVENT_WRITE:
                self._push(peer)
            if events & selectors.EVENT_READ:
                data = peer.connection.recv(1 << 16)
                taken_ns = time.monotonic_ns()
                if not data:
                    self._drop(peer)
                    return
                for frame in peer.splitter.feed(data):
                    self._take(peer, frame, taken_ns)
        except BlockingIOError:
            pass
        except (OSError, ValueError):
            if peer in self._peers:
                self._drop(peer)

    def _take(self, peer: _Peer, frame: Frame, taken_ns: int) -> None:
        arrived_ns = self._clock.now_ns()
        if frame.kind == Kind.COMMAND:
            self._command(peer, frame, taken_ns)
        elif frame.kind == Kind.STOP:
            self._write("stop", peer=peer.number, value=frame.value)
            if self._signal is not None:
                self._signal.command(frame.value, taken_ns)
        elif frame.kind == Kind.HELLO:
            self._out(peer, frame._replace(kind=Kind.HELLO_REPLY))
        elif frame.kind == Kind.EXCHANGE:
            reply = frame._replace(kind=Kind.EXCHANGE_REPLY, stamp_ns=arrived_ns)
            self._out(peer, reply._replace(extra_ns=self._clock.now_ns()))

    def _command(self, peer: _Peer, frame: Frame, taken_ns: int) -> None:
        how = self._behaviour
        self._commands += 1
        self._write("command", peer=peer.number, port=frame.port, key=frame.key, value=frame.value)
        if how.clock_step_after and self._commands == how.clock_step_after + 1:
            self._clock.step(how.clock_step_ms)
            self._write("clock stepped", clock=self._clock.facts())
        if how.die_after and self._commands > how.die_after:
            self._write("died")
            raise DiedError
        silent = how.silent or (how.silent_after and self._commands > how.silent_after)
        if silent or _is_turn(self._commands, how.drop_every):
            return
        if self._signal is not None:
            self._move(self._signal, frame, taken_ns)
            return
        if how.busy_ms:
            self._serve_busily(peer, frame, taken_ns)
            return
        now_ns = time.monotonic_ns()
        if how.latest:
            if (peer, frame.port) not in self._newest:
                self._later(peer, frame, now_ns + round(how.cycle_ms * 1e6))
            self._newest[(peer, frame.port)] = frame
            return
        delay_ms = how.delay_ms + (self._random.uniform(0.0, how.jitter_ms) if how.jitter_ms else 0.0)
        # A robot works through its commands in order: jitter makes answers late, it does not reorder them.
        due_ns = self._last_due_ns = max(self._last_due_ns, now_ns + round(delay_ms * 1e6))
        if _is_turn(self._commands, how.reorder_every) and self._held is None:
            self._held = self._later(peer, frame, due_ns + HELD_NS)
            return
        going = [(peer, frame)] * (2 if _is_turn(self._commands, how.twice_every) else 1)
        if self._held is not None:
            self._held.gone = True
            going.append((self._held.peer, self._held.frame))
            self._held = None
        for each in going:
            if delay_ms:
                self._later(*each, due_ns)
            else:
                self._answer(*each)

    def _serve_busily(self, peer: _Peer, frame: Frame, taken_ns: int) -> None:
        # One after the other: what was taken together does not get done together.
        done_ns = max(taken_ns, self._done_ns) + round(self._behaviour.busy_ms * 1e6)
        self._done_ns = done_ns
        while (answered_ns := time.monotonic_ns()) < done_ns:
            pass
        self._answer(peer, frame)
        # Logged afterwards: writing it must not delay the answer.
        self._write("served", key=frame.key, taken_ns=taken_ns, answered_ns=answered_ns)

    def _move(self, signal: Signal, frame: Frame, taken_ns: int) -> None:
        how = self._behaviour
        dead_ms = how.dead_ms + self._random.uniform(0.0, how.dead_jitter_ms)
        departs_ns = taken_ns + round(dead_ms * 1e6)
        signal.command(frame.value, departs_ns)
        self._write("moves", key=frame.key, taken_ns=taken_ns, departs_ns=departs_ns, value=frame.value)

    def _send_signal(self) -> None:
        if self._signal is None:
            return
        value = self._signal.sample(time.monotonic_ns())
        if value is not None:
            frame = Frame(Kind.SIGNAL, 0, 0, NO_KEY, self._clock.now_ns(), 0, value)
            for peer in tuple(self._peers):
                self._out(peer, frame)

    def _later(self, peer: _Peer, frame: Frame, due_ns: int) -> _Answer:
        answer = _Answer(due_ns, next(self._order), peer, frame)
        heapq.heappush(self._answers, answer)
        return answer

    def _send_due(self) -> None:
        now_ns = time.monotonic_ns()
        while self._answers and self._answers[0].due_ns <= now_ns:
            answer = heapq.heappop(self._answers)
            if answer is self._held:
                self._held = None
            if not answer.gone:
                frame = self._newest.pop((answer.peer, answer.frame.port), answer.frame)
                self._answer(answer.peer, frame)

    def _answer(self, peer: _Peer, frame: Frame) -> None:
        self._out(peer, frame._replace(kind=Kind.ANSWER, stamp_ns=self._clock.now_ns()))

    def _out(self, peer: _Peer, frame: Frame) -> None:
        if peer not in self._peers:
            return
        peer.pending += frame.pack()
        try:
            self._push(peer)
        except BlockingIOError:
            pass
        except OSError:
            self._drop(peer)

    def _push(self, peer: _Peer) -> None:
        try:
            while peer.pending:
                del peer.pending[: peer.connection.send(peer.pending)]
        finally:
            wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if peer.pending else 0)
            if self._selector.get_key(peer.connection).events != wanted:
                self._selector.modify(peer.connection, wanted, peer)

    def _write(self, event: str, **what: Any) -> None:
        if self._log is not None:
            record = {"t_ns": time.monotonic_ns(), "event": event, **what}
            self._log.write(json.dumps(record) + "\n")


def _is_turn(count: int, every: int) -> bool:
    return every > 0 and count % every == 0
