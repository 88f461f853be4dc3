"""The command line in a pseudo-terminal: what the screen shows, Ctrl-C, questions."""

from __future__ import annotations

import contextlib
import os
import pty
import re
import select
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "faults"))

from fault_bench import ROOT, Evidence, rig_file


@pytest.fixture(autouse=True, scope="module")
def locks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HARNESS_LOCK_DIR", str(tmp_path_factory.mktemp("locks")))
        patch.delenv("GITHUB_STEP_SUMMARY", raising=False)
        yield


SHORT = {"scenarios.command.schedule.samples": 60}


class Terminal:
    """``harness ...`` in a pseudo-terminal of its own, and the screen it leaves."""

    def __init__(self, folder: Path, *arguments: str, columns: int = 100) -> None:
        self.out = folder / "out"
        self.raw = ""
        environment = {**os.environ, "TERM": "xterm", "PYTHONPATH": str(ROOT)}
        for name in ("COLUMNS", "LINES", "NO_COLOR"):
            environment.pop(name, None)
        pid, self._fd = pty.fork()
        if pid == 0:  # pragma: no cover
            os.chdir(folder)
            command = f'stty cols {columns} rows 30 2>/dev/null; exec {sys.executable} -m harness "$@"'
            os.execvpe("sh", ["sh", "-c", command, "sh", *arguments], environment)
        self.pid = pid

    def until(self, holds: Callable[[], Any], what: str, patience_s: float = 60.0) -> None:
        deadline = time.monotonic() + patience_s
        while not holds():
            assert time.monotonic() < deadline, f"not within {patience_s:g} s: {what}; screen:\n{self.raw}"
            self.read(0.05)

    def read(self, patience_s: float) -> bool:
        """False at the end."""
        if not select.select([self._fd], [], [], patience_s)[0]:
            return True
        try:
            data = os.read(self._fd, 1 << 16)
        except OSError:  # EIO: the other end is closed
            return False
        self.raw += data.decode(errors="replace")
        return bool(data)

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: object) -> None:
        """Whatever still runs loses its terminal, and ends."""
        if self.pid:
            with contextlib.suppress(OSError):
                os.close(self._fd)
            os.waitpid(self.pid, 0)

    def hang_up(self) -> int:
        """Close the terminal; the exit status."""
        os.close(self._fd)
        _, status = os.waitpid(self.pid, 0)
        self.pid = 0
        return os.waitstatus_to_exitcode(status)

    def finish(self) -> int:
        deadline = time.monotonic() + 60
        while self.read(0.1):
            assert time.monotonic() < deadline, self.raw
        return self.hang_up()

    @property
    def evidence(self) -> Evidence:
        (found,) = self.out.glob("*/*/run.json")
        return Evidence(found.parent)

    def screen(self) -> list[str]:
        """What a terminal shows of it: enough of its language for what is used."""
        rows, y, x = [""], 0, 0
        for token in re.findall(r"\x1b\[[0-9;?]*[A-Za-z]|[^\x1b]", self.raw):
            if token == "\n":
                y += 1
                if y == len(rows):
                    rows.append("")
            elif token == "\r":
                x = 0
            elif token[0] != "\x1b":
                rows[y] = rows[y][:x].ljust(x) + token + rows[y][x + 1 :]
                x += 1
            elif token.endswith("A"):
                y = max(0, y - int(token[2:-1] or 1))
            elif token in ("\x1b[2K", "\x1b[K"):
                rows[y] = "" if token == "\x1b[2K" else rows[y][:x]
            else:
                assert token.endswith("m") or token in ("\x1b[?25l", "\x1b[?25h"), repr(token)
        return [row.rstrip() for row in rows]


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Callable[[dict[str, Any]], Terminal]]:
    """``terminal(changes)``: a run in a terminal."""
    with contextlib.ExitStack() as stack:

        def start(changes: dict[str, Any]) -> Terminal:
            file = rig_file(tmp_path, changes)
            return stack.enter_context(Terminal(tmp_path, "run", str(file), "--out", str(tmp_path / "out")))

        yield start


