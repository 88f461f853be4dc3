"""How a safe stop is published, whatever the middleware: so often, so far apart, each with a fresh key."""

from __future__ import annotations

from collections.abc import Callable

from harness.clock import HostClock
from harness.config.schema import Stop
from harness.errors import HarnessError
from harness.ports import KeyKind


def interval_ns(stop: Stop) -> int:
    """Time between two sends of a stop."""
    return round(stop.interval_ms * 1e6)


def pause(clock: HostClock, stop: Stop) -> None:
    """Wait for that time."""
    clock.sleep_until(clock.monotonic_ns() + interval_ns(stop))


def send_often(clock: HostClock, stop: Stop, send: Callable[[int], object]) -> None:
    """Call ``send`` with 0, 1, ... as often as the rig file says.

    Goes on past failures; raises the last one when nothing at all could be handed over.
    """
    failure, handed = None, 0
    for number in range(stop.repeat):
        if number:
            pause(clock, stop)
        try:
            send(number)
            handed += 1
        except HarnessError as error:
            failure = error
    if not handed and failure is not None:
        raise failure


def fresh_key(clock: HostClock, kind: KeyKind, last: int | None, top: int, number: int) -> int:
    """The key of the ``number``-th send of a stop; ``last``: that was sent on the port, ``top``: the largest
    one that its field holds."""
    if kind is KeyKind.STAMP:
        now = clock.realtime_ns()
        return now if last is None else max(now, last + 1)
    # The guardian does not know what was sent: the upper half of the field keeps its stops from looking like
    # the answers to early stimuli.
    return min(top // 2 + 1 + number if last is None else last + 1, top)
