"""The operator is asked by a thread that drives trials, and may be waited for as long as it takes."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from harness.clock import HostClock
from harness.errors import DeadlineError, OperationError
from harness.scenarios.asking import ask_operator


def bench(ask: Callable[[str], bool] | None) -> Any:
    return SimpleNamespace(ask=ask, clock=HostClock())


def test_an_answer_is_taken() -> None:
    asked: list[str] = []
    told = bench(lambda question: asked.append(question) or True)  # type: ignore[func-returns-value]
    assert ask_operator(told, "here", "switch it on", 20.0, lambda: False)
    assert asked == ["switch it on"]


def test_no_terminal_no_answer_and_a_refusal_are_errors() -> None:
    with pytest.raises(OperationError, match="here: an operator has to answer: switch it on"):
        ask_operator(bench(None), "here", "switch it on", 1.0, lambda: False)
    with pytest.raises(OperationError, match="did not confirm"):
        ask_operator(bench(lambda question: False), "here", "switch it on", 20.0, lambda: False)
    waiting = threading.Event()
    try:
        with pytest.raises(DeadlineError, match=r"nobody answered within 0\.1 s"):
            ask_operator(bench(lambda question: waiting.wait(20)), "here", "switch it on", 0.1, lambda: False)
    finally:
        waiting.set()


def test_a_run_that_is_stopped_waits_no_longer() -> None:
    waiting = threading.Event()
    try:
        assert not ask_operator(bench(lambda question: waiting.wait(20)), "here", "x", 20.0, lambda: True)
    finally:
        waiting.set()
