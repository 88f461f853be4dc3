"""How faults are undone, as plain data: the guardian does it when the harness cannot. Light on imports."""

from __future__ import annotations

import contextlib
import fcntl
import signal
import socket
import struct
import subprocess
from collections.abc import Mapping
from typing import Any

from harness import proctable

Undo = Mapping[str, Any]
"""JSON: ``do`` and what it needs. ``wake``: ``pid`` and ``started`` of a process; ``up``: ``link``, the name
of a network interface, and ``index``, its number; ``run``: ``words`` of a command and ``timeout_s``."""

SIOCGIFFLAGS, SIOCSIFFLAGS, IFF_UP, IFF_RUNNING = 0x8913, 0x8914, 0x1, 0x40
REQUEST = struct.Struct("16sh14x")
"""ifreq: the name and the flags; netdevice(7)."""


def wake(entry: proctable.Entry) -> Undo:
    """Let a stopped process go on."""
    return {"do": "wake", "pid": entry.pid, "started": entry.started}


def up(link: str, index: int) -> Undo:
    """Take a link up."""
    return {"do": "up", "link": link, "index": index}


def run(words: list[str], timeout_s: float) -> Undo:
    """Run a command to its end."""
    return {"do": "run", "words": words, "timeout_s": timeout_s}


def undo(what: Undo) -> str:
    """Do it, and say in words what came of it. Repeatable; never raises."""
    try:
        if what["do"] == "wake":
            return _wake(int(what["pid"]), int(what["started"]))
        if what["do"] == "up":
            return _up(str(what["link"]), int(what["index"]))
        return _run(list(what["words"]), float(what["timeout_s"]))
    except Exception as error:
        return f"{what.get('do')} failed: {type(error).__name__}: {error}"


def _wake(pid: int, started: int) -> str:
    entry = proctable.read(pid)
    if entry is None or entry.started != started or not proctable.send(entry, signal.SIGCONT):
        return f"pid {pid} is gone"
    return f"pid {pid} woken"


def _up(link: str, index: int) -> str:
    with contextlib.suppress(OSError):
        if socket.if_nametoindex(link) == index:
            set_up(link, True)
            return f"link {link} up"
    return f"link {link} is gone"


def _run(words: list[str], timeout_s: float) -> str:
    done = subprocess.run(
        words, stdin=subprocess.DEVNULL, capture_output=True, timeout=timeout_s, check=False
    )
    return f"{words[0]} ended with status {done.returncode}"


def flags(link: str) -> int:
    """The flags of that network interface. Raises OSError."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        answer = fcntl.ioctl(asked, SIOCGIFFLAGS, REQUEST.pack(link.encode(), 0))
    return int(REQUEST.unpack(answer)[1]) & 0xFFFF


def set_up(link: str, is_up: bool) -> None:
    """Take that network interface up, or down. Raises OSError, PermissionError without CAP_NET_ADMIN."""
    now = flags(link)
    wanted = now | IFF_UP if is_up else now & ~IFF_UP
    signed = struct.unpack("h", struct.pack("H", wanted))[0]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        fcntl.ioctl(asked, SIOCSIFFLAGS, REQUEST.pack(link.encode(), signed))
