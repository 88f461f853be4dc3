"""The simulated board: the firmware's own ELF behind a terminal, compared with the simulator's own trace."""

from __future__ import annotations

import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import serial

from harness.rigs.serial_board.frames import Decoder, Frame, encode

pytestmark = pytest.mark.slow

TICK_US = 0.5
EDGE, OUTPUT, SAFE, ANALOG, ERROR = 0xC1, 0xC2, 0xC4, 0xC5, 0xFF


@dataclass
class Line:
    """A plain host: asks, and keeps what comes of itself."""

    port: serial.Serial
    decoder: Decoder = field(default_factory=Decoder)
    events: list[Frame] = field(default_factory=list)
    number: int = 0

    def ask(self, kind: int, body: bytes = b"") -> Frame:
        self.number += 1
        self.port.write(encode(Frame(kind, self.number, body)))
        deadline = time.monotonic() + 20
        found: list[Frame] = []
        while not found:
            assert time.monotonic() < deadline, f"no answer to {kind:#04x}"
            found = [each for each in self.read() if each.type in (kind | 0x80, ERROR)]
        return found[0]

    def hello(self) -> None:
        """A board that has just started may not listen yet."""
        deadline = time.monotonic() + 20
        while not any(each.type == 0x81 for each in self.read()):
            assert time.monotonic() < deadline, "no board"
            self.port.write(b"\0" + encode(Frame(0x01, 0)))
            time.sleep(0.05)
        self.port.timeout = 0.5
        while self.read():
            pass
        self.port.timeout = 0.1

    def pause(self, us: float) -> None:
        """By the board's counter."""
        start = now = self.now()
        while now - start < us:
            now = self.now()

    def now(self) -> float:
        return float(struct.unpack_from("<Q", self.ask(0x0D).body)[0] * TICK_US)

    def read(self) -> list[Frame]:
        frames = list(self.decoder.take(self.port.read(self.port.in_waiting or 1)))
        self.events += [each for each in frames if each.type in (EDGE, OUTPUT, SAFE, ANALOG)]
        return frames

    def until(self, count: int, kind: int = EDGE) -> list[Frame]:
        deadline = time.monotonic() + 20
        while len(self.of(kind)) < count:
            assert time.monotonic() < deadline, f"{len(self.of(kind))} of {count} events"
            self.read()
        return self.of(kind)

    def of(self, kind: int) -> list[Frame]:
        return [each for each in self.events if each.type == kind]

    def arm(self, number: int, edges: int = 3, debounce: int = 0) -> None:
        assert self.ask(0x09, struct.pack("<BBBI", number, edges, 0, debounce)).type == 0x89


