"""Wires between simulated robots and the simulated board: levels arrive, stamps come after their cause."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from harness.errors import DeadlineError, UnavailableError
from harness.rigs.serial_board.line import BOARD_VARIABLE
from harness.rigs.serial_board.messages import LEVEL, Request
from harness.rigs.serial_board.session import Session
from harness.rigs.serial_board.talk import ANSWER_S, exchange
from harness.rigs.serial_board.watching import Watch
from harness.sim.board.plugs import Plugs

pytestmark = pytest.mark.slow


@pytest.fixture
def board(tmp_path: Path) -> subprocess.Popen[str]:
    link = tmp_path / "tty"
    words = [sys.executable, "-m", "harness.sim.board", "--link", str(link)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ready ")
        yield process
        process.terminate()
    assert list(tmp_path.iterdir()) == []


def until_told(plugs: Plugs, count: int) -> list[tuple[str, bool]]:
    deadline = time.monotonic() + 20
    found: list[tuple[str, bool]] = []
    while len(found) < count:
        assert time.monotonic() < deadline, found
        found += plugs.changes()
    return found


def exchanged(session: Session) -> tuple[int, int, int, int]:
    """On a busy host some questions are answered too late."""
    deadline = time.monotonic() + 30
    while True:
        try:
            return exchange(session.link, session.tick_ns)
        except DeadlineError:
            assert time.monotonic() < deadline


def test_levels_go_both_ways(tmp_path: Path, board: subprocess.Popen[str]) -> None:
    with closing(Plugs(str(tmp_path / "tty"))) as plugs, Session(str(tmp_path / "tty")) as session:
        plugs.watch("D5")
        assert until_told(plugs, 1) == [("D5", False)]
        session.may_drive("D5", armed=False)
        watch = Watch(session, ("D8", "D3"))
        assert watch.begin(pull_up=False, debounce_ms=0.0) == {"D8": 0, "D3": 0}
        for level in (1, 1, 0):
            session.link.ask(Request.SET, LEVEL.pack(1, level), ANSWER_S)
        assert until_told(plugs, 2) == [("D5", True), ("D5", False)]
        for number, (pin, level) in enumerate((("D8", 1), ("D8", 0), ("D3", 1)), 1):
            plugs.set(pin, bool(level))
            [edge] = watch.follow(number, 20.0)
            assert (edge["pin"], edge["level"]) == (pin, level)
        plugs._say("set D99 1")
    board.terminate()
    assert board.stderr is not None
    assert "said `set D99 1`" in board.stderr.read()


def test_no_edge_is_stamped_before_it_was_caused(tmp_path: Path, board: subprocess.Popen[str]) -> None:
    """By the bounds of an exchange just before and just after."""
    with closing(Plugs(str(tmp_path / "tty"))) as plugs, Session(str(tmp_path / "tty")) as session:
        watch = Watch(session, ("D8",))
        watch.begin(pull_up=False, debounce_ms=0.0)
        for number in range(20):
            _, _, t3_ns, t4_ns = exchanged(session)
            caused_ns = time.monotonic_ns()
            plugs.set("D8", number % 2 == 0)
            [edge] = watch.follow(number + 1, 20.0)
            # The board's clock minus this host's is at least t3 - t4: no answer arrives before it left.
            assert edge["ticks"] * session.tick_ns >= caused_ns + (t3_ns - t4_ns)
            _, t2_ns, _, _ = exchanged(session)
            assert edge["ticks"] * session.tick_ns <= t2_ns


def test_a_robot_without_a_board_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(BOARD_VARIABLE, str(tmp_path / "none"))
    with pytest.raises(UnavailableError, match=r"none\.pins") as caught:
        Plugs()
    assert "first process of the rig" in str(caught.value)


def test_a_board_that_has_gone_disturbs_no_robot(tmp_path: Path, board: subprocess.Popen[str]) -> None:
    with closing(Plugs(str(tmp_path / "tty"))) as plugs:
        plugs.watch("D4")
        until_told(plugs, 1)
        board.terminate()
        board.wait()
        for _ in range(3):
            plugs.set("D8", level=True)
            assert list(plugs.changes()) == []
