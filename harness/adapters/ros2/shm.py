"""Shared memory that dead Fast DDS participants left behind.

Fast DDS gives each participant a segment ``fastrtps_<16 hex>`` and each port ``fastrtps_port<n>`` in
/dev/shm, with a lock file beside it that its owner holds by flock(2) for as long as it lives (``_el``
exclusive, ``_sl`` shared). The kernel drops the lock when the owner dies, however it dies; the files stay,
and later participants complain of them. Whoever gets the lock without waiting knows that nobody uses the
files: the same test as `fastdds shm clean`.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from pathlib import Path

SHM = Path("/dev/shm")
_LOCK = re.compile(r"^(fastrtps_[0-9a-z]{16}|fastrtps_port\d{1,5})_(el|sl)$")
_FRESH_S = 1.0
"""Younger files are left alone: a participant that is just starting has made its file and not locked it
yet."""


def clean_shared_memory(directory: Path = SHM, fresh_s: float = _FRESH_S) -> list[str]:
    """Remove segments and ports whose owner is dead; returns the names of the files removed.

    Safe beside running DDS programs: a file is removed only while its lock is held here, which a living owner
    prevents. Files of other users that may not be removed are left. Never raises.
    """
    try:
        names = sorted(one.name for one in directory.iterdir())
    except OSError:
        return []
    removed: list[str] = []
    present = set(names)
    for name in names:
        found = _LOCK.match(name)
        if found is None:
            continue
        base = found[1]
        twin = f"{base}_{'sl' if found[2] == 'el' else 'el'}"
        if twin in present and found[2] == "sl":
            continue  # decided by its exclusive twin, below
        locks = [name] + ([twin] if twin in present else [])
        removed += _remove_if_dead(directory, base, locks, fresh_s)
    return removed


def _remove_if_dead(directory: Path, base: str, locks: list[str], fresh_s: float) -> list[str]:
    held: list[int] = []
    removed: list[str] = []
    try:
        for name in locks:
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