class Board:
    def __init__(self, folder: Path, *options: str) -> None:
        self.vcd = folder / "trace.vcd"
        self.link = folder / "tty"
        words = [sys.executable, "-m", "harness.sim.board", "--link", str(self.link), "--vcd", str(self.vcd)]
        self.process = subprocess.Popen([*words, *options], stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith("ready /dev/")
        self.port = serial.Serial(str(self.link), 1_000_000, timeout=0.1)
        self.line = Line(self.port)
        self.line.hello()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        assert self.process.wait(20) == 0
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.port.close()

    def trace(self) -> dict[str, list[tuple[float, int]]]:
        """Each pin's changes: us of the board's cycle counter, level."""
        names, found, now = {}, {}, 0.0
        for line in self.vcd.read_text().splitlines():
            if line.startswith("$var"):
                _, _, _, alias, name, *_ = line.split()
                names[alias] = name
                found[name] = []
            elif line.startswith("#"):
                now = int(line[1:]) * 0.01
            elif line[:1] in ("0", "1") and line[1:] in names:
                pin = found[names[line[1:]]]
                level = int(line[0])
                if not pin or pin[-1][1] != level:
                    pin.append((now, level))
        return {name: [each for each in pin if each[0] > 1000] for name, pin in found.items()}


@pytest.fixture
def boards() -> Iterator[list[Board]]:
    made: list[Board] = []
    yield made
    for each in made:
        if each.process.poll() is None:
            each.process.kill()
            each.process.wait()
        if each.process.stdout is not None:
            each.process.stdout.close()
        each.port.close()


def start(boards: list[Board], folder: Path, *options: str) -> Board:
    boards.append(Board(folder, *options))
    return boards[-1]


def instants(events: list[Frame]) -> list[float]:
    """In us of the board's counter, which starts a little after its processor."""
    return [struct.unpack_from("<Q", each.body, 2)[0] * TICK_US for each in events]


def spread(one: list[float], other: list[float]) -> float:
    differences = [a - b for a, b in zip(one, other, strict=True)]
    return max(differences) - min(differences)


def test_instants_are_those_of_the_simulators_own_trace(tmp_path: Path, boards: list[Board]) -> None:
    """One constant apart, that of the start, stamps of the capture unit are true to one tick and the
    synchroniser, those of outputs to what a step of the program takes."""
    board = start(boards, tmp_path, "--wire", "D4:D8:1000")
    board.line.arm(0)
    answers = []
    for number in range(100):
        answers.append(board.line.ask(0x05, struct.pack("<BBI", 0, 1, 4000 + 37 * number)))
        board.line.until(2 * number + 2)
        board.line.until(number + 1, OUTPUT)
    edges, ends = board.line.of(EDGE), board.line.of(OUTPUT)
    board.end()
    trace = board.trace()
    true_in = [at for at, _ in trace["D8"]]
    true_out = [at for at, _ in trace["D4"]]
    assert [each.body[1] & 1 for each in edges] == [level for _, level in trace["D8"]] == [1, 0] * 100
    assert spread(true_in, instants(edges)) <= 1.0
    rises = [struct.unpack("<Q", each.body)[0] * TICK_US for each in answers]
    assert spread(true_out[::2], rises) <= 2.0
    assert spread(true_out[1::2], instants(ends)) <= 2.0
    # Inputs and outputs by the same clock: the wire is as long as it is.
    assert all(abs(b - a - 1000) <= 2.0 for a, b in zip(rises, instants(edges)[::2], strict=True))


def test_a_bouncing_contact_is_one_edge_at_its_first_touch(tmp_path: Path, boards: list[Board]) -> None:
    board = start(boards, tmp_path, "--wire", "D4:D8:500:4:150")
    board.line.arm(0, debounce=10_000)
    for number in range(10):
        board.line.ask(0x05, struct.pack("<BBI", 0, 1, 40_000))
        board.line.until(2 * number + 2)
        board.line.until(number + 1, OUTPUT)
        board.line.pause(7000)  # the contact's rest, and the hold-off
    edges = board.line.of(EDGE)
    statistics = board.line.ask(0x0D).body
    board.end()
    assert [each.body[1] for each in edges] == [1, 0] * 10
    rises = [at for at, level in board.trace()["D8"] if level]
    assert spread(rises[::9], instants(edges)[::2]) <= 1.0
    reported, overtaken, bounces = struct.unpack_from("<HHH", statistics, 30)
    assert (reported, overtaken, bounces) == (20, 0, 20 * 8)


def test_what_is_wired_is_what_is_seen(tmp_path: Path, boards: list[Board]) -> None:
    """An input stamped by software, a robot that takes its time, a voltage, the self-test."""
    board = start(
        boards, tmp_path, "--wire", "D5:D2:300", "--robot", "D6:D3:1000:3000", "--voltage", "D7:A2:100:4000"
    )
    delay = struct.unpack("<I", board.line.ask(0x0E, struct.pack("<BBI", 1, 1, 40_000)).body)[0]
    assert 299 <= delay * TICK_US <= 330
    nothing = board.line.ask(0x0E, struct.pack("<BBI", 0, 0, 20_000))
    assert (nothing.type, nothing.body) == (ERROR, b"\x0e\x09")
    board.line.arm(2)
    board.line.ask(0x04, bytes([2, 1]))
    board.line.until(1)
    board.line.ask(0x0A, struct.pack("<BBHH", 2, 1, 300, 500))
    board.line.ask(0x04, bytes([3, 1]))
    readings = board.line.until(2, ANALOG)[:2]
    levels = [struct.unpack_from("<BBQHH", each.body)[1:4:2] for each in readings]
    assert levels == [(0, 0), (1, 818)]
    board.end()
    trace = board.trace()
    assert 1000 <= trace["D3"][0][0] - trace["D6"][0][0] <= 3005


def test_a_silent_host_lets_the_outputs_fall(tmp_path: Path, boards: list[Board]) -> None:
    board = start(boards, tmp_path, "--wire", "D4:D8:10")
    board.line.ask(0x0C, struct.pack("<H", 200))
    board.line.ask(0x04, bytes([0, 1]))
    [safe] = board.line.until(1, SAFE)
    assert safe.body[0] == 1
    assert struct.unpack_from("<I", board.line.ask(0x0D).body, 24)[0] == 1
    board.end()
    [(up, one), (down, zero)] = board.trace()["D4"]
    assert (one, zero) == (1, 0)
    # The silence counts from the frame; the board looks at every wrap of its counter, each 32.8 ms.
    assert 190_000 <= down - up <= 260_000


def test_wrong_wiring_is_refused() -> None:
    words = [sys.executable, "-m", "harness.sim.board", "--wire", "D4:D99:1"]
    ran = subprocess.run(words, check=False, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 2
    assert "D4:D99:1" in ran.stderr
