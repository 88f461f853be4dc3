"""What the runner has to know while it runs: who answered, what a port last showed. Never the basis of a
verdict."""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass

from harness.model import NO_ANSWER, NO_KEY, ObservationFlag


@dataclass
class PortState:
    """The newest observation of a response port, as the set-up steps and the preflight see it."""

    count: int = 0
    seen_ns: int = 0
    value: float = math.nan


class Tracker:
    """Follows which stimuli of a scenario were answered.

    ``sent`` and ``expired`` run on the sending and housekeeping threads, ``observed`` on the device's thread.
    Plain dict operations are atomic under the GIL; no lock is taken on the way of a sample. A scenario
    whose answers
    carry no identity (``order``) takes any observation as the answer to the stimulus that is outstanding.
    ``one_reply``: each stimulus is replied to once, so that after a no nothing more is waited for.
    """

    def __init__(self, *, keyed: bool, latest: bool = False, one_reply: bool = False) -> None:
        self._keyed = keyed
        self._latest = latest
        self._one_reply = one_reply
        self._refused = NO_KEY
        self._pending: dict[int, int] = {}
        self._answer = threading.Condition()
        self._waiting = False
        self._last_answer_ns = 0
        self._expired_since_answer = 0
        self.answered = 0
        self.last_seen_ns = 0

    def sent(self, key: int, sent_ns: int) -> None:
        """A stimulus is about to be handed over."""
        self._pending[key] = sent_ns

    def observed(self, key: int, seen_ns: int, flags: int = 0, value: float = math.nan) -> None:
        """The response port saw something; ``value`` is its signal, which matters to an onset only."""
        self.last_seen_ns = seen_ns
        if flags & NO_ANSWER:
            if self._one_reply and flags & ObservationFlag.REJECTED:
                self._refuse(key)
            return
        if self._take(key):
            self.answered += 1
            self._last_answer_ns = seen_ns
            self._expired_since_answer = 0
            self._wake()

    def _refuse(self, key: int) -> None:
        self._refused = key  # before it is off the list: whoever waits for it looks at both
        sent_ns = self._pending.pop(key, None)
        if sent_ns is not None:
            self._expired_since_answer += sent_ns >= self._last_answer_ns
            self._wake()

    def _wake(self) -> None:
        if self._waiting:
            with self._answer:
                self._answer.notify_all()

    def _take(self, key: int) -> bool:
        pending = self._pending
        if not self._keyed:
            found = bool(pending)
            pending.clear()
            return found
        if key == NO_KEY:
            return False
        if not self._latest:
            return pending.pop(key, None) is not None
        older = [pending_key for pending_key in list(pending) if pending_key <= key]
        for pending_key in older:
            pending.pop(pending_key, None)
        return bool(older)

    def is_pending(self, key: int) -> bool:
        """Whether that stimulus still waits for its answer."""
        return key in self._pending

    def pending(self) -> int:
        """How many stimuli wait for their answer."""
        return len(self._pending)

    def unanswered_in_a_row(self, now_ns: int, timeout_ns: int) -> int:
        """Stimuli sent after the last answer whose timeout has passed; forgets stimuli that timed out."""
        for key, sent_ns in list(self._pending.items()):
            if now_ns - sent_ns <= timeout_ns:
                break
            if self._pending.pop(key, None) is not None and sent_ns >= self._last_answer_ns:
                self._expired_since_answer += 1
        return self._expired_since_answer

    def forget(self) -> None:
        """Drop what is pending, e.g. between scenarios."""
        self._pending.clear()
        self._expired_since_answer = 0

    def wait_answer(self, key: int, timeout_s: float, *, forget: bool = True) -> bool:
        """Block until that stimulus was answered; False when it was refused, or ``timeout_s`` passed first
        (it is then forgotten, if ``forget``)."""
        with self._answer:
            self._waiting = True
            try:
                answered = self._answer.wait_for(lambda: key not in self._pending, timeout=timeout_s)
            finally:
                self._waiting = False
        if not answered and forget:
            answered = self._pending.pop(key, None) is None
            if not answered:
                self._expired_since_answer += 1
        return answered and key != self._refused
