"""A line that has just been opened: a robot that starts anew, and what the driver knows of damage."""

from __future__ import annotations

import fcntl
import struct
import time
from typing import TYPE_CHECKING

from harness.errors import DeadlineError, UnavailableError
from harness.rigs.serial_board import line
from harness.rigs.serial_text.options import Boot
from harness.rigs.serial_text.reading import LONGEST

if TYPE_CHECKING:
    import serial

TIOCGICOUNT = 0x545D
ICOUNTER = struct.Struct("20i")
"""struct serial_icounter_struct of <linux/serial.h>: 6 frame, 7 overrun, 8 parity, 10 buffer overrun."""
LONGEST_TALK_S = 1.0
"""Beyond the settling time: a robot that reports all the time never falls silent, and is taken as it is."""


def await_boot(port: serial.Serial, name: str, path: str, boot: Boot | None, settle_s: float) -> None:
    """Until the banner has come, then until nothing has come for a while; what came is thrown away.

    Raises DeadlineError where the banner does not come, UnavailableError where the line fails.
    """
    now = time.monotonic
    heard = b""
    if boot is not None:
        deadline = now() + boot.within_s
        while boot.compiled.search(heard) is None and now() < deadline:
            heard = (heard + _read(port, name))[-LONGEST:]
        if boot.compiled.search(heard) is None and boot.needed:
            raise DeadlineError(
                f"{name}: it did not say {boot.banner!r} within {boot.within_s:g} s after opening {path};"
                f" it said {heard[-80:]!r}",
                hint="correct `boot.banner` or `baud`; `needed: false` where it does not start anew",
            )
    quiet = now() + settle_s
    deadline = quiet + LONGEST_TALK_S
    while now() < min(quiet, deadline):
        if _read(port, name):
            quiet = now() + settle_s


def _read(port: serial.Serial, name: str) -> bytes:
    try:
        data: bytes = port.read(port.in_waiting or 1)
    except (OSError, line.library().SerialException) as error:
        raise UnavailableError(f"{name}: the line failed: {error}", hint="look at its cable") from error
    return data


def line_errors(port: serial.Serial) -> int | None:
    """Bytes that the driver has counted as damaged or dropped; None where it does not count."""
    try:
        counts = ICOUNTER.unpack(fcntl.ioctl(port.fileno(), TIOCGICOUNT, bytes(ICOUNTER.size)))
    except OSError:
        return None
    return sum(int(counts[index]) for index in (6, 7, 8, 10))
