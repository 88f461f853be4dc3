"""Asking the operator from a thread that drives trials."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from harness.errors import DeadlineError, OperationError
from harness.schedule import Stopped, sleep_until

if TYPE_CHECKING:
    from harness.bench import Bench

POLL_NS = 50_000_000


def ask_operator(bench: Bench, where: str, question: str, timeout_s: float, stopped: Stopped) -> bool:
    """Ask, and wait for the answer; False when the run is stopped meanwhile. The main thread keeps house.

    Raises OperationError where nobody can be asked or the operator does not confirm, DeadlineError without an
    answer.
    """
    ask = bench.ask
    if ask is None:
        raise OperationError(f"{where}: an operator has to answer: {question}", hint="run from a terminal")
    answers: list[bool] = []
    asking = threading.Thread(target=lambda: answers.append(ask(question)), daemon=True, name="harness-ask")
    asking.start()
    limit = bench.clock.monotonic_ns() + int(timeout_s * 1e9)
    while asking.is_alive():
        now = bench.clock.monotonic_ns()
        if now > limit:
            raise DeadlineError(f"{where}: nobody answered within {timeout_s:g} s: {question}")
        if not sleep_until(bench.clock, now + POLL_NS, stopped):
            return False
    if answers != [True]:
        raise OperationError(f"{where}: the operator did not confirm: {question}")
    return True
