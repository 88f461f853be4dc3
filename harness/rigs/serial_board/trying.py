"""Whether a board does what it should: the self-test, and pulses through a wire. Nothing is printed here."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from harness.analysis.offset import estimate
from harness.analysis.statistics import distribution
from harness.errors import DeadlineError, HarnessError, OperationError
from harness.model import CLOCK_DTYPE
from harness.results_base import Distribution
from harness.rigs.serial_board.messages import TIMED, Edge, Event, Request, instant
from harness.rigs.serial_board.options import INPUTS, OUTPUTS
from harness.rigs.serial_board.session import Session
from harness.rigs.serial_board.talk import ANSWER_S, exchange

ECHOES = 50
LONGEST_ECHO = 52
EXCHANGES, EXCHANGE_GAP_S = 100, 0.01
DRIFT_PPM = 1000.0
"""What the harness follows; see :mod:`harness.analysis.offset`."""
SELFTEST_MS = 500.0
QUIET_S = 0.01
"""After a pulse, the next one waits until nothing has come for so long."""


@dataclass(frozen=True)
class Trial:
    """One part of the self-test."""

    name: str
    good: bool
    found: str


def selftest(session: Session, output: str | None, into: str) -> Iterator[Trial]:
    """Line, clock and counters; with ``output``, an edge through the wire from it to ``into`` as well."""
    before = session.statistics()
    yield _echo(session)
    yield _clock(session)
    if output is not None:
        yield _wire(session, output, into)
    after = session.statistics()
    counts = ("damaged", "receive_dropped", "receive_overruns", "events_dropped")
    grown = {name: getattr(after, name) - getattr(before, name) for name in counts}
    grown["damaged here"] = session.link.decoder.damaged
    bad = [f"{count} {name.replace('_', ' ')}" for name, count in grown.items() if count]
    yield Trial("counters", not bad, ", ".join(bad) or "nothing was damaged or dropped meanwhile")


def _echo(session: Session) -> Trial:
    chosen = random.Random(1)
    wrong = 0
    for number in range(ECHOES):
        body = chosen.randbytes(1 + number * (LONGEST_ECHO - 1) // (ECHOES - 1))
        try:
            wrong += session.link.ask(Request.ECHO, body, ANSWER_S)[1].body != body
        except DeadlineError:
            wrong += 1
    return Trial(
        "line", not wrong, f"{ECHOES - wrong} of {ECHOES} frames of 1 to {LONGEST_ECHO} bytes came back whole"
    )


def _clock(session: Session) -> Trial:
    rows = []
    for _ in range(EXCHANGES):
        try:
            rows.append(exchange(session.link, session.tick_ns))
        except (DeadlineError, OperationError):
            if session.link.broken:
                raise
        time.sleep(EXCHANGE_GAP_S)
    if len(rows) < EXCHANGES // 2:
        return Trial(
            "clock", False, f"{EXCHANGES - len(rows)} of {EXCHANGES} questions were answered too late"
        )
    table = np.zeros(len(rows), CLOCK_DTYPE)
    for column, name in enumerate(("t1_ns", "t2_ns", "t3_ns", "t4_ns")):
        table[name] = [row[column] for row in rows]
    known = estimate(table)
    if known.lines is None:
        why = "; ".join(known.problems)
        return Trial("clock", False, f"no clock within {DRIFT_PPM:g} ppm of this host's fits: {why}")
    low, high = known.drift_ppm
    return Trial("clock", True, f"runs {low:+.0f} to {high:+.0f} ppm against this host's")


def _wire(session: Session, output: str, into: str) -> Trial:
    name = f"wire {output} to {into}"
    body = TIMED.pack(OUTPUTS[output], INPUTS[into], session.ticks(SELFTEST_MS))
    try:
        _, frame, _ = session.link.ask(Request.SELFTEST, body, ANSWER_S)
    except HarnessError as error:
        if session.link.broken:
            raise
        return Trial(name, False, error.message)
    delay = int.from_bytes(frame.body[:4], "little") * session.tick_ns * 1e-3
    return Trial(name, True, f"the edge was there after {delay:g} us")


@dataclass(frozen=True)
class Loopback:
    """Pulses through a wire. ``wire_ms``: from the output to the edge, by the board's counter;
    ``there_and_back_ms``: from the request to the edge's arrival, by this host's clock."""

    sent: int
    answered: int
    extra_edges: int
    wire_ms: Distribution
    there_and_back_ms: Distribution


def loopback(
    session: Session, output: str, into: str, count: int, width_ms: float, timeout_ms: float
) -> Loopback:
    """One pulse after the other.

    Raises DeadlineError where no edge came at all, OperationError where the board refuses or is gone.
    """
    session.arm(into)
    wires, ways = [], []
    extra = 0
    for _ in range(count):
        wire_ms, way_ms, more = _pulse(session, output, into, width_ms, timeout_ms)
        wires.append(wire_ms)
        ways.append(way_ms)
        extra += more
    answered = sum(map(math.isfinite, ways))
    if not answered:
        raise DeadlineError(
            f"none of {count} pulses of {output} reached {into} within {timeout_ms:g} ms",
            hint=f"wire {output} to {into}",
        )
    return Loopback(count, answered, extra, distribution(np.array(wires)), distribution(np.array(ways)))


def _pulse(
    session: Session, output: str, into: str, width_ms: float, timeout_ms: float
) -> tuple[float, float, int]:
    body = TIMED.pack(OUTPUTS[output], 1, session.ticks(width_ms))
    sent_ns, answer, _ = session.link.ask(Request.PULSE, body, ANSWER_S)
    at = instant(answer.body)
    rise: tuple[Edge, int] | None = None
    ended = False
    more = 0
    deadline_ns = sent_ns + round((timeout_ms + width_ms) * 1e6)
    while True:
        found = session.event(QUIET_S)
        if found is None:
            if (rise and ended) or session.clock.monotonic_ns() > deadline_ns:
                break
            continue
        frame, now_ns = found
        if frame.type == Event.OUTPUT:
            ended = True
        elif frame.type == Event.EDGE:
            edge = Edge.read(frame.body)
            if edge.index != INPUTS[into] or not edge.flags & 1:
                continue
            more += rise is not None
            rise = rise or (edge, now_ns)
    if rise is None:
        return math.inf, math.inf, 0
    edge, now_ns = rise
    return (edge.at - at) * session.tick_ns * 1e-6, (now_ns - sent_ns) * 1e-6, more
