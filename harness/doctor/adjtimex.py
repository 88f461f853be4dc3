"""The kernel's own account of its clock: adjtimex(2), read-only."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

_STA_UNSYNC = 0x0040
_STA_NANO = 0x2000
_TIME_ERROR = 5


@dataclass(frozen=True)
class KernelClock:
    """State of CLOCK_REALTIME: whether somebody disciplines it, how wrong it may be, how it is steered.

    ``max_error_us``: bound that the daemon gave, growing by 500 ppm since; ``offset_us``: still to be slewed;
    ``frequency_ppm``: correction of the oscillator.
    """

    synchronised: bool
    max_error_us: int
    offset_us: float
    frequency_ppm: float


class _Timeval(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("micros", ctypes.c_long))


class _Timex(ctypes.Structure):
    # https://man7.org/linux/man-pages/man2/adjtimex.2.html, with the padding of the C library.
    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("freq", ctypes.c_long),
        ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long),
        ("status", ctypes.c_int),
        ("constant", ctypes.c_long),
        ("precision", ctypes.c_long),
        ("tolerance", ctypes.c_long),
        ("time", _Timeval),
        ("tick", ctypes.c_long),
        ("ppsfreq", ctypes.c_long),
        ("jitter", ctypes.c_long),
        ("shift", ctypes.c_int),
        ("stabil", ctypes.c_long),
        ("jitcnt", ctypes.c_long),
        ("calcnt", ctypes.c_long),
        ("errcnt", ctypes.c_long),
        ("stbcnt", ctypes.c_long),
        ("tai", ctypes.c_int),
        ("spare", ctypes.c_int * 32),
    )


def read() -> KernelClock | None:
    """What the kernel says now, or None where there is no adjtimex or it is forbidden (some sandboxes)."""
    state = _Timex()  # modes 0: nothing is set
    try:
        result = ctypes.CDLL(None, use_errno=True).adjtimex(ctypes.byref(state))
    except (OSError, AttributeError):
        return None
    if result < 0:
        return None
    return KernelClock(
        synchronised=result != _TIME_ERROR and not state.status & _STA_UNSYNC,
        max_error_us=state.maxerror,
        offset_us=state.offset / 1e3 if state.status & _STA_NANO else float(state.offset),
        frequency_ppm=state.freq / 65536.0,
    )