FOREVER = {"scenarios.command.schedule.samples": 1_000_000}


def assert_clean(terminal: Terminal) -> None:
    """No bar is left, the cursor is back, colours are reset, and the outcome stands whole."""
    screen = terminal.screen()
    text = "\n".join(screen)
    assert "█" not in text and "░" not in text, text
    hidden, shown = terminal.raw.rfind("\x1b[?25l"), terminal.raw.rfind("\x1b[?25h")
    assert shown > hidden or hidden == -1
    assert re.findall(r"\x1b\[[0-9;]*m", terminal.raw)[-1] == "\x1b[0m"
    (top,) = [number for number, row in enumerate(screen) if row.startswith("╭")]
    width = len(screen[top])
    assert screen[top + 1].startswith("│") and len(screen[top + 1]) == width, text
    assert screen[top + 2].startswith("╰") and len(screen[top + 2]) == width
    assert screen[-1] == ""


@pytest.mark.slow
def test_a_terminal_shows_progress_and_is_left_clean(terminal):
    shown = terminal({"scenarios.command.schedule.samples": 1000})
    status = shown.finish()
    assert status == shown.evidence.results.verdict.exit_status
    assert re.search(r"[█░]", shown.raw)
    assert re.search(r"lost \d+ +skipped \d+", shown.raw)
    assert_clean(shown)


@pytest.mark.slow
def test_ctrl_c_in_a_terminal_ends_the_run_and_leaves_it_clean(terminal):
    shown = terminal(FOREVER)
    shown.until(lambda: re.search(r"p99 \d", shown.raw), "figures of the measuring")
    shown.type("\x03")
    assert shown.finish() == 4
    assert_clean(shown)
    assert "ended by SIGINT" in "\n".join(shown.screen())
    shown.evidence.assert_whole()
    shown.evidence.assert_aborted("interrupt")
    shown.evidence.assert_nothing_runs()


@pytest.mark.slow
def test_a_terminal_that_is_closed_ends_the_run(terminal):
    shown = terminal(FOREVER)
    shown.until(lambda: re.search(r"p99 \d", shown.raw), "figures of the measuring")
    evidence = shown.evidence
    status = shown.hang_up()
    evidence.assert_whole()
    assert evidence.assert_aborted("interrupt") == "ended by SIGHUP"
    evidence.assert_nothing_runs()
    # Nobody was left to tell the outcome to; that alone must not look like a success.
    assert status != 0


@pytest.mark.slow
@pytest.mark.parametrize(("answer", "status"), [("yes", 0), ("no", 4)])
def test_a_question_stands_alone_and_its_answer_decides(terminal, answer, status):
    changes = {**SHORT, "setup": [{"sleep_s": 0.7}, {"ask": "Is the payload mounted"}]}
    shown = terminal(changes)
    shown.until(lambda: "Is the payload mounted: " in shown.raw, "the question")
    asked = len(shown.raw)
    time.sleep(1.2)  # two periods in which progress would have been drawn over it
    shown.read(0.0)
    assert shown.raw[asked:] == ""
    assert [row for row in shown.screen() if row] == ["Is the payload mounted:"]
    shown.type(answer + "\n")
    ended = shown.finish()
    assert_clean(shown)
    if status:
        assert ended == 4
        assert "setup[1]: the operator did not confirm" in shown.evidence.assert_aborted("device")
    else:
        assert ended == shown.evidence.results.verdict.exit_status
        assert not shown.evidence.results.aborted


@pytest.mark.slow
def test_ctrl_c_at_a_question_ends_the_run(terminal):
    changes = {**SHORT, "setup": [{"ask": "Is the payload mounted"}]}
    shown = terminal(changes)
    shown.until(lambda: "Is the payload mounted: " in shown.raw, "the question")
    shown.type("\x03")
    assert shown.finish() == 4
    assert "Fatal" not in shown.raw and "Traceback" not in shown.raw
    shown.evidence.assert_aborted("interrupt")
    shown.evidence.assert_whole()
