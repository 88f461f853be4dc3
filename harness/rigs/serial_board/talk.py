"""The first words with a board, and the questions that everybody asks it."""

from __future__ import annotations

import statistics

from harness.clock import HostClock
from harness.errors import DeadlineError, UnavailableError
from harness.rigs.serial_board.frames import VERSION
from harness.rigs.serial_board.link import Link
from harness.rigs.serial_board.messages import CLOCK_PAD, Hello, Request, Statistics, clock

ANSWER_S = 5.0
"""A board answers in a millisecond; a simulated one on a busy host does not."""
EXCHANGE_S = 0.2
HELLO_S = 0.3
PINGS = 20


def greet(link: Link, name: str, path: str, start_s: float, host: HostClock) -> Hello:
    """Ask who is there until it answers: opening the port has reset it, perhaps.

    Raises UnavailableError where nobody answers within ``start_s``, or speaks another protocol.
    """
    deadline_ns = host.monotonic_ns() + round(start_s * 1e9)
    while True:
        try:
            _, frame, _ = link.ask(Request.HELLO, b"", HELLO_S)
            break
        except DeadlineError as error:
            if host.monotonic_ns() > deadline_ns:
                raise UnavailableError(
                    f"{name}: nothing at {path} answers as a bench board",
                    hint="flash it: make flash PORT=...; or correct `port`",
                ) from error
    hello = Hello.read(frame.body)
    if hello.version != VERSION:
        raise UnavailableError(
            f"{name}: the board speaks protocol version {hello.version}, the harness {VERSION}",
            hint="flash this version's firmware: make flash PORT=...",
        )
    if 1_000_000_000 % hello.tick_hz:
        raise UnavailableError(f"{name}: a tick of 1/{hello.tick_hz} s is no whole number of ns")
    link.window = hello.receive_bytes
    return hello


def ping(link: Link) -> float:
    """Median of a frame there and back, in ms. Raises DeadlineError, OperationError."""
    pings = [link.ask(Request.ECHO, b"", ANSWER_S) for _ in range(PINGS)]
    return statistics.median(t4_ns - t1_ns for t1_ns, _, t4_ns in pings) * 1e-6


def exchange(link: Link, tick_ns: int) -> tuple[int, int, int, int]:
    """Four stamps in ns: asked (host), arrived and answered (board's counter), taken (host).

    Raises DeadlineError where the line is slow, OperationError where it is busy or the board gone.
    """
    t1_ns, frame, t4_ns = link.ask(Request.CLOCK, CLOCK_PAD, EXCHANGE_S)
    arrived, left = clock(frame.body)
    return t1_ns, arrived * tick_ns, left * tick_ns, t4_ns


def statistics_of(link: Link, inputs: int) -> Statistics:
    """What the board has counted since its start. Raises DeadlineError, OperationError."""
    _, frame, _ = link.ask(Request.STATS, b"", ANSWER_S)
    return Statistics.read(frame.body, inputs)
