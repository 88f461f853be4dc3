"""Shared memory that dead Fast DDS participants left behind.

Fast DDS gives each participant a segment ``fastrtps_<16 hex>`` and each port ``fastrtps_port<n>`` in
/dev/shm, with a lock file beside it that its owner holds by flock(2) for as long as it lives (``_el``
exclusive, ``_sl`` shared). The kernel drops the lock when the owner dies, however it dies; the files stay,
and later participants complain of them. Whoever gets the lock without waiting knows that no owner is left:
`fastdds shm clean` tests the same. Two things it does not look at are looked at here: a port that only
senders have open carries no lock at all (a sender makes the port of a listener that is already gone), and a
sender that still maps a port writes into the void when its file is exchanged under it. So a port that any
process maps is kept. A segment is its owner's alone and never made again under its name: receivers that still
map it lose nothing.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

SHM = Path("/dev/shm")
_FILE = re.compile(r"^(?P<base>fastrtps_[0-9a-z]{16}|fastrtps_port\d{1,5})(?P<lock>_el|_sl)?$")
_FRESH_S = 1.0
"""Younger files are left alone: a participant that is just starting has made its file and not locked it
yet."""


def clean_shared_memory(directory: Path = SHM, fresh_s: float = _FRESH_S) -> list[str]:
    """Remove segments and ports that nobody owns or maps; returns the names of the files removed.

    Safe beside running DDS programs: a file with a lock is removed only while the lock is held here, which a
    living owner prevents; a port that a process of this PID namespace maps is kept, and so is what belongs to
    somebody whose files may not be removed. Never raises.
    """
    try:
        names = sorted(one.name for one in directory.iterdir())
    except OSError:
        return []
    locks: dict[str, list[str]] = {}
    for name in names:
        if found := _FILE.match(name):
            locks.setdefault(found["base"], []).extend([name] if found["lock"] else [])
    # A segment without a lock is one that is being made or taken down; a port without one is a sender's.
    candidates = {base: found for base, found in locks.items() if found or "_port" in base}
    if not candidates:
        return []
    mapped = _mapped(directory)
    removed: list[str] = []
    for base, held in candidates.items():
        if base not in mapped or "_port" not in base:
            removed += _remove_if_dead(directory, base, held, fresh_s)
    return removed


def _mapped(directory: Path) -> set[str]:
    """Names of the files of ``directory`` that a process maps."""
    found: set[str] = set()
    prefix = f"{directory}/fastrtps_"
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            text = maps.read_text("utf-8", "replace")
        except OSError:
            continue  # ended meanwhile, or somebody else's, whose files are not ours to remove
        if prefix in text:
            lines = (line.partition(f"{directory}/")[2] for line in text.splitlines() if prefix in line)
            found.update(line for line in lines if line)
    return found


def _remove_if_dead(directory: Path, base: str, locks: list[str], fresh_s: float) -> list[str]:
    held: list[int] = []
    removed: list[str] = []
    try:
        for name in locks or [base]:
            descriptor = os.open(directory / name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
            held.append(descriptor)
            if time.time() - os.fstat(descriptor).st_ctime < fresh_s:
                return removed
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.fstat(descriptor).st_nlink == 0:
                return removed  # its owner removed it meanwhile; the name may belong to somebody else by now
        for name in (base, f"sem.{base}_mutex", *locks):
            try:
                (directory / name).unlink()
                removed.append(name)
            except FileNotFoundError:
                continue
    except OSError:
        pass  # locked: its owner lives; or not ours to remove
    finally:
        for descriptor in held:
            os.close(descriptor)
    return removed
