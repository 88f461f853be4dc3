"""ROS 2 domains for tests: each has its own, whatever other workers and other checkouts are at."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# 0 and 1 are everybody's; above 101 the ports of a domain are among those that Linux gives to anybody.
_DOMAINS = range(2, 102, 2)
_next = os.getpid()


@contextlib.contextmanager
def taken() -> Iterator[int]:
    """A domain, and the one after it for tests that need two, until the block is left or the process ends.

    Raises RuntimeError when all are taken.
    """
    global _next
    folder = Path(tempfile.gettempdir()) / f"harness-test-domains-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    for _ in _DOMAINS:
        _next += 1  # not the one just left: those who died in it may still be remembered there
        domain = _DOMAINS[_next % len(_DOMAINS)]
        with (folder / str(domain)).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield domain
            return
    raise RuntimeError(f"all domains are taken: {folder}")
