"""One signal ends a run, none cuts its stop short."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.interrupt import LAUNCHER as LAUNCHER_NAME
from harness.interrupt import SIGNALS, Interrupted, Interrupts, end_with_launcher


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


CHILD = """
import os, sys, time
from pathlib import Path
from harness.interrupt import Interrupts, Interrupted, end_with_launcher

folder = Path(sys.argv[1])
with Interrupts().handled():
    try:
        end_with_launcher()
        (folder / "ready").write_text(f"{os.getpid()} {os.environ.get('HARNESS_ENDS_WITH')}")
        time.sleep(60)
        (folder / "ended").write_text("nothing came")
    except Interrupted as came:
        (folder / "ended").write_text(came.name)
"""
LAUNCHER = """
import os, subprocess, sys, time

environment = {**os.environ, "HARNESS_ENDS_WITH": str(os.getpid())}
subprocess.Popen([sys.executable, "-c", sys.argv[1], sys.argv[2]], env=environment, start_new_session=True)
time.sleep(60)
"""


def until_there(file: Path) -> str:
    end = time.monotonic() + 30
    while not (file.is_file() and file.read_text()):
        assert time.monotonic() < end, f"{file.name} did not appear"
        time.sleep(0.02)
    return file.read_text()


@pytest.mark.slow
def test_a_launcher_that_is_killed_interrupts_what_it_started(tmp_path):
    launcher = subprocess.Popen([sys.executable, "-c", LAUNCHER, CHILD, str(tmp_path)])
    try:
        # The name of the launcher is not handed on.
        assert until_there(tmp_path / "ready").split()[1] == "None"
        assert not (tmp_path / "ended").exists()
    finally:
        launcher.kill()
        launcher.wait()
    assert until_there(tmp_path / "ended") == "SIGINT"


def test_a_launcher_that_is_gone_before_is_an_interruption(monkeypatch):
    gone = subprocess.Popen(["true"])
    gone.wait()
    # Not this process, which would be interrupted with whoever started it.
    monkeypatch.setattr("harness.interrupt.ctypes.CDLL", lambda _name: SimpleNamespace(prctl=lambda *_: 0))
    monkeypatch.setenv(LAUNCHER_NAME, str(gone.pid))
    with pytest.raises(Interrupted, match="launcher"):
        end_with_launcher()
    assert LAUNCHER_NAME not in os.environ


@pytest.mark.parametrize("value", [None, "", "no number"])
def test_without_a_launcher_nothing_is_tied(monkeypatch, value):
    monkeypatch.delenv(LAUNCHER_NAME, raising=False)
    if value is not None:
        monkeypatch.setenv(LAUNCHER_NAME, value)
    calls: list[str] = []
    monkeypatch.setattr("harness.interrupt.ctypes.CDLL", lambda name: calls.append(str(name)))
    end_with_launcher()
    assert calls == []
