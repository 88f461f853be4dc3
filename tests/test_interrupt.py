"""One signal ends a run, none cuts its stop short."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from harness.interrupt import SIGNALS, Interrupted, Interrupts


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_the_first_one_is_raised_and_the_next_ones_are_counted(number):
    interrupts = Interrupts()
    with interrupts.handled():
        with pytest.raises(Interrupted) as caught:
            signal.raise_signal(number)
        assert caught.value.name == number.name
        for _ in range(3):
            signal.raise_signal(signal.SIGTERM)
        assert (interrupts.count, interrupts.last) == (4, "SIGTERM")


def test_nothing_is_raised_behind_a_shield():
    interrupts = Interrupts()
    with interrupts.handled():
        with interrupts.shielded():
            os.kill(os.getpid(), signal.SIGINT)
        assert interrupts.count == 1
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
        interrupts.shield()
        signal.raise_signal(signal.SIGHUP)
    assert interrupts.count == 3


def test_what_came_behind_a_shield_can_be_raised_afterwards_once():
    interrupts = Interrupts()
    with interrupts.handled():
        interrupts.raise_pending()
        with interrupts.shielded():
            signal.raise_signal(signal.SIGTERM)
            interrupts.raise_pending()
        with pytest.raises(Interrupted, match="SIGTERM"):
            interrupts.raise_pending()
        interrupts.raise_pending()
        signal.raise_signal(signal.SIGINT)


def test_the_handlers_that_were_there_are_put_back():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    with pytest.raises(Interrupted), Interrupts().handled():
        signal.raise_signal(signal.SIGTERM)
    assert {number: signal.getsignal(number) for number in SIGNALS} == before


def test_under_nohup_a_closed_terminal_ends_nothing():
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupts = Interrupts()
    with interrupts.handled():
        signal.raise_signal(signal.SIGHUP)
        assert interrupts.count == 0
        with pytest.raises(Interrupted):
            signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_IGN


def test_off_the_main_thread_signals_keep_their_meaning():
    before = {number: signal.getsignal(number) for number in SIGNALS}
    seen = []

    def run() -> None:
        with Interrupts().handled():
            seen.append({number: signal.getsignal(number) for number in SIGNALS})

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert seen == [before]
