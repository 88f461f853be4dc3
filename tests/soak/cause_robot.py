"""The loopback robot on a core of its own at real-time priority, with what a bad day brings on request.

``--group PATH --map FILE``: it lives in that memory group, whose limit is below the size of the map it looks
things up in, and now and then needs places of it that are not in memory any more. ``--link``: its answers and
commands pass a link that now and then keeps everything back for a while.
"""

from __future__ import annotations

import argparse
import contextlib
import mmap
import os
import random
import select
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from harness.adapters.loopback.robot import Behaviour, Robot
from harness.adapters.loopback.wire import ADDRESS_VARIABLE, connect, listen

CORE = 0
PRIORITY = 50
PAGE = mmap.PAGESIZE


class Lookup(Robot):
    """Looks at some places of a large map in phases of 40 ms, a quarter of a second apart on average."""

    def use(self, path: Path) -> None:
        with path.open("rb") as file:
            self.map = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
        self.map.madvise(mmap.MADV_RANDOM)
        self.chance = random.Random()
        self.phase_ns = time.monotonic_ns()

    def _command(self, peer: Any, frame: Any, taken_ns: int) -> None:
        if hasattr(self, "map"):
            now = time.monotonic_ns()
            if now > self.phase_ns + 40_000_000:
                self.phase_ns = now + round(1e9 * (0.05 + self.chance.expovariate(1 / 0.2)))
            elif now > self.phase_ns:
                pages = len(self.map) // PAGE
                for _ in range(150):
                    self.map[self.chance.randrange(pages) * PAGE]
        super()._command(peer, frame, taken_ns)


def link(outside: str, inside: str, seed: int) -> None:
    """Passes bytes between the two addresses; holds each direction back 10 to 25 ms now and then."""

    def pass_on(source: socket.socket, target: socket.socket, chance: random.Random) -> None:
        hold = time.monotonic() + chance.expovariate(1 / 0.3)
        while True:
            select.select([source], [], [])
            now = time.monotonic()
            if now >= hold:
                time.sleep(chance.uniform(0.010, 0.025))
                hold = time.monotonic() + 0.05 + chance.expovariate(1 / 0.25)
            data = source.recv(1 << 16)
            if not data:
                with contextlib.suppress(OSError):
                    target.shutdown(socket.SHUT_RDWR)
                return
            target.sendall(data)

    listener = listen(outside)
    while True:
        near = listener.accept()[0]
        far = connect(inside)
        for number, pair in enumerate(((near, far), (far, near))):
            chance = random.Random(f"{seed} {number}")
            threading.Thread(target=pass_on, args=(*pair, chance), daemon=True).start()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--link", action="store_true")
    parser.add_argument("--group", type=Path)
    parser.add_argument("--map", type=Path)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    address = os.environ[ADDRESS_VARIABLE]
    inside = address + "-inside" if options.link else address
    listener = listen(inside)
    if options.link and os.fork() == 0:
        listener.close()
        at_priority()
        link(address, inside, options.seed)
    if options.group:
        (options.group / "cgroup.procs").write_text(str(os.getpid()))
    os.sched_setaffinity(0, {CORE})
    at_priority()
    robot = Lookup(Behaviour())
    if options.map:
        robot.use(options.map)
    print("listens", flush=True)
    robot.serve(listener)


def at_priority() -> None:
    with contextlib.suppress(PermissionError):
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY))


if __name__ == "__main__":
    sys.exit(main())
