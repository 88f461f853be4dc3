"""The round trip of a ping to the bench board, beside firmware that does nothing but send bytes back.

All in simavr, each behind a pseudo-terminal of its own, asked by turns through pyserial with the very bytes
of a ping:

- the bench board's firmware, which has to have the whole frame before it can check and answer it;
- a bare echo that answers once the message is whole, which is what a frame costs on this line;
- a bare echo that returns each byte as it comes, which no protocol of frames can do.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import serial

from benchmarks.figures import Figure, Outcome, interleave, load, middle, ratio
from harness.rigs.serial_board.frames import Frame, encode
from harness.rigs.serial_board.line import BAUD
from harness.rigs.serial_board.messages import Request
from harness.sim.board.building import build

RATIO = 1.3
PINGS = 150
ECHO = Path(__file__).with_name("board_echo.c")
BOARD, WHOLE, BYTES = "bench board", "bare echo, whole message", "bare echo, byte by byte"


def run(quick: bool) -> Outcome:
    """Blocks of pings by turns. Needs the packages that build the firmware."""
    build("firmware", "sim")
    with tempfile.TemporaryDirectory(prefix="harness-ping-") as folder, ExitStack() as stack:
        arms: dict[str, Callable[[], float]] = {}
        for name, wanted in ((BOARD, None), (WHOLE, []), (BYTES, ["-DAT_ONCE"])):
            options = [] if wanted is None else ["--elf", str(_echo(Path(folder), wanted))]
            arms[name] = partial(
                _block, stack.enter_context(_Line(Path(folder) / f"tty{len(arms)}", options))
            )
        found = interleave(arms, 2 if quick else 12)
        now = load()
    figures = [Figure(f"ping, median: {name}", middle(found[name]), "ms", load=now) for name in arms]
    for name in (WHOLE, BYTES):
        figures.append(Figure(f"{BOARD} / {name}", ratio(found[BOARD], found[name]), "x", RATIO, now))
    return Outcome("board_ping", figures, raw=found)


def _echo(folder: Path, defines: list[str]) -> Path:
    elf = folder / f"echo{len(defines)}.elf"
    subprocess.run(["avr-gcc", "-mmcu=atmega328p", "-Os", *defines, "-o", str(elf), str(ECHO)], check=True)
    return elf


class _Line:
    """A simulated board and its open port."""

    def __init__(self, link: Path, options: list[str]) -> None:
        words = [sys.executable, "-m", "harness.sim.board", "--link", str(link), *options]
        self._process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()
        self.port = serial.Serial(str(link), BAUD, timeout=20)
        time.sleep(0.2)  # what it says of itself at the start
        self.port.reset_input_buffer()

    def __enter__(self) -> serial.Serial:
        return self.port

    def __exit__(self, *of: object) -> None:
        self.port.close()
        self._process.terminate()
        self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _block(port: serial.Serial) -> float:
    """Median round trip of a block in ms."""
    ping, took = encode(Frame(Request.ECHO, 1)), []
    for _ in range(PINGS):
        began_ns = time.monotonic_ns()
        port.write(ping)
        if len(port.read(len(ping))) != len(ping):
            raise RuntimeError("no answer within 20 s")
        took.append((time.monotonic_ns() - began_ns) / 1e6)
        time.sleep(0.001)
    return middle(took)
