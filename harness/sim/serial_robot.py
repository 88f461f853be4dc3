"""A simulated robot on a serial line: ``python -m harness.sim.serial_robot``, behind a pseudo-terminal.

It takes a command, needs a while, and says that it has done it. ``--speaks`` says how:

- ``nmea``: ``$DRV,<number>,<speed>*hh`` is answered by ``$ACK,<number>,<speed>*hh``, hh being the exclusive
  or of what stands between $ and *; ``$STP*hh`` stops it;
- ``plain``: ``drive <speed>`` is answered by ``ok``, and nothing tells which command was meant; ``stop``;
- ``bytes``: 0x02, number and speed in mm/s as 16 bits each, low byte first, CRC-16 of Modbus; the answer is
  0x06, the number, CRC; 0x18 stops it.

As an Arduino does, it starts anew when its terminal is opened after nobody had it open: it is deaf for
``--boot-ms`` and then says ``serial robot ready``. It prints ``ready`` and its terminal; ``--log`` gets a
JSON object for each command, with instants in ns of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import argparse
import contextlib
import heapq
import json
import os
import pty
import random
import re
import select
import signal
import struct
import sys
import time
import tty
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TextIO

from harness.rigs.serial_text.checksums import written
from harness.rigs.serial_text.device import TEXT_VARIABLE

BANNER = b"serial robot ready\r\n"
TURN_S = 0.02
NMEA = re.compile(rb"\$((?:DRV,(\d+),(-?[\d.]+))|STP)\*([0-9A-F]{2})\r?\n")
PLAIN = re.compile(rb"(?:drive (-?[\d.]+)|stop)\r?\n")
BYTES = re.compile(rb"\x02(..)(..)(..)|\x18", re.DOTALL)


def arguments(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m harness.sim.serial_robot", description=__doc__)
    parser.add_argument("--speaks", choices=("nmea", "plain", "bytes"), default="nmea")
    parser.add_argument(
        "--link",
        default=os.environ.get(TEXT_VARIABLE),
        help="symbolic link to the terminal; removed at the end",
    )
    parser.add_argument("--delay-ms", type=float, default=2.0, help="from a command to its answer, at least")
    parser.add_argument("--jitter-ms", type=float, default=3.0, help="and up to so much longer, uniformly")
    parser.add_argument("--seed", type=int, default=1, help="of the jitter")
    parser.add_argument("--boot-ms", type=float, default=200.0, help="deaf after its terminal was opened")
    parser.add_argument(
        "--latency-timer-ms",
        type=float,
        default=0.0,
        help="a USB adapter that passes on what the robot says when its timer runs out, as FTDI's do",
    )
    parser.add_argument("--silent", action="store_true", help="take commands, answer none")
    parser.add_argument(
        "--damage-every", type=int, default=0, metavar="N", help="of every Nth answer one bit is wrong"
    )
    parser.add_argument("--log", type=Path, help="what it did")
    return parser.parse_args(argv)


class Robot:
    """What it understands, and what it is about to say."""

    def __init__(self, options: argparse.Namespace, log: TextIO | None) -> None:
        self._options, self._log = options, log
        self._random = random.Random(options.seed)
        self._heard = b""
        self._due: list[tuple[int, int, bytes]] = []
        self._answers = 0
        self._deaf_until_ns = 0

    def start(self) -> None:
        """Somebody has opened the line: it begins anew."""
        self._heard, self._due = b"", []
        self._deaf_until_ns = time.monotonic_ns() + round(self._options.boot_ms * 1e6)
        heapq.heappush(self._due, (self._deaf_until_ns, -1, BANNER))
        self._tell(event="start")

    def hear(self, data: bytes, now_ns: int) -> None:
        """Bytes have come."""
        if now_ns < self._deaf_until_ns:
            return
        self._heard = (self._heard + data)[-4096:]
        for number, speed, stop in self._commands():
            self._tell(event="stop" if stop else "command", number=number, speed=speed, at_ns=now_ns)
            if stop or self._options.silent:
                continue
            self._answers += 1
            answer = bytearray(self._answer(number, speed))
            if self._options.damage_every and self._answers % self._options.damage_every == 0:
                answer[min(5, len(answer) - 1)] ^= 1
            wait_ms = self._options.delay_ms + self._random.uniform(0, self._options.jitter_ms)
            heapq.heappush(self._due, (now_ns + round(wait_ms * 1e6), self._answers, bytes(answer)))

    def say(self, now_ns: int) -> Iterator[bytes]:
        """What is due now."""
        while self._due and self._passed_on(self._due[0][0]) <= now_ns:
            yield heapq.heappop(self._due)[2]

    def until_next_s(self) -> float:
        """How long nothing is due."""
        if not self._due:
            return TURN_S
        return min(TURN_S, max(0.0, (self._passed_on(self._due[0][0]) - time.monotonic_ns()) * 1e-9))

    def _passed_on(self, due_ns: int) -> int:
        """When the adapter passes on what is said at that instant: at the end of its timer's period."""
        period = round(self._options.latency_timer_ms * 1e6)
        return due_ns if not period else -(-due_ns // period) * period

    def _commands(self) -> Iterator[tuple[int, float, bool]]:
        pattern = {"nmea": NMEA, "plain": PLAIN, "bytes": BYTES}[self._options.speaks]
        while (match := pattern.search(self._heard)) is not None:
            self._heard = self._heard[match.end() :]
            if self._options.speaks == "nmea":
                if written("xor", match[1], "HEX") == match[4]:
                    yield int(match[2] or 0), float(match[3] or 0), match[2] is None
            elif self._options.speaks == "plain":
                yield 0, float(match[1] or 0), match[1] is None
            elif match[1] is None:
                yield 0, 0.0, True
            elif written("crc16_modbus", match[0][:-2], "little") == match[3]:
                number, speed = struct.unpack("<Hh", match[1] + match[2])
                yield number, speed * 1e-3, False

    def _answer(self, number: int, speed: float) -> bytes:
        if self._options.speaks == "plain":
            return b"ok\r\n"
        if self._options.speaks == "bytes":
            head = b"\x06" + struct.pack("<H", number)
            return head + written("crc16_modbus", head, "little")
        text = f"ACK,{number},{speed:.3f}".encode()
        return b"$" + text + b"*" + written("xor", text, "HEX") + b"\r\n"

    def _tell(self, **what: Any) -> None:
        if self._log is not None:
            self._log.write(json.dumps(what) + "\n")
            self._log.flush()


def serve(robot: Robot, master: int, ended: Sequence[int]) -> None:
    """Until a signal has come. Whether somebody has the terminal open is what the master's hang-up tells."""
    there = False
    poll = select.poll()
    poll.register(master, select.POLLIN)
    while not ended:
        found = poll.poll(robot.until_next_s() * 1e3)
        hung_up = any(event & select.POLLHUP for _, event in found)
        if there is hung_up:
            there = not hung_up
            if there:
                robot.start()
        if hung_up:
            time.sleep(0.002)  # a hang-up is told at every look
        elif found:
            robot.hear(os.read(master, 4096), time.monotonic_ns())
        for answer in robot.say(time.monotonic_ns()):
            with contextlib.suppress(OSError):  # nobody listens
                os.write(master, answer)


@contextlib.contextmanager
def terminal(link: str | None) -> Iterator[tuple[int, str]]:
    """A pseudo-terminal: its master, and the name of its other end, which ``link`` gives another name."""
    master, slave = pty.openpty()
    name = os.ttyname(slave)
    tty.setraw(slave)
    os.close(slave)
    os.set_blocking(master, False)
    with contextlib.ExitStack() as stack:
        stack.callback(os.close, master)
        if link:
            path = Path(link)
            path.unlink(missing_ok=True)
            path.symlink_to(name)
            stack.callback(path.unlink, missing_ok=True)
        yield master, name


def main(argv: Sequence[str] | None = None) -> int:
    """Run until SIGINT or SIGTERM."""
    options = arguments(argv)
    ended: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: ended.append(got))
    with contextlib.ExitStack() as stack:
        master, name = stack.enter_context(terminal(options.link))
        log = stack.enter_context(options.log.open("w")) if options.log is not None else None
        print(f"ready {name}", flush=True)
        serve(Robot(options, log), master, ended)
    return 0


if __name__ == "__main__":
    sys.exit(main())
